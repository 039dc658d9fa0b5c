//! Commands about the server as a whole: demo, init, serve, check, explain, backup, verify, restore, completions.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueHint};
use clap_complete::Shell;

use super::Global;
use super::values::ProfileName;
use crate::admin::explain::{Query, Shown, SignInQuery};
use crate::admin::office::{Failure, Request};
use crate::model::directory::document::Limit;

/// `demo`.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Starts a server on loopback with the sample organisation contoso.example, prints what to try, and forgets everything \
when it ends, unless --data names a directory to keep it in. Certificates stay in the directory that --certs names.

Examples:
  franking demo
  franking demo --data ./demo --submission-port 587
  franking demo --faults faults.toml")]
pub struct DemoArgs {
    /// The address to listen on; loopback only
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub listen: IpAddr,
    /// The port for mail from other servers; 0 lets the system choose
    #[arg(long, value_name = "PORT", default_value_t = 2525)]
    pub inbound_port: u16,
    /// The port for submission with STARTTLS; 0 lets the system choose
    #[arg(long, value_name = "PORT", default_value_t = 2587)]
    pub submission_port: u16,
    /// The port for submission with TLS from the first byte; 0 lets the system choose
    #[arg(long, value_name = "PORT", default_value_t = 2465)]
    pub submissions_port: u16,
    /// Where the development certificates are, or are made
    #[arg(long, value_name = "DIR", default_value = "certs", value_hint = ValueHint::DirPath)]
    pub certs: PathBuf,
    /// A script of faults; `franking faults set --help` shows one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub faults: Option<PathBuf>,
    /// End when standard input does
    #[arg(long)]
    pub until_stdin_closes: bool,
}

/// `serve`.
#[derive(Clone, Debug, Default, Args)]
#[command(after_help = "\
Ends on SIGTERM or SIGINT after open sessions have finished. A second signal ends at once; nothing accepted is lost.

With --ephemeral it is a server for tests: its state is in a temporary directory and gone when it ends, it listens on \
loopback at ports that the system chooses (or as --config says), mail for outside goes into a directory, and with \
--json one line tells where everything is. Its organisation is the sample, or that of --directory. It obeys a script \
of faults, which a server in service never does.

Examples:
  franking serve
  franking --config /etc/franking/franking.toml serve
  franking serve --ephemeral --json --until-stdin-closes
  franking serve --ephemeral --directory organisation.toml --faults faults.toml")]
pub struct ServeArgs {
    /// Run for tests: keep nothing, send nothing outside
    #[arg(long)]
    pub ephemeral: bool,
    /// The organisation of an ephemeral server, as TOML or JSON [default: the sample, contoso.example]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub directory: Option<PathBuf>,
    /// A script of faults for an ephemeral server; `franking faults set --help` shows one
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub faults: Option<PathBuf>,
    /// Where an ephemeral server keeps its development certificates [default: in its temporary directory]
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub certs: Option<PathBuf>,
    /// An ephemeral server may listen where its configuration says, and not on loopback only
    #[arg(long)]
    pub anywhere: bool,
    /// End an ephemeral server when standard input ends
    #[arg(long)]
    pub until_stdin_closes: bool,
}

impl ServeArgs {
    /// What these options cannot mean together.
    pub(super) fn refused(&self, global: &Global) -> Option<Failure> {
        let of_tests = [
            ("--faults", self.faults.is_some()),
            ("--directory", self.directory.is_some()),
            ("--certs", self.certs.is_some()),
            ("--anywhere", self.anywhere),
            ("--until-stdin-closes", self.until_stdin_closes),
        ];
        let named = of_tests.into_iter().find(|(_, is_given)| *is_given);
        match (self.ephemeral, named) {
            (false, Some((option, _))) => {
                let message =
                    format!("{option} is for servers for tests: a server in service never misbehaves on purpose.");
                Some(Failure::refused(message).cured_by("say so: franking serve --ephemeral"))
            }
            (true, _) if global.data.is_some() => {
                let message = "An ephemeral server keeps nothing, so it takes no data directory.";
                Some(Failure::refused(message).cured_by("leave --data out, or use franking demo --data DIR"))
            }
            (true | false, _) => None,
        }
    }
}

/// `init`.
#[derive(Debug, Args)]
#[command(after_help = "\
Nothing is overwritten. The administrator's password is shown once. Mailboxes may not forward to other domains until \
you permit it: franking organisation set --auto-forwarding on

Exchange: New-AcceptedDomain, New-Mailbox

Examples:
  franking init --domain contoso.example
  franking init --domain contoso.example --directory /etc/franking --data /var/lib/franking")]
