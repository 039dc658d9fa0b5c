//! Runs a server that applications are tested against: its organisation is made on the spot, mail for outside goes into
//! a directory, and it obeys a script of faults.
//!
//! The one place that makes a [`Rehearsal`]: the wiring of a server in service has none, and could not be given one.

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ready::{self, Ready};
use super::serve::{ServeError, ServeOptions, Server, WayOut};
use super::stores::{StoresError, World};
use super::{logging, runtime};
use crate::admin::transfer::{self, Form};
use crate::config::{Config, ConfigErrors, LogConfig, SCRIPT_BYTES_MAX, fault_script};
use crate::model::directory::document::Plan;
use crate::model::directory::{Account, Change, Document, Lifecycle};
use crate::store::directory::DirectoryStore;
use crate::store::rehearsal::Rehearsal;
use crate::world::{disk, password};

/// The sample organisation, the same that the tests use.
const SAMPLE: &str = include_str!("../../fixtures/directories/contoso.toml");
/// Its name in messages about it.
const SAMPLE_NAME: &str = "the sample organisation";
/// A directory is read up to this many octets.
const DIRECTORY_BYTES_MAX: u64 = 256 << 20;

/// Why such a server does not run.
#[derive(Debug, thiserror::Error)]
pub enum RehearsalError {
    /// It would have been reachable from outside, with passwords that everybody knows.
    #[error(
        "{0} is no loopback address. A server for tests may have well-known passwords, so it listens on loopback only; \
         serve --ephemeral --anywhere permits others"
    )]
    NotLoopback(SocketAddr),
    /// A file cannot be read.
    #[error("{} cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The organisation cannot be imported.
    #[error("{name} cannot be imported: {problem}")]
    Organisation {
        /// The file, or what stands for it.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Its settings, or its script of faults, are not valid.
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

/// What is to be run.
pub(super) struct Production<'a> {
    /// Listeners, policy and limits; mail is not passed on, whatever it says.
    pub(super) config: Config,
    /// The administrators' socket; in the data directory when unset.
    pub(super) socket: Option<PathBuf>,
    /// Where development certificates are, or are made.
    pub(super) certificates: &'a Path,
    /// The organisation (TOML or JSON); the sample without one.
    pub(super) directory: Option<&'a Path>,
    /// The script of faults.
    pub(super) faults: Option<&'a Path>,
    /// Listeners may be reached from outside.
    pub(super) anywhere: bool,
    /// It ends when standard input does.
    pub(super) until_stdin_closes: bool,
    /// It says where everything is as one line of JSON.
    pub(super) json: bool,
}

/// What is said to a person when it runs.
pub(super) struct Running<'a> {
    pub(super) ready: Ready<'a>,
}

/// Runs it until it is told to stop. `text` words what a person reads when it has started.
///
/// # Errors
/// [`RehearsalError`], before anything is served.
pub(super) fn run(
    production: &Production<'_>,
    text: impl FnOnce(&Running<'_>) -> String,
) -> Result<(), RehearsalError> {
    let far = production.config.listeners.iter().map(|own| own.address).find(|own| !own.ip().is_loopback());
    if let (Some(far), false) = (far, production.anywhere) {
        return Err(RehearsalError::NotLoopback(far));
    }
    let rules = match production.faults {
        Some(path) => fault_script(&read(path, SCRIPT_BYTES_MAX as u64 + 1)?, path)?,
        None => Vec::new(),
    };
    let (organisation, name) = organisation(production.directory)?;
    logging::start(LogConfig::default(), None);
    let world = World::of_the_system()?;
    let mut config = production.config.clone();
    // No authority on the Internet is asked for certificates.
    config.acme = None;
    let data = config.data.clone();
    let outbox = data.join("outbox");
    let serve = ServeOptions {
        way_out: WayOut::Rehearsal(outbox.clone(), Arc::new(Rehearsal::new(rules))),
        certificates: production.certificates.to_owned(),
        socket: production.socket.clone(),
        configuration: None,
    };
    let runtime = runtime()?;
    let mut server = {
        let _inside = runtime.enter();
        Server::prepare(world, config, &serve)?
    };
    populate(&server.stores().directory, server.world(), &organisation, &name)?;
    if production.until_stdin_closes {
        server.end_with_standard_input()?;
    }
    let listeners = server.bound();
    let ready = Ready {
        listeners: &listeners,
        data: &data,
        mailboxes: server.stores().mailboxes.root(),
        outbox: Some(&outbox),
        socket: server.socket(),
        authority: production.certificates.join("ca.pem"),
    };
    if production.json {
        ready::announce(&ready)?;
    } else {
        std::io::stdout().lock().write_all(text(&Running { ready }).as_bytes())?;
    }
    runtime.block_on(server.run());
    Ok(())
}

fn read(path: &Path, octets_max: u64) -> Result<String, RehearsalError> {
    let failed = |source| RehearsalError::Read { path: path.to_owned(), source };
    let mut text = String::new();
    let file = disk::open_regular(path).map_err(failed)?;
    std::io::Read::read_to_string(&mut std::io::Read::take(file, octets_max), &mut text).map_err(failed)?;
    Ok(text)
}

fn organisation(path: Option<&Path>) -> Result<(Document, String), RehearsalError> {
    let (name, form, text) = match path {
        None => (SAMPLE_NAME.to_owned(), Form::Toml, SAMPLE.to_owned()),
        Some(path) => {
            let is_json = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
            let form = if is_json { Form::Json } else { Form::Toml };
            (path.display().to_string(), form, read(path, DIRECTORY_BYTES_MAX)?)
        }
    };
    let document = transfer::parse(form, text.as_bytes(), &name)
        .map_err(|error| RehearsalError::Organisation { name: name.clone(), problem: error.to_string() })?;
    Ok((document, name))
}

/// Imports the organisation, unless the directory has one already.
fn populate(directory: &DirectoryStore, world: &World, document: &Document, name: &str) -> Result<(), RehearsalError> {
    let (random, now) = (&*world.random, world.clock.now());
    if directory.snapshot().recipient_count() > 0 {
        return Ok(());
    }
    let hasher = |text: &str, _: &Account| password::hash(text, random).map_err(|error| error.to_string().into());
    let changed = directory.change("rehearsal", &mut |snapshot| {
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
    let failed = |problem: String| RehearsalError::Organisation { name: name.to_owned(), problem };
    changed.map(|_| ()).map_err(|error| failed(error.to_string()))
}
