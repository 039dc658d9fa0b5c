//! Gives the administrators' office what mailboxes hold, with a running server and without one.

use core::ops::ControlFlow;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use crate::admin::office::{Custody, MailboxDesk, Used};
use crate::model::directory::RecipientId;
use crate::model::mail::ReversePath;
use crate::model::policy::quota::Usage;
use crate::model::policy::restricted::Submitter;
use crate::store::accesses::AccessLog;
use crate::store::answered::AnsweredSenders;
use crate::store::mailbox::{MailboxName, MailboxStore};
use crate::store::tally::{Sent, Tally};
use crate::world::Clock;

/// The mailboxes and counts of a running server as the office sees them.
pub(super) struct MailboxCounter {
    pub(super) mailboxes: Arc<MailboxStore>,
    pub(super) tally: Arc<Tally>,
    pub(super) answered: Arc<AnsweredSenders>,
    pub(super) accesses: Arc<AccessLog>,
    pub(super) clock: Arc<dyn Clock>,
}

impl MailboxCounter {
    /// Long work ends when the server does; what is left of it is done after the next start, or when it is asked for
    /// again.
    pub(super) fn goes_on(&self) -> ControlFlow<()> {
        if self.mailboxes.is_stopping() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl MailboxDesk for MailboxCounter {
    fn usage(&self, mailbox: RecipientId) -> Result<Usage, String> {
        self.mailboxes.examine_blocking(mailbox).map_err(|error| error.to_string())
    }

    fn archive_usage(&self, mailbox: RecipientId) -> Result<Usage, String> {
        self.mailboxes.recount(&MailboxName::of_archive(mailbox)).map_err(|error| error.to_string())
    }

    fn recount(&self, mailbox: RecipientId) -> Result<(Option<Usage>, Usage), String> {
        let was = self.mailboxes.usage(mailbox);
        let counted = self.mailboxes.recount(&MailboxName::of_recipient(mailbox));
        counted.map(|usage| (was, usage)).map_err(|error| error.to_string())
    }

    fn used(&self, recipient: RecipientId) -> Result<Used, String> {
        let Sent { messages_of_minute, recipients_of_day } = self.tally.sent(recipient);
        let received = self.tally.received(recipient, &ReversePath::Null, self.clock.now());
        let outside = self.tally.sent_outside(&Submitter::Account(recipient));
        Ok(Used {
            messages_of_minute,
            recipients_of_day,
            received_of_hour: received.of_all,
            external_of_hour: outside.of_hour,
            external_of_day: outside.of_day,
        })
    }
}

impl Custody for MailboxCounter {
    fn purge(&self, mailbox: RecipientId) -> Result<(), String> {
        let purged = self.mailboxes.purge(mailbox, &mut |_| self.goes_on());
        purged.map(drop).map_err(|error| error.to_string())
    }

    /// Whom it has answered by itself is forgotten; what it has sent counts for a day, and goes by itself.
    fn clean_up(&self, mailbox: RecipientId) -> Result<(), String> {
        self.answered.forget(mailbox).map_err(|error| error.to_string())
    }

    fn hold(&self, who: &Arc<BTreeSet<RecipientId>>) {
        self.mailboxes.set_on_hold(Arc::clone(who));
    }

    fn keep(&self, mailbox: RecipientId) -> Result<(), String> {
        let kept = self.mailboxes.begin_hold(mailbox, &mut |_| self.goes_on());
        kept.map(drop).map_err(|error| error.to_string())
    }

    fn release(&self, mailbox: RecipientId) -> Result<(), String> {
        let released = self.mailboxes.release_hold(mailbox, &mut |_| self.goes_on());
        released.map(drop).map_err(|error| error.to_string())
    }

    fn kept(&self) -> Option<BTreeSet<RecipientId>> {
        let owners = self.mailboxes.owners_of_kept();
        owners.inspect_err(|error| tracing::warn!(%error, "whose messages are kept cannot be listed")).ok()
    }
}

/// Those of a server that does not run, opened when a command first asks for them.
pub(super) struct MailboxesAtRest {
    open: Box<dyn Fn() -> Result<MailboxCounter, String> + Send + Sync>,
    opened: OnceLock<Result<MailboxCounter, String>>,
    /// Who is on hold, as far as it was told.
    held: Mutex<Option<Arc<BTreeSet<RecipientId>>>>,
}

impl MailboxesAtRest {
    pub(super) fn new(open: impl Fn() -> Result<MailboxCounter, String> + Send + Sync + 'static) -> Self {
        Self { open: Box::new(open), opened: OnceLock::new(), held: Mutex::default() }
    }

    pub(super) fn counter(&self) -> Result<&MailboxCounter, String> {
        let opened = self.opened.get_or_init(|| {
            let counter = (self.open)()?;
            // What is kept of somebody says that he was on hold, not that he is.
            if let Some(held) = self.held().as_ref() {
                counter.hold(held);
            }
            Ok(counter)
        });
        opened.as_ref().map_err(Clone::clone)
    }

    fn held(&self) -> MutexGuard<'_, Option<Arc<BTreeSet<RecipientId>>>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MailboxDesk for MailboxesAtRest {
    fn usage(&self, mailbox: RecipientId) -> Result<Usage, String> {
        self.counter()?.usage(mailbox)
    }

    fn archive_usage(&self, mailbox: RecipientId) -> Result<Usage, String> {
        self.counter()?.archive_usage(mailbox)
    }

    fn recount(&self, mailbox: RecipientId) -> Result<(Option<Usage>, Usage), String> {
        self.counter()?.recount(mailbox)
    }

    fn used(&self, recipient: RecipientId) -> Result<Used, String> {
        self.counter()?.used(recipient)
    }
}

impl Custody for MailboxesAtRest {
    fn purge(&self, mailbox: RecipientId) -> Result<(), String> {
        self.counter()?.purge(mailbox)
    }

    fn clean_up(&self, mailbox: RecipientId) -> Result<(), String> {
        self.counter()?.clean_up(mailbox)
    }

    fn hold(&self, who: &Arc<BTreeSet<RecipientId>>) {
        *self.held() = Some(Arc::clone(who));
        if let Some(Ok(counter)) = self.opened.get() {
            counter.hold(who);
        }
    }

    /// Nothing is delivered meanwhile, and the server keeps what is there at its next start.
    fn keep(&self, _: RecipientId) -> Result<(), String> {
        Ok(())
    }

    fn release(&self, mailbox: RecipientId) -> Result<(), String> {
        self.counter()?.release(mailbox)
    }

    /// A command does not look through all mailboxes: the next start of the server does.
    fn kept(&self) -> Option<BTreeSet<RecipientId>> {
        None
    }
}
