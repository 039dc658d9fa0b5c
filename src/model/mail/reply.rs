//! SMTP replies as values, and their one encoding.
//!
//! Encoding guarantees what decision D10 promises: printable ASCII only and at most 512 octets a line, whatever text
//! went in, so no reply can carry a client's octets back as control characters or forge a second reply line.

use core::fmt;
use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// RFC 5321 section 4.5.3.1.5: a reply line with code and CRLF, in octets.
pub const REPLY_LINE_BYTES_MAX: usize = 512;

/// An enhanced mail system status code such as `5.2.1` (RFC 3463): class, subject, detail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct EnhancedStatus(pub u8, pub u16, pub u16);

impl EnhancedStatus {
    /// Reads `class.subject.detail` at the start of `text`, up to a blank or the end; `None` when it is not there.
    pub fn parse_prefix(text: &str) -> Option<Self> {
        let mut numbers = text.split(' ').next()?.split('.');
        let class = numbers.next()?.parse().ok().filter(|class| matches!(class, 2 | 4 | 5))?;
        let parsed = Self(class, numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?);
        numbers.next().is_none().then_some(parsed)
    }
}

impl fmt::Display for EnhancedStatus {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.0, self.1, self.2)
    }
}

/// One reply: a code of three digits, an enhanced status where the command has one, and one or more lines of text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    code: u16,
    enhanced: Option<EnhancedStatus>,
    lines: Vec<Cow<'static, str>>,
}

impl Reply {
    /// A reply with an enhanced status. `code` is from 200 to 599 and shares its first digit with `enhanced`.
    pub fn new(code: u16, enhanced: EnhancedStatus, text: impl Into<Cow<'static, str>>) -> Self {
        Self { code, enhanced: Some(enhanced), lines: vec![text.into()] }
    }

    /// A reply without an enhanced status: greetings, EHLO lists, 334 and 354. `lines` must not be empty.
    pub fn plain(code: u16, lines: impl IntoIterator<Item = impl Into<Cow<'static, str>>>) -> Self {
        Self { code, enhanced: None, lines: lines.into_iter().map(Into::into).collect() }
    }

    /// A reply of several lines that share a status, should there be one. `lines` must not be empty.
    pub fn of_lines(code: u16, enhanced: Option<EnhancedStatus>, lines: Vec<String>) -> Self {
        Self { code, enhanced, lines: lines.into_iter().map(Into::into).collect() }
    }

    /// The three-digit code.
    pub const fn code(&self) -> u16 {
        self.code
    }

    /// The enhanced status, where there is one.
    pub const fn enhanced(&self) -> Option<EnhancedStatus> {
        self.enhanced
    }

    /// Whether the code means success or continuation (2xx or 3xx).
    pub const fn is_positive(&self) -> bool {
        self.code < 400
    }

    /// Appends the reply lines with CRLF to `output`. Octets that are not printable ASCII become `?`, and a text
    /// that does not fit into a line continues on the next, so each line has at most 512 octets.
    pub fn encode(&self, output: &mut Vec<u8>) {
        if self.lines.is_empty() {
            return;
        }
        // Code, hyphen, status: what every line begins with.
        let first = output.len();
        push_digits(output, self.code);
        let hyphen = output.len() - first;
        output.push(b'-');
        if let Some(EnhancedStatus(class, subject, detail)) = self.enhanced {
            for (number, end) in [(class.into(), b'.'), (subject, b'.'), (detail, b' ')] {
                push_digits(output, number);
                output.push(end);
            }
        }
        let begin = first..output.len();
        let room = REPLY_LINE_BYTES_MAX - begin.len() - 2;
        let mut last = first;
        for (index, piece) in self.lines.iter().flat_map(|line| pieces(line, room)).enumerate() {
            if index > 0 {
                last = output.len();
                output.extend_from_within(begin.clone());
            }
            output.extend_from_slice(&piece);
            output.extend_from_slice(b"\r\n");
        }
        if let Some(hyphen) = output.get_mut(last + hyphen) {
            *hyphen = b' ';
        }
    }
}

impl fmt::Display for Reply {
    /// The reply on one line, lines joined by ` / `: for logs, reports and goldens.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.code)?;
        if let Some(status) = self.enhanced {
            write!(formatter, " {status}")?;
        }
        for (index, line) in self.lines.iter().enumerate() {
            let text: String = line.chars().map(|character| char::from(printable(character))).collect();
            write!(formatter, "{}{text}", if index == 0 { " " } else { " / " })?;
        }
        Ok(())
    }
}

/// The octets of a text as they are sent, at most `room` at once, and one piece at least.
fn pieces(text: &str, room: usize) -> impl Iterator<Item = Cow<'_, [u8]>> {
    // Mostly all of a text is printable, and in one piece.
    let whole = text.len() <= room && text.bytes().all(|byte| matches!(byte, 0x20..=0x7e));
    let clean: Vec<u8> = if whole { Vec::new() } else { text.chars().map(printable).collect() };
    let count = if whole { 1 } else { clean.len().div_ceil(room).max(1) };
    (0..count).map(move |index| match whole {
        true => Cow::Borrowed(text.as_bytes()),
        false => Cow::Owned(clean.iter().skip(index * room).take(room).copied().collect()),
    })
}

fn push_digits(output: &mut Vec<u8>, number: u16) {
    if number > 9 {
        push_digits(output, number / 10);
    }
    output.push(b'0' + u8::try_from(number % 10).unwrap_or(0));
}

fn printable(character: char) -> u8 {
    u8::try_from(character).ok().filter(|byte| matches!(byte, 0x20..=0x7e)).unwrap_or(b'?')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(reply: &Reply) -> String {
        let mut output = Vec::new();
        reply.encode(&mut output);
        String::from_utf8(output).unwrap()
    }

    #[test]
    fn several_lines_repeat_code_and_status() {
        let reply = Reply::plain(250, ["mx Hello", "SIZE 1"]);
        assert_eq!(encoded(&reply), "250-mx Hello\r\n250 SIZE 1\r\n");
        assert_eq!(encoded(&Reply::new(250, EnhancedStatus(2, 1, 0), "Sender OK")), "250 2.1.0 Sender OK\r\n");
    }

    #[test]
    fn hostile_text_cannot_leave_its_line() {
        let reply = Reply::new(550, EnhancedStatus(5, 1, 1), "a\r\n250 ok\u{1b}[2J\u{e4}");
        assert_eq!(encoded(&reply), "550 5.1.1 a??250 ok?[2J?\r\n");
    }

    #[test]
    fn long_text_is_folded_within_512_octets() {
        let reply = Reply::new(554, EnhancedStatus(5, 2, 252), "x".repeat(2000));
        let text = encoded(&reply);
        assert!(text.split_inclusive("\r\n").all(|line| line.len() <= REPLY_LINE_BYTES_MAX));
        assert!(text.lines().last().unwrap().starts_with("554 5.2.252 "));
        assert_eq!(text.matches('x').count(), 2000);
    }

    #[test]
    fn enhanced_status_is_read_from_peers_text() {
        assert_eq!(EnhancedStatus::parse_prefix("5.1.10 gone"), Some(EnhancedStatus(5, 1, 10)));
        assert_eq!(EnhancedStatus::parse_prefix("5.1 gone"), None);
        assert_eq!(EnhancedStatus::parse_prefix("9.1.1 gone"), None);
    }
}
