//! Reads replies of another host. Strict in grammar, bounded in everything, and what it keeps is printable.
//!
//! A line ends at LF, and a CR before it is dropped: some old hosts answer with bare LF, and nothing of a reply is ever
//! passed on as a line of its own, so that leniency can smuggle nothing. The number of octets in a line, of lines in a
//! reply and of replies unread is limited; a host that exceeds a limit or breaks the grammar is not spoken to further.

use core::fmt;

use crate::model::mail::EnhancedStatus;

/// RFC 5321 section 4.5.3.1.5 says 512; some hosts explain themselves at greater length.
const LINE_BYTES_MAX: usize = 2048;
const LINES_MAX: usize = 128;
/// What an outcome keeps of a reply, in octets: enough to explain, bounded where it is stored.
const KEPT_BYTES_MAX: usize = 1024;

/// A reply of another host: a code from 200 to 599 and one or more lines of printable ASCII.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteReply {
    code: u16,
    lines: Vec<String>,
}

impl RemoteReply {
    /// The three digits.
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The text after the code, line by line, with the enhanced status still in it; at least one line.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// 2xx.
    pub const fn is_success(&self) -> bool {
        self.code / 100 == 2
    }

    /// 4xx.
    pub const fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5xx.
    pub const fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// The enhanced status, if the reply starts with one of the class of its code.
    pub fn enhanced(&self) -> Option<EnhancedStatus> {
        let status = EnhancedStatus::parse_prefix(self.lines.first()?)?;
        (u16::from(status.0) == self.code / 100).then_some(status)
    }

    /// The reply as an outcome keeps it: the first kibibyte.
    pub(super) fn shortened(mut self) -> Self {
        let mut room = KEPT_BYTES_MAX;
        self.lines.retain_mut(|line| {
            let kept = room > 0;
            // Lines are ASCII, so every place is a character boundary.
            line.truncate(room);
            room = room.saturating_sub(line.len() + 1);
            kept
        });
        self
    }

    #[cfg(test)]
    pub(super) fn of(code: u16, text: &str) -> Self {
        Self { code, lines: vec![text.to_owned()] }
    }
}

impl fmt::Display for RemoteReply {
    /// Code and text on one line, as the Diagnostic-Code of a report wants it (RFC 3464 section 2.3.6).
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.code)?;
        self.lines.iter().filter(|line| !line.is_empty()).try_for_each(|line| write!(formatter, " {line}"))
    }
}

/// The peer does not speak SMTP, or speaks without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Garbage {
    #[error("a reply line longer than {LINE_BYTES_MAX} octets")]
    LineTooLong,
    #[error("a reply of more than {LINES_MAX} lines")]
    TooManyLines,
    #[error("a line that is no SMTP reply")]
    NoReply,
    #[error("a reply whose lines have different codes")]
    MixedCodes,
}

/// Collects octets and gives replies.
#[derive(Debug, Default)]
pub(super) struct ReplyReader {
    buffer: Vec<u8>,
    /// The reply of which not all lines have come.
    partial: Option<RemoteReply>,
}

impl ReplyReader {
    /// Adds what the socket gave. Call `next_reply` until it gives none before adding more.
    pub(super) fn push(&mut self, octets: &[u8]) {
        self.buffer.extend_from_slice(octets);
    }

    /// Forgets everything, as must happen when TLS begins.
    pub(super) fn clear(&mut self) {
        self.buffer.clear();
        self.partial = None;
    }

    /// The next whole reply, if it has come.
    pub(super) fn next_reply(&mut self) -> Result<Option<RemoteReply>, Garbage> {
        let mut consumed = 0;
        let outcome = loop {
            let rest = self.buffer.get(consumed..).unwrap_or_default();
            let Some(end) = memchr::memchr(b'\n', rest) else {
                break if rest.len() >= LINE_BYTES_MAX { Err(Garbage::LineTooLong) } else { Ok(None) };
            };
            let line = rest.get(..end).unwrap_or_default();
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            consumed += end + 1;
            match add_line(&mut self.partial, line) {
                Ok(false) => {}
                Ok(true) => break Ok(self.partial.take()),
                Err(garbage) => break Err(garbage),
            }
        };
        self.buffer.drain(..consumed);
        outcome
    }
}

