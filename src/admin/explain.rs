//! Why would the server answer as it does? Runs the very policy functions of a session and writes down each rule.
//!
//! The steps are those of a session: AUTH (the right password assumed), MAIL FROM, RCPT TO for each recipient, the
//! header after DATA, and where the copies go. Nothing is sent and nothing is changed. What the session counts (rates,
//! quotas, open sessions) is not judged here, since it depends on the moment.

mod cure;
mod mail_from;
mod signing_in;
#[cfg(test)]
mod tests;

pub use signing_in::{Shown, SignInExplanation, SignInQuery, explain_sign_in};

use core::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::directory::{Recipient, RecipientId, Snapshot};
use crate::model::mail::{Address, ForwardPath, ReversePath, Timestamp};
use crate::model::policy::device::device_of;
use crate::model::policy::moderation::Awaited;
use crate::model::policy::sign_in::find_account;
use crate::model::policy::{
    Audience, Delivery, Destination, DsnRequest, Expanded, History, Moderated, Notify, Occasion, Permit, Posting,
    Refusal, Route, RoutePattern, Rule, Sender, Settings, SignedIn, SubmitAs, Suppression, admit, admit_any, author,
    auto_reply, expand, quota, sent_items,
};
use crate::model::smtp::replies::Answer;
use signing_in::Claim;

/// What to explain.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Query {
    /// Who signs in; nobody, for mail from outside.
    pub login: Option<String>,
    /// The device whose secret is shown instead of the account's password.
    pub device: Option<String>,
    /// Where the client is; in the first network of the device unless given. On port 25 it says which connector is for
    /// the client.
    pub peer: Option<IpAddr>,
    /// The address in MAIL FROM; the account's primary address unless given, or the null path from outside. An empty
    /// text is the null path.
    pub from: Option<String>,
    /// The address in the header's From; that of MAIL FROM unless given.
    pub header_from: Option<String>,
    /// The recipients; without any, only signing in and sending are explained.
    pub to: Vec<String>,
    /// The port: 25 is for other servers, every other for accounts.
    pub port: u16,
    /// Whether the client of port 25 uses TLS; with a certificate it does.
    pub tls: bool,
    /// A name in the certificate that the client of port 25 shows, for which every authority vouches.
    pub certificate: Option<String>,
    /// The SHA-256 of that certificate.
    pub fingerprint: Option<String>,
    /// The size of the message in octets; 0 when it does not matter.
    pub bytes: u64,
}

/// What would happen, step by step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The steps, in the order of the session. It ends where the session would.
    pub steps: Vec<Step>,
    /// Whether the message would be accepted for at least one recipient, and nothing was refused on the way there.
    pub accepted: bool,
    /// The connector that vouched for the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connector: Option<String>,
}

/// One command of the session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The command, as the client gives it.
    pub command: String,
    /// The rules that were consulted, in order.
    pub rules: Vec<RuleView>,
    /// Whether the server goes along.
    pub accepted: bool,
    /// The reply as the server words it; a refusal without the trailer that names time and session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<String>,
    /// What follows from the step, for example where a copy goes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outcome: Vec<String>,
    /// Commands and settings that would change the answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cures: Vec<String>,
}

/// One rule and how it turned out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RuleView {
    /// The question, as a short clause.
    pub question: String,
    /// Whether it held.
    pub held: bool,
    /// What was compared; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
}

impl From<Rule> for RuleView {
    fn from(rule: Rule) -> Self {
        Self { question: rule.question.to_owned(), held: rule.held, detail: rule.detail }
    }
}

/// The port on which other servers deliver mail (RFC 5321 section 4.5.4.2).
const INBOUND_PORT: u16 = 25;

/// Explains `query`. Total: whatever is asked has an answer.
pub fn explain(snapshot: &Snapshot, settings: &Settings, query: &Query, now: Timestamp) -> Explanation {
    let mut session = Session { snapshot, settings, query, now, steps: Vec::new(), connector: None };
    let accepted = session.run().is_some();
    Explanation { steps: session.steps, accepted, connector: session.connector }
}

