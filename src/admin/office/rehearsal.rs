//! A test double's script of faults, what it did, and what came in. A server in service has none of this and says so.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::response::Response;
use super::{Office, counted};
use crate::config::fault_script;
use crate::model::faults::{
    Circumstances, Conditions, Count, Deed, Door, NAMED, Named, Pattern, RULES_MAX, Rule, Struck, TlsFault, Words,
    named_reply,
};
use crate::model::mail::header::fields;
use crate::model::mail::{Address, Reply, ReversePath, Timestamp};
use crate::model::policy::Settings;
use crate::store::rehearsal::{Captured, Rehearsal};

/// What is asked about faults.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum FaultOrder {
    /// Replaces the script. All counts begin anew.
    Set {
        /// The file it came from, for messages.
        name: String,
        /// The script (TOML).
        script: String,
    },
    /// Adds rules behind those that are there.
    Add {
        /// The file they came from, for messages.
        name: String,
        /// A script (TOML).
        script: String,
    },
    /// The rules with their counts.
    List,
    /// Takes rules away.
    Clear {
        /// Those of this name; all without one.
        rule: Option<String>,
    },
    /// What has struck.
    Log {
        /// Only strikes with a greater number.
        after: u64,
    },
}

/// What is asked about messages that came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CapturedOrder {
    /// Those that match, the latest at the end.
    List {
        /// A pattern for the reverse-path.
        sender: Option<String>,
        /// A pattern for one of the recipients.
        recipient: Option<String>,
        /// The latest so many; 0 is all that are remembered.
        limit: usize,
    },
    /// One of them with its content.
    Show {
        /// Its number.
        number: u64,
    },
    /// Forgets all. Mailboxes and outbox keep what they have.
    Clear,
}

/// A rule with what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultView {
    /// Its name.
    pub name: String,
    /// Where it strikes.
    pub step: String,
    /// What it does, as scripts name it.
    pub deed: String,
    /// The same in detail: a reply, a number of seconds, keywords.
    pub detail: String,
    /// Its conditions, by their keys in scripts.
    pub when: BTreeMap<String, String>,
    /// Occasions that go by first.
    pub skip: u64,
    /// Of so many occasions one is struck.
    pub every: u64,
    /// Strikes until it is exhausted.
    pub times: Option<u64>,
    /// Milliseconds that everything is held back.
    pub delay_milliseconds: u64,
    /// Milliseconds between two octets of what is said next.
    pub trickle_milliseconds: Option<u64>,
    /// Occasions that met its conditions.
    pub matched: u64,
    /// Strikes so far.
    pub struck: u64,
    /// Whether it will strike no more.
    pub exhausted: bool,
}

/// A message that came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapturedView {
    /// Its number since the server began, from 1.
    pub number: u64,
    /// When it was accepted; in JSON by ISO 8601.
    #[serde(with = "crate::model::faults::iso")]
    pub at: Timestamp,
    /// The queue's name for it.
    pub queue_id: String,
    /// The session that it came by.
    pub session: String,
    /// The account that sent it.
    pub account: Option<String>,
    /// The reverse-path, `<>` for the null one.
    pub sender: String,
    /// The recipients that RCPT named.
    pub recipients: Vec<String>,
    /// Octets in all.
    pub bytes: u64,
    /// The fields of its header, in their order, each as name and value.
    pub headers: Vec<(String, String)>,
    /// Header and body, when one message is asked for; octets that are no UTF-8 are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Whether the content is longer than what is remembered of it.
    pub truncated: bool,
}

impl CapturedView {
    /// The first field of this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn of(captured: &Captured, with_content: bool) -> Self {
        let message = &captured.message;
        let end = memchr::memmem::find(&message.content, b"\r\n\r\n").map_or(message.content.len(), |at| at + 4);
        let head = message.content.get(..end).unwrap_or_default();
        // The empty line at the end is no field.
        let header = fields(head).into_iter().filter(|field| !field.name.is_empty());
        Self {
            number: captured.number,
            at: captured.at,
            queue_id: captured.queue_id.clone(),
            session: message.session.clone(),
            account: message.account.clone(),
            sender: message.sender.clone(),
            recipients: message.recipients.clone(),
            bytes: message.bytes,
            headers: header.map(|field| (String::from_utf8_lossy(field.name).into_owned(), field.text())).collect(),
            content: with_content.then(|| String::from_utf8_lossy(&message.content).into_owned()),
            truncated: message.content.len() as u64 != message.bytes,
        }
    }
}

