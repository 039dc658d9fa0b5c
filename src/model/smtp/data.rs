//! The octets of a message as they come: dots unstuffed, the header kept, the body passed on, faults remembered.
//!
//! Only CRLF dot CRLF ends a message sent by DATA. A bare CR or LF never ends or splits anything, and neither does a
//! NUL that some server further on might drop; each spoils the message it stands in, which is refused at its end. The
//! verdict depends on the octets alone, never on how they were cut.

use std::sync::LazyLock;

use memchr::memmem::Finder;

use crate::model::policy::Refusal;

/// The end of a line, and the dot that the next one begins with.
static STUFFED_LINE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(b"\r\n."));

/// Where a [`DotReader`] stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// After CRLF, or at the very beginning.
    LineStart,
    /// After a dot at the start of a line.
    Dot,
    /// After a dot at the start of a line and a CR.
    DotCr,
    /// Within a line, right after a CR or not.
    Within { after_cr: bool },
}

/// Takes the dot stuffing of DATA away (RFC 5321 section 4.5.2) and finds the end.
#[derive(Debug)]
pub struct DotReader {
    place: Place,
}

impl Default for DotReader {
    fn default() -> Self {
        Self { place: Place::LineStart }
    }
}

/// What one piece of input amounted to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Octets used; those after the end of the message are not.
    pub consumed: usize,
    /// The message has ended.
    pub ended: bool,
}

impl DotReader {
    /// Reads from `input` and appends the message's octets to `output`.
    pub fn read(&mut self, input: &[u8], output: &mut Vec<u8>) -> Progress {
        let mut at = 0;
        while let Some(byte) = input.get(at).copied() {
            match (self.place, byte) {
                (Place::LineStart, b'.') => {
                    self.place = Place::Dot;
                    at += 1;
                }
                (Place::Dot, b'\r') => {
                    self.place = Place::DotCr;
                    at += 1;
                }
                (Place::DotCr, b'\n') => return Progress { consumed: at + 1, ended: true },
                // The dot is dropped; what follows it is looked at again as part of the line.
                (Place::LineStart | Place::Dot, _) => self.place = Place::Within { after_cr: false },
                (Place::DotCr, _) => {
                    output.push(b'\r');
                    self.place = Place::Within { after_cr: true };
                }
                (Place::Within { after_cr }, _) => at += self.rest_of_lines(&input[at..], after_cr, output),
            }
        }
        Progress { consumed: at, ended: false }
    }

    /// Copies up to the next line that begins with a dot, or everything there is, and gives how much that was.
    fn rest_of_lines(&mut self, rest: &[u8], after_cr: bool, output: &mut Vec<u8>) -> usize {
        let before_dot = match rest {
            // The end of a line of which the beginning was in another piece.
            [b'\n', ..] if after_cr => Some(1),
            // Dots are common and so are ends of lines; the two together are not.
            _ => STUFFED_LINE.find(rest).map(|end| end + 2),
        };
        let taken = rest.get(..before_dot.unwrap_or(rest.len())).unwrap_or(rest);
        output.extend_from_slice(taken);
        self.place = match taken {
            [.., b'\r', b'\n'] => Place::LineStart,
            [b'\n'] if after_cr => Place::LineStart,
            [.., b'\r'] => Place::Within { after_cr: true },
            _ => Place::Within { after_cr: false },
        };
        taken.len()
    }
}

/// Bounds and rules for one message.
#[derive(Clone, Copy, Debug)]
pub struct ContentRules {
    /// Octets of header and body.
    pub message_bytes_max: u64,
    /// Octets of the header.
    pub header_bytes_max: usize,
    /// The body may hold any octets (BODY=BINARYMIME); the header never may.
    pub binary: bool,
}

/// What becomes of a piece of content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fed {
    /// Nothing to pass on.
    Nothing,
    /// The next octets of the body.
    Body(Vec<u8>),
    /// The message has just become too large to keep: its body so far can go.
    Hopeless,
}

