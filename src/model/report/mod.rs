//! Reports to senders: why a message could not be delivered, that it waits, or that it arrived (RFC 3461, 3464, 6522);
//! the request to moderators that something waits for them; and notices, of quota and of restrictions.
//!
//! The form is Exchange's (spec section 6.2): for people as text and as HTML, for programs as delivery status, and the
//! original or its header. Promises: the same facts make the same octets; whatever the original, the recipients and
//! other hosts say stays inside its place, so nothing from outside can add a header line, a part or markup.

mod automatic_reply;
mod encode;
mod header;
mod markup;
mod notice;
mod people;
mod request;
mod restriction;
mod status;
mod words;

use crate::model::directory::Snapshot;
use crate::model::mail::{Address, Timestamp};
use crate::model::policy::{BodyKind, Ret};
use crate::model::queue::{EntryFacts, ReportKind, Target};

pub use automatic_reply::{AutomaticReplyFacts, compose_automatic_reply};
pub use header::Original;
pub use notice::{NoticeFacts, quota_notice};
pub use request::{CARRIED_BYTES_MAX, RequestFacts, carries_body, compose_request};
pub use restriction::{RestrictionFacts, restriction_notice};

/// Originals up to this many octets are returned whole (spec section 6.2).
pub const ORIGINAL_BYTES_MAX: u64 = 10 << 20;
/// Of a header no more than this many octets is returned.
pub const HEADER_BYTES_MAX: usize = 64 << 10;

/// Who writes reports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reporter {
    /// This server's name.
    pub host: Box<str>,
    /// The author: the postmaster of the default domain.
    pub author: Address,
}

/// Everything that a report is made of.
#[derive(Clone, Debug)]
pub struct ReportFacts<'a> {
    /// Who writes.
    pub reporter: &'a Reporter,
    /// Who reads.
    pub to: &'a Address,
    /// What is told.
    pub kind: ReportKind,
    /// The message.
    pub message: &'a EntryFacts,
    /// The recipients it is about, by their places in the message; at least one.
    pub targets: Vec<(u32, &'a Target)>,
    /// The report's own date.
    pub at: Timestamp,
    /// When delivery is given up.
    pub expires_at: Timestamp,
    /// The message's content.
    pub original: Original<'a>,
}

/// Whether the body of the original is to be returned, so that the caller need not read it in vain.
pub fn returns_body(kind: ReportKind, message: &EntryFacts) -> bool {
    // A message/rfc822 part cannot be encoded, so what is not made of lines cannot be in it.
    let lines = message.parameters.body != BodyKind::BinaryMime;
    let asked = message.parameters.ret != Some(Ret::Headers);
    // RFC 3461 section 4.3: RET is about failures; everything else carries the header only.
    matches!(kind, ReportKind::Failed | ReportKind::Rejected) && lines && asked && message.bytes <= ORIGINAL_BYTES_MAX
}

/// Whether the original asks not to be reported about (`X-Auto-Response-Suppress`, spec section 6.1).
pub fn is_suppressed(kind: ReportKind, original: &Original<'_>) -> bool {
    let word = match kind {
        ReportKind::Failed | ReportKind::Delayed | ReportKind::Rejected => "NDR",
        ReportKind::Delivered | ReportKind::Relayed => "DR",
    };
    original.suppressed_responses().any(|found| found.eq_ignore_ascii_case(word) || found.eq_ignore_ascii_case("All"))
}

/// Whether the remote domain of a reader outside takes no such report (`NDREnabled`, `DeliveryReportEnabled`, spec
/// section 6.2).
pub fn is_kept_back(kind: ReportKind, snapshot: &Snapshot, to: &Address) -> bool {
    if snapshot.accepted_domain(to.domain()).is_some() {
        return false;
    }
    let remote = snapshot.remote_domain(to.domain());
    match kind {
        ReportKind::Failed | ReportKind::Delayed | ReportKind::Rejected => !remote.ndr_enabled,
        ReportKind::Delivered | ReportKind::Relayed => !remote.delivery_report_enabled,
    }
}

/// Writes a report: a whole message with CRLF line ends.
pub fn compose(facts: &ReportFacts<'_>) -> Vec<u8> {
    let mut status = Vec::new();
    status::write(facts, &mut status);
    let returned = facts.original.returned(returns_body(facts.kind, facts.message));
    let eight_bit = !returned.content.is_ascii();
    let mixed = encode::Boundary::outside(facts.message.id, "r", &returned.content);
    let alternative = encode::Boundary::outside(facts.message.id, "a", &returned.content);
    let mut output = Vec::with_capacity(returned.content.len().saturating_add(16 << 10));

    header::write(facts, &mut output);
    line(&mut output, "Content-Type: multipart/report; report-type=delivery-status;");
    line(&mut output, &format!("\tboundary=\"{mixed}\""));
    if eight_bit {
        line(&mut output, "Content-Transfer-Encoding: 8bit");
    }
    line(&mut output, "");
    line(&mut output, &format!("--{mixed}"));
    line(&mut output, &format!("Content-Type: multipart/alternative; boundary=\"{alternative}\""));
    line(&mut output, "");
    for (kind, text) in [("plain", people::text(facts)), ("html", people::html(facts))] {
        line(&mut output, &format!("--{alternative}"));
        line(&mut output, &format!("Content-Type: text/{kind}; charset=utf-8"));
        line(&mut output, "Content-Transfer-Encoding: quoted-printable");
        line(&mut output, "");
        encode::quoted_printable(&text, &mut output);
    }
    line(&mut output, &format!("--{alternative}--"));
    line(&mut output, "");
    line(&mut output, &format!("--{mixed}"));
    line(&mut output, "Content-Type: message/delivery-status");
    line(&mut output, "");
    output.extend_from_slice(&status);
    line(&mut output, "");
    line(&mut output, &format!("--{mixed}"));
    line(&mut output, &format!("Content-Type: {}", returned.media_type));
    if eight_bit {
        line(&mut output, "Content-Transfer-Encoding: 8bit");
    }
    line(&mut output, "");
    output.extend_from_slice(&returned.content);
    line(&mut output, "");
    line(&mut output, &format!("--{mixed}--"));
    output
}

fn line(output: &mut Vec<u8>, text: &str) {
    output.extend_from_slice(text.as_bytes());
    output.extend_from_slice(b"\r\n");
}
