//! Octets to lines. Only CRLF ends a line; a bare CR, a bare LF or a NUL spoils the line it stands in, whole.
//!
//! Promises: each octet is looked at a constant number of times however the input is cut, an endless line occupies no
//! more than the longest line permitted, and what was a line is overwritten once it was read, since it may have held a
//! password.

use core::fmt;

/// What ended with a CRLF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<Octets> {
    /// The octets before the CRLF.
    Whole(Octets),
    /// There were more octets than permitted; they are gone.
    TooLong,
    /// A bare CR, a bare LF or a NUL stood among them.
    Spoilt,
}

impl<Octets> Line<Octets> {
    /// The same with something else made of the octets.
    pub fn map<Other>(self, make: impl FnOnce(Octets) -> Other) -> Line<Other> {
        match self {
            Self::Whole(octets) => Line::Whole(make(octets)),
            Self::TooLong => Line::TooLong,
            Self::Spoilt => Line::Spoilt,
        }
    }
}

/// Octets received and not yet taken.
#[derive(Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// Where the next line, or the next octet of a body, begins.
    start: usize,
    /// Where the search for the line's end goes on.
    scanned: usize,
    /// The current line is over the limit; what has come of it was dropped.
    too_long: bool,
}

impl fmt::Debug for LineBuffer {
    /// Shows how much is held, not what: it may be a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LineBuffer").field("held", &self.held()).finish_non_exhaustive()
    }
}

impl LineBuffer {
    /// Appends what was received.
    pub fn push(&mut self, received: &[u8]) {
        if self.start > 0 {
            self.bytes.drain(..self.start);
            self.scanned = self.scanned.saturating_sub(self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(received);
    }

    /// Takes the next line, and gives what `read` makes of it; `None` until its CRLF has come. `bytes_max` counts the
    /// octets before the CRLF.
    pub fn take_line<T>(&mut self, bytes_max: usize, read: impl FnOnce(Line<&[u8]>) -> T) -> Option<T> {
        loop {
            let Some(offset) = memchr::memchr(b'\n', self.bytes.get(self.scanned..)?) else {
                self.scanned = self.bytes.len();
                self.drop_excess(bytes_max);
                return None;
            };
            let end = self.scanned + offset;
            self.scanned = end + 1;
            // A bare LF ends nothing: the search goes on, and the line is spoilt when it ends.
            if end > self.start && self.bytes.get(end - 1) == Some(&b'\r') {
                return Some(self.cut(end - 1, bytes_max, read));
            }
        }
    }

    /// Every octet that has not been taken.
    pub fn rest(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    /// Takes `count` octets away, at most what there is: those of a message, not of a line.
    pub fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.bytes.len());
        self.scanned = self.start;
    }

    /// Throws everything away.
    pub fn clear(&mut self) {
        self.bytes.fill(0);
        *self = Self::default();
    }

    /// Octets not yet taken, for the proof that memory is bounded.
    pub fn held(&self) -> usize {
        self.rest().len()
    }

    fn cut<T>(&mut self, end: usize, bytes_max: usize, read: impl FnOnce(Line<&[u8]>) -> T) -> T {
        let too_long = core::mem::take(&mut self.too_long);
        let begin = core::mem::replace(&mut self.start, self.scanned);
        let Some(content) = self.bytes.get_mut(begin..end) else {
            return read(Line::Spoilt);
        };
        let made = read(if too_long || content.len() > bytes_max {
            Line::TooLong
        } else if memchr::memchr3(b'\r', b'\n', 0, content).is_some() {
            Line::Spoilt
        } else {
            Line::Whole(content)
        });
        content.fill(0);
        made
    }

    /// Forgets an unfinished line that is over the limit, except for a final CR, which may be half of its end.
    fn drop_excess(&mut self, bytes_max: usize) {
        if self.bytes.len() - self.start <= bytes_max + 1 {
            return;
        }
        let ends_in_cr = self.bytes.last() == Some(&b'\r');
        self.too_long = true;
        self.bytes.clear();
        if ends_in_cr {
            self.bytes.push(b'\r');
        }
        self.start = 0;
        self.scanned = self.bytes.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds `input` in pieces of `size` octets and gives every line.
    fn lines(input: &[u8], size: usize, bytes_max: usize) -> Vec<String> {
        let mut buffer = LineBuffer::default();
        let mut found = Vec::new();
        for piece in input.chunks(size) {
            buffer.push(piece);
            let shown = |line: Line<&[u8]>| match line {
                Line::Whole(content) => String::from_utf8_lossy(content).into_owned(),
                Line::TooLong => "(too long)".to_owned(),
                Line::Spoilt => "(spoilt)".to_owned(),
            };
            while let Some(line) = buffer.take_line(bytes_max, shown) {
                found.push(line);
            }
            assert!(buffer.held() <= bytes_max + 1 + size);
        }
        found
    }

    #[test]
    fn only_crlf_ends_a_line_however_the_input_is_cut() {
        let input = b"A\r\nB\nC\r\nD\rE\r\n\r\nF\r\r\nG\0\r\nH\r\n\nI\r\npart";
        let expected = ["A", "(spoilt)", "(spoilt)", "", "(spoilt)", "(spoilt)", "H", "(spoilt)"];
        for size in 1..input.len() {
            assert_eq!(lines(input, size, 100), expected, "pieces of {size}");
        }
    }

    #[test]
    fn an_endless_line_is_refused_once_at_its_end() {
        let mut input = vec![b'x'; 5000];
        input.extend_from_slice(b"\r\nok\r\n");
        for size in [1, 7, 4096, 6000] {
            assert_eq!(lines(&input, size, 10), ["(too long)", "ok"]);
        }
        assert_eq!(lines(b"1234567890\r\n12345678901\r\n", 3, 10), ["1234567890", "(too long)"]);
    }

    #[test]
    fn a_taken_line_is_overwritten() {
        let mut buffer = LineBuffer::default();
        buffer.push(b"secret\r\nnext");
        assert_eq!(buffer.take_line(100, |line| line == Line::Whole(b"secret")), Some(true));
        assert!(!buffer.bytes.windows(6).any(|window| window == b"secret"));
        assert_eq!(buffer.rest(), b"next");
    }
}
