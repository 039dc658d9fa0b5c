//! `franking user` and `franking lifecycle`.

use clap::{Args, Subcommand, ValueEnum};

use super::recipient::IdentityArgs;
use crate::admin::office::{Cause, LifeOrder, LifeQuestion, Request};

/// Users.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking user remove dora@contoso.example")]
pub enum UserCommand {
    /// Delete a user with its mailbox; both can be had back for 30 days
    #[command(after_help = "\
The mailbox is removed with its user; one that is on hold becomes inactive and is kept until the last hold ends. \
To remove the mailbox alone: franking recipient remove

Exchange: Remove-MsolUser, Remove-MgUser, Remove-Mailbox

Examples:
  franking user remove dora@contoso.example")]
    Remove(IdentityArgs),
    /// Restore a deleted user with its mailbox
    #[command(after_help = "\
Exchange: Restore-MsolUser, Restore-MgDirectoryDeletedItem, Undo-SoftDeletedMailbox

Examples:
  franking user restore dora@contoso.example")]
    Restore(IdentityArgs),
}

impl UserCommand {
    pub(super) fn request(self) -> Request {
        Request::Life(match self {
            Self::Remove(args) => LifeOrder::UserRemove { identity: args.identity },
            Self::Restore(args) => LifeOrder::UserRestore { identity: args.identity },
        })
    }
}

/// What happens to mailboxes by itself.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking lifecycle preview --days 31")]
pub enum LifecycleCommand {
    /// Say what will happen to whom, and when
    #[command(after_help = "\
Exchange: Get-Mailbox -SoftDeletedMailbox, Get-PendingDelicenseUser, with the 30 days counted by hand

Examples:
  franking lifecycle preview
  franking lifecycle preview --days 7 --json")]
    Preview(PreviewArgs),
    /// List what stands still because of an error
    #[command(after_help = "\
Exchange: (Get-MsolUser -HasErrorsOnly).Errors.ErrorDetail.ObjectErrors.ErrorRecord

Examples:
  franking lifecycle errors
  franking lifecycle errors --json")]
    Errors,
    /// Try again what an error has stopped
    #[command(after_help = "\
Exchange: Redo-MsolProvisionUser

Examples:
  franking lifecycle retry dora@contoso.example")]
    Retry(IdentityArgs),
    /// Let go on what waits because it is about many mailboxes at once
    #[command(after_help = "\
What follows from a command for the mailbox that it names happens at once. What would happen to many mailboxes for \
another reason waits: another profile or an import may leave them without the licence that they need, and a setting or \
an import may say that they were kept long enough. Up to a tenth of all mailboxes, one in any case and ten at most, go \
on without a word; what is more waits until it is confirmed here, or its reason is gone: franking licence assign.

Mailboxes are kept for days that the server was there to see. More than a day for which it was off, or by which its \
clock was set ahead, does not count, until it is confirmed as time here.

Exchange: has no such command

Examples:
  franking lifecycle preview --days 0
  franking lifecycle confirm disconnections
  franking lifecycle confirm deletions --json
  franking lifecycle confirm time")]
    Confirm(ConfirmArgs),
    /// Print every state and transition of a mailbox, as the server runs them
    #[command(after_help = "\
Exchange: has no such page

Examples:
  franking lifecycle table")]
    Table,
}

/// `lifecycle confirm`.
#[derive(Debug, Args)]
pub struct ConfirmArgs {
    /// What
    #[arg(value_name = "WHAT")]
    cause: CauseName,
}

/// What waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum CauseName {
    /// Mailboxes without licence are disconnected
    Disconnections,
    /// Mailboxes and users that were kept long enough are deleted for good
    Deletions,
    /// Days count that passed while the server was off, or by which its clock was set ahead
    Time,
}

/// `lifecycle preview`.
#[derive(Debug, Args)]
pub struct PreviewArgs {
    /// How far ahead
    #[arg(long, value_name = "DAYS", default_value_t = 31, value_parser = clap::value_parser!(u32).range(0..=36_500))]
    days: u32,
}

impl LifecycleCommand {
    pub(super) fn request(self) -> Request {
        Request::LifeQuestion(match self {
            Self::Preview(args) => LifeQuestion::Preview { days: args.days },
            Self::Errors => LifeQuestion::Errors,
            Self::Table => LifeQuestion::Table,
            Self::Confirm(ConfirmArgs { cause }) => {
                let cause = match cause {
                    CauseName::Disconnections => Cause::Disconnections,
                    CauseName::Deletions => Cause::Deletions,
                    CauseName::Time => return Request::Life(LifeOrder::CountUnseenTime),
                };
                return Request::Life(LifeOrder::Confirm { cause });
            }
            Self::Retry(args) => return Request::Life(LifeOrder::Retry { identity: args.identity }),
        })
    }
}
