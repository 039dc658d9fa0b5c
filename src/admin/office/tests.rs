//! The office as a whole, on the sample organisation.

use std::sync::Mutex;

use super::*;
use crate::model::directory::document::{Document, LimitsEntry};
use crate::model::directory::{Lifecycle, PasswordHash, Recipient, RecipientId, RecipientType, Right};
use crate::model::mail::Timestamp;
use crate::model::policy::quota::{Stage, Usage};
use crate::model::queue::{Party, QueueId, Selection, State, Suspendable};
use crate::store::trace::{Entry, History, Line, Page, Query, Status};
use crate::world::{ManualClock, SeededRandom};

/// The sample organisation, with passwords that need no hashing.
pub(in crate::admin) fn contoso() -> Snapshot {
    let text = include_str!("../../../fixtures/directories/contoso.toml");
    let document: Document = toml::from_str(text).unwrap();
    let plan = document.plan(&Snapshot::default(), &|_, _| Ok(PasswordHash::from_phc("$argon2id$sample")));
    assert!(plan.rejected.is_empty(), "{:?}", plan.rejected);
    Snapshot::default().apply(&plan.changes).unwrap()
}

/// A queue of one message.
#[derive(Default)]
struct OneMessage {
    removed: Mutex<bool>,
    /// All of it waits for a moderator.
    moderated: bool,
}

const MESSAGE: &str = "0123456789ABCDEF";

impl OneMessage {
    fn summary() -> QueueSummary {
        QueueSummary {
            id: MESSAGE.to_owned(),
            accepted_at: "2026-01-05T09:00:00.000Z".to_owned(),
            from: "alice@contoso.example".to_owned(),
            bytes: 2048,
            recipients: 1,
            waiting: 1,
            next_attempt: None,
            last_answer: None,
        }
    }
}

impl QueueDesk for OneMessage {
    fn list(&self, of: &Selection, _: Option<QueueId>, limit: usize) -> Result<(Vec<QueueSummary>, usize), String> {
        let meant = of.state.is_none_or(|state| self.moderated && state == State::Moderated);
        let all = if *self.removed.lock().unwrap() || !meant { Vec::new() } else { vec![Self::summary()] };
        let total = all.len();
        Ok((all.into_iter().take(limit).collect(), total))
    }

    fn show(&self, id: &str) -> Result<Option<QueueDetail>, String> {
        let there = id == MESSAGE && !*self.removed.lock().unwrap();
        Ok(there.then(|| QueueDetail { summary: Self::summary(), recipients: Vec::new(), attempts: Vec::new() }))
    }

    fn order(
        &self,
        selection: &Selection,
        order: &QueueOrder,
        dry_run: bool,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<QueueObeyed, String> {
        progress(1, 1);
        let named = selection.ids.is_empty() || selection.ids.iter().any(|id| id.to_string() == MESSAGE);
        let meant = named && (!self.moderated || matches!(order, QueueOrder::Remove { .. }));
        let mut removed = self.removed.lock().unwrap();
        let count = usize::from(meant && !*removed);
        *removed |= meant && !dry_run && matches!(order, QueueOrder::Remove { .. });
        Ok(QueueObeyed { messages: count, recipients: count })
    }

    fn destinations(&self) -> Result<(Vec<QueueDestination>, Vec<SuspendedSender>), String> {
        Ok((Vec::new(), Vec::new()))
    }

    fn suspend(&self, _: Suspendable, reason: &str) -> Result<(), String> {
        if reason.is_empty() { Ok(()) } else { Err("full".to_owned()) }
    }

    fn resume(&self, what: &Suspendable) -> Result<bool, String> {
        Ok(matches!(what, Suspendable::Sender(_)))
    }
}

/// A trace of one message, whose subject and answers are hostile.
struct OneTraced;

const HOSTILE: &str = "a\r\nb\u{1b}[2Jc\u{9b}31m\u{202e}d\0e";

impl TraceDesk for OneTraced {
    fn search(&self, query: &Query, progress: &mut dyn FnMut(u64, u64)) -> Result<Page, String> {
        progress(1, 1);
        let line = Line {
            id: MESSAGE.to_owned(),
            accepted_at: query.since.to_string(),
            from: String::new(),
            recipient: "bob@contoso.example".to_owned(),
            given: None,
            status: Status::Deferred,
            at: query.until.to_string(),
            subject: HOSTILE.to_owned(),
            message_id: HOSTILE.to_owned(),
            bytes: 1,
            destination: "mailbox 2".to_owned(),
            host: Some(HOSTILE.to_owned()),
            reply: Some(HOSTILE.to_owned()),
        };
        Ok(Page { lines: vec![line], more: true, damaged: 1, lost: 1 })
    }

