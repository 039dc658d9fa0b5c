//! The command line: what can be typed, what it asks the office, and how the answer is shown.
//!
//! A command talks to the running server over its local socket; when none runs it opens the store itself. Every page of
//! help ends with examples, and a test parses each of them.

mod account;
mod address_book;
mod address_policy;
mod audit;
mod authentication_policy;
mod auto_reply;
mod certificate;
mod cmdlets;
mod convert;
mod device;
mod domain;
mod group;
mod hold;
mod licence;
mod limits;
mod lockout;
mod mailbox;
mod maintenance;
mod membership;
mod moderation;
mod moderators;
mod output;
mod precanned;
mod queue;
mod recipient;
mod recoverable;
mod rehearsal;
mod remote_domain;
mod render;
mod restricted;
mod run;
mod srs;
#[cfg(test)]
pub(in crate::admin) mod tests;
mod trace;
mod transfer;
mod user;
mod values;

use std::path::{Path, PathBuf};

use clap::{Args, Parser, Subcommand, ValueHint};

pub use maintenance::{DemoArgs, ServeArgs};
pub use output::{table, visible};
pub use run::{Outcome, Settled, run};

use super::office::{Failure, Office, Progress};
use crate::admin::backup::Defect;
use crate::config::{Config, IssuerConfig, TokenConfig};
use crate::world::jws::KeySet;

const AFTER_HELP: &str = "\
Exit codes:
  0  done
  1  refused or failed; `check` found a fault, `explain` found a refusal
  2  the command line is wrong
  3  what was named does not exist
  4  the server or its store cannot be reached

Examples:
  franking demo
  franking init --domain contoso.example
  franking recipient new alice@contoso.example --licence ExchangeOnlinePlan1
  franking explain --as alice@contoso.example --from info@contoso.example --to bob@fabrikam.example
  franking queue list --json
  franking trace --recipient bob@contoso.example --since 2h";

/// An SMTP submission and delivery server with Exchange's recipient semantics.
#[derive(Debug, Parser)]
#[command(name = "franking", version, about, after_help = AFTER_HELP, max_term_width = 100)]
#[command(subcommand_required = true, arg_required_else_help = true, disable_help_subcommand = true)]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Options of every command.
#[derive(Clone, Debug, Default, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct Global {
    /// The configuration file [default: /etc/franking/franking.toml, then ./franking.toml]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// The data directory, instead of the configured one
    #[arg(long, global = true, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub data: Option<PathBuf>,
    /// The running server's local socket [default: admin.sock in the data directory]
    #[arg(long, global = true, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub socket: Option<PathBuf>,
    /// Answer in JSON, for programs
    #[arg(long, global = true)]
    pub json: bool,
}

