//! Carries a command out: finds the configuration, asks the server or opens the store, shows the answer.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::CommandFactory as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::mailbox::MailboxCommand;
use super::maintenance::{DemoArgs, InitArgs, ServeArgs};
use super::output::printable_json;
use super::rehearsal::{CapturedCommand, FaultsCommand};
use super::transfer::ExportArgs;
use super::{Cli, Command, Global, Premises, render};
use crate::admin::check::{self, Verdict};
use crate::admin::office::{self, Failure, FailureKind, Office, Progress, Request, Response, Secret};
use crate::admin::socket::{self, SOCKET_NAME, SocketError};
use crate::admin::transfer::{self, Form};
use crate::admin::{backup, init};
use crate::config::Config;
use crate::world::{Clock as _, SystemClock};

/// Where the configuration is looked for, in order.
const CONFIG_PATHS: [&str; 2] = ["/etc/franking/franking.toml", "franking.toml"];
/// A password on standard input is read up to this many octets.
const PASSWORD_LINE_BYTES_MAX: u64 = 4096;

/// What is left to do when the command line has done its part.
#[derive(Debug)]
pub enum Outcome {
    /// Nothing: end with this exit code.
    Exit(u8),
    /// Run the server.
    Serve(ServeArgs, Box<Settled>),
    /// Run a server for one run of tests.
    Ephemeral(ServeArgs, Global),
    /// Run the demonstration.
    Demo(DemoArgs, Global),
}

/// The configuration that a command works with.
#[derive(Clone, Debug)]
pub struct Settled {
    /// The file it came from; `None` when only a data directory was given.
    pub path: Option<PathBuf>,
    /// The configuration, with the options of the command line in it.
    pub config: Config,
    /// The administration socket.
    pub socket: PathBuf,
    /// Answer in JSON.
    pub json: bool,
}

/// The terminal, or what stands for it in a test.
pub(super) struct Desk<'a> {
    premises: &'a dyn Premises,
    /// The store itself, once it was opened because no server runs.
    office: Option<Office>,
    stdin: &'a mut dyn Read,
    pub(super) stdout: &'a mut dyn Write,
    stderr: &'a mut dyn Write,
    pub(super) json: bool,
}

/// Carries out `cli`. Blocks, except for the commands that it hands back.
pub fn run(
    cli: Cli,
    premises: &dyn Premises,
    stdin: &mut dyn Read,
    stdout: &mut dyn Write,
    stderr: &mut dyn Write,
) -> Outcome {
    let Cli { global, command } = cli;
    let mut desk = Desk { premises, office: None, stdin, stdout, stderr, json: global.json };
    match command {
        Command::Demo(args) => Outcome::Demo(args, global),
        Command::Serve(args) => match args.refused(&global).map_or_else(|| Ok(args.ephemeral), Err) {
            Ok(true) => Outcome::Ephemeral(args, global),
            Ok(false) => match settle(&global) {
                Ok(settled) => Outcome::Serve(args, Box::new(settled)),
                Err(failure) => Outcome::Exit(desk.failed(&failure)),
            },
            Err(failure) => Outcome::Exit(desk.failed(&failure)),
        },
        other => Outcome::Exit(desk.command(&global, other).unwrap_or_else(|failure| desk.failed(&failure))),
    }
}

