//! Gives the administrators' office what mailboxes hold, message by message, with a running server and without one.

use crate::admin::office::ContentsDesk;
use crate::store::mailbox::{CustodyError, MailboxFailure, MailboxName, Progress, Watch};

use super::mailboxes::{MailboxCounter, MailboxesAtRest};

impl ContentsDesk for MailboxCounter {
    fn copy(
        &self,
        source: &MailboxName,
        target: &MailboxName,
        full_at: Option<u64>,
        watch: Watch<'_>,
    ) -> Result<Progress, CustodyError> {
        self.mailboxes.copy_contents(source, target, full_at, watch)
    }
}

impl MailboxesAtRest {
    fn contents(&self) -> Result<&MailboxCounter, CustodyError> {
        self.counter().map_err(|reason| CustodyError::Failed(MailboxFailure::Disk { reason: reason.into() }))
    }
}

impl ContentsDesk for MailboxesAtRest {
    fn copy(
        &self,
        source: &MailboxName,
        target: &MailboxName,
        full_at: Option<u64>,
        watch: Watch<'_>,
    ) -> Result<Progress, CustodyError> {
        self.contents()?.copy(source, target, full_at, watch)
    }
}