/// Carries out an order about faults.
pub(super) fn faults(office: &Office, order: FaultOrder) -> Result<Response, Failure> {
    let rehearsal = rehearsal(office)?;
    match order {
        FaultOrder::Set { name, script } => {
            let rules = read(&name, &script)?;
            let count = rules.len();
            rehearsal.faults().set(rules);
            Ok(done(format!("The script has {}; every count begins at zero.", counted(count, "rule"))))
        }
        FaultOrder::Add { name, script } => {
            let rules = read(&name, &script)?;
            let count = rules.len();
            if !rehearsal.faults().add(rules) {
                let failure = Failure::refused(format!("There would be more than {RULES_MAX} rules."));
                return Err(failure.cured_by("franking faults clear"));
            }
            Ok(done(format!("Added at the end: {}.", counted(count, "rule"))))
        }
        FaultOrder::List => {
            let settings = office.settings();
            let faults = rehearsal.faults();
            let rules = faults.rules().map(|(rule, count)| view(rule, count, &settings)).collect();
            Ok(Response::Faults { rules, strikes: faults.strikes() })
        }
        FaultOrder::Clear { rule } => {
            let count = rehearsal.faults().clear(rule.as_deref());
            match (count, rule) {
                (0, Some(rule)) => Err(Failure::not_found(format!("There is no rule {rule}."))),
                (count, _) => Ok(done(format!("Taken away: {}.", counted(count, "rule")))),
            }
        }
        FaultOrder::Log { after } => {
            let faults = rehearsal.faults();
            let strikes = faults.log().iter().filter(|struck| struck.number > after).cloned().collect();
            Ok(Response::Strikes { strikes, total: faults.strikes() })
        }
    }
}

/// Carries out an order about messages that came in.
pub(super) fn captured(office: &Office, order: &CapturedOrder) -> Result<Response, Failure> {
    let rehearsal = rehearsal(office)?;
    match order {
        CapturedOrder::List { sender, recipient, limit } => {
            let (sender, recipient) = (pattern(sender.as_deref())?, pattern(recipient.as_deref())?);
            let fits = |captured: &&Captured| {
                let message = &captured.message;
                sender.as_ref().is_none_or(|sender| sender.matches(&message.sender))
                    && recipient.as_ref().is_none_or(|wanted| message.recipients.iter().any(|own| wanted.matches(own)))
            };
            let messages = rehearsal.captured();
            let matching: Vec<&Captured> = messages.kept().iter().filter(fits).collect();
            let first = if *limit == 0 { 0 } else { matching.len().saturating_sub(*limit) };
            let shown = matching.get(first..).unwrap_or_default().iter();
            let shown = shown.map(|captured| CapturedView::of(captured, false)).collect();
            // Without patterns those count as well that are not remembered any more.
            let total = match (&sender, &recipient) {
                (None, None) => messages.count(),
                (Some(_), _) | (_, Some(_)) => matching.len() as u64,
            };
            Ok(Response::Captured { total, messages: shown })
        }
        CapturedOrder::Show { number } => {
            let messages = rehearsal.captured();
            let found = messages.find(*number).map(|captured| CapturedView::of(captured, true));
            let failure = || Failure::not_found(format!("No message {number} is remembered."));
            Ok(Response::CapturedMessage(Box::new(found.ok_or_else(|| failure().cured_by("franking captured list"))?)))
        }
        CapturedOrder::Clear => {
            let count = rehearsal.captured().clear();
            let count = counted(usize::try_from(count).unwrap_or(usize::MAX), "message");
            Ok(done(format!("Forgotten: {count}; mailboxes and outbox keep theirs.")))
        }
    }
}

/// Every fault that has a name, with its usual step and its words, which name example addresses.
pub fn names(settings: &Settings) -> Vec<(String, String, String)> {
    let row = |named: &Named| (named.name.to_owned(), named.step.name().to_owned(), words(named, settings));
    NAMED.iter().map(row).collect()
}

/// The words of a named fault as they would be said to somebody.
fn words(named: &Named, settings: &Settings) -> String {
    let address = |local: &str| Address::parse(&format!("{local}@contoso.example")).ok();
    let (login, sender, recipient) = (address("bob"), address("info"), address("nobody"));
    let sender = sender.map(ReversePath::Mailbox);
    let client = Some(core::net::Ipv4Addr::new(192, 0, 2, 7).into());
    let circumstances =
        Circumstances { login: login.as_ref(), sender: sender.as_ref(), recipient: recipient.as_ref(), client };
    named_reply(named, settings, &circumstances, None).reply.to_string()
}

