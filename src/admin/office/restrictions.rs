//! Who is restricted for sending too much outside, and releasing them.

use serde::{Deserialize, Serialize};

use super::desk::QueueDesk;
use super::failure::Failure;
use super::limits::Measure;
use super::queue::{QueueObeyed, QueueOrder};
use super::response::Response;
use super::{Office, Progress, identity};
use crate::admin::explain::{Explanation, Query, RuleView, Step};
use crate::model::directory::{Recipient, Snapshot};
use crate::model::policy::limits::limits_of;
use crate::model::policy::restricted::Submitter;
use crate::model::policy::sign_in::find_account;
use crate::model::policy::{Refusal, Settings};
use crate::model::queue::Selection;
use crate::store::accesses::{Access, AccessKind};
use crate::store::restrictions::Restriction;

/// A place that knows who is restricted.
pub trait RestrictionDesk: Send + Sync {
    /// Everybody who is.
    fn restricted(&self) -> Vec<Restriction>;

    /// To how many recipients outside somebody has sent: within the last hour, and within the last day.
    fn sent_outside(&self, submitter: &Submitter) -> (u32, u32);

    /// Releases somebody: its mail is taken again, what waits may go, and it begins anew. None when it was not
    /// restricted. Durable when it returns. Blocks.
    ///
    /// # Errors
    /// In words; then nobody was released.
    fn release(&self, submitter: &Submitter) -> Result<Option<Restriction>, String>;
}

/// A server on which nobody is restricted.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRestrictions;

impl RestrictionDesk for NoRestrictions {
    fn restricted(&self) -> Vec<Restriction> {
        Vec::new()
    }

    fn sent_outside(&self, _: &Submitter) -> (u32, u32) {
        (0, 0)
    }

    fn release(&self, _: &Submitter) -> Result<Option<Restriction>, String> {
        Ok(None)
    }
}

/// What becomes of the mail that was kept back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeptMail {
    /// It is held, until somebody has looked at it.
    #[default]
    Hold,
    /// It is delivered.
    Deliver,
    /// It is dropped, and nobody is told.
    Discard,
}

/// What is asked about restrictions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum RestrictionOrder {
    /// Who is restricted.
    List,
    /// One of them, or what somebody who is not has used up.
    Show {
        /// The account; empty for a connector.
        #[serde(default)]
        account: String,
        /// Its device.
        device: Option<String>,
        /// The connector whose clients are meant, instead of an account.
        connector: Option<String>,
    },
    /// Lets it send again.
    Release {
        /// The account; empty for a connector.
        #[serde(default)]
        account: String,
        /// Its device.
        device: Option<String>,
        /// The connector whose clients are meant, instead of an account.
        connector: Option<String>,
        /// What becomes of the mail that was kept back.
        kept: KeptMail,
    },
}

/// One who is restricted, or may be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RestrictionView {
    /// The account, by primary address; empty for a connector.
    pub account: String,
    /// Its device; none for the account itself.
    pub device: Option<String>,
    /// The connector whose clients it is, instead of an account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
    /// Since when it is restricted, ISO 8601; none when it is not.
    pub since: Option<String>,
    /// Recipients outside within the hour before that.
    pub external_of_hour: Option<u32>,
    /// The same within the day before.
    pub external_of_day: Option<u32>,
    /// Whether the administrators were told.
    pub told: bool,
    /// Recipients outside of the last hour, and how many there may be.
    pub external_recipients_per_hour: Measure,
    /// The same of the last day.
    pub external_recipients_per_day: Measure,
    /// Messages of it in the queue of which something goes outside.
    pub kept_messages: usize,
}

pub(super) fn obey(
    office: &Office,
    actor: &str,
    order: RestrictionOrder,
    progress: &mut dyn FnMut(Progress),
) -> Result<Response, Failure> {
    match order {
        RestrictionOrder::List => {
            let all = office.restrictions.restricted();
            let views = all.iter().map(|own| view(office, &own.submitter, &own.address, Some(own)));
            Ok(Response::Restrictions { restrictions: views.collect() })
        }
        RestrictionOrder::Show { account, device, connector } => {
            let (submitter, address) = find(office, &account, device.as_deref(), connector.as_deref())?;
            let all = office.restrictions.restricted();
            let own = all.iter().find(|own| own.submitter == submitter);
            Ok(Response::Restrictions { restrictions: vec![view(office, &submitter, &address, own)] })
        }
        RestrictionOrder::Release { account, device, connector, kept } => {
            let (submitter, address) = find(office, &account, device.as_deref(), connector.as_deref())?;
            release(office, actor, &submitter, &address, kept, progress)
        }
    }
}

