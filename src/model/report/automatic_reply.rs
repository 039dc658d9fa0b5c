//! The automatic reply of a mailbox, as a message (RFC 3834 section 3; spec section 6.1).
//!
//! The same facts make the same octets, and what the sender wrote stays inside its field, as in a report. Exchange says
//! `auto-generated`; RFC 3834 section 5 wants `auto-replied`, which every reader of that field understands as well.
//!
//! A text in HTML goes out twice, as `multipart/alternative`: as plain text for readers that show no other, and as HTML
//! of which nothing is left that acts or fetches (see `markup`).

use super::encode::{Boundary, ascii_line, header_text, one_line, phrase, quoted_printable};
use super::header::{Original, SUBJECT_CHARACTERS_MAX};
use super::{line, markup};
use crate::model::directory::auto_reply::is_html;
use crate::model::mail::{Address, Timestamp};
use crate::model::queue::QueueId;

/// Spec section 2.2 bounds display names to 256 characters in the directory; readers show far fewer.
const NAME_CHARACTERS_MAX: usize = 128;

/// Everything that an automatic reply is made of.
#[derive(Clone, Copy, Debug)]
pub struct AutomaticReplyFacts<'a> {
    /// This server's name.
    pub host: &'a str,
    /// The mailbox that answers.
    pub author: &'a Address,
    /// Its name for people, if it has one.
    pub author_name: Option<&'a str>,
    /// Who reads.
    pub to: &'a Address,
    /// The text, plain or HTML, with LF line ends.
    pub text: &'a str,
    /// The message that is answered, and the mailbox's place in it: together they name the reply.
    pub message: (QueueId, u32),
    /// Its header.
    pub original: Original<'a>,
    /// The reply's own date.
    pub at: Timestamp,
}

/// Writes the reply: a whole message with CRLF line ends.
pub fn compose_automatic_reply(facts: &AutomaticReplyFacts<'_>) -> Vec<u8> {
    let mut output = Vec::with_capacity(facts.text.len().saturating_mul(2).saturating_add(2 << 10));
    let (id, place) = facts.message;
    let name = facts.author_name.map(|name| one_line(name, NAME_CHARACTERS_MAX)).filter(|name| !name.is_empty());
    let from =
        name.map_or_else(|| format!("<{}>", facts.author), |name| format!("{} <{}>", phrase(&name), facts.author));
    let subject = one_line(&format!("Automatic reply: {}", facts.original.subject()), SUBJECT_CHARACTERS_MAX);
    line(&mut output, "MIME-Version: 1.0");
    line(&mut output, &format!("From: {from}"));
    line(&mut output, &format!("To: <{}>", facts.to));
    line(&mut output, &format!("Date: {}", facts.at.rfc5322()));
    line(&mut output, &format!("Message-ID: <{id}.reply.{place}@{}>", ascii_line(facts.host, 255)));
    if let Some(id) = facts.original.message_id() {
        line(&mut output, &format!("In-Reply-To: <{id}>"));
        line(&mut output, &format!("References: <{id}>"));
    }
    line(&mut output, &format!("Subject: {}", header_text(&subject)));
    line(&mut output, "Auto-Submitted: auto-replied");
    line(&mut output, "X-Auto-Response-Suppress: All");
    content(facts.text, id, &mut output);
    output
}

/// What tells readers how to show the text, and the text.
fn content(text: &str, id: QueueId, output: &mut Vec<u8>) {
    if !is_html(text) {
        return part("text/plain", text, output);
    }
    let harmless = markup::harmless(text);
    // All of it is encoded as quoted-printable, in which no boundary can occur.
    let boundary = Boundary::outside(id, "a", &[]);
    line(output, &format!("Content-Type: multipart/alternative; boundary=\"{boundary}\""));
    for (media_type, text) in [("text/plain", &harmless.plain), ("text/html", &harmless.html)] {
        line(output, "");
        line(output, &format!("--{boundary}"));
        part(media_type, text, output);
    }
    line(output, "");
    line(output, &format!("--{boundary}--"));
}

fn part(media_type: &str, text: &str, output: &mut Vec<u8>) {
    line(output, &format!("Content-Type: {media_type}; charset=utf-8"));
    line(output, "Content-Transfer-Encoding: quoted-printable");
    line(output, "");
    quoted_printable(text, output);
}
