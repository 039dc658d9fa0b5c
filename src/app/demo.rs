//! The demonstration: a working server with a small organisation, on loopback only, that sends nothing outside.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use super::ready::{self, Ready};
use super::serve::{ServeError, ServeOptions, Server, WayOut};
use super::stores::{StoresError, World};
use super::{guide, logging, runtime};
use crate::admin::transfer::{self, Form};
use crate::config::{Config, ConfigErrors, LogConfig};
use crate::model::directory::document::Plan;
use crate::model::directory::{Account, Change, Lifecycle};
use crate::store::directory::DirectoryStore;
use crate::world::password;

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
    populate(&server.stores().directory, server.world())?;
    let listeners = server.bound();
    let mailboxes = server.stores().mailboxes.root();
    let authority = options.certificates.join("ca.pem");
    if options.json {
        ready::announce(&Ready { listeners: &listeners, data: &data, mailboxes, outbox: Some(&outbox), authority })?;
    } else {
        let text = guide::text(options.address, &listeners, mailboxes, &outbox, &authority);
        std::io::stdout().lock().write_all(text.as_bytes())?;
    }
    runtime.block_on(server.run());
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
fn populate(directory: &DirectoryStore, world: &World) -> Result<(), DemoError> {
    let (random, now) = (&*world.random, world.clock.now());
    let failed = |error: &dyn core::fmt::Display| DemoError::Organisation(error.to_string());
    if directory.snapshot().recipient_count() > 0 {
        return Ok(());
    }
    let document =
        transfer::parse(Form::Toml, ORGANISATION.as_bytes(), ORGANISATION_FILE).map_err(|error| failed(&error))?;
    let hasher = |text: &str, _: &Account| password::hash(text, random).map_err(|error| error.to_string().into());
    let changed = directory.change("demo", &mut |snapshot| {
        let plan: Plan = document.plan(snapshot, &hasher);
        let mut changes = plan.strict().map_err(|rejected| format!("{rejected:?}"))?;
        for change in &mut changes {
            // Its times are long past; here they begin now, or what is kept for thirty days would be gone at once.
            if let Change::PutRecipient(recipient) = change
                && let Lifecycle::Disconnected { since } = &mut recipient.lifecycle
            {
                *since = now;
            }
        }
        Ok(changes)
    });
    changed.map(|_| ()).map_err(|error| failed(&error))
}
