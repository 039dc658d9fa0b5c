//! What the product answers, in the words of the matrix.

use std::collections::BTreeSet;

use franking::model::directory::Snapshot;
use franking::model::mail::header::{Mailboxes, fields, mailboxes};
use franking::model::mail::{Address, ForwardPath, ReversePath, Timestamp};
use franking::model::policy::quota::{Stage, Thresholds, Usage, may_receive, may_send, sending_mailboxes, thresholds};
use franking::model::policy::sign_in::may_submit;
use franking::model::policy::{
    Audience, Delivery, Destination, DsnRequest, Evidence, Expanded, History, Known, Moderated, Notify, Occasion,
    Origin, Permit, Posting, Proof, Refusal, Route, Sender, Settings, SignedIn, SubmitAs, Unrecorded, admit, author,
    auto_reply, expand, expand_approved, sign_in, submit_as,
};

use super::build::{self, address};
use super::oracle::{Case, From, Letter, Post};
use super::plain::World;
use crate::policy::moderation::known;

/// A cell in the product's terms, built once and asked many times.
pub(super) struct Asked<'world> {
    pub(super) world: &'world World,
    pub(super) snapshot: Snapshot,
    pub(super) settings: Settings,
}

/// The name of the variant, under which coverage counts it.
pub(super) fn name_of(refusal: &Refusal) -> String {
    let debug = format!("{refusal:?}");
    debug.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

impl<'world> Asked<'world> {
    pub(super) fn new(world: &'world World) -> Self {
        Self { world, snapshot: build::snapshot(world), settings: build::settings(world) }
    }

    /// The answers at the end of AUTH and, if that was good, at MAIL FROM.
    pub(super) fn sign_in(&self, name: &str, proof: &str) -> Vec<String> {
        match self.signed_in(name, proof) {
            Err(refusal) => vec![name_of(&refusal)],
            Ok(signed_in) => {
                let may = may_submit(&self.snapshot, &self.settings, &signed_in, Timestamp::EPOCH, &mut Unrecorded);
                vec!["yes".to_owned(), may.map_or_else(|refusal| name_of(&refusal), |()| "yes".to_owned())]
            }
        }
    }

    fn signed_in(&self, name: &str, proof: &str) -> Result<SignedIn, Refusal> {
        let login = super::plain::address_of(name);
        let evidence = match proof {
            "password" => Evidence::Right(Proof::Password),
            "token" => Evidence::Right(Proof::Token),
            _ => Evidence::Wrong,
        };
        sign_in(&self.snapshot, &self.settings, &login, evidence, &mut Unrecorded)
    }

    pub(super) fn capacity(&self, account: &str, used: &str) -> String {
        let account = build::id(self.world, account);
        self.capacity_in_words(submit_as(&self.snapshot, &self.settings, account, &address(used), &mut Unrecorded))
    }

    fn capacity_in_words(&self, capacity: SubmitAs) -> String {
        match capacity {
            SubmitAs::Own => "itself".to_owned(),
            SubmitAs::As(owner) => format!("as {}", self.name(owner.0)),
            SubmitAs::OnBehalf(owner) => format!("on behalf of {}", self.name(owner.0)),
            SubmitAs::Denied => "denied".to_owned(),
        }
    }

    fn name(&self, id: u64) -> &'static str {
        self.world.things[usize::try_from(id).unwrap() - 1].name
    }

    fn name_of_address(&self, address: &Address) -> String {
        let holder = self.snapshot.find_by_address(address);
        holder.map_or_else(|| address.to_string(), |holder| self.name(holder.id.0).to_owned())
    }

    /// The refusal, or how the message leaves: capacity, reverse-path, From, Sender.
    pub(super) fn author(&self, account: &str, letter: &Letter) -> String {
        let signed_in = self.signed_in(account, "token").expect("an account that may sign in");
        let reverse_path = reverse_path(letter.reverse_path);
        let head = head(letter);
        let judged =
            author(&self.snapshot, &self.settings, &signed_in, &reverse_path, head.as_bytes(), &mut Unrecorded);
        match judged {
            Err(Refusal::SendAsDenied { from, .. }) => format!("SendAsDenied for {from}"),
            Err(refusal) => name_of(&refusal),
            Ok(authored) => {
                let leaves = match authored.reverse_path {
                    ReversePath::Null => "<>".to_owned(),
                    ReversePath::Mailbox(address) => address.to_string(),
                };
                let found = fields(&authored.head);
                let named = |name: &str| {
                    let list = found.iter().filter(|field| field.is(name)).map(|field| mailboxes(field.value));
                    let list = list.flat_map(|list| match list {
                        Mailboxes::List(list) => list,
                        Mailboxes::Unreadable => Vec::new(),
                    });
                    list.map(|address| address.to_string()).collect::<Vec<_>>().join(", ")
                };
                let how = self.capacity_in_words(authored.submit_as);
                let sender = Some(named("Sender")).filter(|sender| !sender.is_empty());
                let sender = sender.unwrap_or_else(|| "absent".to_owned());
                format!("{how}; leaves as {leaves}; From {}; Sender {sender}", named("From"))
            }
        }
    }

    fn sender(&self, from: From<'_>) -> Sender {
        match from {
            From::Account(name) => Sender::Account(self.signed_in(name, "token").expect("an account that may sign in")),
            From::Stranger => Sender::Anonymous,
            From::System => Sender::System,
        }
    }

    /// The answer to RCPT TO, with the header in hand: some strangers are known only then.
    pub(super) fn admit(&self, post: &Post<'_>, to: &str) -> Result<Permit, Refusal> {
        let path = ForwardPath::Mailbox(address(to));
        let reverse_path = reverse_path(post.path);
        let origin = self.sender(post.from).origin();
        let posting = Posting::received(&self.snapshot, origin, &reverse_path, post.head.as_bytes(), post.octets);
        let posting = if post.direct { posting.from_unknown_source() } else { posting };
        admit(&self.snapshot, &self.settings, &posting, path, DsnRequest::default(), &mut Unrecorded)
    }

    /// Where the copies of a message end, one line for each end. What is refused at RCPT ends there.
    pub(super) fn ends(&self, post: &Post<'_>, to: &[String]) -> BTreeSet<String> {
        let given = reverse_path(post.path);
        self.expanded(&self.posting(post, &given), to).iter().map(|end| self.end_in_words(end, &given)).collect()
    }

    /// What follows when the moderators of each recipient that waits approve, in order of name.
    pub(super) fn approved(&self, post: &Post<'_>, to: &[String]) -> Vec<BTreeSet<String>> {
        let given = reverse_path(post.path);
        let posting = self.posting(post, &given);
        let first = self.expanded(&posting, to);
        let (snapshot, settings, now) = (&self.snapshot, &self.settings, Timestamp::EPOCH);
        let mut waiting: Vec<&Moderated> = first.iter().filter_map(moderated).collect();
        waiting.sort_by_key(|one| self.name(one.waiting.recipient.0));
        let below = waiting.into_iter().map(|one| {
            let own = Known::Object(one.waiting.recipient);
            let known = first.iter().filter_map(known).filter(|known| *known != own);
            let found = expand_approved(snapshot, settings, &posting, one, known, now, &mut Unrecorded);
            found.iter().map(|end| self.end_in_words(end, &given)).collect()
        });
        below.collect()
    }

    fn posting<'message>(&'message self, post: &Post<'message>, given: &'message ReversePath) -> Posting<'message> {
        let origin = match post.from {
            From::Account(name) => Origin::Account(build::id(self.world, name)),
            From::Stranger => Origin::Anonymous,
            From::System => Origin::System,
        };
        Posting::received(&self.snapshot, origin, given, post.head.as_bytes(), post.octets)
    }

    fn expanded(&self, posting: &Posting<'_>, to: &[String]) -> Vec<Expanded> {
        let admitted = |to: &String| {
            let path = ForwardPath::Mailbox(address(to));
            admit(&self.snapshot, &self.settings, &Posting::own(), path, DsnRequest::default(), &mut Unrecorded)
        };
        let permits: Vec<Permit> = to.iter().map(|to| admitted(to).expect("the system may send to anybody")).collect();
        expand(&self.snapshot, &self.settings, posting, &permits, Timestamp::EPOCH, &mut Unrecorded)
    }

    fn end_in_words(&self, end: &Expanded, given: &ReversePath) -> String {
        match end {
            Expanded::Deliver(copy) => self.copy_in_words(copy, given),
            Expanded::Refused { address, refusal, passage } => {
                format!("{} at {address}{}", name_of(refusal), self.told(&passage.reverse_path, &passage.dsn, given))
            }
            Expanded::Dropped { address, why, .. } => format!("{why:?} dropped at {address}"),
            Expanded::Moderated(moderated) => {
                let Moderated { address, reverse_path, dsn, waiting, .. } = &**moderated;
                let who: Vec<&str> = waiting.moderators.iter().map(|id| self.name(id.0)).collect();
                let who = if who.is_empty() { "the postmaster".to_owned() } else { who.join(" or ") };
                let sender = if waiting.notifies_sender { "told of a refusal" } else { "not told" };
                let told = self.told(reverse_path, dsn, given);
                format!("waits for {who}: {address}, sender {sender}{told}")
            }
        }
    }

    fn copy_in_words(&self, copy: &Delivery, given: &ReversePath) -> String {
        let to = match &copy.to {
            Destination::Mailbox(id) => format!("mailbox {}", self.name(id.0)),
            Destination::PostmasterMailbox => "postmaster mailbox".to_owned(),
            Destination::Relay { address, route: Route::Domain } => format!("relay {address}"),
            Destination::Relay { address, route: Route::NextHost(host) } => format!("relay {address} by {host}"),
        };
        let resent = copy.resent_from.as_ref();
        let resent = resent.map(|address| format!(", resent from {}", self.name_of_address(address)));
        format!("{to}{}{}", resent.unwrap_or_default(), self.told(&copy.reverse_path, &copy.dsn, given))
    }

    /// What the reverse-path of a copy says about who hears of its failure.
    fn told(&self, reverse_path: &ReversePath, dsn: &DsnRequest, given: &ReversePath) -> String {
        let nobody = *reverse_path == ReversePath::Null || dsn.notify == Notify::Never;
        let nobody = if nobody { ", nobody hears of failures" } else { "" };
        let Some(address) = reverse_path.address().filter(|_| reverse_path != given) else {
            return nobody.to_owned();
        };
        match address.local().as_str().split_once("+SRS=") {
            Some((local, _)) => {
                let by = self.name_of_address(&build::address(&format!("{local}@{}", address.domain())));
                format!(", sender rewritten by {by}{nobody}")
            }
            None if nobody.is_empty() => format!(", {} hears of failures", self.name_of_address(address)),
            None => nobody.to_owned(),
        }
    }
}

