//! The notice that a mailbox fills up (decision D5). The same facts make the same octets.

use super::encode::{ascii_line, one_line, quoted_printable};
use super::{Reporter, line};
use crate::model::directory::RecipientId;
use crate::model::mail::{Address, Timestamp};
use crate::model::policy::quota::{Stage, Thresholds, Usage};

/// Everything that a notice is made of.
#[derive(Clone, Debug)]
pub struct NoticeFacts<'a> {
    /// Who writes.
    pub reporter: &'a Reporter,
    /// The mailbox's primary address.
    pub to: &'a Address,
    /// Its name for people.
    pub name: &'a str,
    /// The mailbox.
    pub mailbox: RecipientId,
    /// What it holds.
    pub usage: Usage,
    /// What it may hold.
    pub thresholds: Thresholds,
    /// The notice's date.
    pub at: Timestamp,
}

/// Writes the notice: a whole message with CRLF line ends. None for a mailbox that is not full enough.
pub fn quota_notice(facts: &NoticeFacts<'_>) -> Option<Vec<u8>> {
    let (subject, happens) = words(facts.thresholds.stage(facts.usage.bytes))?;
    let mut output = Vec::new();
    let host = ascii_line(&facts.reporter.host, 255);
    line(&mut output, "MIME-Version: 1.0");
    line(&mut output, &format!("From: Mailbox Quota <{}>", facts.reporter.author));
    line(&mut output, &format!("To: <{}>", facts.to));
    line(&mut output, &format!("Date: {}", facts.at.rfc5322()));
    line(&mut output, &format!("Message-ID: <{}.{}.quota@{host}>", facts.mailbox, facts.at.unix_seconds()));
    line(&mut output, &format!("Subject: {subject}"));
    line(&mut output, "Importance: high");
    // RFC 3834 section 5: nobody answers this.
    line(&mut output, "Auto-Submitted: auto-generated");
    line(&mut output, "X-Auto-Response-Suppress: All");
    line(&mut output, "Content-Language: en-US");
    line(&mut output, "Content-Type: text/plain; charset=utf-8");
    line(&mut output, "Content-Transfer-Encoding: quoted-printable");
    line(&mut output, "");
    quoted_printable(&body(facts, subject, happens), &mut output);
    Some(output)
}

/// The subject, and what follows from the stage.
const fn words(stage: Stage) -> Option<(&'static str, &'static str)> {
    match stage {
        Stage::Normal => None,
        Stage::Warning => {
            Some(("Your mailbox is almost full", "When it reaches its size limit, you won't be able to send messages."))
        }
        Stage::ProhibitSend => Some((
            "Your mailbox is full: you can't send messages",
            "You can't send messages until you reduce its size. When it grows further, it can't receive messages \
             either.",
        )),
        Stage::ProhibitSendReceive => Some((
            "Your mailbox is full: you can't send or receive messages",
            "You can't send messages, and messages to you are returned to their senders, until you reduce its size.",
        )),
    }
}

fn body(facts: &NoticeFacts<'_>, subject: &str, happens: &str) -> String {
    let thresholds = &facts.thresholds;
    let limits = [
        ("Warning at", thresholds.issue_warning),
        ("No sending at", thresholds.prohibit_send),
        ("No sending or receiving at", thresholds.prohibit_send_receive),
    ];
    let limits = limits.into_iter().filter_map(|(what, bytes)| Some(format!("{what}: {}", size(bytes?))));
    let limits: Vec<String> = limits.collect();
    format!(
        "{subject}.\n\nMailbox: {} ({})\nSize: {}, in {} messages\n{}\n\n{happens}\n\nDelete what you don't need, and \
         empty your deleted items. Messages with attachments, and sent items, often take the most room.\n",
        one_line(facts.name, 255),
        facts.to,
        size(facts.usage.bytes),
        facts.usage.messages,
        limits.join("\n"),
    )
}

/// Octets for people, rounded down to a hundredth.
fn size(bytes: u64) -> String {
    let unit = [("GB", 30), ("MB", 20), ("KB", 10)].into_iter().find(|(_, shift)| bytes >> shift > 0);
    let Some((name, shift)) = unit else { return format!("{bytes} bytes") };
    let hundredths = (u128::from(bytes) * 100) >> shift;
    format!("{}.{:02} {name}", hundredths / 100, hundredths % 100)
}