/// The configuration that the options name, or that lies where configurations lie.
fn settle(global: &Global) -> Result<Settled, Failure> {
    let path = global.config.clone().or_else(|| CONFIG_PATHS.iter().map(PathBuf::from).find(|path| path.exists()));
    let mut config = match (&path, &global.data) {
        (Some(path), _) => {
            // An absolute path, so that what is relative to it does not depend on where the server was started.
            let absolute = std::path::absolute(path).unwrap_or_else(|_| path.clone());
            Config::load(&absolute).map_err(|errors| {
                // On one line, since what is shown is escaped and a line break would be, too.
                let problems: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
                Failure::refused(format!("The configuration is wrong: {}", problems.join(" | ")))
            })?
        }
        (None, Some(_)) => Config::parse("hostname = \"localhost\"\n", Path::new("franking.toml"))
            .map_err(|errors| Failure::unavailable(errors.to_string()))?,
        (None, None) if global.socket.is_some() => {
            Config::parse("hostname = \"localhost\"\n", Path::new("franking.toml"))
                .map_err(|errors| Failure::unavailable(errors.to_string()))?
        }
        (None, None) => {
            let failure =
                Failure::unavailable(format!("There is no configuration at {}.", CONFIG_PATHS.join(" or ./")));
            return Err(failure
                .cured_by("name it: --config FILE, or the data directory: --data DIR")
                .cured_by("make one: franking init --domain contoso.example"));
        }
    };
    if let Some(data) = &global.data {
        config.data = std::path::absolute(data).unwrap_or_else(|_| data.clone());
    }
    let socket = global.socket.clone().unwrap_or_else(|| config.data.join(SOCKET_NAME));
    Ok(Settled { path, config, socket, json: global.json })
}

