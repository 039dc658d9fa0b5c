//! From a job of the dispatcher to a report that can be queued.

use std::sync::Arc;

use super::content::MessageContent;
use super::worker::Agents;
use crate::model::directory::Snapshot;
use crate::model::mail::Address;
use crate::model::policy::{Envelope, MessageParameters};
use crate::model::queue::{Entry, ReportJob};
use crate::model::report::{self, Original, ReportFacts, Reporter};
use crate::store::queue::{OwnMessage, StoredMessage};

/// Writes the report; none when its reader does not exist or is in a remote domain that takes none, or the original
/// asked not to be reported about. Blocks.
pub(super) fn write(
    agents: &Agents,
    job: &ReportJob,
    entry: &Entry,
    message: Option<Arc<StoredMessage>>,
) -> Option<OwnMessage> {
    let (snapshot, settings) = (agents.directory.snapshot(), agents.settings.current());
    if report::is_kept_back(job.kind, &snapshot, &job.to) {
        tracing::info!(queue_id = %job.id, to = %job.to, "the remote domain of the reader takes no such reports");
        return None;
    }
    // Judged before anything is read: most reports that are not written have no reader.
    Envelope::report(&snapshot, &settings, &job.to, MessageParameters::default())?;
    let body = body_of(agents, job, entry, message.as_ref());
    let head = message.as_ref().map(|message| message.head.clone()).unwrap_or_default();
    let original = Original { head: &head, body: body.as_deref(), international: entry.facts.parameters.smtputf8 };
    if report::is_suppressed(job.kind, &original) {
        tracing::info!(queue_id = %job.id, "the message asks not to be reported about");
        return None;
    }
    let targets = job.targets.iter().filter_map(|place| Some((*place, entry.target(*place)?))).collect();
    let facts = ReportFacts {
        reporter: &reporter(agents, &snapshot)?,
        to: &job.to,
        kind: job.kind,
        message: &entry.facts,
        targets,
        at: agents.clock.now(),
        expires_at: agents.schedule.expires_at(entry.facts.accepted_at),
        original,
    };
    let content = report::compose(&facts);
    let parameters = MessageParameters::needed_by(&content, &job.to);
    let envelope = Envelope::report(&snapshot, &settings, &job.to, parameters)?;
    Some(OwnMessage { envelope, content })
}

fn body_of(agents: &Agents, job: &ReportJob, entry: &Entry, message: Option<&Arc<StoredMessage>>) -> Option<Vec<u8>> {
    let message = message.filter(|_| report::returns_body(job.kind, &entry.facts))?;
    let read = MessageContent::new(Arc::clone(&agents.disk), Arc::clone(message), b"").read_body();
    // A report without the original is better than none.
    read.inspect_err(|error| tracing::warn!(queue_id = %job.id, %error, "the original cannot be read for a report"))
        .ok()
}

/// Spec section 6.2: reports come from the postmaster of the default domain.
pub(super) fn reporter(agents: &Agents, snapshot: &Snapshot) -> Option<Reporter> {
    let domain = snapshot.default_domain().map_or_else(|| agents.host.to_string(), ToString::to_string);
    let author = Address::parse(&format!("postmaster@{domain}")).ok()?;
    Some(Reporter { host: agents.host.clone(), author })
}
