//! Who is locked out after too many failures to sign in, what networks have used up, and letting them in again.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::response::Response;
use super::{Office, identity};
use crate::model::directory::Snapshot;
use crate::model::mail::Network;
use crate::model::policy::lockout::{Claimed, Entry};
use crate::model::policy::traffic;

/// What is asked about failures to sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LockoutOrder {
    /// Who is locked out.
    List {
        /// Failures that lock nothing yet as well.
        all: bool,
    },
    /// Forgets failures.
    Clear {
        /// An account, or an address or network of clients.
        whom: String,
    },
}

/// A lock, or failures that may lead to one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockoutView {
    /// The account, by primary address; none for a source as a whole, and for a login that nobody has.
    pub account: Option<String>,
    /// What the entry is about, in words: `account and source`, `source`, or `account`.
    pub scope: String,
    /// Where the failures came from, an address or an IPv6 network of 64 bits; none for an account as a whole.
    pub source: Option<String>,
    /// Failures that count.
    pub failures: u32,
    /// When the last of them was.
    pub last_failure: String,
    /// Until when nothing signs in; none where nothing is locked.
    pub locked_until: Option<String>,
}

impl LockoutView {
    fn of(entry: &Entry, snapshot: &Snapshot) -> Self {
        let account = match entry.who {
            Some(Claimed::Account(id)) => snapshot.recipient(id).map(|found| found.primary().to_string()),
            Some(Claimed::Nobody(_) | Claimed::Token) | None => None,
        };
        let scope = match (entry.who, entry.source) {
            (Some(Claimed::Nobody(_)), Some(_)) => "unknown login and source",
            (Some(Claimed::Nobody(_)), None) => "unknown login",
            (Some(Claimed::Account(_)), Some(_)) => "account and source",
            (Some(Claimed::Account(_)), None) => "account",
            (Some(Claimed::Token), _) => "tokens and source",
            (None, _) => "source",
        };
        Self {
            account,
            scope: scope.to_owned(),
            source: entry.source.map(|source| source.to_string()),
            failures: entry.record.failures,
            last_failure: entry.record.last.to_string(),
            locked_until: entry.is_locked.then(|| entry.record.until.to_string()),
        }
    }
}

/// What a network has used of a budget.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkView {
    /// An address, or an IPv6 network of 64 bits.
    pub network: String,
    /// Of what: `refused recipients` an hour, `connections` or `messages` a minute.
    pub of: String,
    /// How many count at this moment.
    pub used: u32,
    /// How many there may be.
    pub bound: u32,
    /// Seconds until one more is let pass; none when it is now.
    pub waits_seconds: Option<u64>,
}

impl NetworkView {
    fn of(entry: &traffic::Entry) -> Self {
        Self {
            network: entry.network.to_string(),
            of: entry.kind.words().to_owned(),
            used: entry.used,
            bound: entry.bound,
            waits_seconds: entry.waits.map(|wait| wait.as_secs().saturating_add(1)),
        }
    }
}

/// Entries of one answer; locks come first.
const SHOWN_MAX: usize = 10_000;

pub(super) fn list(office: &Office, all: bool) -> Response {
    let (snapshot, settings) = (office.directory.snapshot(), office.settings());
    let entries = office.sign_ins.lockouts(&settings.lockout);
    let shown = entries.iter().filter(|entry| all || entry.is_locked).take(SHOWN_MAX);
    let used = office.sign_ins.traffic(&settings.traffic);
    let networks = used.iter().filter(|entry| all || entry.waits.is_some()).take(SHOWN_MAX);
    Response::Lockouts {
        lockouts: shown.map(|entry| LockoutView::of(entry, &snapshot)).collect(),
        networks: networks.map(NetworkView::of).collect(),
    }
}

/// `whom` is an account, or an address or network of clients.
pub(super) fn clear(office: &Office, actor: &str, whom: &str) -> Result<Response, Failure> {
    let (cleared, shown) = match whom.trim().parse::<Network>() {
        Ok(network) => (office.sign_ins.clear_sources(&network), network.to_string()),
        Err(_) => {
            let snapshot = office.directory.snapshot();
            let account = identity::find(&snapshot, whom)?;
            (office.sign_ins.clear_account(account.id), account.primary().to_string())
        }
    };
    tracing::info!(actor, whom = %shown, cleared, "failures to sign in are forgotten");
    let message = match cleared {
        0 => format!("Nothing was remembered of {shown}."),
        _ => format!("What {shown} failed, and has used up, is forgotten; nothing of it locks or slows down any more."),
    };
    Ok(Response::Done { message, notes: Vec::new(), password: None })
}
