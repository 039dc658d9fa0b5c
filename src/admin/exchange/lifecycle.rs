//! What a row of `Get-Mailbox` says about holds, archive and deletion (spec sections 7.2 and 7.4).
//!
//! An import never takes a hold away: what is not exported would else be lost for good. Times that a row does not give,
//! or not in a form that every country reads alike, are taken as now, with a note.

use super::table::{Cell, Row};
use super::{Options, time};
use crate::model::directory::RecipientType;
use crate::model::directory::document::{
    ArchiveEntry, HoldEntry, LifecycleName, ProvisioningEntry, RecipientEntry, Slot,
};
use crate::model::directory::lifecycle::hold::{HOLD_NAME_BYTES_MAX, HoldKind};
use crate::model::directory::provisioning::ExchangeGuid;
use crate::model::mail::Timestamp;

/// Reads the row into the entry; gives notes about what was left out or made up.
pub(super) fn read(
    row: &Row<'_>,
    kind: Option<RecipientType>,
    options: &Options,
    entry: &mut RecipientEntry,
) -> Result<Vec<String>, String> {
    let mut reading = Reading { row, now: options.now, own: ProvisioningEntry::default(), notes: Vec::new() };
    reading.own.synchronised = row.flag("IsDirSynced")?;
    reading.guid(kind);
    if kind.is_none_or(RecipientType::is_mailbox) {
        reading.holds()?;
        reading.archive();
        reading.deletion(entry)?;
    }
    let Reading { mut own, notes, .. } = reading;
    if own != ProvisioningEntry::default() {
        own.adds_holds = true;
        entry.provisioning = Some(Box::new(own));
    }
    Ok(notes)
}

struct Reading<'a> {
    row: &'a Row<'a>,
    now: Timestamp,
    own: ProvisioningEntry,
    notes: Vec<String>,
}