/// Adds a line without its end; `true` when it was the last of its reply.
fn add_line(partial: &mut Option<RemoteReply>, line: &[u8]) -> Result<bool, Garbage> {
    if line.len() > LINE_BYTES_MAX {
        return Err(Garbage::LineTooLong);
    }
    let (code, rest) = line.split_first_chunk::<3>().ok_or(Garbage::NoReply)?;
    if !matches!(code, [b'2'..=b'5', b'0'..=b'9', b'0'..=b'9']) {
        return Err(Garbage::NoReply);
    }
    let code = code.iter().fold(0_u16, |number, digit| number * 10 + u16::from(digit - b'0'));
    let (last, text) = match rest {
        [] => (true, rest),
        [b' ', text @ ..] => (true, text),
        [b'-', text @ ..] => (false, text),
        _ => return Err(Garbage::NoReply),
    };
    let text = text.iter().map(|&octet| if matches!(octet, 0x20..=0x7e) { char::from(octet) } else { '?' }).collect();
    let reply = partial.get_or_insert_with(|| RemoteReply { code, lines: Vec::new() });
    if reply.code != code {
        return Err(Garbage::MixedCodes);
    }
    if reply.lines.len() >= LINES_MAX {
        return Err(Garbage::TooManyLines);
    }
    reply.lines.push(text);
    Ok(last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(octets: &[u8]) -> Result<Option<RemoteReply>, Garbage> {
        let mut reader = ReplyReader::default();
        reader.push(octets);
        reader.next_reply()
    }

    #[test]
    fn replies_of_several_lines_come_whole() {
        let mut reader = ReplyReader::default();
        for piece in ["25", "0-a\r", "\n250-\n25", "0 b\r\n354"] {
            assert_eq!(reader.next_reply(), Ok(None));
            reader.push(piece.as_bytes());
        }
        let reply = reader.next_reply().unwrap().unwrap();
        assert_eq!((reply.code(), reply.lines().join("|")), (250, "a||b".to_owned()));
        assert_eq!(reply.to_string(), "250 a b");
        reader.push(b"\r\n");
        assert_eq!(reader.next_reply().unwrap().unwrap().code(), 354);
        assert_eq!(reader.next_reply(), Ok(None));
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for line in
            ["\r\n", "25\r\n", "2500 x\r\n", "150 x\r\n", "600 x\r\n", "25a x\r\n", "250_x\r\n", "GET / HTTP/1.1\n"]
        {
            assert_eq!(read(line.as_bytes()), Err(Garbage::NoReply), "{line:?}");
        }
        assert_eq!(read(b"250-a\r\n251 b\r\n"), Err(Garbage::MixedCodes));
        assert_eq!(read(&b"250-x\r\n".repeat(LINES_MAX + 1)), Err(Garbage::TooManyLines));
        assert_eq!(read(&[b'2'; LINE_BYTES_MAX]), Err(Garbage::LineTooLong));
        let long = [b"250 ", [b'x'; LINE_BYTES_MAX].as_slice(), b"\r\n"].concat();
        assert_eq!(read(&long), Err(Garbage::LineTooLong));
    }

    #[test]
    fn an_enhanced_status_counts_only_in_the_class_of_its_code() {
        assert_eq!(RemoteReply::of(550, "5.1.1 unknown").enhanced(), Some(EnhancedStatus(5, 1, 1)));
        assert_eq!(RemoteReply::of(550, "4.1.1 unknown").enhanced(), None);
        assert_eq!(RemoteReply::of(550, "unknown").enhanced(), None);
    }

    #[test]
    fn a_kept_reply_is_bounded() {
        let lines = vec!["x".repeat(700); 5];
        let kept = RemoteReply { code: 550, lines }.shortened();
        assert_eq!(kept.lines().iter().map(String::len).collect::<Vec<_>>(), [700, 323]);
    }

    /// Octets that often make a reply.
    fn octet() -> impl Strategy<Value = u8> {
        prop_oneof![Just(b'2'), Just(b'5'), Just(b' '), Just(b'-'), Just(b'\r'), Just(b'\n'), any::<u8>()]
    }

    fn is_printable(octet: u8) -> bool {
        matches!(octet, 0x20..=0x7e)
    }

    proptest! {
        #[test]
        fn any_octets_in_any_pieces_give_printable_replies_or_an_end(
            pieces in proptest::collection::vec(proptest::collection::vec(octet(), 0..40), 0..20)
        ) {
            let mut reader = ReplyReader::default();
            'pieces: for piece in &pieces {
                reader.push(piece);
                loop {
                    match reader.next_reply() {
                        Ok(Some(reply)) => prop_assert!(reply.to_string().bytes().all(is_printable)),
                        Ok(None) => break,
                        Err(_) => break 'pieces,
                    }
                }
                prop_assert!(reader.buffer.len() < LINE_BYTES_MAX);
            }
        }
    }
}
