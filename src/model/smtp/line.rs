//! Octets to lines. Only CRLF ends a line; a bare CR, a bare LF or a NUL spoils the line it stands in, whole.
//!
//! Promises: each octet is looked at a constant number of times however the input is cut, an endless line occupies no
//! more than the longest line permitted, and what was a line is overwritten, since it may have held a password.

use zeroize::Zeroizing;

/// What ended with a CRLF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Line {
    /// The octets before the CRLF.
    Whole(Zeroizing<Vec<u8>>),
    /// There were more octets than permitted; they are gone.
    TooLong,
    /// A bare CR, a bare LF or a NUL stood among them.
    Spoilt,
}

/// Octets received and not yet taken.
#[derive(Debug, Default)]
pub struct LineBuffer {
    bytes: Vec<u8>,
    /// Where the next line, or the next octet of a body, begins.
    start: usize,
    /// Where the search for the line's end goes on.
    scanned: usize,
    /// The current line is over the limit; what has come of it was dropped.
    too_long: bool,
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

    /// Takes the next line; `None` until its CRLF has come. `bytes_max` counts the octets before the CRLF.
    pub fn take_line(&mut self, bytes_max: usize) -> Option<Line> {
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
                return Some(self.cut(end - 1, bytes_max));
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

    fn cut(&mut self, end: usize, bytes_max: usize) -> Line {
        let too_long = core::mem::take(&mut self.too_long);
        let next = self.scanned;
        let Some(content) = self.bytes.get_mut(self.start..end) else {
            return Line::Spoilt;
        };
        let line = if too_long || content.len() > bytes_max {
            Line::TooLong
        } else if content.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            Line::Spoilt
        } else {
            Line::Whole(Zeroizing::new(content.to_vec()))
        };
        content.fill(0);
        self.start = next;
        line
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
            while let Some(line) = buffer.take_line(bytes_max) {
                found.push(match line {
                    Line::Whole(content) => String::from_utf8_lossy(&content).into_owned(),
                    Line::TooLong => "(too long)".to_owned(),
                    Line::Spoilt => "(spoilt)".to_owned(),
                });
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
        assert!(buffer.take_line(100).is_some());
        assert!(!buffer.bytes.windows(6).any(|window| window == b"secret"));
        assert_eq!(buffer.rest(), b"next");
    }
}