impl Desk<'_> {
    fn command(&mut self, global: &Global, command: Command) -> Result<u8, Failure> {
        match command {
            Command::Init(args) => self.init(global, args),
            Command::Completions(args) => {
                let mut script = Vec::new();
                clap_complete::generate(args.shell, &mut Cli::command(), "franking", &mut script);
                self.print(&String::from_utf8_lossy(&script));
                Ok(0)
            }
            Command::Verify(args) => match args.directory {
                Some(directory) => self.verify_backup(&directory),
                None => self.examine(global),
            },
            Command::Repair(_) => self.repair(global),
            Command::Restore(args) => {
                let settled = settle(global)?;
                let bar = Bar::new();
                let report = backup::restore(&args.from, &settled.config.data, &mut |step| bar.show(&step))?;
                bar.end();
                self.show(&report, &render::restore(&report));
                Ok(0)
            }
            Command::Faults(FaultsCommand::Names(_)) => {
                self.fault_names();
                Ok(0)
            }
            Command::Captured(CapturedCommand::Wait(args)) => self.wait_for_captured(global, &args),
            Command::Check(args) => self.check(global, args.online),
            Command::Audit(own) => self.audit(global, own),
            Command::Mailbox(MailboxCommand::Recoverable(own)) => self.recoverable(global, own),
            Command::Export(args) => self.export(global, &args),
            Command::Import(args) => {
                let mut worst = 0;
                for request in args.requests(self.stdin)? {
                    worst = self.ask_and_show(global, request)?.max(worst);
                }
                Ok(worst)
            }
            Command::Licence(own) => own.requests()?.into_iter().try_fold(0, |worst, (line, request)| {
                let code = match line {
                    None => self.ask_and_show(global, request)?,
                    Some(line) => self.ask_for_line(global, line, request)?,
                };
                Ok(code.max(worst))
            }),
            Command::Cmdlets(args) => self.cmdlets(args.word.as_deref()),
            Command::Help(args) => self.help(&args.words),
            other => {
                let request = self.request(other)?;
                self.ask_and_show(global, request)
            }
        }
    }

    /// The request that a command comes to.
    fn request(&mut self, command: Command) -> Result<Request, Failure> {
        Ok(match command {
            Command::Recipient(own) => {
                let password = own.wants_password().then(|| self.password()).transpose()?;
                own.request(password)?
            }
            Command::Account(own) => {
                let password = own.wants_password().then(|| self.password()).transpose()?;
                own.request(password)
            }
            Command::Permission(own) => own.request(),
            Command::Device(own) => own.request(),
            Command::Lockout(own) => own.request(),
            Command::Restricted(own) => own.request(),
            Command::Domain(own) => own.request(),
            Command::AuthenticationPolicy(own) => own.request(),
            Command::AddressPolicy(own) => own.request()?,
            Command::RemoteDomain(own) => own.request(),
            Command::Group(own) => own.request(),
            Command::Limits(own) => own.request(),
            Command::Mailbox(own) => own.request(),
            Command::User(own) => own.request(),
            Command::Hold(own) => own.request(),
            Command::Lifecycle(own) => own.request(),
            Command::Organisation(own) => own.request(),
            Command::Certificate(own) => own.request(),
            Command::Srs(own) => own.request(),
            Command::Queue(own) => own.request(),
            Command::Moderation(own) => own.request(),
            Command::Trace(own) => own.request(),
            Command::Explain(own) => own.request(),
            Command::Faults(own) => own.request(self.stdin)?,
            Command::Captured(own) => own.request(),
            Command::Backup(own) => Request::Backup {
                // The server writes it, and has another directory to start from.
                to: std::path::absolute(&own.to).unwrap_or(own.to),
            },
            Command::Demo(_)
            | Command::Init(_)
            | Command::Serve(_)
            | Command::Check(_)
            | Command::Import(_)
            | Command::Licence(_)
            | Command::Audit(_)
            | Command::Export(_)
            | Command::Verify(_)
            | Command::Repair(_)
            | Command::Restore(_)
            | Command::Cmdlets(_)
            | Command::Help(_)
            | Command::Completions(_) => Request::Ping,
        })
    }

    /// The first line of standard input.
    fn password(&mut self) -> Result<Secret, Failure> {
        let mut octets = Vec::new();
        let read = Read::take(&mut *self.stdin, PASSWORD_LINE_BYTES_MAX).read_to_end(&mut octets);
        read.map_err(|error| Failure::refused(format!("standard input cannot be read: {error}")))?;
        let text = String::from_utf8(octets).map_err(|_| Failure::refused("The password is not UTF-8."))?;
        let line = text.lines().next().unwrap_or_default();
        if line.is_empty() {
            return Err(Failure::refused("There is no password on standard input."));
        }
        Ok(Secret::new(line))
    }

    /// Asks the running server, or the store itself when none runs.
    pub(super) fn ask(&mut self, global: &Global, request: Request) -> Result<Response, Failure> {
        let settled = settle(global)?;
        let bar = Bar::new();
        let response = match socket::ask(&settled.socket, request.clone(), &mut |step| bar.show(&step)) {
            Ok(response) => response,
            Err(error @ SocketError::NotRunning(_)) if request.needs_rehearsal() => {
                let failure = Failure::unavailable(format!("No server for tests answers: {error}."));
                return Err(failure
                    .cured_by("start one: franking serve --ephemeral, or franking demo")
                    .cured_by("name its socket, which it prints when it starts: --socket FILE"));
            }
            Err(SocketError::NotRunning(_))
                if global.data.is_some() && request.only_looks() && !settled.config.data.exists() =>
            {
                // Opening would make it, and a mistyped path would look like an organisation without anybody.
                let failure = Failure::not_found(format!("There is no {}.", settled.config.data.display()));
                return Err(failure.cured_by("name the data directory of a server: --data DIR"));
            }
            Err(SocketError::NotRunning(_)) => {
                // Opened once, however much is asked of it.
                let office = match self.office.take() {
                    Some(office) => office,
                    None => self.premises.open(&settled.config, settled.path.as_deref())?,
                };
                let office = self.office.insert(office);
                office::handle(office, "command line", request, &mut |step| bar.show(&step))
            }
            Err(error) => return Err(Failure::unavailable(error.to_string())),
        };
        bar.end();
        match response {
            Response::Failed(failure) => Err(failure),
            other => Ok(other),
        }
    }

    pub(super) fn ask_and_show(&mut self, global: &Global, request: Request) -> Result<u8, Failure> {
        let response = self.ask(global, request)?;
        self.show(&response, &render::response(&response));
        Ok(match &response {
            Response::Explanation(explanation) if !explanation.accepted => 1,
            Response::SignIn(explanation) if !explanation.accepted => 1,
            Response::Imported(report) if !report.rejected.is_empty() => 1,
            Response::Lives { unknown, .. } if !unknown.is_empty() => 3,
            _ => 0,
        })
    }

    /// Asks what a line of a file asks. A failure is told with the line and leaves the others alone; a server that is
    /// gone does not come back. In JSON each answer is a line of its own.
    fn ask_for_line(&mut self, global: &Global, line: usize, request: Request) -> Result<u8, Failure> {
        let (response, code) = match self.ask(global, request) {
            Ok(response) => (response, 0),
            Err(failure) if failure.kind == FailureKind::Unavailable => return Err(failure),
            Err(failure) => {
                let code = if failure.kind == FailureKind::NotFound { 3 } else { 1 };
                (Response::Failed(Failure { message: format!("line {line}: {}", failure.message), ..failure }), code)
            }
        };
        if self.json {
            let answer = serde_json::to_value(&response).and_then(|mut answer| {
                if let Some(fields) = answer.as_object_mut() {
                    fields.insert("line".to_owned(), line.into());
                }
                serde_json::to_string(&answer)
            });
            match answer {
                Ok(json) => self.print(&format!("{}\n", printable_json(&json))),
                Err(error) => self.complain(&format!("franking: the answer cannot be written as JSON: {error}\n")),
            }
        } else if code == 0 {
            self.print(&render::response(&response));
        } else {
            self.complain(&render::response(&response));
        }
        Ok(code)
    }

    fn init(&mut self, global: &Global, args: InitArgs) -> Result<u8, Failure> {
        let directory = std::path::absolute(&args.directory).unwrap_or(args.directory);
        let options = init::Options {
            domain: args.domain,
            directory,
            data: global.data.as_ref().map(|data| std::path::absolute(data).unwrap_or_else(|_| data.clone())),
            hostname: args.hostname,
            administrator: args.administrator,
            profile: args.profile.into(),
        };
        let report = init::init(&options, self.premises)?;
        self.show(&report, &render::init(&report));
        Ok(0)
    }

    fn check(&mut self, global: &Global, online: bool) -> Result<u8, Failure> {
        let settled = settle(global)?;
        let path = settled.path.clone().unwrap_or_else(|| settled.config.data.clone());
        let now = SystemClock::new().now();
        let report = check::check(&path, &settled.config, &settled.socket, self.premises, now, online);
        self.show(&report, &render::check(&report));
        Ok(u8::from(report.verdict() == Verdict::Fail))
    }

    fn verify_backup(&mut self, directory: &Path) -> Result<u8, Failure> {
        let bar = Bar::new();
        let mut report = backup::verify(directory, &mut |step| bar.show(&step))?;
        if report.defects.is_empty() {
            // Replaying may cut a torn tail, so it works on a copy: a verification never alters a backup.
            let place = tempfile::tempdir()
                .map_err(|error| Failure::unavailable(format!("no temporary directory can be made: {error}")))?;
            backup::copy_logs(directory, place.path())?;
            report.defects = self.premises.examine(place.path(), &mut |step| bar.show(&step))?;
        }
        bar.end();
        self.show(&report, &render::verify(&report));
        Ok(u8::from(!report.defects.is_empty()))
    }

    /// The data directory, for work that a running server would disturb.
    fn data_at_rest(global: &Global) -> Result<PathBuf, Failure> {
        let settled = settle(global)?;
        if socket::ask(&settled.socket, Request::Ping, &mut |_| {}).is_ok() {
            let failure = Failure::unavailable("The server is running, and its data change while they are read.");
            return Err(failure.cured_by("stop it first, or take a backup and verify that"));
        }
        Ok(settled.config.data)
    }

    fn repair(&mut self, global: &Global) -> Result<u8, Failure> {
        let data = Self::data_at_rest(global)?;
        let defects = self.premises.repair(&data)?;
        let lost = u8::from(!defects.is_empty());
        let report = backup::VerifyReport { directory: data, defects, ..Default::default() };
        let text = match lost {
            0 => format!("{}: nothing was damaged.\n", super::visible(&report.directory.display().to_string())),
            _ => render::verify(&report),
        };
        self.show(&report, &text);
        Ok(lost)
    }

    fn examine(&mut self, global: &Global) -> Result<u8, Failure> {
        let data = Self::data_at_rest(global)?;
        let bar = Bar::new();
        let defects = self.premises.examine(&data, &mut |step| bar.show(&step))?;
        bar.end();
        let report = backup::VerifyReport { directory: data, defects, ..Default::default() };
        let text = match report.defects.len() {
            0 => format!("{}: all as it should be.\n", super::visible(&report.directory.display().to_string())),
            _ => render::verify(&report),
        };
        self.show(&report, &text);
        Ok(u8::from(!report.defects.is_empty()))
    }

    fn export(&mut self, global: &Global, args: &ExportArgs) -> Result<u8, Failure> {
        let response = self.ask(global, Request::Export { hashes: args.include_hashes })?;
        let Response::Directory { document } = response else {
            return Err(Failure::unavailable("The server answered something else than was asked."));
        };
        let form: Form = args.form(self.json);
        let mut text = transfer::write(form, &document).map_err(|error| Failure::unavailable(error.to_string()))?;
        if !text.ends_with('\n') {
            text.push('\n');
        }
        match &args.output {
            None => self.print(&text),
            Some(path) => {
                backup::write_private(path, text.as_bytes())?;
                let count = document.recipients.len();
                let message = format!("{count} recipients are written to {}.", path.display());
                let done = Response::Done { message, notes: Vec::new(), password: None };
                self.show(&done, &render::response(&done));
            }
        }
        Ok(0)
    }

    /// Shows a value: as JSON or as the text made of it.
    pub(super) fn show(&mut self, value: &impl Serialize, text: &str) {
        if !self.json {
            return self.print(text);
        }
        match serde_json::to_string_pretty(value) {
            Ok(json) => self.print(&format!("{}\n", printable_json(&json))),
            Err(error) => self.complain(&format!("franking: the answer cannot be written as JSON: {error}\n")),
        }
    }

    /// Shows a failure and gives its exit code.
    fn failed(&mut self, failure: &Failure) -> u8 {
        if self.json {
            self.show(&Response::Failed(failure.clone()), "");
        } else {
            self.complain(&render::failure(failure));
        }
        match failure.kind {
            FailureKind::Refused => 1,
            FailureKind::NotFound => 3,
            FailureKind::Unavailable => 4,
        }
    }

    pub(super) fn print(&mut self, text: &str) {
        // Whoever reads may have seen enough and closed the pipe.
        let _ = self.stdout.write_all(text.as_bytes()).and_then(|()| self.stdout.flush());
    }

    pub(super) fn complain(&mut self, text: &str) {
        let _ = self.stderr.write_all(text.as_bytes());
    }
}

/// Progress on standard error, when that is a terminal; nothing is drawn for work that is done at once.
struct Bar(ProgressBar);

impl Bar {
    fn new() -> Self {
        let bar = ProgressBar::no_length();
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    fn show(&self, step: &Progress) {
        let template = match (step.done, step.total) {
            (0, 0) => "{msg}",
            (_, 0) => "{msg} {bytes}",
            (_, _) => "{msg} [{bar:30}] {bytes} of {total_bytes}, {eta} left",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
        if step.total > 0 {
            self.0.set_length(step.total);
        }
        self.0.set_message(step.what.clone());
        self.0.set_position(step.done);
    }

    fn end(&self) {
        self.0.finish_and_clear();
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