/// Every command.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show the product on this machine, with a sample organisation
    Demo(DemoArgs),
    /// Make a configuration, an administrator and a list of DNS records
    Init(maintenance::InitArgs),
    /// Run the server
    Serve(ServeArgs),
    /// Check configuration, certificate, ports, directory and disk
    Check(maintenance::CheckArgs),
    /// Say why the server would accept or refuse, and what would change that
    Explain(maintenance::ExplainArgs),
    /// Mailboxes, mail users, contacts and groups
    #[command(subcommand)]
    Recipient(recipient::RecipientCommand),
    /// Passwords and sign-in
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Secrets of scanners and old applications, which submit for an account without knowing its password
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// Who is locked out after too many failures to sign in
    #[command(subcommand)]
    Lockout(lockout::LockoutCommand),
    /// Who sent too much outside, and is restricted until released
    #[command(subcommand)]
    Restricted(restricted::RestrictedCommand),
    /// Licences, by which user mailboxes live
    #[command(subcommand, visible_alias = "license")]
    Licence(licence::LicenceCommand),
    /// Who may send as whom, on whose behalf, and open whose mailbox
    #[command(subcommand)]
    Permission(account::PermissionCommand),
    /// Policies that say whose password may be used
    #[command(subcommand)]
    AuthenticationPolicy(authentication_policy::AuthenticationPolicyCommand),
    /// Policies that make addresses of names
    #[command(subcommand)]
    AddressPolicy(address_policy::AddressPolicyCommand),
    /// Domains that mail is accepted for
    #[command(subcommand)]
    Domain(domain::DomainCommand),
    /// What domains outside are sent: forwarded mail, automatic replies, reports
    #[command(subcommand)]
    RemoteDomain(remote_domain::RemoteDomainCommand),
    /// Members of groups
    #[command(subcommand)]
    Group(group::GroupCommand),
    /// What accounts and mailboxes may do, and have used up
    #[command(subcommand)]
    Limits(limits::LimitsCommand),
    /// How full mailboxes are, and where they stand between creation and purge
    #[command(subcommand)]
    Mailbox(mailbox::MailboxCommand),
    /// Delete and restore users
    #[command(subcommand)]
    User(user::UserCommand),
    /// What keeps contents of mailboxes from being lost
    #[command(subcommand)]
    Hold(hold::HoldCommand),
    /// What happens to mailboxes by itself, and what stands still
    #[command(subcommand)]
    Lifecycle(user::LifecycleCommand),
    /// Settings of the whole organisation
    #[command(subcommand, visible_alias = "organization")]
    Organisation(domain::OrganisationCommand),
    /// Certificates that the server shows
    #[command(subcommand)]
    Certificate(certificate::CertificateCommand),
    /// Keys that sign the reverse-paths of what is passed on
    #[command(subcommand)]
    Srs(srs::SrsCommand),
    /// Bring recipients in from TOML, JSON or what Exchange exports
    Import(transfer::ImportArgs),
    /// Write the whole directory as TOML or JSON
    Export(transfer::ExportArgs),
    /// Messages that wait
    #[command(subcommand)]
    Queue(queue::QueueCommand),
    /// Mail that waits for a moderator
    #[command(subcommand)]
    Moderation(moderation::ModerationCommand),
    /// Who sent what to whom, when, and what became of it
    Trace(trace::TraceArgs),
    /// What a server for tests does wrong on purpose
    #[command(subcommand)]
    Faults(rehearsal::FaultsCommand),
    /// What came in at a server for tests
    #[command(subcommand)]
    Captured(rehearsal::CapturedCommand),
    /// Lists for auditors
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    /// Copy everything that matters to a new directory
    Backup(maintenance::BackupArgs),
    /// Read a backup, or the data directory, and find what is damaged
    Verify(maintenance::VerifyArgs),
    /// Make a damaged queue or directory log readable again, and list what is lost
    Repair(maintenance::RepairArgs),
    /// Put a backup into an empty data directory
    Restore(maintenance::RestoreArgs),
    /// Find the command for a cmdlet of Exchange
    Cmdlets(cmdlets::CmdletsArgs),
    /// Print the page of help of a command, or find the command for a cmdlet of Exchange
    Help(cmdlets::HelpArgs),
    /// Print a completion script for a shell
    Completions(maintenance::CompletionsArgs),
}

/// What the command line needs of the program around it.
pub trait Premises {
    /// Opens the store that `config` names, for this process alone, as when no server runs. `path` is the file that
    /// `config` came from.
    ///
    /// # Errors
    /// `Unavailable` when another process has the store, or it cannot be read; the text says which and the cure.
    fn open(&self, config: &Config, path: Option<&Path>) -> Result<Office, Failure>;

    /// Replays journal and directory log in `data` as at a start, and says what is damaged. A torn write at the end of
    /// a log, which was never acknowledged, is cut off.
    ///
    /// # Errors
    /// `Unavailable` when another process has the store or the disk fails.
    fn examine(&self, data: &Path, progress: &mut dyn FnMut(Progress)) -> Result<Vec<Defect>, Failure>;

    /// Repairs journal and directory log in `data`, and says what could not be kept.
    ///
    /// # Errors
    /// `Unavailable` when another process has the store or the disk fails.
    fn repair(&self, data: &Path) -> Result<Vec<Defect>, Failure>;

    /// Asks for an access token of `config` once, as the server would, and forgets it. Blocks for half a minute at
    /// most.
    ///
    /// # Errors
    /// Why there is none, in words without secrets.
    fn try_token(&self, config: &Config, token: &TokenConfig) -> Result<(), String>;

    /// Fetches the keys of an issuer of tokens once, as the server would. Blocks.
    ///
    /// # Errors
    /// Why there are none.
    fn try_issuer(&self, config: &Config, issuer: &IssuerConfig) -> Result<KeySet, String>;
}