impl Reading<'_> {
    /// `ExchangeGuid`, where it is the other system's: of a synchronised object, or of a mail user, whose mailbox is
    /// elsewhere. One that Exchange gave its own mailbox means nothing here.
    fn guid(&mut self, kind: Option<RecipientType>) {
        let given = self.row.first_text(&["ExchangeGuid"]);
        if self.own.synchronised != Some(true) && kind != Some(RecipientType::MailUser) {
            return;
        }
        match given.map(str::parse::<ExchangeGuid>) {
            // What has no mailbox has one of zeros.
            None | Some(Ok(ExchangeGuid(0))) => {}
            Some(Ok(guid)) => self.own.exchange_guid = Some(guid.to_string().into()),
            Some(Err(error)) => self.notes.push(format!("ExchangeGuid is left out: {error}")),
        }
    }

    fn holds(&mut self) -> Result<(), String> {
        let mut holds: Vec<HoldEntry> = Vec::new();
        if self.row.flag("LitigationHoldEnabled")? == Some(true) {
            let since = self.time("LitigationHoldDate");
            let days = self.days("LitigationHoldDuration");
            holds.push(HoldEntry { kind: HoldKind::LitigationHold, name: "".into(), since, days });
        }
        let mut excluded: Vec<Box<str>> = Vec::new();
        for word in self.words("InPlaceHolds") {
            // mbx7cfb30345d454ac0a989ab3041051209:2 -> the policy, without what it does at the end
            let (id, _) = word.split_once(':').unwrap_or((&word, ""));
            if id.is_empty() || id.len() > HOLD_NAME_BYTES_MAX || !id.bytes().all(|octet| octet.is_ascii_graphic()) {
                return Err("InPlaceHolds: something in it is the name of no hold".to_owned());
            }
            if let Some(policy) = id.strip_prefix('-') {
                self.notes.push(format!("it is excluded from the retention policy {policy}, when there is one"));
                excluded.push(policy.into());
                continue;
            }
            let kind = match id {
                _ if id.starts_with("UniH") => HoldKind::EDiscoveryHold,
                _ if ["mbx", "grp", "skp"].iter().any(|prefix| id.starts_with(prefix)) => HoldKind::RetentionPolicy,
                _ => HoldKind::InPlaceHold,
            };
            holds.push(HoldEntry { kind, name: id.into(), since: written(self.now), days: None });
        }
        let since = written(self.now);
        let plain = |kind, name: &str| HoldEntry { kind, name: name.into(), since: since.clone(), days: None };
        // True for any hold, so beside another it says nothing. Which label, Exchange does not tell.
        if self.row.flag("ComplianceTagHoldApplied")? == Some(true) && holds.is_empty() {
            holds.push(plain(HoldKind::RetentionLabel, "ComplianceTagHoldApplied"));
        }
        let released = self.row.flag("DelayReleaseHoldApplied")?;
        if self.row.flag("DelayHoldApplied")? == Some(true) || released == Some(true) {
            holds.push(plain(HoldKind::DelayHold, ""));
        }
        self.own.holds = Some(holds).filter(|holds| !holds.is_empty());
        self.own.excluded_policies = Some(excluded).filter(|excluded| !excluded.is_empty());
        Ok(())
    }

    fn archive(&mut self) {
        let status = self.row.first_text(&["ArchiveStatus"]);
        // By name, or by the number that JSON holds for it.
        if status.is_some_and(|status| !matches!(status, "None" | "0")) {
            self.own.archive = Some(Slot::Given(ArchiveEntry { since: written(self.now), disabled: None }));
        }
    }

    fn deletion(&mut self, entry: &mut RecipientEntry) -> Result<(), String> {
        let inactive = self.row.flag("IsInactiveMailbox")? == Some(true);
        let removed = self.row.flag("IsSoftDeletedByRemove")? == Some(true);
        let disabled = self.row.flag("IsSoftDeletedByDisable")? == Some(true);
        let dated = self.row.first_text(&["WhenSoftDeleted"]).is_some();
        if !inactive && !removed && !disabled && !dated {
            return Ok(());
        }
        let since = self.time("WhenSoftDeleted");
        entry.lifecycle = Some(match (inactive, disabled && !removed) {
            (true, _) => LifecycleName::Inactive,
            (false, true) => LifecycleName::Disconnected,
            (false, false) => LifecycleName::SoftDeleted,
        });
        if entry.lifecycle != Some(LifecycleName::Disconnected) {
            self.own.user_deleted = Some(since.clone());
        }
        if inactive && self.own.holds.is_none() {
            self.notes.push("it is inactive, and the row names no hold that would keep it so".to_owned());
        }
        entry.since = Some(since);
        // A licence would connect it again.
        entry.licences = Some(Vec::new());
        Ok(())
    }

    /// A point in time; now where there is none.
    fn time(&mut self, column: &str) -> Box<str> {
        let given = self.row.first_text(&[column]);
        match given.and_then(time::read) {
            Some((time, false)) => written(time),
            Some((time, true)) => {
                self.notes.push(format!("{column} names no time zone and is taken as UTC"));
                written(time)
            }
            None => {
                self.notes.push(format!(
                    "{column} cannot be read without doubt and is taken as now; export it so: \
                     @{{n='{column}';e={{$_.{column}.ToString('o')}}}}"
                ));
                written(self.now)
            }
        }
    }

    /// `365.00:00:00` or `Unlimited`; without end where it cannot be read.
    fn days(&mut self, column: &str) -> Option<u32> {
        let text = self.row.first_text(&[column])?;
        if text.eq_ignore_ascii_case("unlimited") {
            return None;
        }
        let days = text.split_once('.').map_or(text, |(days, _)| days).parse().ok();
        if days.is_none() {
            self.notes.push(format!("{column} is no number of days; the hold stands without end"));
        }
        days
    }

    fn words(&self, column: &str) -> Vec<String> {
        let texts: Vec<&str> = match self.row.cell(column) {
            None => Vec::new(),
            Some(Cell::Text(text)) => vec![text],
            Some(Cell::Many(many)) => many.iter().map(|text| &**text).collect(),
        };
        let divided = texts.iter().flat_map(|text| text.split([' ', ',', ';', '|', '{', '}', '\n', '\r']));
        divided.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    }
}

fn written(time: Timestamp) -> Box<str> {
    time.iso8601().to_string().into()
}