/// Law: only a test double has a rehearsal.
fn rehearsal(office: &Office) -> Result<&Rehearsal, Failure> {
    office.rehearsal.as_deref().ok_or_else(|| {
        Failure::refused(
            "This server is in service: it obeys no script of faults, and remembers no messages for tests.",
        )
        .cured_by("start a server for tests: franking serve --ephemeral, or franking demo")
    })
}

fn read(name: &str, script: &str) -> Result<Vec<Rule>, Failure> {
    fault_script(script, Path::new(name)).map_err(|errors| {
        let problems: Vec<String> = errors.0.iter().map(ToString::to_string).collect();
        Failure::refused(format!("The script is wrong, and nothing was changed: {}", problems.join(" | ")))
            .cured_by("franking faults set --help shows a script; franking faults names lists what Exchange says")
    })
}

fn pattern(text: Option<&str>) -> Result<Option<Pattern>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let pattern = Pattern::parse(text);
    pattern.map(Some).ok_or_else(|| Failure::refused("A pattern is an address, or a part of one with * and ?."))
}

const fn done(message: String) -> Response {
    Response::Done { message, notes: Vec::new(), password: None }
}

fn view(rule: &Rule, count: Count, settings: &Settings) -> FaultView {
    let milliseconds = |time: core::time::Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    FaultView {
        name: rule.name.to_string(),
        step: rule.step.name().to_owned(),
        deed: rule.deed.name().to_owned(),
        detail: detail(&rule.deed, settings),
        when: conditions(&rule.when),
        skip: rule.skip,
        every: rule.every,
        times: rule.times,
        delay_milliseconds: milliseconds(rule.delay),
        trickle_milliseconds: rule.trickle.map(milliseconds),
        matched: count.matched,
        struck: count.struck,
        exhausted: rule.times.is_some_and(|times| count.struck >= times),
    }
}

fn detail(deed: &Deed, settings: &Settings) -> String {
    match deed {
        Deed::Slow | Deed::Close | Deed::Reset | Deed::Discard => String::new(),
        Deed::Reply(Words::Own(reply)) => Reply::to_string(reply),
        Deed::Reply(Words::Named(named)) => {
            format!("{}: {}", named.name, words(named, settings))
        }
        Deed::Stall(longest) => format!("{} seconds at most", longest.as_secs()),
        Deed::Tls(TlsFault::Alert) => "alert".to_owned(),
        Deed::Tls(TlsFault::Expired) => "expired".to_owned(),
        Deed::Tls(TlsFault::WrongName) => "wrong-name".to_owned(),
        Deed::Tls(TlsFault::UnknownAuthority) => "unknown-authority".to_owned(),
        Deed::Hide(keywords) => keywords.join(" "),
    }
}

fn conditions(when: &Conditions) -> BTreeMap<String, String> {
    let door = |door: Door| match door {
        Door::Submission => "submission",
        Door::Submissions => "submissions",
        Door::Inbound => "inbound",
    };
    let number = |number: Option<u64>| number.map(|number| number.to_string());
    let all = [
        ("sender", when.sender.as_ref().map(ToString::to_string)),
        ("recipient", when.recipient.as_ref().map(ToString::to_string)),
        ("login", when.login.as_ref().map(ToString::to_string)),
        ("client", when.client.map(|network| network.to_string())),
        ("port", when.port.map(|port| port.to_string())),
        ("listener", when.listener.map(|own| door(own).to_owned())),
        ("session", number(when.session)),
        ("every_session", number(when.every_session)),
        ("message", number(when.message)),
        ("every_message", number(when.every_message)),
        ("octets", number(when.octets)),
        ("every_octets", number(when.every_octets)),
    ];
    all.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect()
}

/// A strike, for lists.
pub(in crate::admin) fn whom(struck: &Struck) -> String {
    let known = [struck.login.as_deref(), struck.sender.as_deref()].into_iter().flatten();
    let to = struck.recipients.iter().map(|recipient| format!("to {recipient}"));
    known.map(str::to_owned).chain(to).collect::<Vec<_>>().join(" ")
}