/// The content of one message while it arrives.
#[derive(Debug)]
pub struct Content {
    rules: ContentRules,
    head: Vec<u8>,
    head_complete: bool,
    bytes: u64,
    body_bytes: u64,
    last: u8,
    spoilt: bool,
    eight_bit: bool,
    header_too_large: bool,
    no_room: bool,
}

/// A message that arrived whole and without a fault of form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// The header without the empty line that ends it; it ends with CRLF unless it is empty.
    pub head: Vec<u8>,
    /// Octets of the body.
    pub body_bytes: u64,
    /// An octet above 127 was among them.
    pub eight_bit: bool,
}

impl Content {
    /// Begins a message.
    pub const fn new(rules: ContentRules) -> Self {
        Self {
            rules,
            head: Vec::new(),
            head_complete: false,
            bytes: 0,
            body_bytes: 0,
            last: b'\n',
            spoilt: false,
            eight_bit: false,
            header_too_large: false,
            no_room: false,
        }
    }

    /// Takes the next octets.
    pub fn feed(&mut self, octets: Vec<u8>) -> Fed {
        let was_hopeless = self.is_hopeless();
        self.bytes = self.bytes.saturating_add(octets.len() as u64);
        if was_hopeless {
            return Fed::Nothing;
        }
        let body = if self.head_complete { octets } else { self.take_head(octets) };
        if self.is_hopeless() {
            self.head = Vec::new();
            return Fed::Hopeless;
        }
        if body.is_empty() {
            return Fed::Nothing;
        }
        self.eight_bit |= !body.is_ascii();
        if !self.rules.binary {
            self.spoilt |= is_spoilt(&mut self.last, &body);
        }
        self.body_bytes += body.len() as u64;
        Fed::Body(body)
    }

    /// The spool could not take the body: nothing more is kept, and the end is a refusal.
    pub fn fail_for_room(&mut self) {
        self.no_room = true;
        self.head = Vec::new();
    }

    /// Whether so much came beyond the limit that waiting for the end serves nobody.
    pub const fn is_endless(&self) -> bool {
        self.bytes / 2 > self.rules.message_bytes_max
    }

    /// Whether `more` octets would take the message over the limit.
    pub const fn would_exceed(&self, more: u64) -> bool {
        self.bytes.saturating_add(more) > self.rules.message_bytes_max
    }

    /// Octets kept in memory.
    pub const fn held(&self) -> usize {
        self.head.len()
    }

    /// Ends the message.
    ///
    /// # Errors
    /// One fault, always the same for the same octets: no room, too large, header too large, a bare newline or a NUL.
    pub fn finish(mut self) -> Result<Received, Refusal> {
        if self.no_room {
            return Err(Refusal::InsufficientSystemResources);
        }
        if self.bytes > self.rules.message_bytes_max {
            return Err(Refusal::MessageTooLarge);
        }
        if self.header_too_large {
            return Err(Refusal::HeaderTooLarge);
        }
        if !self.head_complete {
            self.judge_head();
            self.spoilt |= self.last == b'\r';
        }
        if self.spoilt || (!self.rules.binary && self.last == b'\r') {
            return Err(Refusal::BareNewlineInMessage);
        }
        if !self.head.is_empty() && !self.head.ends_with(b"\r\n") {
            self.head.extend_from_slice(b"\r\n");
        }
        Ok(Received { head: self.head, body_bytes: self.body_bytes, eight_bit: self.eight_bit })
    }

    /// Whether the message can only be refused, so that nothing of it is kept any more.
    pub const fn is_hopeless(&self) -> bool {
        self.no_room || self.header_too_large || self.bytes > self.rules.message_bytes_max
    }