/// Who is meant. What was restricted under a name is found by it, also when account, device or connector has gone.
fn find(
    office: &Office,
    account: &str,
    device: Option<&str>,
    connector: Option<&str>,
) -> Result<(Submitter, String), Failure> {
    let all = office.restrictions.restricted();
    if let Some(connector) = connector {
        let submitter = Submitter::Connector(connector.into());
        let is_known =
            office.settings().connectors.named(connector).is_some() || all.iter().any(|own| own.submitter == submitter);
        return is_known.then(|| (submitter, String::new())).ok_or_else(|| {
            Failure::not_found(format!("There is no connector {connector}.")).cured_by("franking check")
        });
    }
    let called = |own: &&Restriction| {
        if own.submitter.connector().is_some() {
            return false;
        }
        let same = |name: Option<&str>| match (name, device) {
            (Some(name), Some(device)) => name.eq_ignore_ascii_case(device),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        own.address.eq_ignore_ascii_case(account.trim()) && same(own.submitter.device())
    };
    if let Some(own) = all.iter().find(called) {
        return Ok((own.submitter.clone(), own.address.to_string()));
    }
    let snapshot = office.directory.snapshot();
    let found = identity::find(&snapshot, account)?;
    let address = found.primary().to_string();
    match device {
        None => Ok((Submitter::Account(found.id), address)),
        Some(device) => match name_of(found, device) {
            Some(name) => Ok((Submitter::Device(found.id, name), address)),
            None => Err(Failure::not_found(format!("{address} has no device {device}."))
                .cured_by(format!("franking device list {address}"))),
        },
    }
}

fn name_of(account: &Recipient, device: &str) -> Option<Box<str>> {
    let devices = &account.account.as_deref()?.devices;
    devices.iter().find(|own| own.is_called(device)).map(|own| own.name.clone())
}

fn view(office: &Office, submitter: &Submitter, address: &str, own: Option<&Restriction>) -> RestrictionView {
    let (snapshot, settings) = (office.directory.snapshot(), office.settings());
    let (per_hour, per_day) = bounds(&snapshot, &settings, submitter);
    let (of_hour, of_day) = office.restrictions.sent_outside(submitter);
    let kept = office.queue.list(&selection(submitter), None, 1).map_or(0, |(_, total)| total);
    RestrictionView {
        account: address.to_owned(),
        device: submitter.device().map(str::to_owned),
        connector: submitter.connector().map(str::to_owned),
        since: own.map(|own| own.since.to_string()),
        external_of_hour: own.map(|own| own.of_hour),
        external_of_day: own.map(|own| own.of_day),
        told: own.is_some_and(|own| own.told),
        external_recipients_per_hour: Measure { used: of_hour, bound: per_hour },
        external_recipients_per_day: Measure { used: of_day, bound: per_day },
        kept_messages: kept,
    }
}

/// How many recipients outside there may be in an hour, and in a day.
fn bounds(snapshot: &Snapshot, settings: &Settings, submitter: &Submitter) -> (Option<u32>, Option<u32>) {
    if let Some(connector) = submitter.connector() {
        let limits = settings.connectors.named(connector).map(|own| own.limits).unwrap_or_default();
        return (limits.external_recipients_per_hour, limits.external_recipients_per_day);
    }
    let own = submitter.account().and_then(|account| snapshot.recipient(account));
    let limits = own.map_or(settings.limits, |own| limits_of(own, settings));
    (limits.external_recipients_per_hour, limits.external_recipients_per_day)
}

/// What of somebody's mail in the queue goes to other systems.
fn selection(submitter: &Submitter) -> Selection {
    Selection { submitter: Some(submitter.clone()), ..Selection::default() }
}

fn release(
    office: &Office,
    actor: &str,
    submitter: &Submitter,
    address: &str,
    kept: KeptMail,
    progress: &mut dyn FnMut(Progress),
) -> Result<Response, Failure> {
    let who = named(address, submitter);
    if !office.restrictions.restricted().iter().any(|own| own.submitter == *submitter) {
        return Err(Failure::refused(format!("{who} is not restricted.")).cured_by("franking restricted list"));
    }
    if kept == KeptMail::Hold {
        wait_for_expansion(office, submitter, &who)?;
    }
    // Before anything is let go: a release that came to nothing can be asked for again.
    record(office, actor, submitter, address, kept)?;
    let order = match kept {
        KeptMail::Hold => Some(QueueOrder::Hold),
        KeptMail::Deliver => None,
        KeptMail::Discard => Some(QueueOrder::Remove { silently: true }),
    };
    let obeyed = match order {
        Some(order) => obeyed(&*office.queue, &selection(submitter), &order, progress)?,
        None => QueueObeyed::default(),
    };
    let released = office.restrictions.release(submitter).map_err(|error| {
        Failure::unavailable(format!("{who} could not be released: {error}.")).cured_by("try again once the disk works")
    })?;
    if released.is_none() {
        return Err(Failure::refused(format!("{who} is not restricted any more.")));
    }
    let (device, connector) = (submitter.device(), submitter.connector());
    tracing::warn!(actor, account = %address, device, connector, ?kept, "released: it may send again");
    let notes = match (kept, obeyed.messages) {
        (KeptMail::Hold, messages @ 1..) => vec![
            format!("{messages} of its messages are held: franking queue list --state held"),
            "let them go with franking queue release, or drop them with franking queue remove --silently".to_owned(),
        ],
        (KeptMail::Discard, messages @ 1..) => vec![format!("{messages} of its messages were discarded")],
        (KeptMail::Hold | KeptMail::Deliver | KeptMail::Discard, _) => Vec::new(),
    };
    Ok(Response::Done { message: format!("{who} may send again."), notes, password: None })
}

/// What has no recipients yet cannot be held, and would be let go.
fn wait_for_expansion(office: &Office, submitter: &Submitter, who: &str) -> Result<(), Failure> {
    let listed = office.queue.list(&selection(submitter), None, usize::MAX).map_err(Failure::unavailable)?;
    match listed.0.iter().filter(|message| message.recipients == 0).count() {
        0 => Ok(()),
        count => {
            let message = format!("{count} messages of {who} have just come in, and cannot be held yet.");
            Err(Failure::refused(message)
                .cured_by("the same in a moment, while the server runs; or --discard, --deliver"))
        }
    }
}

fn obeyed(
    queue: &dyn QueueDesk,
    selection: &Selection,
    order: &QueueOrder,
    progress: &mut dyn FnMut(Progress),
) -> Result<QueueObeyed, Failure> {
    let mut looked = |done, total| {
        let (done, total) = (done as u64, total as u64);
        progress(Progress { what: "looking at the mail that was kept back".to_owned(), done, total });
    };
    queue.order(selection, order, false, &mut looked).map_err(Failure::unavailable)
}

fn record(office: &Office, actor: &str, submitter: &Submitter, address: &str, kept: KeptMail) -> Result<(), Failure> {
    let what = match kept {
        KeptMail::Hold => "its mail is held",
        KeptMail::Deliver => "its mail is delivered",
        KeptMail::Discard => "its mail is discarded",
    };
    let device = submitter.device().map_or_else(String::new, |device| format!("device {device}, "));
    let address = submitter.connector().map_or_else(|| address.to_owned(), |name| format!("connector {name}"));
    let access = Access {
        at: office.clock.now().to_string().into(),
        actor: actor.into(),
        kind: AccessKind::RestrictionReleased,
        mailbox: submitter.account(),
        address: address.into(),
        detail: format!("{device}{what}").into(),
    };
    office.contents.record(&access).map_err(Failure::unavailable)
}

fn named(address: &str, submitter: &Submitter) -> String {
    match submitter {
        Submitter::Account(_) => address.to_owned(),
        Submitter::Device(_, device) => format!("{device} of {address}"),
        Submitter::Connector(connector) => format!("the connector {connector}"),
    }
}

/// Adds to an explanation that the sender is restricted: then the message is refused at its end, or at MAIL FROM where
/// accounts are to hear early, whatever comes after.
pub(super) fn explained(office: &Office, query: &Query, explanation: &mut Explanation) {
    let (snapshot, settings) = (office.directory.snapshot(), office.settings());
    let connector = explanation.connector.as_deref();
    let Some(own) = restriction_of(office, &snapshot, query, connector) else { return };
    let is_early = |step: &Step| step.command.starts_with("AUTH");
    let is_before = |step: &Step| is_early(step) || (!settings.refuse_early && is_before_the_end(step));
    let reached = explanation.steps.iter().take_while(|step| is_before(step) && step.accepted).count();
    let ended = explanation.steps.get(reached).is_some_and(is_before);
    if (reached == 0 && connector.is_none()) || ended {
        // It comes to an end before that.
        return;
    }
    explanation.steps.truncate(reached);
    explanation.steps.push(step(&own, &settings));
    explanation.accepted = false;
}

fn restriction_of(office: &Office, snapshot: &Snapshot, query: &Query, connector: Option<&str>) -> Option<Restriction> {
    let submitter = match (connector, query.device.as_deref()) {
        (Some(connector), _) => Submitter::Connector(connector.into()),
        (None, device) => {
            let account = find_account(snapshot, query.login.as_deref()?)?;
            match device {
                None => Submitter::Account(account.id),
                Some(device) => Submitter::Device(account.id, name_of(account, device)?),
            }
        }
    };
    office.restrictions.restricted().into_iter().find(|own| own.submitter == submitter)
}

fn is_before_the_end(step: &Step) -> bool {
    step.command.starts_with("MAIL FROM") || step.command.starts_with("RCPT TO")
}

fn step(own: &Restriction, settings: &Settings) -> Step {
    let who = named(&own.address, &own.submitter);
    let option = match &own.submitter {
        Submitter::Account(_) => own.address.to_string(),
        Submitter::Device(_, device) => format!("{} --device {device}", own.address),
        Submitter::Connector(connector) => format!("--connector {connector}"),
    };
    Step {
        command: if settings.refuse_early { "MAIL FROM".to_owned() } else { "the end of DATA".to_owned() },
        rules: vec![RuleView {
            question: "the sender is restricted".to_owned(),
            held: true,
            detail: format!(
                "{who}, since {}: {} recipients outside within an hour, {} within a day",
                own.since, own.of_hour, own.of_day
            ),
        }],
        accepted: false,
        reply: Some(Refusal::BadOutboundSender.bare_reply(settings).to_string()),
        outcome: Vec::new(),
        cures: vec![format!("franking restricted release {option}")],
    }
}
