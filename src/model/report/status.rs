//! The part for programs: `message/delivery-status` (RFC 3464).

use super::encode::ascii_line;
use super::{ReportFacts, line};
use crate::model::mail::{Address, EnhancedStatus};
use crate::model::queue::{ReportKind, Target};

/// A field's line, RFC 5322 section 2.1.1, with room for its name.
const VALUE_CHARACTERS_MAX: usize = 900;

/// Writes the fields of the message and, after an empty line each, of its recipients.
pub(super) fn write(facts: &ReportFacts<'_>, output: &mut Vec<u8>) {
    if let Some(envelope_id) = &facts.message.parameters.envelope_id {
        line(output, &format!("Original-Envelope-Id: {}", ascii_line(envelope_id, VALUE_CHARACTERS_MAX)));
    }
    line(output, &format!("Reporting-MTA: dns;{}", ascii_line(&facts.reporter.host, 255)));
    line(output, &format!("Arrival-Date: {}", facts.message.accepted_at.rfc5322()));
    for (_, target) in &facts.targets {
        line(output, "");
        recipient(facts, target, output);
    }
}

fn recipient(facts: &ReportFacts<'_>, target: &Target, output: &mut Vec<u8>) {
    let addressee = &target.addressee;
    if let Some((kind, address)) = addressee.original_recipient(&addressee.address) {
        // What came escaped stays so.
        let as_is = address.is_ascii() || !kind.eq_ignore_ascii_case("utf-8");
        let escaped = if as_is { address.into() } else { escape(&address) };
        let text =
            format!("Original-Recipient: {};{}", ascii_line(&kind, 64), ascii_line(&escaped, VALUE_CHARACTERS_MAX));
        line(output, &text);
    }
    line(output, &format!("Final-Recipient: {}", typed_address(&addressee.address)));
    let action = match facts.kind {
        ReportKind::Failed | ReportKind::Rejected => "failed",
        ReportKind::Delayed => "delayed",
        ReportKind::Delivered => "delivered",
        ReportKind::Relayed => "relayed",
    };
    line(output, &format!("Action: {action}"));
    line(output, &format!("Status: {}", status_of(facts.kind, target)));
    if let Some(last) = &target.last {
        if let Some(host) = &last.host {
            line(output, &format!("Remote-MTA: dns;{}", ascii_line(host, 255)));
        }
        let said = ascii_line(&last.reply.to_string(), VALUE_CHARACTERS_MAX);
        line(output, &format!("Diagnostic-Code: smtp;{said}"));
        line(output, &format!("Last-Attempt-Date: {}", last.at.rfc5322()));
    }
    line(output, &format!("Final-Log-ID: {}", facts.message.id));
    if facts.kind == ReportKind::Delayed {
        line(output, &format!("Will-Retry-Until: {}", facts.expires_at.rfc5322()));
    }
}

/// The status with the class that the action demands: an expired message was last answered with a 4xx, and is a
/// failure all the same; its own status says `4.4.7` (spec section 1.5) and is kept.
pub(super) fn status_of(kind: ReportKind, target: &Target) -> EnhancedStatus {
    let class = match kind {
        ReportKind::Failed | ReportKind::Rejected => 5,
        ReportKind::Delayed => 4,
        ReportKind::Delivered | ReportKind::Relayed => 2,
    };
    let said = target.last.as_ref().and_then(|last| last.reply.enhanced());
    match said {
        Some(EnhancedStatus(4, 4, 7)) if kind == ReportKind::Failed => EnhancedStatus(4, 4, 7),
        Some(status) if status.0 == class => status,
        Some(_) | None => EnhancedStatus(class, 0, 0),
    }
}

/// An address with its type; one outside ASCII in the form that seven-bit parts can carry (RFC 6533 section 3).
fn typed_address(address: &Address) -> String {
    let text = address.to_string();
    if text.is_ascii() {
        return format!("rfc822;{text}");
    }
    format!("utf-8;{}", escape(&text))
}

/// Characters that stand for themselves stay, all others become `\x{…}`.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len().saturating_mul(2));
    for character in text.chars() {
        if matches!(character, '!'..='~') && !matches!(character, '+' | '=' | '\\') {
            escaped.push(character);
        } else {
            escaped.push_str(&format!("\\x{{{:X}}}", u32::from(character)));
        }
    }
    escaped
}