pub struct InitArgs {
    /// The first domain that mail is accepted for
    #[arg(long, value_name = "DOMAIN", value_hint = ValueHint::Hostname)]
    pub(super) domain: String,
    /// Where the configuration goes, and the data below it unless --data names another place
    #[arg(long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub(super) directory: PathBuf,
    /// The server's name [default: mail. and the domain]
    #[arg(long, value_name = "NAME", value_hint = ValueHint::Hostname)]
    pub(super) hostname: Option<String>,
    /// The administrator's address (default: admin@ and the domain)
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    pub(super) administrator: Option<String>,
    /// Whose rules apply
    #[arg(long, value_name = "PROFILE", default_value = "exchange-online")]
    pub(super) profile: ProfileName,
}

/// `check`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit code 1 means that something must be mended before the server runs as configured; warnings alone give 0.

Exchange: Test-ServiceHealth, Test-SmtpConnectivity, Get-ExchangeCertificate

Examples:
  franking check
  franking check --online
  franking --config ./franking.toml check --json")]
pub struct CheckArgs {
    /// Ask every token endpoint for an access token, too, as the server will
    #[arg(long)]
    pub online: bool,
}

/// `explain`.
#[derive(Debug, Args)]
#[command(after_help = "\
The rules of the server itself are run, with the right password assumed. Each rule is answered yes or no; \
✓ marks what the server takes, ✗ what it refuses. A local part alone means the default domain. Exit code 1 means that \
the server would refuse.

Exchange: Test-ApplicationAccessPolicy, Get-MessageTraceDetail (after the fact)

Examples:
  franking explain --as alice@contoso.example --from info@contoso.example --to bob@fabrikam.example
  franking explain --as scanner@contoso.example
  franking explain --as alice --device scanner-2 --to bob@contoso.example
  franking explain --from eve@fabrikam.example --to staff@contoso.example --port 25
  franking explain --peer 192.168.10.7 --from scanner@contoso.example --to partner@fabrikam.example
  franking explain --as bob --to sales --size \"20 MB\" --json
  franking explain sign-in quiet@contoso.example")]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub struct ExplainArgs {
    /// A part of the whole
    #[command(subcommand)]
    part: Option<ExplainPart>,
    /// Who signs in; leave it out for mail from outside
    #[arg(long = "as", value_name = "LOGIN", value_hint = ValueHint::EmailAddress)]
    #[arg(required_unless_present_any = ["from", "to"])]
    login: Option<String>,
    /// The address in MAIL FROM [default: the account's own]
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    from: Option<String>,
    /// The address in the From line [default: that of MAIL FROM]
    #[arg(long, value_name = "ADDRESS", value_hint = ValueHint::EmailAddress)]
    header_from: Option<String>,
    /// A recipient; can be given more than once
    #[arg(long, value_name = "ADDRESS", value_delimiter = ',', value_hint = ValueHint::EmailAddress)]
    to: Vec<String>,
    /// The role, as its usual port: 25 for mail from outside, 465 or 587 for accounts [default: 587 with --as, else 25]
    #[arg(long, value_name = "PORT", value_parser = role_port)]
    port: Option<u16>,
    /// The size of the message, such as "20 MB"
    #[arg(long, value_name = "SIZE")]
    size: Option<Limit>,
    /// The device of that account whose secret is shown
    #[arg(long, value_name = "NAME", requires = "login")]
    device: Option<String>,
    /// Where the client is: for a device, and for the connectors of port 25 [default: in the device's first network]
    #[arg(long, value_name = "ADDRESS")]
    peer: Option<IpAddr>,
    /// The client uses TLS; only connectors ask for it
    #[arg(long)]
    tls: bool,
    /// A name in the certificate that the client shows on port 25, for which the authorities vouch
    #[arg(long, value_name = "NAME")]
    certificate: Option<String>,
    /// The SHA-256 fingerprint of that certificate
    #[arg(long, value_name = "HEX")]
    fingerprint: Option<String>,
}

/// Something smaller to explain.
#[derive(Debug, Subcommand)]
pub(super) enum ExplainPart {
    /// Say which rule lets a login sign in, or keeps it out
    #[command(after_help = "\
Exchange: Get-CASMailbox, Get-TransportConfig, Get-User, Get-AuthenticationPolicy

Examples:
  franking explain sign-in quiet@contoso.example
  franking explain sign-in scanner --password-wrong
  franking explain sign-in alice --device scanner-2 --peer 192.168.10.7
  franking explain sign-in alice --device scanner-2 --without-tls
  franking explain sign-in alice --token --json")]
    SignIn(SignInArgs),
}

