//! `franking faults` and `franking captured`: what developers ask a server for tests.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand, ValueHint};

use super::output::table;
use super::run::Desk;
use super::{Global, render};
use crate::admin::office::rehearsal::names;
use crate::admin::office::{CapturedOrder, Failure, FaultOrder, Request, Response};
use crate::config::SCRIPT_BYTES_MAX;
use crate::model::policy::Settings;
use crate::world::{Clock as _, SystemClock};

/// How often a server is asked for what is awaited.
const GLANCE: Duration = Duration::from_millis(50);

/// What a server for tests does wrong on purpose. Only `franking demo` and `franking serve --ephemeral` obey; a server
/// in service refuses.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking --socket /tmp/x/data/admin.sock faults list")]
pub enum FaultsCommand {
    /// Replace the script of faults; every count begins anew
    #[command(after_help = "\
A script is TOML. Each rule says where (step), when (conditions) and what; rules are asked in their order, and the \
first that is due strikes. A fault strikes only where the server would have said yes, and never says yes itself.

  [[fault]]
  refuse = \"ConcurrentSessionsExceeded\"   # see franking faults names
  sender = \"alice@*\"
  times = 2

  [[fault]]
  step = \"rcpt\"
  recipient = \"*@fabrikam.example\"
  reply = \"451 Server busy\"              # a status may follow the code

Steps: connect, tls, banner, ehlo, starttls, auth, mail, rcpt, data, content, end-of-data, accepted, quit, delivery.

Conditions: sender, recipient, login (patterns with * and ?), client (a network), port, listener (submission, \
submissions, inbound), session, every_session, message, every_message, octets, every_octets; then skip, every, times.

What: refuse, reply, drop (close, reset), stall_seconds, tls (alert, expired, wrong-name, unknown-authority), hide \
(keywords of EHLO), discard; with or instead of it delay_milliseconds, trickle_milliseconds.

Examples:
  franking faults set faults.toml
  franking faults set -")]
    Set(SetArgs),
    /// Add one rule at the end, by its keys
    #[command(after_help = "\
Examples:
  franking faults add refuse=SendAsDenied login=bob@*
  franking faults add step=rcpt 'reply=451 Server busy' times=2
  franking faults add step=accepted drop=reset times=1")]
    Add(AddArgs),
    /// List the rules, and how often each has struck
    #[command(after_help = "Examples:\n  franking faults list --json")]
    List(NoArgs),
    /// Take one rule away, or all
    #[command(after_help = "Examples:\n  franking faults clear\n  franking faults clear fault-2")]
    Clear(ClearArgs),
    /// What has struck: when, by which rule, and whom
    #[command(after_help = "Examples:\n  franking faults log\n  franking faults log --after 12 --json")]
    Log(LogArgs),
    /// List every fault that has a name, with its usual step and Exchange's words
    #[command(after_help = "Examples:\n  franking faults names")]
    Names(NoArgs),
}

/// A command without arguments.
#[derive(Debug, Args)]
pub struct NoArgs {}

/// `faults set`.
#[derive(Debug, Args)]
pub struct SetArgs {
    /// The script; - is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

/// `faults add`.
#[derive(Debug, Args)]
pub struct AddArgs {
    /// The keys of the rule
    #[arg(value_name = "KEY=VALUE", required = true, value_parser = pair)]
    pairs: Vec<(String, String)>,
}

/// `faults clear`.
#[derive(Debug, Args)]
pub struct ClearArgs {
    /// The name of a rule
    #[arg(value_name = "RULE")]
    rule: Option<String>,
}

/// `faults log`.
#[derive(Debug, Args)]
pub struct LogArgs {
    /// Only what has a greater number
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    after: u64,
}

/// What came in at a server for tests: messages with their envelopes, as soon as they are accepted.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking --socket /tmp/x/data/admin.sock captured list")]
pub enum CapturedCommand {
    /// List messages, the latest at the end
    #[command(after_help = "\
Examples:
  franking captured list
  franking captured list --recipient '*@fabrikam.example' --json")]
    List(ListArgs),
    /// Show one message with its envelope
    #[command(after_help = "Examples:\n  franking captured show 3\n  franking captured show 3 --json")]
    Show(ShowArgs),
    /// Forget all messages; mailboxes and outbox keep theirs
    #[command(after_help = "Examples:\n  franking captured clear")]
    Clear(NoArgs),
    /// Wait until so many messages have come, then list them; exit code 1 when they have not
    #[command(after_help = "\
Examples:
  franking captured wait --count 1
  franking captured wait --count 3 --recipient bob@contoso.example --timeout 30 --json")]
    Wait(WaitArgs),
}

/// Which messages.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// Whose reverse-path fits this pattern
    #[arg(long, value_name = "PATTERN")]
    sender: Option<String>,
    /// One of whose recipients fits this pattern
    #[arg(long, value_name = "PATTERN")]
    recipient: Option<String>,
    /// The latest so many; 0 shows all that are remembered
    #[arg(long, value_name = "COUNT", default_value_t = 50)]
    limit: usize,
}

