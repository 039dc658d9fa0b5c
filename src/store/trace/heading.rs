//! What the trace keeps of a message's header. Total, and bounded in time and size, whatever a stranger wrote.

use mail_parser::MessageParser;

use crate::model::mail::header::{self, Field};

/// As much of a header is looked at, in octets; Exchange takes no more than this either.
const HEAD_BYTES_MAX: usize = 256 << 10;
/// As much of a subject is decoded, in octets.
const SUBJECT_BYTES_MAX: usize = 8 << 10;
/// The longest text that is kept of one field, in characters.
pub(super) const TEXT_CHARACTERS_MAX: usize = 255;

/// Three fields.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Heading {
    /// The decoded subject; what it holds may be hostile to terminals.
    pub(super) subject: Box<str>,
    /// As it stands, angle brackets included.
    pub(super) message_id: Box<str>,
    /// The client as the topmost trace field names it, which is this server's own for mail that came in.
    pub(super) peer: Box<str>,
}

impl Heading {
    /// The first of each field; those that are missing are empty.
    pub(super) fn of(head: &[u8]) -> Self {
        let head = head.get(..HEAD_BYTES_MAX).unwrap_or(head);
        let [mut received, mut message_id, mut about] = [None; 3];
        for field in header::each_field(head).filter(|field| field.well_formed) {
            let place = if field.is("Received") {
                &mut received
            } else if field.is("Message-ID") {
                &mut message_id
            } else if field.is("Subject") {
                &mut about
            } else {
                continue;
            };
            place.get_or_insert(field);
        }
        Self {
            subject: about.as_ref().map(subject).unwrap_or_default(),
            message_id: message_id.map(|field| bounded(&field.text())).unwrap_or_default(),
            peer: received.as_ref().and_then(peer).unwrap_or_default(),
        }
    }
}

/// The first characters of a text.
pub(super) fn bounded(text: &str) -> Box<str> {
    let end = text.char_indices().nth(TEXT_CHARACTERS_MAX).map_or(text.len(), |(end, _)| end);
    text.get(..end).unwrap_or_default().into()
}

fn subject(field: &Field<'_>) -> Box<str> {
    let value = field.value.get(..SUBJECT_BYTES_MAX).unwrap_or(field.value);
    if let Some(text) = plain(value) {
        return bounded(text);
    }
    let line = [b"Subject:".as_slice(), value, b"\r\n\r\n"].concat();
    let parsed = MessageParser::new().parse_headers(&line);
    bounded(parsed.as_ref().and_then(|message| message.subject()).unwrap_or_default().trim())
}

/// The text of a value that is one line of ASCII without encoded words, as most are.
fn plain(value: &[u8]) -> Option<&str> {
    let text = core::str::from_utf8(value.trim_ascii()).ok()?;
    let is_plain =
        text.bytes().all(|octet| matches!(octet, b' '..=b'~')) && !text.contains("=?") && !text.contains("  ");
    is_plain.then_some(text)
}

/// `from NAME (ADDRESS)` of a trace field (RFC 5321 section 4.4).
fn peer(field: &Field<'_>) -> Option<Box<str>> {
    // The rest of the field is longer, and nobody asks for it.
    let end = memchr::memmem::find(field.value, b"\tby ").unwrap_or(field.value.len());
    let text = Field { value: field.value.get(..end).unwrap_or_default(), ..*field }.text();
    Some(bounded(text.strip_prefix("from ")?.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject_of(value: &str) -> String {
        Heading::of(format!("Received: x\r\nSubject: {value}\r\n\r\n").as_bytes()).subject.into()
    }

    #[test]
    fn subjects_are_decoded_and_unfolded() {
        assert_eq!(subject_of("hello"), "hello");
        assert_eq!(subject_of("=?utf-8?B?R3LDvMOfZQ==?= from\r\n home"), "Grüße from home");
        assert_eq!(subject_of("=?iso-8859-1?Q?caf=E9?="), "café");
        assert_eq!(subject_of(""), "");
        assert_eq!(Heading::of(b"Subject: \xff\xfe caf\xe9\r\n").subject.chars().filter(|own| *own == 'c').count(), 1);
        assert_eq!(Heading::of(b""), Heading::default());
    }

    #[test]
    fn a_header_of_a_megabyte_keeps_a_short_subject_and_costs_little() {
        let subject = subject_of(&"Wide load ".repeat(100_000));
        assert_eq!(subject.chars().count(), TEXT_CHARACTERS_MAX);
        // Behind more header than anybody honest has: it is not looked for.
        let long = format!("{}Subject: late\r\n", "X: y\r\n".repeat(200_000));
        assert_eq!(&*Heading::of(long.as_bytes()).subject, "");
        let cut = format!("{}Subject: {}", "X: y\r\n".repeat(10), "=?utf-8?Q?".repeat(200_000));
        assert!(Heading::of(cut.as_bytes()).subject.chars().count() <= TEXT_CHARACTERS_MAX);
    }

    #[test]
    fn the_client_stands_in_the_topmost_trace_field() {
        let head =
            b"Received: from mail.fabrikam.example ([192.0.2.7])\r\n\tby mx.contoso.example with ESMTP id 1;\r\n\
            Received: from forged.example (x)\r\n\tby y\r\nMessage-ID: <a@b>\r\n";
        let found = Heading::of(head);
        assert_eq!(&*found.peer, "mail.fabrikam.example ([192.0.2.7])");
        assert_eq!(&*found.message_id, "<a@b>");
    }
}
