//! Rows of `Get-MailboxAutoReplyConfiguration`.
//!
//! A row that cannot be read as it is meant is refused alone: the mailbox itself comes in from other files. Exchange
//! shows a period whatever the state is, so it is read for scheduled replies only.

use super::Import;
use super::identity::{Holder, Index, Unresolved};
use super::merge::{Merge, Origin};
use super::table::{Row, Table};
use super::time;
use crate::model::directory::auto_reply::{judge_text, plain_text};
use crate::model::directory::document::{AutoReplyEntry, AutoReplyStateName};
use crate::model::directory::{ChangeError, ExternalAudience, RecipientType};

/// Takes the automatic replies of one file.
pub(super) fn take(import: &mut Import, merge: &mut Merge, index: &Index, file: &str, table: &Table) {
    for row in table.rows() {
        let identity = row.first_text(&["Identity", "MailboxOwnerId"]).unwrap_or_default();
        let read =
            owner(&row, index).map_err(|error| error.to_string()).and_then(|owner| Ok((owner, entry(&row, owner)?)));
        match read {
            Ok((owner, (entry, assumed))) => {
                if assumed {
                    let reason = "StartTime and EndTime name no time zone and are taken as UTC";
                    import.note(file, row.number(), identity, reason);
                }
                let origin = Origin { file: file.into(), row: row.number() };
                let slot = &mut merge.entry_of(owner, origin).auto_reply;
                slot.get_or_insert_default().overlay(entry);
            }
            Err(reason) => import.refuse(file, row.number(), identity, reason),
        }
    }
}

fn owner<'a>(row: &Row<'_>, index: &'a Index) -> Result<&'a Holder, Unresolved> {
    let names = ["Identity", "MailboxOwnerId"].into_iter().filter_map(|column| row.first_text(&[column]));
    let mut last = Unresolved::Unknown;
    for name in names {
        match index.find(name) {
            Ok(holder) => return Ok(holder),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// What a row says, and whether its times were taken as UTC.
fn entry(row: &Row<'_>, owner: &Holder) -> Result<(AutoReplyEntry, bool), String> {
    let state = match row.first_text(&["AutoReplyState"]) {
        Some("Disabled" | "0") | None => AutoReplyStateName::Disabled,
        Some("Enabled" | "1") => AutoReplyStateName::Enabled,
        Some("Scheduled" | "2") => AutoReplyStateName::Scheduled,
        Some(_) => return Err("AutoReplyState is none of Disabled, Enabled and Scheduled".to_owned()),
    };
    let mut entry = AutoReplyEntry {
        state: Some(state),
        internal_message: message(row, "InternalMessage")?,
        external_message: message(row, "ExternalMessage")?,
        external_audience: audience(row)?,
        ..AutoReplyEntry::default()
    };
    let silent = |text: &Option<Box<str>>| text.as_deref().unwrap_or_default().is_empty();
    let shared = owner.recipient_type == Some(RecipientType::SharedMailbox);
    if shared && silent(&entry.internal_message) && !silent(&entry.external_message) {
        return Err(ChangeError::AutoReplyInternalMissing.to_string());
    }
    let mut assumed = false;
    if state == AutoReplyStateName::Scheduled {
        let mut period = [None, None];
        for (column, place) in ["StartTime", "EndTime"].into_iter().zip(&mut period) {
            let (time, zoneless) = time::read(row.text(column).unwrap_or_default()).ok_or_else(|| {
                format!(
                    "{column} cannot be read without doubt; export it with \
                     @{{n='{column}';e={{$_.{column}.ToUniversalTime().ToString('o')}}}}"
                )
            })?;
            assumed |= zoneless;
            *place = Some(time);
        }
        if period[0] >= period[1] {
            return Err(ChangeError::AutoReplyPeriod.to_string());
        }
        let [start, end] = period.map(|time| time.map(|time| time.iso8601().to_string().into()));
        (entry.start_time, entry.end_time) = (start, end);
    }
    Ok((entry, assumed))
}

/// A text. Exchange shows none as an empty one.
fn message(row: &Row<'_>, column: &str) -> Result<Option<Box<str>>, String> {
    let Some(text) = row.text(column).map(plain_text) else { return Ok(None) };
    judge_text(&text).map_err(|error| format!("{column}: {error}"))?;
    Ok(Some(text))
}

fn audience(row: &Row<'_>) -> Result<Option<ExternalAudience>, String> {
    match row.first_text(&["ExternalAudience"]) {
        None => Ok(None),
        Some("None" | "0") => Ok(Some(ExternalAudience::None)),
        Some("Known" | "1") => Ok(Some(ExternalAudience::Known)),
        Some("All" | "2") => Ok(Some(ExternalAudience::All)),
        Some(_) => Err("ExternalAudience is None, Known or All".to_owned()),
    }
}
