//! Gives the administrators' office what mailboxes hold, message by message, with a running server and without one.

use core::ops::ControlFlow;
use std::path::Path;

use super::mailboxes::{MailboxCounter, MailboxesAtRest};
use crate::admin::office::ContentsDesk;
use crate::model::policy::quota::Usage;
use crate::store::accesses::Access;
use crate::store::mailbox::{CustodyError, MailboxFailure, MailboxName, Progress, RecoverableMessage, Watch};
use crate::world::disk::ReadFile;

impl MailboxCounter {
    fn watched(&self, done: Progress, watch: Watch<'_>) -> ControlFlow<()> {
        if self.goes_on().is_break() { ControlFlow::Break(()) } else { watch(done) }
    }
}

impl ContentsDesk for MailboxCounter {
    fn copy(
        &self,
        source: &MailboxName,
        target: &MailboxName,
        full_at: Option<u64>,
        watch: Watch<'_>,
    ) -> Result<Progress, CustodyError> {
        self.mailboxes.copy_contents(source, target, full_at, &mut |done| self.watched(done, watch))
    }

    fn recoverable(
        &self,
        mailbox: &MailboxName,
        after: Option<&str>,
        count_max: usize,
    ) -> Result<Vec<RecoverableMessage>, CustodyError> {
        Ok(self.mailboxes.recoverable(mailbox, after, count_max)?)
    }

    fn recoverable_usage(&self, mailbox: &MailboxName) -> Result<Usage, CustodyError> {
        Ok(self.mailboxes.recoverable_usage(mailbox)?)
    }

    fn recoverable_message(
        &self,
        mailbox: &MailboxName,
        name: &str,
    ) -> Result<Option<Box<dyn ReadFile>>, CustodyError> {
        Ok(self.mailboxes.recoverable_message(mailbox, name)?)
    }

    fn export_recoverable(
        &self,
        mailbox: &MailboxName,
        only: &[String],
        to: &Path,
        watch: Watch<'_>,
    ) -> Result<Progress, CustodyError> {
        self.mailboxes.export_recoverable(mailbox, only, to, &mut |done| self.watched(done, watch))
    }

    fn record(&self, access: &Access) -> Result<(), String> {
        self.accesses.record(access).map_err(|error| error.to_string())
    }

    fn accesses(&self, count_max: usize, is_meant: &dyn Fn(&Access) -> bool) -> Result<(Vec<Access>, u64), String> {
        self.accesses.newest(count_max, is_meant).map_err(|error| error.to_string())
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

    fn recoverable(
        &self,
        mailbox: &MailboxName,
        after: Option<&str>,
        count_max: usize,
    ) -> Result<Vec<RecoverableMessage>, CustodyError> {
        self.contents()?.recoverable(mailbox, after, count_max)
    }

    fn recoverable_usage(&self, mailbox: &MailboxName) -> Result<Usage, CustodyError> {
        self.contents()?.recoverable_usage(mailbox)
    }

    fn recoverable_message(
        &self,
        mailbox: &MailboxName,
        name: &str,
    ) -> Result<Option<Box<dyn ReadFile>>, CustodyError> {
        self.contents()?.recoverable_message(mailbox, name)
    }

    fn export_recoverable(
        &self,
        mailbox: &MailboxName,
        only: &[String],
        to: &Path,
        watch: Watch<'_>,
    ) -> Result<Progress, CustodyError> {
        self.contents()?.export_recoverable(mailbox, only, to, watch)
    }

    fn record(&self, access: &Access) -> Result<(), String> {
        self.counter()?.record(access)
    }

    fn accesses(&self, count_max: usize, is_meant: &dyn Fn(&Access) -> bool) -> Result<(Vec<Access>, u64), String> {
        self.counter()?.accesses(count_max, is_meant)
    }
}
