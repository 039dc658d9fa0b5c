//! The demonstration: a working server with a small organisation, on loopback only, that sends nothing outside.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::serve::{Bound, ServeError, ServeOptions, Server, WayOut};
use super::stores::{StoresError, World};
use super::{logging, runtime};
use crate::admin::transfer::{self, Form};
use crate::config::{Config, ConfigErrors, ListenerRole, ListenerTls, LogConfig};
use crate::model::directory::document::Plan;
use crate::store::directory::DirectoryStore;
use crate::world::{Random, password};

/// The sample organisation, the same that the tests use.
const ORGANISATION: &str = include_str!("../../fixtures/directories/contoso.toml");
/// Its name in messages about it.
const ORGANISATION_FILE: &str = "the sample organisation";
/// This server's name in the demonstration.
const HOSTNAME: &str = "mail.contoso.example";

/// What the command line says.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// Where to listen; only loopback addresses are taken.
    pub address: IpAddr,
    /// Port for mail from other servers, 0 for any.
    pub inbound_port: u16,
    /// Port for submission with STARTTLS, 0 for any.
    pub submission_port: u16,
    /// Port for submission with TLS from the first byte, 0 for any.
    pub submissions_port: u16,
    /// Where to keep state; a temporary directory when unset.
    pub data: Option<PathBuf>,
    /// Where to keep the development certificates.
    pub certificates: PathBuf,
    /// Say what was started as one line of JSON.
    pub json: bool,
}

impl Default for DemoOptions {
    fn default() -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::LOCALHOST),
            inbound_port: 2525,
            submission_port: 2587,
            submissions_port: 2465,
            data: None,
            certificates: PathBuf::from("certs"),
            json: false,
        }
    }
}