    fn history(&self, id: QueueId, _: Option<&Party>, _: &mut dyn FnMut(u64, u64)) -> Result<Option<History>, String> {
        let event = |event: &str, reply: Option<&str>| Entry {
            at: "2026-01-05T09:00:00.000Z".to_owned(),
            event: event.to_owned(),
            recipient: Some("bob@contoso.example".to_owned()),
            given: None,
            destination: None,
            host: None,
            reply: reply.map(str::to_owned),
            next_attempt: None,
        };
        let events = vec![event("expanded", None), event("deferred", Some(HOSTILE)), event("held", None)];
        let at = Some("2026-01-05T09:00:00.000Z".to_owned());
        let subject = HOSTILE.to_owned();
        let history = History { id: id.to_string(), accepted_at: at, subject, events, ..History::default() };
        Ok((id.to_string() == MESSAGE).then_some(history))
    }
}

/// An office on the sample organisation, in the morning of the fifth of January.
pub(in crate::admin) fn office() -> Office {
    Office {
        directory: Arc::new(MemoryDirectory::new(contoso())),
        settings: Arc::default(),
        keys: Arc::new(NoKeys),
        certificates: Arc::new(NoCertificates),
        queue: Arc::new(OneMessage::default()),
        moderation: Arc::new(EmptyQueue),
        mailboxes: Arc::new(EmptyMailboxes),
        contents: Arc::new(NoContents),
        steward: Arc::default(),
        sign_ins: Arc::new(NoSignIns),
        restrictions: Arc::new(NoRestrictions),
        trace: Arc::new(OneTraced),
        clock: Arc::new(ManualClock::new(Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap())),
        random: Arc::new(SeededRandom::new(1)),
        data: PathBuf::from("/nonexistent"),
        configuration: None,
        in_force: Arc::default(),
        rehearsal: None,
    }
}

fn ask(office: &Office, request: Request) -> Response {
    handle(office, "root", request, &mut |_| {})
}

fn recipient(office: &Office, text: &str) -> Recipient {
    Recipient::clone(identity::find(&office.directory.snapshot(), text).unwrap())
}

fn name(text: &str) -> String {
    text.to_owned()
}

#[test]
fn a_new_mailbox_gets_a_password_that_is_shown_once() {
    let office = office();
    let edit = Box::new(RecipientEdit { licences: Some(vec![name("ExchangeOnlinePlan1")]), ..Default::default() });
    let address = name("erin@contoso.example");
    let new = Request::RecipientNew { address, recipient_type: RecipientType::UserMailbox, edit, password: None };
    let Response::Done { password: Some(password), notes, .. } = ask(&office, new) else { panic!("it is made") };
    assert!(password.reveal().len() >= 16);
    assert!(notes.is_empty(), "{notes:?}");
    let erin = recipient(&office, "erin");
    assert!(erin.has_open_mailbox(crate::model::directory::Licensing::Counts));
    let hash = erin.account.unwrap().password.unwrap();
    assert!(crate::world::password::verify(password.reveal(), &hash, &mut Default::default()).unwrap());
}

#[test]
fn a_new_shared_mailbox_has_no_password_and_an_unlicensed_user_is_warned_about() {
    let office = office();
    let new = |address: &str, recipient_type| Request::RecipientNew {
        address: name(address),
        recipient_type,
        edit: Box::default(),
        password: None,
    };
    let Response::Done { password, .. } = ask(&office, new("help@contoso.example", RecipientType::SharedMailbox))
    else {
        panic!("it is made")
    };
    assert_eq!(password, None);
    let Response::Done { notes, .. } = ask(&office, new("frank@contoso.example", RecipientType::UserMailbox)) else {
        panic!("it is made")
    };
    assert!(notes[0].contains("franking licence assign frank@contoso.example"), "{notes:?}");
    let again = ask(&office, new("frank@contoso.example", RecipientType::UserMailbox));
    assert!(matches!(again, Response::Failed(Failure { kind: FailureKind::Refused, .. })), "{again:?}");
}

#[test]
fn the_last_licence_disconnects_a_user_and_the_next_one_reconnects() {
    let office = office();
    let licence = |assign| Request::Licence { identity: name("alice"), licence: name("ExchangeOnlinePlan1"), assign };
    ask(&office, licence(false));
    let since = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
    assert_eq!(recipient(&office, "alice").lifecycle, Lifecycle::Disconnected { since });
    ask(&office, licence(true));
    assert_eq!(recipient(&office, "alice").lifecycle, Lifecycle::Active);
    // Repeating it changes nothing and says so.
    let Response::Done { message, .. } = ask(&office, licence(true)) else { panic!("nothing is wrong") };
    assert!(message.contains("already"), "{message}");
}

#[test]
fn a_removed_mailbox_can_be_restored_and_a_permanently_removed_one_is_gone() {
    let office = office();
    let remove = |permanently| Request::RecipientRemove { identity: name("bob"), permanently };
    ask(&office, remove(false));
    assert!(matches!(recipient(&office, "bob").lifecycle, Lifecycle::SoftDeleted { .. }));
    // Its licences were taken with it, so it waits for one again.
    let Response::Done { notes, .. } = ask(&office, Request::RecipientRestore { identity: name("bob") }) else {
        panic!("it is back")
    };
    assert!(notes[0].contains("franking licence assign bob@contoso.example"), "{notes:?}");
    assert!(matches!(recipient(&office, "bob").lifecycle, Lifecycle::Disconnected { .. }));
    let (identity, licence) = (name("bob"), name("ExchangeOnlinePlan1"));
    ask(&office, Request::Licence { identity, licence, assign: true });
    assert_eq!(recipient(&office, "bob").lifecycle, Lifecycle::Active);
    ask(&office, remove(true));
    let shown = ask(&office, Request::RecipientShow { identity: name("bob@contoso.example") });
    assert!(matches!(shown, Response::Failed(Failure { kind: FailureKind::NotFound, .. })));
}

#[test]
fn permissions_are_granted_listed_and_revoked() {
    let office = office();
    let edit = |grant| PermissionEdit {
        owner: name("info"),
        trustee: name("bob"),
        right: Right::SendAs,
        deny: false,
        automapping: None,
        grant,
    };
    ask(&office, Request::Permission(edit(true)));
    let listed = ask(&office, Request::PermissionList { identity: name("bob") });
    let Response::Permissions { held, .. } = listed else { panic!("a list") };
    assert_eq!(held.len(), 1);
    assert_eq!((held[0].owner.as_str(), held[0].right), ("info@contoso.example", Right::SendAs));
    ask(&office, Request::Permission(edit(false)));
    let again = ask(&office, Request::Permission(edit(false)));
    assert!(matches!(again, Response::Failed(Failure { kind: FailureKind::NotFound, .. })), "{again:?}");
}

#[test]
fn groups_domains_and_the_organisation_change() {
    let office = office();
    let members = Request::GroupMembers { group: name("staff"), add: vec![name("quiet")], remove: vec![name("bob")] };
    assert!(matches!(ask(&office, members), Response::Done { .. }));
    let Response::Members { members, .. } = ask(&office, Request::GroupList { group: name("staff") }) else {
        panic!("a list")
    };
    let addresses: Vec<&str> = members.iter().map(|member| member.address.as_str()).collect();
    assert!(addresses.contains(&"quiet@contoso.example") && !addresses.contains(&"bob@contoso.example"));
    let edit = DomainEdit { domain: name("fabrikam.example"), ..Default::default() };
    assert!(matches!(ask(&office, Request::DomainPut { edit: edit.clone(), new: true }), Response::Done { .. }));
    assert!(matches!(ask(&office, Request::DomainPut { edit, new: true }), Response::Failed(_)));
    assert!(matches!(ask(&office, Request::DomainRemove { domain: name("contoso.example") }), Response::Failed(_)));
    let entry =
        crate::model::directory::document::OrganisationEntry { security_defaults: Some(true), ..Default::default() };
    ask(&office, Request::OrganisationSet(entry));
    assert!(office.directory.snapshot().organisation().security_defaults);
}

#[test]
fn a_list_is_bounded_and_filtered() {
    let office = office();
    let query = ListQuery { recipient_type: Some(RecipientType::SharedMailbox), limit: 1, ..Default::default() };
    let Response::Recipients { total, recipients } = ask(&office, Request::RecipientList(query)) else {
        panic!("a list")
    };
    assert_eq!((total, recipients.len()), (2, 1));
    let query = ListQuery { text: Some(name("SALES")), ..Default::default() };
    let Response::Recipients { total, .. } = ask(&office, Request::RecipientList(query)) else { panic!("a list") };
    assert_eq!(total, 1);
    let query = ListQuery { filter: Some(name("Nonsense -zz 3")), ..Default::default() };
    assert!(matches!(ask(&office, Request::RecipientList(query)), Response::Failed(_)));
}

#[test]
fn the_queue_is_shown_and_interfered_with() {
    let office = office();
    let everything = || Box::new(Selection::default());
    let list = Request::QueueList { selection: everything(), after: None, limit: 10 };
    assert!(matches!(ask(&office, list), Response::Queue { total: 1, .. }));
    assert!(matches!(ask(&office, Request::QueueShow { id: name(MESSAGE) }), Response::QueueMessage(_)));
    let order = |selection, order, dry_run| ask(&office, Request::QueueOrder { selection, order, dry_run });
    let Response::QueueObeyed { message, .. } = order(everything(), QueueOrder::Retry, false) else { panic!() };
    assert_eq!(message, "1 recipient of 1 message is tried again now.");
    let one = || Box::new(Selection::of(MESSAGE.parse().unwrap()));
    let remove = || QueueOrder::Remove { silently: false };
    let Response::QueueObeyed { message, .. } = order(one(), remove(), true) else { panic!() };
    assert_eq!(message, "1 recipient of 1 message would be removed.");
    let Response::QueueObeyed { message, .. } = order(one(), remove(), false) else { panic!() };
    assert_eq!(message, "1 recipient of 1 message is removed. Their senders get reports.");
    let gone = order(one(), remove(), false);
    assert!(matches!(gone, Response::Failed(Failure { kind: FailureKind::NotFound, .. })), "{gone:?}");
    let Response::QueueObeyed { message, .. } = order(everything(), QueueOrder::Hold, false) else { panic!() };
    assert_eq!(message, "Nothing in the queue can be held.");
}

#[test]
fn destinations_and_senders_are_suspended_and_resumed() {
    let office = office();
    let sender = || Suspendable::Sender("@fabrikam.example".parse().unwrap());
    let suspend = |reason: &str| ask(&office, Request::QueueSuspend { what: sender(), reason: name(reason) });
    let Response::Done { message, .. } = suspend("") else { panic!() };
    assert_eq!(message, "Mail from @fabrikam.example waits until it is resumed.");
    let Response::Failed(failure) = suspend("why") else { panic!() };
    assert_eq!(failure.message, "Mail from @fabrikam.example is not suspended: full.");
    assert!(matches!(ask(&office, Request::QueueResume { what: sender() }), Response::Done { .. }));
    let what = Suspendable::Destination("fabrikam.example".parse().unwrap());
    let resumed = ask(&office, Request::QueueResume { what });
    assert!(matches!(resumed, Response::Failed(Failure { kind: FailureKind::NotFound, .. })), "{resumed:?}");
}

#[test]
fn an_import_reports_what_it_refused_and_a_dry_run_changes_nothing() {
    let office = office();
    let text = "[[recipient]]\ntype = \"UserMailbox\"\naddress = \"erin@contoso.example\"\n\
                [[recipient]]\ntype = \"UserMailbox\"\naddress = \"nonsense\"\n";
    let import = |all_or_nothing, dry_run| Request::Import {
        name: name("new.toml"),
        form: name("toml"),
        text: text.to_owned(),
        licence: None,
        all_or_nothing,
        dry_run,
    };
    let report = |response| match response {
        Response::Imported(report) => report,
        other => panic!("a report, not {other:?}"),
    };
    assert!(!report(ask(&office, import(true, false))).applied);
    assert!(!report(ask(&office, import(false, true))).applied);
    assert!(identity::find(&office.directory.snapshot(), "erin").is_err());
    let done = report(ask(&office, import(false, false)));
    assert_eq!((done.applied, done.created, done.rejected.len()), (true, 1, 1));
    assert!(identity::find(&office.directory.snapshot(), "erin").is_ok());
}

#[test]
fn no_answer_but_the_one_that_makes_it_shows_a_password_or_its_hash() {
    let office = office();
    let requests = [
        Request::RecipientShow { identity: name("alice") },
        Request::RecipientList(ListQuery::default()),
        Request::Export { hashes: false },
    ];
    for request in requests {
        let json = serde_json::to_string(&ask(&office, request)).unwrap();
        assert!(!json.contains("argon2id"), "{json}");
    }
    let shown =
        format!("{:?}", Request::AccountPassword { identity: name("a"), password: Some(Secret::new("hunter2")) });
    assert!(!shown.contains("hunter2"));
}

#[test]
fn the_trace_is_searched_over_two_days_unless_told_otherwise() {
    let office = office();
    let times = |since: Option<&str>, until: Option<&str>| {
        let moment = |text: Option<&str>| text.map(|text| text.parse::<Moment>().unwrap());
        let query = TraceQuery { since: moment(since), until: moment(until), ..TraceQuery::default() };
        match ask(&office, Request::Trace(Box::new(query))) {
            Response::Trace(page) => {
                let line = page.lines.first().unwrap();
                (line.accepted_at.chars().take(16).collect(), line.at.chars().take(16).collect())
            }
            Response::Failed(failure) => (failure.message, String::new()),
            other => panic!("a page, not {other:?}"),
        }
    };
    assert_eq!(times(None, None), (name("2026-01-03T09:00"), name("2026-01-05T09:00")));
    assert_eq!(times(Some("2h"), Some("1h")), (name("2026-01-05T07:00"), name("2026-01-05T08:00")));
    assert_eq!(times(None, Some("2025-12-31")), (name("2025-12-29T00:00"), name("2025-12-31T00:00")));
    assert!(times(Some("1h"), Some("2h")).0.starts_with("Nothing can be since"));
}

#[test]
fn whoever_orders_what_waits_for_a_moderator_is_told_where_that_is_decided() {
    let desk = OneMessage { moderated: true, ..OneMessage::default() };
    let told =
        |selection: &Selection, order: &QueueOrder| match queue::order(&desk, selection, order, true, &mut |_| {}) {
            Ok(Response::QueueObeyed { message, .. }) => message,
            other => panic!("{other:?}"),
        };
    let (one, all) = (Selection::of(MESSAGE.parse().unwrap()), Selection::default());
    let in_state = |state| Selection { state: Some(state), ..Selection::default() };
    let to = Some("smtp.fabrikam.example".parse().unwrap());
    for order in [QueueOrder::Retry, QueueOrder::Hold, QueueOrder::Release, QueueOrder::Move { to }] {
        let hint = format!("It waits for a moderator: franking moderation approve {MESSAGE}, or reject.");
        assert!(told(&one, &order).ends_with(&hint), "{order:?}");
        let hint = "1 message waits for a moderator: franking moderation list";
        assert!(told(&all, &order).ends_with(hint), "{order:?}");
        assert!(told(&in_state(State::Moderated), &order).ends_with(hint), "{order:?}");
        // Who means others has not tried to move it.
        assert!(!told(&in_state(State::Held), &order).contains("moderat"), "{order:?}");
    }
    assert!(!told(&one, &QueueOrder::Remove { silently: false }).contains("moderat"));
}

#[test]
fn a_message_of_the_queue_is_shown_with_its_attempts() {
    let Response::QueueMessage(detail) = ask(&office(), Request::QueueShow { id: name(MESSAGE) }) else {
        panic!("the message")
    };
    assert_eq!(detail.attempts.iter().map(|entry| entry.event.as_str()).collect::<Vec<_>>(), ["deferred"]);
    let unknown = Request::TraceMessage { id: QueueId(7), recipient: None };
    assert!(matches!(ask(&office(), unknown), Response::Failed(Failure { kind: FailureKind::NotFound, .. })));
}

/// A mailbox that holds more than was known.
struct Grown;

impl MailboxDesk for Grown {
    fn usage(&self, _: RecipientId) -> Result<Usage, String> {
        Ok(Usage { bytes: 53_150_220_288, messages: 70_000 })
    }

