//! One record of the change log, and its replay.

use std::sync::mpsc::SyncSender;

use serde::{Deserialize, Serialize};

use crate::model::directory::{Change, ChangeError, Snapshot};
use crate::model::mail::Timestamp;

/// The journal's kind for a list of changes.
pub(super) const KIND: u8 = 1;

/// One accepted list of changes. Stored as JSON, so that a reader of a later version finds the fields by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The version of the directory that it led to.
    pub version: u64,
    /// When.
    pub at: Timestamp,
    /// Who asked for it: a login, or the name of the local user.
    pub actor: String,
    /// The changes, in order.
    pub changes: Vec<Change>,
}

/// Why a record of the change log is of no use.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It is no JSON of this form.
    #[error("record {sequence} cannot be read: {reason}. Restore the data directory from a backup")]
    Unreadable {
        /// Its place in the log.
        sequence: u64,
        /// What the reader said.
        reason: String,
    },
    /// It was valid when it was written and is not now.
    #[error("change {version} cannot be applied: {reason}. Restore the data directory from a backup")]
    Refused {
        /// Its version.
        version: u64,
        /// What the rules say.
        reason: ChangeError,
    },
    /// Changes between two records are missing.
    #[error("changes {after} to {before} are missing. Restore the data directory from a backup")]
    Gap {
        /// The last version before the gap.
        after: u64,
        /// The first version behind it.
        before: u64,
    },
    /// The index holds changes that the log does not: every change is durable in the log before the index hears of it,
    /// so the log has lost them.
    #[error(
        "it ends with change {log}, and the index beside it knows change {index}, so changes were lost. Restore the \
         data directory from a backup; or, to go on without them, move the directory's index away"
    )]
    Short {
        /// The last version in the log.
        log: u64,
        /// The version of the index.
        index: u64,
    },
}

impl Entry {
    pub(super) fn encode(&self) -> Result<Vec<u8>, String> {
        serde_json::to_vec(self).map_err(|error| error.to_string())
    }

    pub(super) fn decode(payload: &[u8], sequence: u64) -> Result<Self, LogError> {
        serde_json::from_slice(payload).map_err(|error| LogError::Unreadable { sequence, reason: error.to_string() })
    }
}

/// The version of an entry, told by how [`Entry::encode`] begins it; none when it begins otherwise.
fn version_of(payload: &[u8]) -> Option<u64> {
    let digits = payload.strip_prefix(b"{\"version\":")?;
    let end = digits.iter().take(DIGITS_MAX).position(|octet| !octet.is_ascii_digit())?;
    str::from_utf8(digits.get(..end)?).ok()?.parse().ok()
}

/// More than a version has.
const DIGITS_MAX: usize = 24;

/// Hears the log while the index is still loaded, and hands on what the index does not hold.
pub(super) struct Ahead {
    known: u64,
    last: u64,
    sender: SyncSender<(Vec<u8>, u64)>,
}

impl Ahead {
    /// Hands on what is newer than version `known`.
    pub(super) const fn of(known: u64, sender: SyncSender<(Vec<u8>, u64)>) -> Self {
        Self { known, last: 0, sender }
    }

    /// Takes the next record; blocks while enough of them wait.
    pub(super) fn take(&mut self, payload: &[u8], sequence: u64) {
        // Most of a long history is in the index already: to read it in full would take most of a start.
        if let Some(version) = version_of(payload).filter(|version| *version <= self.known) {
            self.last = version;
            return;
        }
        // Nobody listens when the index turned out to be of no use; then the log is read again.
        let _ = self.sender.send((payload.to_vec(), sequence));
    }

    /// The last version that was not handed on.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }
}

/// Applies entries as the journal shows them, one by one, so that a long history is never in memory at once.
pub(super) struct Replay {
    snapshot: Snapshot,
    applied: u64,
    last: u64,
    failure: Option<LogError>,
}

