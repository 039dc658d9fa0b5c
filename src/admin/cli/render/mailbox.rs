//! How full mailboxes are, what is used up of limits, and the keys of what is passed on, as text.

use super::Page;
use crate::admin::cli::output::{size, table};
use crate::admin::office::{LimitsView, MailboxView, SrsKeysView};
use crate::model::policy::quota::{Thresholds, Usage};

/// A threshold for people.
fn threshold(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "never".to_owned(), size)
}

/// One line about one mailbox, for the page of its recipient.
pub(super) fn line(page: &mut Page, view: &MailboxView) {
    page.line(&format!("holds: {} in {} messages, {}", size(view.usage.bytes), view.usage.messages, view.stage));
    let thresholds = &view.thresholds;
    page.line(&format!(
        "quota: warning at {}, no sending at {}, no receiving at {}",
        threshold(thresholds.issue_warning),
        threshold(thresholds.prohibit_send),
        threshold(thresholds.prohibit_send_receive)
    ));
    if let Some(archive) = &view.archive {
        let (bytes, messages) = (size(archive.usage.bytes), archive.usage.messages);
        page.line(&format!("archive: {bytes} in {messages} messages, {}", archive.stage));
    }
}

/// A row of the table below.
fn row(name: String, usage: Usage, stage: String, thresholds: &Thresholds, was: Option<Usage>) -> Vec<String> {
    vec![
        name,
        size(usage.bytes),
        usage.messages.to_string(),
        stage,
        threshold(thresholds.issue_warning),
        threshold(thresholds.prohibit_send),
        threshold(thresholds.prohibit_send_receive),
        was.map_or_else(String::new, |was| format!("{} in {}", size(was.bytes), was.messages)),
    ]
}

/// The keys that sign rewritten reverse-paths.
pub(super) fn srs_keys(page: &mut Page, view: &SrsKeysView) {
    let since = view.former.first().and_then(|newest| newest.signed_until.as_deref());
    page.line(&since.map_or_else(|| "one key signs".to_owned(), |since| format!("one key signs, since {since}")));
    for former in &view.former {
        let signed =
            former.signed_until.as_deref().map_or_else(String::new, |until| format!(", which signed until {until},"));
        let end = former.verifies_until.as_deref().unwrap_or("somebody takes it away");
        page.line(&format!("a former key{signed} verifies until {end}"));
    }
}

/// A table of mailboxes.
pub(super) fn list(page: &mut Page, mailboxes: &[MailboxView]) {
    let rows: Vec<Vec<String>> = mailboxes
        .iter()
        .flat_map(|view| {
            let stage = view.lifecycle.clone().unwrap_or_else(|| view.stage.to_string());
            let own = row(view.address.clone(), view.usage, stage, &view.thresholds, view.was);
            let archive = view.archive.as_ref().map(|archive| {
                let name = format!("{} (archive)", view.address);
                row(name, archive.usage, archive.stage.to_string(), &archive.thresholds, None)
            });
            core::iter::once(own).chain(archive)
        })
        .collect();
    let heading = ["MAILBOX", "HOLDS", "MESSAGES", "STAGE", "WARNING AT", "NO SENDING AT", "NO RECEIVING AT", "WAS"];
    page.block(&table(&heading, &rows));
}

/// What a recipient may do and has done.
pub(super) fn limits(page: &mut Page, view: &LimitsView) {
    let bound = |bound: Option<u32>| bound.map_or_else(|| "without limit".to_owned(), |bound| bound.to_string());
    page.line(&view.address);
    let rows = [
        ("recipients of one message", view.recipients_per_message.to_string()),
        ("sessions at the same time", bound(view.sessions)),
        ("messages of this minute", view.messages_per_minute.to_string()),
        ("recipients of this day", view.recipients_per_day.to_string()),
        ("received in the last hour", view.received_per_hour.to_string()),
        ("received in an hour from one sender", bound(view.received_from_one_per_hour)),
        ("recipients outside in the last hour", view.external_recipients_per_hour.to_string()),
        ("recipients outside in the last day", view.external_recipients_per_day.to_string()),
    ];
    rows.iter().for_each(|(what, how)| page.line(&format!("  {what}: {how}")));
}