/// Why the demonstration does not run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// It would have been reachable from outside, with passwords that everybody knows.
    #[error("{0} is no loopback address. The demonstration has well-known passwords, so it listens on loopback only")]
    NotLoopback(IpAddr),
    /// The sample organisation cannot be imported.
    #[error("{ORGANISATION_FILE} cannot be imported: {0}")]
    Organisation(String),
    /// Its settings are not valid.
    #[error(transparent)]
    Config(#[from] ConfigErrors),
    /// The server.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The stores.
    #[error(transparent)]
    Stores(#[from] StoresError),
    /// The system.
    #[error(transparent)]
    Io(#[from] std::io::Error),
}

/// Runs the demonstration until it is told to stop.
///
/// # Errors
/// [`DemoError`], before anything is served.
pub fn run(options: &DemoOptions) -> Result<(), DemoError> {
    if !options.address.is_loopback() {
        return Err(DemoError::NotLoopback(options.address));
    }
    let temporary = match &options.data {
        Some(_) => None,
        None => Some(tempfile::Builder::new().prefix("franking-demo-").tempdir()?),
    };
    let data = match (&options.data, &temporary) {
        (Some(data), _) => data.clone(),
        (None, Some(temporary)) => temporary.path().join("data"),
        (None, None) => return Ok(()),
    };
    logging::start(LogConfig::default(), None);
    let world = World::of_the_system()?;
    let config = configuration(options, &data)?;
    let outbox = data.join("outbox");
    let serve = ServeOptions {
        way_out: WayOut::Outbox(outbox.clone()),
        certificates: options.certificates.clone(),
        socket: None,
        configuration: None,
    };
    let runtime = runtime()?;
    let server = {
        let _inside = runtime.enter();
        Server::prepare(world, config, &serve)?
    };
    populate(&server.stores().directory, &*server.world().random)?;
    announce(&server, options, &data, &outbox)?;
    runtime.block_on(server.run())?;
    Ok(())
}

fn configuration(options: &DemoOptions, data: &Path) -> Result<Config, ConfigErrors> {
    let listener = |port: u16, role: &str, tls: &str| {
        let address = SocketAddr::new(options.address, port);
        format!("[[listener]]\naddress = \"{address}\"\nrole = \"{role}\"\ntls = \"{tls}\"\n\n")
    };
    // Written as an operator would write it, and read by the same reader.
    let quoted = toml::Value::from(data.to_string_lossy().into_owned());
    let text = format!(
        "hostname = \"{HOSTNAME}\"\ndata = {quoted}\n\n{}{}{}",
        listener(options.inbound_port, "inbound", "starttls"),
        listener(options.submission_port, "submission", "starttls"),
        listener(options.submissions_port, "submission", "implicit"),
    );
    Config::parse(&text, Path::new("the demonstration's settings"))
}

/// Imports the sample organisation, unless the directory has one already.
fn populate(directory: &DirectoryStore, random: &dyn Random) -> Result<(), DemoError> {
    let failed = |error: &dyn core::fmt::Display| DemoError::Organisation(error.to_string());
    if directory.snapshot().recipient_count() > 0 {
        return Ok(());
    }
    let document =
        transfer::parse(Form::Toml, ORGANISATION.as_bytes(), ORGANISATION_FILE).map_err(|error| failed(&error))?;
    let hasher = |text: &str| password::hash(text, random).map_err(|error| error.to_string().into());
    let changed = directory.change("demo", &mut |snapshot| {
        let plan: Plan = document.plan(snapshot, &hasher);
        plan.strict().map_err(|rejected| format!("{rejected:?}"))
    });
    changed.map(|_| ()).map_err(|error| failed(&error))
}

#[derive(Serialize)]
struct Ready<'a> {
    event: &'static str,
    listeners: Vec<ReadyListener>,
    data: &'a Path,
    mailboxes: &'a Path,
    outbox: &'a Path,
    authority: PathBuf,
}

#[derive(Serialize)]
struct ReadyListener {
    role: &'static str,
    tls: &'static str,
    address: SocketAddr,
}

fn announce(server: &Server, options: &DemoOptions, data: &Path, outbox: &Path) -> Result<(), DemoError> {
    let bound = server.bound();
    let mut output = std::io::stdout().lock();
    if options.json {
        let ready = Ready {
            event: "ready",
            listeners: bound.iter().map(ready_listener).collect(),
            data,
            mailboxes: server.stores().mailboxes.root(),
            outbox,
            authority: options.certificates.join("ca.pem"),
        };
        let line = serde_json::to_string(&ready).map_err(std::io::Error::from)?;
        writeln!(output, "{line}")?;
    } else {
        output.write_all(guide(&bound, options, server.stores().mailboxes.root(), outbox).as_bytes())?;
    }
    output.flush()?;
    Ok(())
}

fn ready_listener(bound: &Bound) -> ReadyListener {
    ReadyListener {
        role: match bound.role {
            ListenerRole::Submission => "submission",
            ListenerRole::Inbound => "inbound",
        },
        tls: match bound.tls {
            ListenerTls::Starttls => "starttls",
            ListenerTls::Implicit => "implicit",
            ListenerTls::None => "none",
        },
        address: bound.address,
    }
}

/// What a person reads at the start: where everything is, and lines to paste.
fn guide(bound: &[Bound], options: &DemoOptions, mailboxes: &Path, outbox: &Path) -> String {
    let port = |role, tls| {
        let found = bound.iter().find(|bound| bound.role == role && bound.tls == tls);
        found.map_or(0, |bound| bound.address.port())
    };
    let inbound = port(ListenerRole::Inbound, ListenerTls::Starttls);
    let submission = port(ListenerRole::Submission, ListenerTls::Starttls);
    let submissions = port(ListenerRole::Submission, ListenerTls::Implicit);
    let host = match options.address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let submit = |login: &str, from: &str, to: &str| {
        format!(
            "swaks --server {host}:{submission} -tls -au {login}@contoso.example -ap demo-{login} \
             -f {from}@contoso.example -t {to}"
        )
    };
    let arrive = |to: &str| format!("swaks --server {host}:{inbound} -f bob@fabrikam.example -t {to}@contoso.example");
    let lines = [
        ("a licensed mailbox submits", submit("alice", "alice", "bob@contoso.example")),
        ("a mail user has no mailbox: 550 5.2.1", submit("scanner", "scanner", "bob@contoso.example")),
        ("every mail app off: submission works", submit("kiosk", "kiosk", "bob@contoso.example")),
        ("send as a shared mailbox, by grant", submit("alice", "info", "bob@contoso.example")),
        ("the same without grant: 554 5.2.252", submit("bob", "info", "alice@contoso.example")),
        ("on behalf of a shared mailbox: a Sender field", submit("alice", "sales", "bob@contoso.example")),
        ("SMTP AUTH switched off: 535 5.7.139", submit("quiet", "quiet", "bob@contoso.example")),
        ("mail comes in for a mailbox", arrive("bob")),
        ("… for one that forwards outside", arrive("carol")),
        ("… for a contact outside", arrive("partner")),
        ("… for a group that refuses strangers: 550 5.7.133", arrive("staff")),
        ("the group takes mail from inside", submit("alice", "alice", "staff@contoso.example")),
    ];
    let mut text = format!(
        "Franking is running, on loopback only. Ctrl-C ends it.\n\n\
         \x20 {host}:{inbound:<6} mail from other servers (SMTP, STARTTLS)\n\
         \x20 {host}:{submission:<6} submission (STARTTLS)\n\
         \x20 {host}:{submissions:<6} submission (TLS from the first byte)\n\n\
         \x20 mailboxes   {}\n\x20 sent out    {} (nothing leaves this machine)\n\x20 trust this  {}\n\n\
         Accounts are alice, bob, carol, kiosk, … @contoso.example; the password is demo- and the name, for example\n\
         demo-alice. Lines to paste into another terminal:\n",
        mailboxes.display(),
        outbox.display(),
        options.certificates.join("ca.pem").display(),
    );
    for (what, line) in lines {
        text.push_str(&format!("\n# {what}\n{line}\n"));
    }
    text.push('\n');
    text
}