    fn archive_usage(&self, _: RecipientId) -> Result<Usage, String> {
        Ok(Usage::default())
    }

    fn recount(&self, mailbox: RecipientId) -> Result<(Option<Usage>, Usage), String> {
        self.usage(mailbox).map(|usage| (Some(Usage { messages: 1, ..usage }), usage))
    }

    fn used(&self, _: RecipientId) -> Result<Used, String> {
        Ok(Used { messages_of_minute: 3, recipients_of_day: 9_990, received_of_hour: 7, ..Used::default() })
    }
}

#[test]
fn how_full_a_mailbox_is_is_told_with_what_follows() {
    let office = Office { mailboxes: Arc::new(Grown), ..office() };
    let Response::Recipient(shown) = ask(&office, Request::RecipientShow { identity: name("alice") }) else { panic!() };
    let view = shown.mailbox.as_ref().unwrap();
    assert_eq!((view.stage, view.usage.messages), (Stage::ProhibitSend, 70_000));
    let json = serde_json::to_value(&shown).unwrap();
    assert_eq!(json["mailbox"]["prohibit_send"], 53_150_220_288_u64);
    assert_eq!(json["mailbox"]["stage"], "prohibit-send");
    let all = ask(&office, Request::MailboxRecount { identity: None });
    let Response::Recounted { counted, mailboxes } = all else { panic!("{all:?}") };
    assert!(counted > 1 && mailboxes.len() as u64 == counted);
    assert_eq!(mailboxes[0].was.unwrap().messages, 1);
    let refused = ask(&office, Request::MailboxShow { identity: name("staff") });
    assert!(matches!(refused, Response::Failed(_)), "{refused:?}");
}

#[test]
fn what_is_left_of_limits_is_told() {
    let office = Office { mailboxes: Arc::new(Grown), ..office() };
    let limits = LimitsEntry {
        sessions: Some("unlimited".parse().unwrap()),
        recipients_per_message: Some("100".parse().unwrap()),
        ..LimitsEntry::default()
    };
    let edit = Box::new(RecipientEdit { limits, ..RecipientEdit::default() });
    let set = ask(&office, Request::RecipientSet { identity: name("alice"), edit });
    assert!(matches!(set, Response::Done { .. }), "{set:?}");
    let Response::Limits(view) = ask(&office, Request::LimitsShow { identity: name("alice") }) else { panic!() };
    assert_eq!((view.recipients_per_message, view.sessions), (100, None));
    assert_eq!(view.recipients_per_day, Measure { used: 9_990, bound: Some(10_000) });
    assert_eq!(view.received_per_hour.to_string(), "7 of 3600");
    // A rate of nothing, and more than Exchange permits, are refused.
    for (recipients_per_message, sessions) in [(Some("1001"), None), (None, Some("0"))] {
        let cap = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        let (recipients_per_message, sessions) = (cap(recipients_per_message), cap(sessions));
        let limits = LimitsEntry { recipients_per_message, sessions, ..LimitsEntry::default() };
        let edit = Box::new(RecipientEdit { limits, ..RecipientEdit::default() });
        let set = ask(&office, Request::RecipientSet { identity: name("alice"), edit });
        assert!(matches!(set, Response::Failed(_)), "{set:?}");
    }
}
