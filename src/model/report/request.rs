//! The request to moderators: that a message waits for them, and what they can do. The same facts make the same octets.
//!
//! A part for people comes first and the message, or its header, behind it: whatever it says stays in its place. The
//! answer is a mail or a command. The address for the mail can be used by moderators who sign in, and by nobody else,
//! so a request that is read by others gives nothing away but the message itself.

use super::encode::{Boundary, ascii_line, header_text, one_line, quoted_printable};
use super::{HEADER_BYTES_MAX, ORIGINAL_BYTES_MAX, Original, Reporter, line};
use crate::model::mail::{Address, Timestamp};
use crate::model::policy::BodyKind;
use crate::model::queue::approval::REQUEST_SUBJECT;
use crate::model::queue::{ApprovalId, EntryFacts};

/// Everything that a request is made of.
#[derive(Clone, Debug)]
pub struct RequestFacts<'a> {
    /// Who writes: the address under which the organisation asks for approval.
    pub reporter: &'a Reporter,
    /// Who reads; at least one.
    pub moderators: &'a [Address],
    /// The moderated recipient's primary address.
    pub recipient: &'a Address,
    /// The message.
    pub message: &'a EntryFacts,
    /// The recipient's place in it.
    pub place: u32,
    /// It is given up when nobody has decided by then.
    pub until: Timestamp,
    /// Whether its sender hears of that.
    pub notifies_sender: bool,
    /// The request's own date.
    pub at: Timestamp,
    /// Where an answer by mail goes; none where answers are given by command only.
    pub answers_to: Option<&'a Address>,
    /// The message's content.
    pub original: Original<'a>,
}

/// Of a larger message, in octets, moderators get the header: a request is mail as well, for each of them. As much as
/// reports return.
pub const CARRIED_BYTES_MAX: u64 = ORIGINAL_BYTES_MAX;

/// Whether the body of the original goes into the request, so that the caller need not read it in vain.
pub fn carries_body(message: &EntryFacts) -> bool {
    // A message/rfc822 part cannot be encoded, so what is not made of lines cannot be in it.
    message.parameters.body != BodyKind::BinaryMime && message.bytes <= CARRIED_BYTES_MAX
}

/// Writes a request: a whole message with CRLF line ends.
pub fn compose_request(facts: &RequestFacts<'_>) -> Vec<u8> {
    let returned = facts.original.returned(carries_body(facts.message));
    let eight_bit = !returned.content.is_ascii();
    let boundary = Boundary::outside(facts.message.id, "m", &returned.content);
    let mut output = Vec::with_capacity(returned.content.len().saturating_add(8 << 10));

    header(facts, &mut output);
    line(&mut output, &format!("Content-Type: multipart/mixed; boundary=\"{boundary}\""));
    if eight_bit {
        line(&mut output, "Content-Transfer-Encoding: 8bit");
    }
    line(&mut output, "");
    line(&mut output, &format!("--{boundary}"));
    line(&mut output, "Content-Type: text/plain; charset=utf-8");
    line(&mut output, "Content-Transfer-Encoding: quoted-printable");
    line(&mut output, "");
    quoted_printable(&text(facts), &mut output);
    line(&mut output, "");
    line(&mut output, &format!("--{boundary}"));
    line(&mut output, &format!("Content-Type: {}", returned.media_type));
    line(&mut output, "Content-Disposition: attachment");
    if eight_bit {
        line(&mut output, "Content-Transfer-Encoding: 8bit");
    }
    line(&mut output, "");
    output.extend_from_slice(&returned.content);
    line(&mut output, "");
    line(&mut output, &format!("--{boundary}--"));
    output
}

fn header(facts: &RequestFacts<'_>, output: &mut Vec<u8>) {
    let host = ascii_line(&facts.reporter.host, 255);
    let readers: Vec<String> = facts.moderators.iter().map(|address| format!("<{address}>")).collect();
    line(output, "MIME-Version: 1.0");
    line(output, &format!("From: Approval Assistant <{}>", facts.reporter.author));
    line(output, &format!("To: {}", readers.join(",\r\n\t")));
    if let Some(address) = facts.answers_to {
        line(output, &format!("Reply-To: <{address}>"));
    }
    line(output, &format!("Date: {}", facts.at.rfc5322()));
    line(output, &format!("Message-ID: <{}.approval.{}@{host}>", facts.message.id, facts.place));
    let subject = format!("{REQUEST_SUBJECT} {}", facts.original.subject());
    line(output, &format!("Subject: {}", header_text(subject.trim_end())));
    // RFC 3834 section 5; no absence notice is to come back.
    line(output, "Auto-Submitted: auto-generated");
    line(output, "X-Auto-Response-Suppress: All");
    line(output, "Content-Language: en-US");
}

/// The text for people, lines ended by LF.
fn text(facts: &RequestFacts<'_>) -> String {
    let id = ApprovalId { message: facts.message.id, place: Some(facts.place) };
    let recipient = one_line(&facts.recipient.to_string(), 700);
    let sender = match facts.message.reverse_path.address() {
        Some(address) => one_line(&address.to_string(), 700),
        None => "nobody (<>)".to_owned(),
    };
    let subject = facts.original.subject();
    let host = one_line(&facts.reporter.host, 255);
    let hears = if facts.notifies_sender { " and its sender is told" } else { "" };
    let whole = carries_body(facts.message) && facts.original.head.len() <= HEADER_BYTES_MAX;
    let attached = match (whole, facts.original.body) {
        (true, Some(_)) => "The message is attached.",
        (_, _) if facts.message.bytes > CARRIED_BYTES_MAX => {
            "The message is larger than 10 MB: only its header is attached."
        }
        (_, _) => "The header of the message is attached.",
    };
    let by_mail = facts.answers_to.map_or_else(String::new, |address| {
        format!(
            "To decide by mail, answer from your account here, with a subject that begins with Approve or with Reject; \
             the sender reads what stands behind Reject: as your comment.\n\n\
             \x20   Approve: <mailto:{address}?subject=Approve>\n\
             \x20   Reject: <mailto:{address}?subject=Reject%3A>\n\n\
             Or by command:\n\n"
        )
    });
    format!(
        "A message to {recipient} waits for your approval.\n\n\
         From: {sender}\n\
         To: {recipient}\n\
         Subject: {subject}\n\
         Received: {received}\n\
         Size: {bytes} octets\n\n\
         If nobody decides by {until}, it is not delivered{hears}.\n\n\
         {by_mail}\
         To let it through, run this on {host}, or ask somebody who administers it to:\n\n\
         \x20   franking moderation approve {id} --moderator YOUR-ADDRESS\n\n\
         To reject it:\n\n\
         \x20   franking moderation reject {id} --moderator YOUR-ADDRESS --comment \"WHY\"\n\n\
         The sender reads the comment. The first decision of any moderator counts.\n\n\
         {attached}\n",
        received = facts.message.accepted_at.rfc5322(),
        bytes = facts.message.bytes,
        until = facts.until.rfc5322(),
    )
}
