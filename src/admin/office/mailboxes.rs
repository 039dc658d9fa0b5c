//! What mailboxes hold, as administrators ask for it: exactly, against what they may hold.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::response::Response;
use super::{Office, Progress, Used, identity};
use crate::model::directory::{Licensing, Recipient, RecipientId, RecipientType};
use crate::model::policy::quota::{ARCHIVE, Stage, Thresholds, Usage, thresholds};

/// Mailboxes that can be counted. Everything blocks.
pub trait MailboxDesk: Send + Sync {
    /// What a mailbox holds, after a look at its directories; nothing when it was never made.
    ///
    /// # Errors
    /// A text that says why it cannot be counted.
    fn usage(&self, mailbox: RecipientId) -> Result<Usage, String>;

    /// What the archive of a mailbox holds: all of it is counted each time. Nothing when it was never made.
    ///
    /// # Errors
    /// As [`Self::usage`].
    fn archive_usage(&self, mailbox: RecipientId) -> Result<Usage, String>;

    /// Counts a mailbox anew, and gives what was known before and what is there.
    ///
    /// # Errors
    /// As [`Self::usage`].
    fn recount(&self, mailbox: RecipientId) -> Result<(Option<Usage>, Usage), String>;

    /// What a recipient has used up of its limits.
    ///
    /// # Errors
    /// As [`Self::usage`].
    fn used(&self, recipient: RecipientId) -> Result<Used, String>;
}

/// Mailboxes in which there never is anything.
#[derive(Clone, Copy, Debug, Default)]
pub struct EmptyMailboxes;

impl MailboxDesk for EmptyMailboxes {
    fn usage(&self, _: RecipientId) -> Result<Usage, String> {
        Ok(Usage::default())
    }

    fn archive_usage(&self, _: RecipientId) -> Result<Usage, String> {
        Ok(Usage::default())
    }

    fn recount(&self, _: RecipientId) -> Result<(Option<Usage>, Usage), String> {
        Ok((Some(Usage::default()), Usage::default()))
    }

    fn used(&self, _: RecipientId) -> Result<Used, String> {
        Ok(Used::default())
    }
}

/// What a mailbox holds and may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailboxView {
    /// Whose, by primary address.
    pub address: String,
    /// `TotalItemSize` and `ItemCount`.
    #[serde(flatten)]
    pub usage: Usage,
    /// The thresholds that apply, in octets: its own, else those of its licence or of the configuration.
    #[serde(flatten)]
    pub thresholds: Thresholds,
    /// What follows.
    pub stage: Stage,
    /// Where it stands, of one that is not in use: then nothing follows from how full it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<String>,
    /// What was known before it was counted, where that was something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Usage>,
    /// Its archive, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<ArchiveView>,
}

/// What an archive holds and may hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArchiveView {
    /// `TotalItemSize` and `ItemCount`.
    #[serde(flatten)]
    pub usage: Usage,
    /// `ArchiveWarningQuota` and `ArchiveQuota`, in octets.
    #[serde(flatten)]
    pub thresholds: Thresholds,
    /// What follows.
    pub stage: Stage,
}

impl MailboxView {
    fn of(office: &Office, recipient: &Recipient, usage: Usage, was: Option<Usage>) -> Result<Self, Failure> {
        let thresholds = thresholds(recipient, office.directory.snapshot().organisation(), &office.settings());
        let stage = thresholds.stage(usage.bytes);
        let was = was.filter(|was| *was != usage);
        let archive = recipient.provisioning.as_deref().and_then(|own| own.archive);
        let archive = archive.map(|_| office.mailboxes.archive_usage(recipient.id)).transpose();
        let archive = archive.map_err(|error| uncounted(recipient, &error))?;
        let archive =
            archive.map(|usage| ArchiveView { usage, thresholds: ARCHIVE, stage: ARCHIVE.stage(usage.bytes) });
        let lifecycle = Some(recipient.lifecycle).filter(|lifecycle| !lifecycle.is_active());
        let (address, lifecycle) = (recipient.primary().to_string(), lifecycle.map(|lifecycle| lifecycle.to_string()));
        Ok(Self { address, usage, thresholds, stage, lifecycle, was, archive })
    }
}