    /// Adds to the header and gives what of `octets` belongs to the body.
    fn take_head(&mut self, octets: Vec<u8>) -> Vec<u8> {
        // The empty line may have begun in the piece before.
        let from = self.head.len().saturating_sub(3);
        if self.head.is_empty() {
            self.head = octets;
        } else {
            self.head.extend_from_slice(&octets);
        }
        let end = if self.head.starts_with(b"\r\n") {
            Some((0, 2))
        } else {
            let found = memchr::memmem::find(&self.head[from..], b"\r\n\r\n");
            found.map(|offset| (from + offset + 2, from + offset + 4))
        };
        let Some((head_end, body_start)) = end else {
            // One octet more, since the first half of the empty line's CRLF may already be here.
            self.header_too_large = self.head.len() > self.rules.header_bytes_max + 1;
            return Vec::new();
        };
        // The shorter one is copied: mostly that is the header, and the body stays where it was read to.
        let body = if body_start < self.head.len() - body_start {
            let mut body = core::mem::take(&mut self.head);
            self.head.extend_from_slice(&body[..head_end]);
            body.drain(..body_start);
            body
        } else {
            let body = self.head.split_off(body_start);
            self.head.truncate(head_end);
            body
        };
        self.head_complete = true;
        self.header_too_large = head_end > self.rules.header_bytes_max;
        self.judge_head();
        self.last = b'\n';
        body
    }

    fn judge_head(&mut self) {
        self.eight_bit |= !self.head.is_ascii();
        self.spoilt |= is_spoilt(&mut self.last, &self.head);
    }
}

