//! Which mailboxes keep a copy of what an account submits, in their Sent Items (spec section 4.4).
//!
//! Decided once, at the end of DATA, by the very capacity in which the author was permitted; the envelope carries the
//! answer, so that no later reading of the header can come to another. A copy is no recipient: it is delivered like
//! one, and never counted, forwarded, answered or reported about.
//!
//! Blind-copy fields leave a submitted message here. RFC 5322 section 3.6.3 permits three ways, of which this is the
//! one that tells nobody anything, whatever the client does; RFC 6409 asks for none. What was taken out stands in the
//! copies for Sent Items again, where the author looks up who got the message. Whoever may open a shared mailbox sees
//! it there too, as in Exchange. A message from another server keeps its fields: they are its author's affair.

use serde::{Deserialize, Serialize};

use super::settings::Settings;
use super::submit_as::SubmitAs;
use super::trail::Trail;
use crate::model::directory::{Recipient, RecipientId, Snapshot};
use crate::model::mail::ReversePath;
use crate::model::mail::header::each_field;

/// Who keeps a copy of a message, and what stands in the copies alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentItems {
    keepers: Vec<RecipientId>,
    blind: Box<[u8]>,
}

impl SentItems {
    /// The mailboxes that keep a copy, each once: the account's own first.
    pub fn keepers(&self) -> &[RecipientId] {
        &self.keepers
    }

    /// The blind-copy fields, each with its line end, as the client wrote them. Empty when nobody keeps a copy.
    pub const fn blind(&self) -> &[u8] {
        &self.blind
    }

    /// The same keepers, with the blind-copy fields for their copies.
    #[must_use]
    pub fn with_blind(mut self, blind: Vec<u8>) -> Self {
        if !self.keepers.is_empty() {
            self.blind = blind.into();
        }
        self
    }
}

/// Who keeps a copy of what `account` sends in the capacity `submit_as`.
///
/// The account, unless its mailbox or the profile says no (`MessageCopyForSMTPClientSubmissionEnabled`); and the owner
/// whose mailbox wants what others send as it (`MessageCopyForSentAsEnabled`) or on its behalf
/// (`MessageCopyForSendOnBehalfEnabled`). Whoever has no open mailbox keeps nothing. A read receipt or report, which
/// has the null reverse-path, is kept by nobody: no person wrote it.
pub fn sent_items(
    snapshot: &Snapshot,
    settings: &Settings,
    account: RecipientId,
    submit_as: SubmitAs,
    reverse_path: &ReversePath,
    trail: &mut impl Trail,
) -> SentItems {
    if trail.asks("the message is a receipt or report, of which no copy is kept", *reverse_path == ReversePath::Null) {
        return SentItems::default();
    }
    let own = |account: &Recipient| account.sent_items.smtp_client_submission.unwrap_or(settings.sent_items_copy);
    let (owner, wanted): (_, fn(&Recipient) -> bool) = match submit_as {
        SubmitAs::Own => (None, |_| false),
        SubmitAs::As(owner) => (Some(owner), |owner| owner.sent_items.sent_as),
        SubmitAs::OnBehalf(owner) => (Some(owner), |owner| owner.sent_items.sent_on_behalf),
        // Nothing is sent, so there is nothing to keep.
        SubmitAs::Denied => return SentItems::default(),
    };
    let open = |holder: &&Recipient| holder.has_open_mailbox(settings.licensing());
    let find = |id: RecipientId| snapshot.recipient(id).map(|found| &**found).filter(open);
    let mut keepers = Vec::new();
    let account = find(account).filter(|account| own(account));
    trail.note("the account keeps a copy in Sent Items", account.is_some(), String::new);
    keepers.extend(account.map(|account| account.id));
    if let Some(owner) = owner {
        let owner = find(owner).filter(|owner| wanted(owner));
        trail.note("the owner keeps a copy in Sent Items", owner.is_some(), String::new);
        keepers.extend(owner.map(|owner| owner.id).filter(|owner| !keepers.contains(owner)));
    }
    SentItems { keepers, blind: Box::default() }
}

/// Parts a header (without its final empty line) into what everybody may read and the blind-copy fields, each in their
/// order. A field that only resembles one (`Bcc :`) is taken out with them: a lenient reader would show it.
pub fn part_blind(head: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut rest, mut blind) = (Vec::with_capacity(head.len()), Vec::new());
    for field in each_field(head) {
        let is_blind = ["Bcc", "Resent-Bcc"].iter().any(|name| field.resembles(name));
        if is_blind { blind.extend_from_slice(field.raw) } else { rest.extend_from_slice(field.raw) }
    }
    (rest, blind)
}