/// What the mailbox of a recipient holds; none for a recipient that has none.
///
/// # Errors
/// `Unavailable` when it cannot be counted.
pub(super) fn view(office: &Office, recipient: &Recipient) -> Result<Option<MailboxView>, Failure> {
    if !recipient.recipient_type.is_mailbox() {
        return Ok(None);
    }
    let usage = office.mailboxes.usage(recipient.id).map_err(|error| uncounted(recipient, &error))?;
    MailboxView::of(office, recipient, usage, None).map(Some)
}

/// How much a shared, room or equipment mailbox holds, when that is more than it may without a licence (spec T22: 50
/// GB); `None` where it is not, and where licences do not count.
///
/// # Errors
/// `Unavailable` when it cannot be counted.
pub(super) fn beyond_unlicensed(office: &Office, recipient: &Recipient) -> Result<Option<String>, Failure> {
    if !recipient.recipient_type.is_mailbox() || office.settings().licensing() == Licensing::Ignored {
        return Ok(None);
    }
    let mut unlicensed = recipient.clone();
    unlicensed.recipient_type = RecipientType::SharedMailbox;
    if let Some(account) = unlicensed.account.as_deref_mut() {
        account.licences.clear();
    }
    let usage = office.mailboxes.usage(recipient.id).map_err(|error| uncounted(recipient, &error))?;
    let over = thresholds(&unlicensed, office.directory.snapshot().organisation(), &office.settings())
        .stage(usage.bytes)
        == Stage::ProhibitSendReceive;
    // To a tenth of a GB, rounded down.
    let tenths = (usage.bytes >> 20).saturating_mul(10) >> 10;
    Ok(over.then(|| format!("{}.{} GB", tenths / 10, tenths % 10)))
}

pub(super) fn show(office: &Office, identity: &str) -> Result<Response, Failure> {
    let snapshot = office.directory.snapshot();
    let recipient = identity::find(&snapshot, identity)?;
    let Some(view) = view(office, recipient)? else {
        return Err(Failure::refused(format!("{} is no mailbox.", recipient.primary())));
    };
    Ok(Response::Mailboxes { mailboxes: vec![view] })
}

/// Counts one mailbox, or all of them, and shows those of which something else was known.
pub(super) fn recount(
    office: &Office,
    identity: Option<&str>,
    progress: &mut dyn FnMut(Progress),
) -> Result<Response, Failure> {
    let snapshot = office.directory.snapshot();
    let chosen: Vec<_> = match identity {
        Some(identity) => vec![identity::find(&snapshot, identity)?],
        None => snapshot.recipients().filter(|recipient| recipient.recipient_type.is_mailbox()).collect(),
    };
    let total = chosen.len() as u64;
    let mut mailboxes = Vec::new();
    for (done, recipient) in chosen.into_iter().enumerate() {
        if !recipient.recipient_type.is_mailbox() {
            return Err(Failure::refused(format!("{} is no mailbox.", recipient.primary())));
        }
        progress(Progress { what: format!("counting {}", recipient.primary()), done: done as u64, total });
        let (was, usage) = office.mailboxes.recount(recipient.id).map_err(|error| uncounted(recipient, &error))?;
        let view = MailboxView::of(office, recipient, usage, Some(was.unwrap_or_default()))?;
        if identity.is_some() || view.was.is_some() {
            mailboxes.push(view);
        }
    }
    mailboxes.sort_unstable_by(|left, right| left.address.cmp(&right.address));
    Ok(Response::Recounted { counted: total, mailboxes })
}