impl Asked<'_> {
    /// The thresholds of a mailbox and what its owner and its senders may do while it holds so many octets.
    pub(super) fn room(&self, name: &str, holds: u64) -> String {
        let recipient = self.snapshot.recipient(build::id(self.world, name)).unwrap();
        let Thresholds { issue_warning, prohibit_send, prohibit_send_receive } =
            thresholds(recipient, self.snapshot.organisation(), &self.settings);
        let usage = Usage { bytes: holds, messages: 1 };
        let words =
            |judged: Result<(), Refusal>| judged.map_or_else(|refusal| name_of(&refusal), |()| "yes".to_owned());
        let warned = thresholds(recipient, self.snapshot.organisation(), &self.settings).stage(holds) >= Stage::Warning;
        let bounds = [issue_warning, prohibit_send, prohibit_send_receive].map(|bound| bound.unwrap_or(u64::MAX));
        let (sends, takes) = (
            may_send(recipient, self.snapshot.organisation(), &self.settings, usage),
            may_receive(recipient, self.snapshot.organisation(), &self.settings, usage),
        );
        super::oracle::in_words(bounds, warned, &words(sends), &words(takes))
    }

    /// Whether what `account` submits under the address `used` is taken while mailboxes hold so many octets.
    pub(super) fn room_to_send(&self, account: &str, used: &str, holds: impl Fn(&str) -> u64) -> String {
        let account = build::id(self.world, account);
        let capacity = submit_as(&self.snapshot, &self.settings, account, &address(used), &mut Unrecorded);
        let mut mailboxes = sending_mailboxes(&self.snapshot, &self.settings, account, Some(capacity));
        let judged = mailboxes.try_for_each(|mailbox| {
            let usage = Usage { bytes: holds(self.name(mailbox.id.0)), messages: 1 };
            may_send(mailbox, self.snapshot.organisation(), &self.settings, usage)
        });
        judged.map_or_else(|refusal| name_of(&refusal), |()| "yes".to_owned())
    }

    /// The text with which a mailbox answers, or why it does not.
    pub(super) fn answer(&self, name: &str, case: &Case<'_>) -> String {
        let mailbox = self.snapshot.recipient(build::id(self.world, name)).unwrap();
        let (given, path) = (reverse_path(case.path), ForwardPath::Mailbox(address(case.to)));
        let origin = match case.from {
            From::Account(name) => Origin::Account(build::id(self.world, name)),
            From::Stranger => Origin::Anonymous,
            From::System => Origin::System,
        };
        let (head, passed_by_groups) = (case.head.as_bytes(), case.passed_by_groups);
        let occasion = Occasion { origin, reverse_path: &given, head, path: &path, passed_by_groups };
        let history = if case.answered { History::Answered } else { History::New };
        let (snapshot, settings) = (&self.snapshot, &self.settings);
        match auto_reply(snapshot, settings, mailbox, &occasion, history, build::NOON, &mut Unrecorded) {
            Ok(reply) => match reply.audience {
                Audience::Internal => "the internal text".to_owned(),
                Audience::External => "the external text".to_owned(),
            },
            Err(reason) => format!("{reason:?}"),
        }
    }
}

fn moderated(end: &Expanded) -> Option<&Moderated> {
    match end {
        Expanded::Moderated(moderated) => Some(moderated),
        Expanded::Deliver(_) | Expanded::Refused { .. } | Expanded::Dropped { .. } => None,
    }
}

fn reverse_path(text: &str) -> ReversePath {
    if text.is_empty() { ReversePath::Null } else { ReversePath::Mailbox(address(text)) }
}

/// The header that a letter describes.
pub(super) fn head(letter: &Letter) -> String {
    let mut head = String::new();
    for from in &letter.from {
        let list = from.as_ref().map_or_else(|| "nobody at all".to_owned(), |list| list.join(", "));
        head.push_str(&format!("From: {list}\r\n"));
    }
    if let Some(sender) = letter.sender {
        head.push_str(&format!("Sender: {sender}\r\n"));
    }
    if letter.report {
        head.push_str("Content-Type: multipart/report; report-type=disposition-notification\r\n");
    }
    head + "Subject: a cell of the matrix\r\n"
}
