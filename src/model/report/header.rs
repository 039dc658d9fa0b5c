//! The report's own header, and what of the original goes into it and back to the sender.

use mail_parser::MessageParser;

use super::encode::{ascii_line, crlf_lines, header_text, one_line};
use super::{HEADER_BYTES_MAX, ReportFacts, line};
use crate::model::queue::ReportKind;

/// Spec section 2.2: subjects have at most 255 characters.
pub(super) const SUBJECT_CHARACTERS_MAX: usize = 255;
/// RFC 5322 section 2.1.1 with room for the field's name.
const MESSAGE_ID_BYTES_MAX: usize = 900;

/// The message that a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Original<'a> {
    /// Its header, with or without the empty line at its end.
    pub head: &'a [u8],
    /// Its body; none when it is too large or need not be returned.
    pub body: Option<&'a [u8]>,
    /// It was sent with SMTPUTF8.
    pub international: bool,
}

/// What goes back to the sender.
pub(super) struct Returned {
    pub(super) media_type: &'static str,
    pub(super) content: Vec<u8>,
}

impl Original<'_> {
    /// The header as far as it is looked at: whole lines, at most 64 KiB.
    fn bounded_head(&self) -> &[u8] {
        let Some(cut) = self.head.get(..HEADER_BYTES_MAX) else { return self.head };
        let end = memchr::memrchr(b'\n', cut).map_or(cut.len(), |at| at.saturating_add(1));
        cut.get(..end).unwrap_or(cut)
    }

    /// The decoded subject on one line; empty when there is none.
    pub fn subject(&self) -> String {
        let parsed = MessageParser::new().parse_headers(self.bounded_head());
        let subject = parsed.as_ref().and_then(|message| message.subject()).unwrap_or_default();
        one_line(subject, SUBJECT_CHARACTERS_MAX)
    }

    /// The Message-ID without angle brackets, if it can stand in a header line as it is.
    pub(super) fn message_id(&self) -> Option<String> {
        let parsed = MessageParser::new().parse_headers(self.bounded_head())?;
        let id = parsed.message_id()?;
        let harmless = |byte: u8| matches!(byte, b'!'..=b'~') && byte != b'<' && byte != b'>';
        (id.len() <= MESSAGE_ID_BYTES_MAX && !id.is_empty() && id.bytes().all(harmless)).then(|| id.to_owned())
    }

    /// The words of `X-Auto-Response-Suppress`.
    pub(super) fn suppressed_responses(&self) -> impl Iterator<Item = String> {
        let head = String::from_utf8_lossy(self.bounded_head());
        let fields = head.lines().filter_map(|field| {
            let (name, value) = field.split_once(':')?;
            name.trim_end().eq_ignore_ascii_case("X-Auto-Response-Suppress").then(|| value.to_owned())
        });
        let words: Vec<String> =
            fields.flat_map(|value| value.split(',').map(|word| word.trim().to_owned()).collect::<Vec<_>>()).collect();
        words.into_iter()
    }

    /// The header lines as text for people, without the empty line at the end.
    pub(super) fn header_lines(&self) -> String {
        let lossy = String::from_utf8_lossy(self.bounded_head()).into_owned();
        let lines = lossy.split('\n').map(|text| one_line_kept(text.trim_end_matches('\r')));
        lines.collect::<Vec<_>>().join("\n").trim_end().to_owned()
    }

    /// The part that is returned: the whole message, or its header.
    pub(super) fn returned(&self, with_body: bool) -> Returned {
        let mut content = Vec::new();
        let whole = self.body.filter(|_| with_body && self.head.len() <= HEADER_BYTES_MAX);
        crlf_lines(self.bounded_head(), &mut content);
        while content.ends_with(b"\r\n\r\n") {
            content.truncate(content.len().saturating_sub(2));
        }
        let Some(body) = whole else {
            let media_type = if self.international { "message/global-headers" } else { "text/rfc822-headers" };
            return Returned { media_type, content };
        };
        content.extend_from_slice(b"\r\n");
        crlf_lines(body, &mut content);
        Returned { media_type: if self.international { "message/global" } else { "message/rfc822" }, content }
    }
}

/// A header line for people: its leading blanks stay, since they mark a folded line.
fn one_line_kept(text: &str) -> String {
    let clean = one_line(text, 998);
    if text.starts_with([' ', '\t']) { format!("\t{clean}") } else { clean }
}

/// The subject of a report about this original.
pub(super) fn subject(kind: ReportKind, original: &Original<'_>) -> String {
    let prefix = match kind {
        ReportKind::Failed => "Undeliverable",
        ReportKind::Delayed => "Delivery delayed",
        ReportKind::Delivered => "Delivered",
        ReportKind::Relayed => "Relayed",
        ReportKind::Rejected => "Rejected",
    };
    format!("{prefix}: {}", original.subject()).trim_end().to_owned()
}

/// Writes the fields above Content-Type.
pub(super) fn write(facts: &ReportFacts<'_>, output: &mut Vec<u8>) {
    let host = ascii_line(&facts.reporter.host, 255);
    let name = match facts.kind {
        ReportKind::Failed => "failed",
        ReportKind::Delayed => "delayed",
        ReportKind::Delivered => "delivered",
        ReportKind::Relayed => "relayed",
        ReportKind::Rejected => "rejected",
    };
    let first = facts.targets.first().map_or(0, |(place, _)| *place);
    line(output, "MIME-Version: 1.0");
    line(output, &format!("From: Mail Delivery <{}>", facts.reporter.author));
    line(output, &format!("To: <{}>", facts.to));
    line(output, &format!("Date: {}", facts.at.rfc5322()));
    line(output, &format!("Message-ID: <{}.{name}.{first}@{host}>", facts.message.id));
    if let Some(id) = facts.original.message_id() {
        line(output, &format!("In-Reply-To: <{id}>"));
        line(output, &format!("References: <{id}>"));
    }
    line(output, &format!("Subject: {}", header_text(&subject(facts.kind, &facts.original))));
    line(output, "Auto-Submitted: auto-replied");
    if facts.kind == ReportKind::Failed {
        line(output, "X-MS-Exchange-Message-Is-Ndr:");
    }
    line(output, "Content-Language: en-US");
}