/// `captured show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The number in the list
    #[arg(value_name = "NUMBER")]
    number: u64,
}

/// `captured wait`.
#[derive(Clone, Debug, Args)]
pub struct WaitArgs {
    /// How many messages
    #[arg(long, value_name = "COUNT", default_value_t = 1)]
    count: u64,
    /// How long, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(..=3600))]
    timeout: u64,
    #[command(flatten)]
    which: ListArgs,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or_else(|| "write it as key=value".to_owned())?;
    let is_key = !key.is_empty() && key.bytes().all(|octet| octet.is_ascii_lowercase() || octet == b'_');
    if is_key { Ok((key.to_owned(), value.to_owned())) } else { Err(format!("\"{key}\" is no key")) }
}

/// The rule as a script has it: numbers and truth values as they are, everything else quoted.
fn script(pairs: Vec<(String, String)>) -> Result<String, Failure> {
    let value = |text: String| match (text.parse::<u32>(), text.parse::<bool>()) {
        (Ok(number), _) => toml::Value::from(i64::from(number)),
        (_, Ok(truth)) => toml::Value::from(truth),
        (Err(_), Err(_)) => toml::Value::from(text),
    };
    let rule: toml::Table = pairs.into_iter().map(|(key, text)| (key, value(text))).collect();
    let script = toml::Table::from_iter([("fault".to_owned(), toml::Value::Array(vec![rule.into()]))]);
    toml::to_string(&script).map_err(|error| Failure::refused(format!("The rule cannot be written down: {error}")))
}

/// The script in `file`, as much of it as may be.
fn read(file: &Path, stdin: &mut dyn Read) -> Result<String, Failure> {
    let mut text = String::new();
    let limit = SCRIPT_BYTES_MAX as u64 + 1;
    let read = if file.as_os_str() == "-" {
        Read::take(stdin, limit).read_to_string(&mut text)
    } else {
        std::fs::File::open(file).and_then(|opened| Read::take(opened, limit).read_to_string(&mut text))
    };
    read.map_err(|error| Failure::refused(format!("{} cannot be read: {error}", file.display())))?;
    Ok(text)
}

impl FaultsCommand {
    pub(super) fn request(self, stdin: &mut dyn Read) -> Result<Request, Failure> {
        Ok(Request::Faults(match self {
            Self::Set(SetArgs { file }) => {
                FaultOrder::Set { script: read(&file, stdin)?, name: file.to_string_lossy().into_owned() }
            }
            Self::Add(AddArgs { pairs }) => {
                FaultOrder::Add { name: "the command line".to_owned(), script: script(pairs)? }
            }
            // Names are listed without asking anybody.
            Self::List(_) | Self::Names(_) => FaultOrder::List,
            Self::Clear(ClearArgs { rule }) => FaultOrder::Clear { rule },
            Self::Log(LogArgs { after }) => FaultOrder::Log { after },
        }))
    }
}

impl CapturedCommand {
    pub(super) fn request(self) -> Request {
        match self {
            Self::List(which) | Self::Wait(WaitArgs { which, .. }) => which.request(),
            Self::Show(ShowArgs { number }) => Request::Captured(CapturedOrder::Show { number }),
            Self::Clear(_) => Request::Captured(CapturedOrder::Clear),
        }
    }
}

impl ListArgs {
    fn request(self) -> Request {
        let Self { sender, recipient, limit } = self;
        Request::Captured(CapturedOrder::List { sender, recipient, limit })
    }
}

impl Desk<'_> {
    pub(super) fn fault_names(&mut self) {
        let rows = names(&Settings::default());
        let shown: Vec<Vec<String>> =
            rows.iter().map(|(name, step, words)| vec![name.clone(), step.clone(), words.clone()]).collect();
        let text = table(&["NAME", "STEP", "WORDS"], &shown);
        let named: Vec<_> = rows
            .iter()
            .map(|(name, step, reply)| serde_json::json!({ "name": name, "step": step, "reply": reply }))
            .collect();
        self.show(&named, &text);
    }

    /// Asks again and again until there are enough, or time is up.
    pub(super) fn wait_for_captured(&mut self, global: &Global, args: &WaitArgs) -> Result<u8, Failure> {
        let clock = SystemClock::new();
        let (begun, longest) = (clock.elapsed(), Duration::from_secs(args.timeout));
        loop {
            let response = self.ask(global, args.which.clone().request())?;
            let Response::Captured { total, .. } = &response else {
                return Err(Failure::unavailable("The server answered something else than was asked."));
            };
            let is_enough = *total >= args.count;
            if is_enough || clock.elapsed().saturating_sub(begun) >= longest {
                self.show(&response, &render::response(&response));
                return Ok(u8::from(!is_enough));
            }
            std::thread::sleep(GLANCE);
        }
    }
}