impl Replay {
    /// Goes on from `snapshot`: entries that it holds are passed over.
    pub(super) const fn from(snapshot: Snapshot) -> Self {
        Self { snapshot, applied: 0, last: 0, failure: None }
    }

    /// Notes that the log has this version, although its record was not shown.
    pub(super) fn passed_over(&mut self, version: u64) {
        self.last = self.last.max(version);
    }

    /// Takes the next record. After a failure the others are passed over.
    pub(super) fn take(&mut self, payload: &[u8], sequence: u64) {
        if self.failure.is_none() {
            self.failure = self.step(payload, sequence).err();
        }
    }

    fn step(&mut self, payload: &[u8], sequence: u64) -> Result<(), LogError> {
        let entry = Entry::decode(payload, sequence)?;
        self.last = entry.version;
        if entry.version <= self.snapshot.version() {
            return Ok(());
        }
        if entry.version != self.snapshot.version() + 1 {
            return Err(LogError::Gap { after: self.snapshot.version(), before: entry.version });
        }
        let refused = |reason| LogError::Refused { version: entry.version, reason };
        self.snapshot = self.snapshot.replay(&entry.changes).map_err(refused)?;
        self.applied += 1;
        Ok(())
    }

    /// The newest snapshot, and how many entries led to it from the first one.
    pub(super) fn finish(self) -> Result<(Snapshot, u64), LogError> {
        match self.failure {
            Some(failure) => Err(failure),
            // The index hears of a change after the log has it, so one that knows more proves a loss.
            None if self.last < self.snapshot.version() => {
                Err(LogError::Short { log: self.last, index: self.snapshot.version() })
            }
            None => Ok((self.snapshot, self.applied)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::sync_channel;

    use serde_json::Value;

    use super::*;
    use crate::model::directory::{
        AddressBookProperty, Device, DeviceRecipient, Recipient, RecipientId, RecipientType,
    };

    /// What every record of a recipient has held from the first version on.
    const FROM_THE_FIRST: [&str; 4] = ["id", "type", "name", "addresses"];

    fn full() -> Recipient {
        let mut info = Recipient::new(
            RecipientId(2),
            RecipientType::MailUniversalSecurityGroup,
            "info",
            "info@contoso.example".parse().unwrap(),
        );
        info.display_name = Some("Info".into());
        info.not_automapped = vec![RecipientId(1)].into();
        info.moderation = Some(Box::default());
        info.limits = Some(Box::default());
        info.auto_reply = Some(Box::default());
        info.hidden_from_address_lists = true;
        info.email_address_policy_enabled = true;
        info.address_book.set(AddressBookProperty::Company, "Contoso");
        info
    }

    fn read(recipient: &Value) -> Result<Entry, LogError> {
        let record = serde_json::json!({
            "version": 7, "at": 0, "actor": "root", "changes": [{ "put_recipient": recipient }],
        });
        Entry::decode(&serde_json::to_vec(&record).unwrap(), 1)
    }

    #[test]
    fn what_was_written_before_a_property_came_is_still_read() {
        let whole = serde_json::to_value(full()).unwrap();
        assert_eq!(whole["address_book"]["company"], "Contoso");
        assert!(whole["not_automapped"].is_array() && whole["group"].is_object(), "{whole}");
        let entry = read(&whole).unwrap();
        assert_eq!(entry.changes, [Change::PutRecipient(Box::new(full()))]);
        for key in whole.as_object().unwrap().keys() {
            let mut older = whole.clone();
            older.as_object_mut().unwrap().remove(key);
            let required = FROM_THE_FIRST.contains(&key.as_str());
            assert_eq!(read(&older).is_err(), required, "without {key}");
        }
        for key in whole["group"].as_object().unwrap().keys() {
            let mut older = whole.clone();
            older["group"].as_object_mut().unwrap().remove(key);
            read(&older).unwrap_or_else(|error| panic!("without group.{key}: {error}"));
        }
    }

    /// What comes of these records when the index has version `known`.
    fn replayed(known: u64, records: &[&[u8]]) -> Result<(Snapshot, u64), LogError> {
        let (sender, beyond) = sync_channel(records.len());
        let mut ahead = Ahead::of(known, sender);
        (1..).zip(records).for_each(|(sequence, payload)| ahead.take(payload, sequence));
        let mut replay = Replay::from(Snapshot::restore(known, RecipientId(1), Default::default()));
        replay.passed_over(ahead.last());
        drop(ahead);
        beyond.into_iter().for_each(|(payload, sequence)| replay.take(&payload, sequence));
        replay.finish()
    }

    #[test]
    fn what_the_index_holds_is_not_read_in_full_and_what_it_does_not_is() {
        let entry = |version, changes| Entry { version, at: Timestamp::EPOCH, actor: "root".to_owned(), changes };
        let known = entry(7, Vec::new()).encode().unwrap();
        assert_eq!(version_of(&known), Some(7));
        let organisation = Change::PutOrganisation(Default::default());
        let next = entry(8, vec![organisation]).encode().unwrap();
        // Nobody could read the rest of it.
        let half = &known[..known.len() - 1];
        for (from, applied) in [(7, 1), (8, 0)] {
            let (snapshot, count) = replayed(from, &[half, &next]).unwrap();
            assert_eq!((snapshot.version(), count), (8, applied));
        }
        assert!(matches!(replayed(6, &[half]), Err(LogError::Unreadable { .. })));
        assert_eq!(replayed(7, &[half]).unwrap().1, 0);
        assert!(matches!(replayed(8, &[half]), Err(LogError::Short { log: 7, index: 8 })));
        assert!(matches!(replayed(7, &[]), Err(LogError::Short { log: 0, index: 7 })));
        // Whoever wrote the fields in another order is read in full.
        assert_eq!(replayed(7, &[br#"{"at":0,"version":7,"actor":"root","changes":[]}"#]).unwrap().1, 0);
        for odd in
            [&b""[..], b"{\"version\":", b"{\"version\":7", b"{\"version\":,", b"{\"version\":99999999999999999999,"]
        {
            assert_eq!(version_of(odd), None);
        }
    }

    #[test]
    fn accounts_from_before_there_were_devices_are_read_and_devices_as_they_were_written() {
        let address = "alice@contoso.example".parse().unwrap();
        let mut alice = Recipient::new(RecipientId(3), RecipientType::UserMailbox, "alice", address);
        let older = serde_json::to_value(&alice).unwrap();
        assert!(older["account"].get("devices").is_none(), "{older}");
        assert_eq!(read(&older).unwrap().changes, [Change::PutRecipient(Box::new(alice.clone()))]);
        let mut device = Device::new("scanner-2", Timestamp::EPOCH);
        device.networks = vec!["192.168.10.0/24".parse().unwrap()];
        device.recipients = vec![DeviceRecipient::Inside];
        alice.account.as_mut().unwrap().devices.push(device);
        let whole = serde_json::to_value(&alice).unwrap();
        assert_eq!(read(&whole).unwrap().changes, [Change::PutRecipient(Box::new(alice))]);
        for key in ["networks", "recipients"] {
            let mut older = whole.clone();
            older["account"]["devices"][0].as_object_mut().unwrap().remove(key);
            read(&older).unwrap_or_else(|error| panic!("without {key}: {error}"));
        }
    }

    #[test]
    fn outlook_opens_a_mailbox_for_everybody_where_nothing_else_was_written() {
        let mut older = serde_json::to_value(full()).unwrap();
        older.as_object_mut().unwrap().remove("not_automapped");
        let [Change::PutRecipient(read)] = &*read(&older).unwrap().changes else { panic!("one recipient") };
        assert!(read.not_automapped.is_empty());
    }
}