fn uncounted(recipient: &Recipient, error: &str) -> Failure {
    let failure = Failure::unavailable(format!("The mailbox of {} cannot be counted: {error}", recipient.primary()));
    failure.cured_by("franking check")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::tests::office;
    use super::super::{RecipientEdit, Request, handle};
    use super::*;

    /// Every mailbox holds so much.
    struct Holding(u64);

    impl MailboxDesk for Holding {
        fn usage(&self, _: RecipientId) -> Result<Usage, String> {
            Ok(Usage { bytes: self.0, messages: 1 })
        }

        fn archive_usage(&self, _: RecipientId) -> Result<Usage, String> {
            Ok(Usage { bytes: 95 << 30, messages: 2 })
        }

        fn recount(&self, mailbox: RecipientId) -> Result<(Option<Usage>, Usage), String> {
            self.usage(mailbox).map(|usage| (None, usage))
        }

        fn used(&self, _: RecipientId) -> Result<Used, String> {
            Ok(Used::default())
        }
    }

    fn notes(office: &Office, request: Request) -> Vec<String> {
        match handle(office, "root", request, &mut |_| {}) {
            Response::Done { notes, .. } => notes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_mailbox_beyond_50_gb_keeps_its_licence_when_it_becomes_shared() {
        let convert = |kind| Request::RecipientConvert { identity: "bob".to_owned(), recipient_type: kind };
        for (bytes, expected) in [((50 << 30) - 1, "Up to 50 GB it needs no licence"), (51 << 30, "It holds 51.0 GB")] {
            let office = Office { mailboxes: Arc::new(Holding(bytes)), ..office() };
            let told = notes(&office, convert(RecipientType::SharedMailbox));
            assert!(told.iter().any(|note| note.starts_with(expected)), "{told:?}");
            // The same by the other command, back and forth.
            notes(&office, convert(RecipientType::UserMailbox));
            let edit = RecipientEdit { recipient_type: Some(RecipientType::RoomMailbox), ..RecipientEdit::default() };
            let told = notes(&office, Request::RecipientSet { identity: "bob".to_owned(), edit: Box::new(edit) });
            assert!(told.iter().any(|note| note.starts_with(expected)), "{told:?}");
        }
    }

    #[test]
    fn an_archive_is_shown_with_its_own_quota_where_there_is_one() {
        let office = Office { mailboxes: Arc::new(Holding(1)), ..office() };
        let shown = |office: &Office| match show(office, "alice") {
            Ok(Response::Mailboxes { mut mailboxes }) => mailboxes.remove(0).archive,
            other => panic!("{other:?}"),
        };
        assert_eq!(shown(&office), None);
        let mut plan = |snapshot: &crate::model::directory::Snapshot| {
            let mut alice = Recipient::clone(identity::find(snapshot, "alice").unwrap());
            let archive = crate::model::directory::provisioning::Archive { since: office.clock.now(), disabled: None };
            alice.provisioning.get_or_insert_default().archive = Some(archive);
            Ok(vec![crate::model::directory::Change::PutRecipient(Box::new(alice))])
        };
        office.directory.change("root", &mut plan).unwrap();
        let archive = shown(&office).unwrap();
        assert_eq!((archive.usage.messages, archive.stage), (2, Stage::Warning));
        assert_eq!(archive.thresholds.prohibit_send_receive, Some(100 << 30));
    }

    #[test]
    fn who_takes_the_licence_of_a_large_shared_mailbox_hears_what_follows() {
        let office = Office { mailboxes: Arc::new(Holding(60 << 30)), ..office() };
        let licence = |assign| Request::Licence {
            identity: "info".to_owned(),
            licence: "ExchangeOnlinePlan2".to_owned(),
            assign,
        };
        assert_eq!(notes(&office, licence(true)), Vec::<String>::new());
        let told = notes(&office, licence(false));
        let expected = "It holds 60.0 GB, and without a licence no more than 50 GB: it can neither send nor receive.";
        assert_eq!(told, [expected]);
    }
}