/// Whether a CR without LF, an LF without CR or a NUL stands in `part`; `last` is the octet before it, then its last
/// one. A CR at the very end is judged with what follows.
fn is_spoilt(last: &mut u8, part: &[u8]) -> bool {
    let Some((&first, &end)) = part.first().zip(part.last()) else {
        return false;
    };
    // CR before, LF behind: both or neither. Without a branch, so that many octets are compared by one instruction.
    let parted = |before: u8, behind: u8| (before == b'\r') ^ (behind == b'\n');
    let (before, behind) = (part.get(..part.len() - 1).unwrap_or_default(), part.get(1..).unwrap_or_default());
    let spoilt = before
        .iter()
        .zip(behind)
        .fold(false, |spoilt, (before, behind)| spoilt | parted(*before, *behind) | (*before == 0));
    let spoilt = spoilt || end == 0 || parted(*last, first);
    *last = end;
    spoilt
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: ContentRules = ContentRules { message_bytes_max: 1000, header_bytes_max: 100, binary: false };

    fn unstuffed(input: &[u8], size: usize) -> (Vec<u8>, Option<usize>) {
        let mut reader = DotReader::default();
        let mut output = Vec::new();
        let mut used = 0;
        for piece in input.chunks(size) {
            let progress = reader.read(piece, &mut output);
            used += progress.consumed;
            if progress.ended {
                return (output, Some(used));
            }
        }
        (output, None)
    }

    fn finished(rules: ContentRules, input: &[u8], size: usize) -> Result<(Received, Vec<u8>), Refusal> {
        let mut content = Content::new(rules);
        let mut body = Vec::new();
        for piece in input.chunks(size) {
            if let Fed::Body(octets) = content.feed(piece.to_vec()) {
                body.extend(octets);
            }
            assert!(content.held() <= rules.header_bytes_max + 1 + size);
        }
        content.finish().map(|received| (received, body))
    }

    #[test]
    fn only_crlf_dot_crlf_ends_a_message() {
        for size in 1..12 {
            assert_eq!(unstuffed(b"a\r\n..b\r\n.c\r\n.\r\nQUIT\r\n", size), (b"a\r\n.b\r\nc\r\n".to_vec(), Some(15)));
            assert_eq!(unstuffed(b".\r\nrest", size), (Vec::new(), Some(3)));
            for smuggled in [
                "a\n.\n",
                "a\n.\r\n",
                "a\r.\r\n",
                "a\r.\r",
                "a\r\n.\n",
                "a\r\n.\r",
                "a\r\n.\r\r\n",
                "a\r\n\0.\r\n",
                "a\n\n.\n\n",
            ] {
                assert_eq!(unstuffed(smuggled.as_bytes(), size).1, None, "{smuggled:?}");
            }
        }
    }

    #[test]
    fn smuggled_ends_leave_a_bare_newline_behind() {
        for smuggled in
            ["a\n.\n", "a\n.\r\n", "a\r.\r\n", "a\r\n.\n", "a\r\n.\r", "a\r\n.\r\r\n", "a\n\n.\n\n", "a\r\n\0.\r\n"]
        {
            let (octets, _) = unstuffed(format!("S: x\r\n\r\n{smuggled}b\r\n.\r\n").as_bytes(), 5);
            for size in 1..8 {
                assert_eq!(finished(RULES, &octets, size), Err(Refusal::BareNewlineInMessage), "{smuggled:?}");
            }
        }
    }

    #[test]
    fn head_and_body_part_at_the_first_empty_line() {
        for size in 1..30 {
            let (received, body) = finished(RULES, b"A: 1\r\nB: 2\r\n\r\nbody\r\n\r\nmore\r\n", size).unwrap();
            assert_eq!(
                (received.head.as_slice(), body.as_slice()),
                (&b"A: 1\r\nB: 2\r\n"[..], &b"body\r\n\r\nmore\r\n"[..])
            );
            let (received, body) = finished(RULES, b"\r\nonly body\r\n", size).unwrap();
            assert_eq!((received.head.as_slice(), body.as_slice()), (&b""[..], &b"only body\r\n"[..]));
            let (received, body) = finished(RULES, b"A: only head", size).unwrap();
            assert_eq!((received.head.as_slice(), body.len()), (&b"A: only head\r\n"[..], 0));
        }
    }

    #[test]
    fn faults_do_not_depend_on_how_the_octets_are_cut() {
        let large = [b"A: 1\r\n\r\n".as_slice(), &[b'\n'; 1500]].concat();
        let header = [b"A: \n".as_slice(), &[b'x'; 200]].concat();
        for size in [1, 2, 3, 99, 100, 101, 1001, 5000] {
            assert_eq!(finished(RULES, &large, size), Err(Refusal::MessageTooLarge));
            assert_eq!(finished(RULES, &header, size), Err(Refusal::HeaderTooLarge));
            assert_eq!(finished(RULES, b"A: 1\0\r\n\r\nx\r\n", size), Err(Refusal::BareNewlineInMessage));
            assert_eq!(finished(RULES, b"A: 1\r\n\r\nx\r", size), Err(Refusal::BareNewlineInMessage));
            assert_eq!(finished(RULES, b"A: 1\r", size), Err(Refusal::BareNewlineInMessage));
        }
    }

    #[test]
    fn the_header_limit_is_exact_however_the_octets_are_cut() {
        // The header counts with its last CRLF, without the empty line.
        let message = |bytes: usize| format!("A: {}\r\n\r\nbody", "x".repeat(bytes - 5)).into_bytes();
        for size in 1..120 {
            assert!(finished(RULES, &message(RULES.header_bytes_max), size).is_ok(), "pieces of {size}");
            let over = finished(RULES, &message(RULES.header_bytes_max + 1), size);
            assert_eq!(over, Err(Refusal::HeaderTooLarge), "pieces of {size}");
        }
    }

    #[test]
    fn binary_bodies_hold_anything_and_their_headers_do_not() {
        let binary = ContentRules { binary: true, ..RULES };
        for size in 1..9 {
            let (received, body) = finished(binary, b"A: 1\r\n\r\n\0\n\r\xff\r", size).unwrap();
            assert_eq!((body.as_slice(), received.eight_bit, received.body_bytes), (&b"\0\n\r\xff\r"[..], true, 5));
            assert_eq!(finished(binary, b"A: 1\nFrom: x\r\n\r\nb", size), Err(Refusal::BareNewlineInMessage));
        }
    }

    #[test]
    fn a_hopeless_message_is_dropped_once_and_then_only_counted() {
        let mut content = Content::new(RULES);
        assert_eq!(content.feed(b"A: 1\r\n\r\nx".to_vec()), Fed::Body(b"x".to_vec()));
        assert_eq!(content.feed(vec![b'x'; 1000]), Fed::Hopeless);
        assert_eq!(content.feed(vec![b'x'; 1000]), Fed::Nothing);
        assert!(content.is_endless());
        assert_eq!(content.held(), 0);
    }
}
