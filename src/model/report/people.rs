//! The parts for people, as text and as HTML, from one outline.

use super::encode::{ascii_line, escape_html, one_line};
use super::status::status_of;
use super::{ReportFacts, words};
use crate::model::mail::EnhancedStatus;
use crate::model::queue::{ReportKind, Target};

/// A piece of the outline.
enum Piece {
    Heading(String),
    Paragraph(String),
    Recipient(String),
    /// Text whose lines matter.
    Lines(String),
}

fn outline(facts: &ReportFacts<'_>) -> Vec<Piece> {
    let mut pieces = vec![Piece::Heading(
        match facts.kind {
            ReportKind::Failed => words::FAILED,
            ReportKind::Delayed => words::DELAYED,
            ReportKind::Delivered => words::DELIVERED,
            ReportKind::Relayed => words::RELAYED,
            ReportKind::Rejected => words::REJECTED,
        }
        .to_owned(),
    )];
    for (_, target) in &facts.targets {
        pieces.push(Piece::Recipient(address_of(target)));
        pieces.extend(explanation(facts, target));
    }
    let subject = facts.original.subject();
    if !subject.is_empty() {
        pieces.push(Piece::Paragraph(format!("Subject: {subject}")));
    }
    pieces.push(Piece::Heading("Diagnostic information for administrators:".to_owned()));
    pieces.push(Piece::Paragraph(format!("Generating server: {}", one_line(&facts.reporter.host, 255))));
    pieces.extend(facts.targets.iter().map(|(_, target)| Piece::Lines(diagnosis(facts, target))));
    pieces.push(Piece::Heading("Original message headers:".to_owned()));
    pieces.push(Piece::Lines(facts.original.header_lines()));
    pieces
}

fn explanation(facts: &ReportFacts<'_>, target: &Target) -> Vec<Piece> {
    let paragraph = |text: &str| Piece::Paragraph(text.to_owned());
    match facts.kind {
        ReportKind::Failed => {
            let unapproved = target.addressee.approval().is_some_and(|approval| approval.decision.is_none());
            let status = status_of(facts.kind, target);
            let words = match status {
                EnhancedStatus(5, 6, 0) if unapproved => words::UNAPPROVED,
                status => words::failure(status),
            };
            vec![
                paragraph(words.what),
                paragraph(words.sender),
                Piece::Paragraph(format!("For administrators: {}", words.administrator)),
            ]
        }
        ReportKind::Delayed => {
            vec![Piece::Paragraph(format!("It will be tried until {}.", facts.expires_at.rfc5322()))]
        }
        ReportKind::Rejected => rejection(target),
        ReportKind::Delivered | ReportKind::Relayed => Vec::new(),
    }
}

/// The moderator's words, line by line; which of the moderators it was is left out.
fn rejection(target: &Target) -> Vec<Piece> {
    let decision = target.addressee.approval().and_then(|approval| approval.decision.as_ref());
    let comment = decision.map(|(_, decision)| &*decision.comment).unwrap_or_default();
    let lines: Vec<String> = comment.lines().map(|text| one_line(text, 998)).collect();
    let comment = lines.join("\n").trim().to_owned();
    if comment.is_empty() {
        return vec![Piece::Paragraph("The moderator left no comment.".to_owned())];
    }
    vec![Piece::Paragraph("The moderator's comment:".to_owned()), Piece::Lines(comment)]
}

/// Who the recipient is, as its sender knows it: the given path, and the address behind it where that is another.
fn address_of(target: &Target) -> String {
    let address = target.addressee.address.to_string();
    let given = target.addressee.path.to_string();
    let shown = if given.eq_ignore_ascii_case(&address) { address } else { format!("{address} (sent to {given})") };
    one_line(&shown, 700)
}

fn diagnosis(facts: &ReportFacts<'_>, target: &Target) -> String {
    let address = one_line(&target.addressee.address.to_string(), 700);
    let status = status_of(facts.kind, target);
    let said = target.last.as_ref().map(|last| {
        let reply = ascii_line(&last.reply.to_string(), 2_000);
        match &last.host {
            Some(host) => format!("{} returned '{reply}'", one_line(host, 255)),
            None => format!("Server returned '{reply}'"),
        }
    });
    let said = said.unwrap_or_else(|| format!("#{status}"));
    format!("{address}\n{said}")
}

/// The plain text, lines ended by LF.
pub(super) fn text(facts: &ReportFacts<'_>) -> String {
    let mut text = String::new();
    for piece in outline(facts) {
        match piece {
            Piece::Heading(line) | Piece::Paragraph(line) | Piece::Recipient(line) | Piece::Lines(line) => {
                text.push_str(&line);
                text.push_str("\n\n");
            }
        }
    }
    text
}

/// The same as HTML.
pub(super) fn html(facts: &ReportFacts<'_>) -> String {
    let mut html = String::from(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head><meta charset=\"utf-8\"></head>\n\
         <body style=\"font-family:sans-serif\">\n",
    );
    for piece in outline(facts) {
        let (open, text, close) = match piece {
            Piece::Heading(text) => ("<p><b>", text, "</b></p>"),
            Piece::Paragraph(text) => ("<p>", text, "</p>"),
            Piece::Recipient(text) => ("<p style=\"font-size:large\">", text, "</p>"),
            Piece::Lines(text) => ("<pre style=\"white-space:pre-wrap\">", text, "</pre>"),
        };
        html.push_str(open);
        html.push_str(&escape_html(&text));
        html.push_str(close);
        html.push('\n');
    }
    html.push_str("</body>\n</html>\n");
    html
}