struct Session<'a> {
    snapshot: &'a Snapshot,
    settings: &'a Settings,
    query: &'a Query,
    now: Timestamp,
    steps: Vec<Step>,
    connector: Option<String>,
}

impl Session<'_> {
    /// Goes on as long as the server does; `None` where it stops.
    fn run(&mut self) -> Option<()> {
        let sender = self.sender()?;
        let (sender, reverse_path) = self.mail(sender)?;
        if self.query.to.is_empty() && self.query.from.is_none() && self.query.header_from.is_none() {
            return Some(());
        }
        let permits: Vec<Permit> =
            self.query.to.iter().filter_map(|to| self.recipient(&sender, &reverse_path, to)).collect();
        if permits.is_empty() && !self.query.to.is_empty() {
            return None;
        }
        let reverse_path = match &sender {
            Sender::Account(signed_in) => self.header(signed_in, &reverse_path)?,
            Sender::Anonymous | Sender::System | Sender::Connector(_) => reverse_path,
        };
        if permits.is_empty() {
            return Some(());
        }
        let head = self.head(&reverse_path);
        let (origin, bytes) = (sender.origin(), self.query.bytes);
        let posting = Posting::received(self.snapshot, origin, &reverse_path, head.as_bytes(), bytes)
            .by_connector(sender.vouched());
        let mut trail = Vec::new();
        if let Err(refusal) = admit_any(self.snapshot, self.settings, &posting, &permits, &mut trail) {
            let to = self.query.to.first().cloned().unwrap_or_default();
            let cures = cure::recipient(self.snapshot, &refusal, to.trim(), self.account_of(&sender));
            self.refuse("the end of DATA".to_owned(), trail, &refusal, cures);
            return None;
        }
        self.route(&sender, &posting, &permits);
        Some(())
    }

    /// The header that is assumed: an author, and every recipient in To.
    fn head(&self, reverse_path: &ReversePath) -> String {
        // A line break here would forge a field; no address has one.
        let clean = |text: &str| text.trim().chars().filter(|character| !character.is_control()).collect::<String>();
        let author = self.query.header_from.as_deref().map_or_else(|| path_text(reverse_path), clean);
        let to: Vec<String> = self.query.to.iter().map(|to| clean(to)).collect();
        format!("From: <{author}>\r\nTo: {}\r\n", to.join(", "))
    }

    fn close(&mut self, command: String, trail: Vec<Rule>, answer: Option<Answer<'_>>, outcome: Vec<String>) {
        let rules = trail.into_iter().map(RuleView::from).collect();
        let reply = answer.map(|answer| answer.reply().to_string());
        self.steps.push(Step { command, rules, accepted: true, reply, outcome, cures: Vec::new() });
    }

    fn refuse(&mut self, command: String, trail: Vec<Rule>, refusal: &Refusal, cures: Vec<String>) {
        self.steps.push(Step {
            command,
            rules: trail.into_iter().map(RuleView::from).collect(),
            accepted: false,
            reply: Some(refusal.bare_reply(self.settings).to_string()),
            outcome: Vec::new(),
            cures,
        });
    }

    fn sender(&mut self) -> Option<Sender> {
        let mut trail = Vec::new();
        let inbound = self.query.port == INBOUND_PORT;
        let Some(login) = &self.query.login else {
            if inbound {
                return Some(Sender::Anonymous);
            }
            let refusal = Refusal::NotAuthenticated(None);
            trail.push(rule("the client signed in", false, String::new()));
            let cures = vec![
                "sign in first: franking explain --as LOGIN …".to_owned(),
                "mail from outside comes in on port 25: --port 25".to_owned(),
            ];
            self.refuse("MAIL FROM".to_owned(), trail, &refusal, cures);
            return None;
        };
        if inbound {
            trail.push(rule("port 25 offers AUTH", false, "the login is left aside".to_owned()));
            self.close("EHLO".to_owned(), trail, None, vec!["the client counts as a stranger".to_owned()]);
            return Some(Sender::Anonymous);
        }
        let (device, peer) = (self.query.device.as_deref(), self.query.peer);
        let claim = Claim { login, device, peer, without_tls: false, at: self.now };
        let command = format!("AUTH as {login}, with the right {}", claim.secret());
        let account = find_account(self.snapshot, login);
        match claim.judge(self.snapshot, self.settings, &mut trail) {
            Ok(signed_in) => {
                let outcome = vec![format!("signed in as {}", signed_in.login())];
                self.close(command, trail, Some(Answer::SignedIn), outcome);
                Some(Sender::Account(signed_in))
            }
            Err(refusal) => {
                let cures = self.device_cures(&trail, None);
                let cures = cures.unwrap_or_else(|| cure::sign_in(self.snapshot, &refusal, account, login));
                self.refuse(command, trail, &refusal, cures);
                None
            }
        }
    }

    /// What would let the device do what a rule about its credential forbids.
    fn device_cures(&self, trail: &[Rule], recipient: Option<&Address>) -> Option<Vec<String>> {
        let account = find_account(self.snapshot, self.query.login.as_deref()?)?;
        cure::device(account, self.query.device.as_deref()?, trail, recipient)
    }

    fn recipient(&mut self, sender: &Sender, reverse_path: &ReversePath, to: &str) -> Option<Permit> {
        let text = to.trim();
        let command = format!("RCPT TO:<{text}>");
        let path = match Address::parse(text) {
            Ok(address) => ForwardPath::Mailbox(address),
            Err(_) if text.eq_ignore_ascii_case("postmaster") => ForwardPath::Postmaster,
            Err(_) => {
                self.refuse(command, Vec::new(), &Refusal::InvalidRecipientAddress, Vec::new());
                return None;
            }
        };
        let mut trail = Vec::new();
        let dsn = DsnRequest::default();
        let origin = sender.origin();
        let device = match sender {
            Sender::Account(signed_in) => device_of(self.snapshot, signed_in),
            Sender::Anonymous | Sender::System | Sender::Connector(_) => None,
        };
        let vouched = sender.vouched();
        let posting = Posting::announced(self.snapshot, origin, reverse_path, self.query.bytes)
            .by_device(device)
            .by_connector(vouched);
        let posting = if vouched.is_some() { posting } else { posting.from_unknown_source() };
        match admit(self.snapshot, self.settings, &posting, path, dsn, &mut trail) {
            Ok(permit) => {
                self.close(command, trail, Some(Answer::RecipientOk), Vec::new());
                Some(permit)
            }
            Err(refusal) => {
                let mut cures = self
                    .device_cures(&trail, Address::parse(text).ok().as_ref())
                    .unwrap_or_else(|| cure::recipient(self.snapshot, &refusal, text, self.account_of(sender)));
                cures.splice(0..0, self.connector_cures(&refusal, sender, reverse_path));
                if let Some(what) = Address::parse(text).ok().and_then(|address| self.moderators_answer(&address)) {
                    cures = vec![format!("{what}; only a moderator who signs in can answer")];
                }
                self.refuse(command, trail, &refusal, cures);
                None
            }
        }
    }

    fn account_of(&self, sender: &Sender) -> Option<&Recipient> {
        match sender {
            Sender::Account(signed_in) => self.snapshot.recipient(signed_in.account()).map(|account| &**account),
            Sender::Anonymous | Sender::System | Sender::Connector(_) => None,
        }
    }

    fn header(&mut self, signed_in: &SignedIn, reverse_path: &ReversePath) -> Option<ReversePath> {
        let own = self.snapshot.recipient(signed_in.account()).map(|account| account.primary().to_string());
        let by_path = reverse_path.address().map(ToString::to_string).or(own).unwrap_or_default();
        let author_text = self.query.header_from.as_deref().map_or(by_path, |text| text.trim().to_owned());
        let command = format!("DATA, with From: {author_text}");
        // A line break here would forge a field; no address has one.
        let shown: String = author_text.chars().filter(|character| !character.is_control()).collect();
        let head = format!("From: <{shown}>\r\n");
        let mut trail = Vec::new();
        match author(self.snapshot, self.settings, signed_in, reverse_path, head.as_bytes(), &mut trail) {
            Ok(authored) => {
                let mut outcome = vec![self.capacity(authored.submit_as)];
                outcome.extend(self.owners_quota(signed_in, authored.submit_as));
                if authored.reverse_path != *reverse_path {
                    outcome.push(format!("it leaves under the reverse-path <{}>", path_text(&authored.reverse_path)));
                }
                let (account, path) = (signed_in.account(), &authored.reverse_path);
                let kept = sent_items(self.snapshot, self.settings, account, authored.submit_as, path, &mut trail);
                let keepers = kept.keepers().iter().filter_map(|keeper| self.snapshot.recipient(*keeper));
                outcome.extend(keepers.map(|keeper| format!("a copy is kept in Sent Items of {}", keeper.primary())));
                self.close(command, trail, None, outcome);
                Some(authored.reverse_path)
            }
            Err(refusal) => {
                let cures = self.device_cures(&trail, None).unwrap_or_else(|| cure::send_as(self.snapshot, &refusal));
                self.refuse(command, trail, &refusal, cures);
                None
            }
        }
    }

    fn capacity(&self, submit_as: SubmitAs) -> String {
        let name = |id| self.snapshot.recipient(id).map(|owner| owner.primary().to_string()).unwrap_or_default();
        match submit_as {
            SubmitAs::Own => "it sends as itself".to_owned(),
            SubmitAs::As(owner) => format!("it sends as {}", name(owner)),
            SubmitAs::OnBehalf(owner) => format!("it sends on behalf of {}; Sender names the account", name(owner)),
            SubmitAs::Denied => "it may not send so".to_owned(),
        }
    }

    /// How full a mailbox is depends on the moment, but not whose mailbox counts.
    fn owners_quota(&self, signed_in: &SignedIn, submit_as: SubmitAs) -> Option<String> {
        let account = signed_in.account();
        let mut counting = quota::sending_mailboxes(self.snapshot, self.settings, account, Some(submit_as));
        let owner = counting.find(|mailbox| mailbox.id != account)?.primary();
        let refusal = Refusal::SenderQuotaExceeded.bare_reply(self.settings);
        Some(format!("{refusal} once the mailbox of {owner} may not send any more: franking mailbox show {owner}"))
    }

    fn route(&mut self, sender: &Sender, posting: &Posting<'_>, permits: &[Permit]) {
        let mut trail = Vec::new();
        let expanded = expand(self.snapshot, self.settings, posting, permits, self.now, &mut trail);
        let mut outcome = Vec::new();
        let mut cures = Vec::new();
        for branch in expanded {
            match branch {
                Expanded::Deliver(delivery) => {
                    outcome.push(self.delivery(&delivery));
                    outcome.extend(self.answer(posting, &delivery, &mut trail));
                }
                Expanded::Dropped { address, why: Suppression::AutoForward, .. } => {
                    let domain = self.snapshot.remote_domain(address.domain()).domain;
                    outcome.push(format!(
                        "{address}: dropped, and nobody is told: the remote domain {domain} takes nothing forwarded"
                    ));
                    cures.push(format!("franking remote-domain set \"{domain}\" --auto-forward on"));
                }
                Expanded::Refused { address, .. } if self.is_answer(sender, &address) => {
                    outcome.extend(self.moderators_answer(&address));
                }
                Expanded::Refused { address, refusal, passage } => {
                    let reply = refusal.bare_reply(self.settings);
                    let hears = path_text(&passage.reverse_path);
                    let nobody = hears.is_empty() || passage.dsn.notify == Notify::Never;
                    let report = if nobody { "nobody is told".to_owned() } else { format!("a report to {hears}") };
                    outcome.push(format!("{address}: not delivered, {report}: {reply}"));
                    let account = self.account_of(sender);
                    cures.extend(cure::recipient(self.snapshot, &refusal, &address.to_string(), account));
                }
                Expanded::Moderated(moderated) => outcome.push(self.moderation(&moderated)),
            }
        }
        if outcome.is_empty() {
            outcome.push("no copy is delivered: the groups have no members that mail could reach".to_owned());
        }
        cures.dedup();
        self.close("after acceptance".to_owned(), trail, None, outcome);
        if let Some(step) = self.steps.last_mut() {
            step.cures = cures;
        }
    }

    fn is_answer(&self, sender: &Sender, address: &Address) -> bool {
        matches!(sender, Sender::Account(_)) && Awaited::of(address, self.settings).is_some()
    }

    /// What an address is at which a moderator answers. Whether the message still waits is for the queue to say.
    fn moderators_answer(&self, address: &Address) -> Option<String> {
        let Awaited { message, place } = Awaited::of(address, self.settings)?;
        Some(format!(
            "{address}: the address at which moderators answer about recipient {place} of message {message:016X}; an \
             answer is carried out, not delivered: franking moderation list"
        ))
    }

    fn moderation(&self, moderated: &Moderated) -> String {
        let address = |id: &RecipientId| self.snapshot.recipient(*id).map(|found| found.primary().to_string());
        let moderators: Vec<String> = moderated.waiting.moderators.iter().filter_map(address).collect();
        let who = if moderators.is_empty() { "the postmaster".to_owned() } else { moderators.join(" or ") };
        format!("{} is moderated: the message waits until {who} approves it", moderated.address)
    }

    /// What the mailbox answers by itself, if it ever does. The header is taken to name the recipient that was given.
    fn answer(&self, posting: &Posting<'_>, delivery: &Delivery, trail: &mut Vec<Rule>) -> Option<String> {
        let Destination::Mailbox(id) = &delivery.to else { return None };
        let mailbox = self.snapshot.recipient(*id).filter(|mailbox| mailbox.auto_reply.is_some())?;
        let head = self.head(posting.reverse_path());
        let occasion = Occasion {
            origin: posting.origin(),
            reverse_path: posting.reverse_path(),
            head: head.as_bytes(),
            path: &delivery.path,
            passed_by_groups: delivery.automatic_replies,
        };
        let judged = auto_reply(self.snapshot, self.settings, mailbox, &occasion, History::New, self.now, trail);
        Some(match judged {
            Ok(reply) => {
                let text = match reply.audience {
                    Audience::Internal => "internal",
                    Audience::External => "external",
                };
                format!("{} answers {} by itself with its {text} text, once", mailbox.primary(), reply.to)
            }
            Err(reason) => format!("{} does not answer by itself: {}", mailbox.primary(), reason.text()),
        })
    }

    /// The way that the configuration has for a copy.
    fn route_of(&self, delivery: &Delivery, address: &Address) -> Option<(&RoutePattern, &str)> {
        let found = self.settings.routes.find(delivery.reverse_path.address(), address.domain());
        found.map(|(pattern, way)| (pattern, &**way))
    }

    fn delivery(&self, delivery: &Delivery) -> String {
        let place = match &delivery.to {
            Destination::Mailbox(id) => {
                let owner = self.snapshot.recipient(*id).map(|owner| owner.primary().to_string());
                format!("into the mailbox of {}", owner.unwrap_or_default())
            }
            Destination::PostmasterMailbox => "into the server's own postmaster mailbox".to_owned(),
            Destination::Relay { address, route: Route::Domain } => match self.route_of(delivery, address) {
                Some((pattern, way)) => format!("out to {address}, by the route for {pattern}: {way}"),
                None => format!("out to {address}, by the mail exchangers of {}", address.domain()),
            },
            Destination::Relay { address, route: Route::NextHost(host) } => format!("on to {address}, by {host}"),
        };
        match &delivery.resent_from {
            Some(forwarder) => format!("{place}, forwarded by {forwarder}"),
            None => place,
        }
    }
}

fn path_text(path: &ReversePath) -> String {
    path.address().map(ToString::to_string).unwrap_or_default()
}

const fn rule(question: &'static str, held: bool, detail: String) -> Rule {
    Rule { question, held, detail }
}