/// `explain sign-in`.
#[derive(Debug, Args)]
pub(super) struct SignInArgs {
    /// The login
    #[arg(value_name = "LOGIN", value_hint = ValueHint::EmailAddress)]
    login: String,
    /// The client shows the right password; so it is unless another is given
    #[arg(long, group = "shown")]
    password_right: bool,
    /// The client shows a wrong password
    #[arg(long, group = "shown")]
    password_wrong: bool,
    /// The client shows a token instead of a password
    #[arg(long, group = "shown")]
    token: bool,
    /// The client shows the secret of this device, in place of a password
    #[arg(long, value_name = "NAME", group = "shown")]
    device: Option<String>,
    /// Where the client is [default: in the first network of the device]
    #[arg(long, value_name = "ADDRESS", requires = "device")]
    peer: Option<IpAddr>,
    /// On a listener where devices sign in without TLS, and without it
    #[arg(long, conflicts_with_all = ["password_wrong", "token"])]
    without_tls: bool,
}

/// A port that names a role. Listeners may be elsewhere, so any other number would be taken for the wrong role.
fn role_port(text: &str) -> Result<u16, String> {
    let port = text.trim().parse().ok().filter(|port| [25, 465, 587].contains(port));
    port.ok_or_else(|| "write 25 for mail from outside, 465 or 587 for accounts, wherever they listen".to_owned())
}

impl ExplainArgs {
    pub(super) fn request(self) -> Request {
        match self.part {
            Some(ExplainPart::SignIn(args)) => {
                let shown = match (args.password_wrong, args.token) {
                    (true, _) => Shown::PasswordWrong,
                    (false, true) => Shown::Token,
                    (false, false) => Shown::PasswordRight,
                };
                let SignInArgs { login, device, peer, without_tls, .. } = args;
                Request::ExplainSignIn(SignInQuery { login, shown, device, peer, without_tls })
            }
            None => Request::Explain(self.query()),
        }
    }

    fn query(self) -> Query {
        let usual = if self.login.is_some() { 587 } else { 25 };
        let complete = |text: String| text.trim_matches(['<', '>']).to_owned();
        Query {
            port: self.port.unwrap_or(usual),
            login: self.login,
            device: self.device,
            peer: self.peer,
            tls: self.tls,
            certificate: self.certificate,
            fingerprint: self.fingerprint,
            from: self.from.map(complete),
            header_from: self.header_from.map(complete),
            to: self.to.into_iter().map(complete).collect(),
            bytes: self.size.and_then(Limit::bytes).unwrap_or(0),
        }
    }
}

/// `backup`.
#[derive(Debug, Args)]
#[command(after_help = "\
Works while the server runs, and stops nothing. A backup holds password hashes and mail: keep it as safe as the server.

Exchange: New-MailboxExportRequest, Windows Server Backup

Examples:
  franking backup /var/backups/franking/2026-01-05")]
pub struct BackupArgs {
    /// A new or empty directory
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) to: PathBuf,
}

/// `verify`.
#[derive(Debug, Args)]
#[command(after_help = "\
Reads every octet of a backup and compares it with the digests. Without DIR, the data directory is examined: journal \
and directory log are replayed as at a start; the server must not run then. A last write that was never \
acknowledged is cut off, nothing else is changed.

Exchange: eseutil /k

Examples:
  franking verify /var/backups/franking/2026-01-05
  franking verify")]
pub struct VerifyArgs {
    /// A backup [default: the data directory]
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) directory: Option<PathBuf>,
}

/// `repair`.
#[derive(Debug, Args)]
#[command(after_help = "\
For a queue or a directory log that is damaged and has no backup. Damaged files are kept aside (.damaged); what can be \
read goes on, and what is missing is listed. The server must not run. Prefer a backup: franking restore

Exchange: eseutil /p

Examples:
  franking repair
  franking --data /var/lib/franking repair --json")]
pub struct RepairArgs {}

/// `restore`.
#[derive(Debug, Args)]
#[command(after_help = "\
The backup is verified first. The data directory must be empty, so stop the server and move the old one away. The \
configuration in the backup is not put anywhere; compare it with yours.

Exchange: New-MailboxRestoreRequest, Windows Server Backup

Examples:
  franking restore /var/backups/franking/2026-01-05
  franking --data /var/lib/franking-new restore /var/backups/franking/2026-01-05")]
pub struct RestoreArgs {
    /// The backup
    #[arg(value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(super) from: PathBuf,
}

/// `completions`.
#[derive(Debug, Args)]
#[command(after_help = "\
For bash, write it to /etc/bash_completion.d/franking; for fish, to ~/.config/fish/completions/franking.fish.

Examples:
  franking completions bash
  franking completions fish")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(super) shell: Shell,
}
