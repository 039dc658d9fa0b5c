//! Documents that would take more than there is, or alter what an error has frozen.

use super::*;
use crate::admin::office::orders::{HoldOrder, LifeOrder, PlanEdit};
use crate::admin::office::tests::office;
use crate::admin::office::{Request, handle, identity};
use crate::model::directory::lifecycle::hold::HoldKind;
use crate::model::directory::lifecycle::machine::State;
use crate::model::directory::{Cap, OwnLimit};

fn ask(office: &Office, request: Request) -> Response {
    handle(office, "root", request, &mut |_| {})
}

fn bring(office: &Office, text: &str, all_or_nothing: bool) -> ImportReport {
    let (name, form, text) = ("contoso.toml".to_owned(), "TOML".to_owned(), text.to_owned());
    match ask(office, Request::Import { name, form, text, licence: None, all_or_nothing, dry_run: false }) {
        Response::Imported(report) => report,
        other => panic!("{other:?}"),
    }
}

fn user(name: &str, more: &str) -> String {
    format!("[[recipient]]\ntype = \"UserMailbox\"\naddress = \"{name}@contoso.example\"\n{more}\n")
}

const PLAN_1: &str = "licences = [\"ExchangeOnlinePlan1\"]";

fn plan(office: &Office, edit: PlanEdit) -> Response {
    ask(office, Request::Life(LifeOrder::Plan(edit)))
}

fn state(office: &Office, who: &str) -> State {
    identity::find(&office.directory.snapshot(), who).unwrap().state()
}

#[test]
fn an_import_has_as_many_licences_as_there_are_seats_and_says_whom_it_left_out() {
    let office = office();
    let taken = office.directory.snapshot().licence_count("exchangeonlineplan1");
    let edit =
        PlanEdit { label: "ExchangeOnlinePlan1".to_owned(), seats: Some(Cap::Count(taken + 1)), ..PlanEdit::default() };
    assert!(matches!(plan(&office, edit), Response::Done { .. }));
    let text = [user("new1", PLAN_1), user("new2", PLAN_1), user("new3", "")].concat();
    assert!(!bring(&office, &text, true).applied);
    let report = bring(&office, &text, false);
    assert_eq!((report.created, report.rejected.len()), (2, 1));
    let left_out = &report.rejected[0];
    assert_eq!((left_out.place.as_str(), left_out.address.as_str()), ("recipient 2 of 3", "new2@contoso.example"));
    let all = taken + 1;
    assert!(
        left_out.reason.starts_with(&format!(
            "licences: there is no seat left of ExchangeOnlinePlan1: {all} of {all} are taken; after buying more: \
             franking licence plan set ExchangeOnlinePlan1 --seats"
        )),
        "{}",
        left_out.reason
    );
    // A seat that another entry gives free is free, wherever that stands.
    let text = [user("new2", PLAN_1), user("new1", "licences = []")].concat();
    assert_eq!(bring(&office, &text, true).rejected, []);
    // Who has one keeps it, and a document can bring its own seats.
    assert_eq!(bring(&office, &user("alice", PLAN_1), true).rejected, []);
    let plans =
        format!("[organisation]\nlicence_plans = [{{ label = \"exchangeonlineplan1\", seats = {} }}]\n", all + 1);
    assert_eq!(bring(&office, &(plans + &user("new4", PLAN_1)), true).rejected, []);
    // Older documents have another key for it.
    let older = "[organisation]\nlicence_seats = [{ label = \"ExchangeOnlinePlan1\", seats = 1 }]\n";
    assert_eq!(bring(&office, &(older.to_owned() + &user("new5", PLAN_1)), true).rejected.len(), 1);
}

#[test]
fn an_import_alters_of_a_frozen_object_what_resolves_that_and_nothing_else() {
    let office = office();
    let hold = HoldOrder::Place {
        identity: "alice".to_owned(),
        kind: HoldKind::LitigationHold,
        name: String::new(),
        days: None,
    };
    assert!(matches!(ask(&office, Request::Life(LifeOrder::Hold(hold))), Response::Done { .. }));
    let (identity, licence) = ("alice".to_owned(), "ExchangeOnlinePlan1".to_owned());
    ask(&office, Request::Licence { identity, licence, assign: false });
    assert_eq!(state(&office, "alice"), State::ActiveWithError);
    let report = bring(&office, &user("alice", "display_name = \"Al\""), false);
    assert!(
        report.rejected[0].reason.starts_with("it is frozen until an error is resolved: Exchange can't"),
        "{report:?}"
    );
    // With references and without, alone and beside others.
    let text = user("alice", "send_as = [\"bob@contoso.example\"]") + &user("bob", "display_name = \"Bob B.\"");
    let report = bring(&office, &text, false);
    assert_eq!((report.rejected.len(), report.updated), (1, 1));
    assert_eq!(bring(&office, &user("alice", "sign_in_blocked = true"), true).rejected, []);
    assert_eq!(bring(&office, &user("alice", PLAN_1), true).rejected, []);
    assert_eq!(state(&office, "alice"), State::Active);
    assert_eq!(bring(&office, &user("alice", "display_name = \"Al\""), true).rejected, []);
}

#[test]
fn a_document_deletes_no_mailbox() {
    let office = office();
    for lifecycle in ["Purged", "NoMailbox", "StaleAttributes"] {
        let report = bring(&office, &user("alice", &format!("lifecycle = \"{lifecycle}\"")), false);
        assert!(
            report.rejected[0].reason.starts_with("lifecycle: it is active, and a document deletes no"),
            "{report:?}"
        );
    }
    let purging = "lifecycle = \"Purging\"\nsince = \"2026-01-05T09:00:00Z\"";
    assert_eq!(bring(&office, &user("alice", purging), false).rejected.len(), 1);
    assert_eq!(state(&office, "alice"), State::Active);
    assert_eq!(bring(&office, &user("gone", purging), true).rejected, [], "a new one may be as it was elsewhere");
}

#[test]
fn a_plan_with_a_quota_of_its_own_gives_it_is_shown_and_goes_through_documents() {
    let office = office();
    let edit = PlanEdit {
        label: "Archive".to_owned(),
        seats: Some(Cap::Count(1)),
        quota: Some("200 GB".parse::<OwnLimit>().unwrap()),
        features: Some("for those who keep everything".to_owned()),
        ..PlanEdit::default()
    };
    assert!(matches!(plan(&office, edit), Response::Done { .. }));
    let (identity, licence) = ("bob".to_owned(), "archive".to_owned());
    let give =
        |identity: &str| Request::Licence { identity: identity.to_owned(), licence: licence.clone(), assign: true };
    assert!(matches!(ask(&office, give(&identity)), Response::Done { .. }));
    let Response::Failed(failure) = ask(&office, give("alice")) else { panic!("there is one seat") };
    assert_eq!(failure.message, "There is no seat left of archive: 1 of 1 is taken.");
    let Response::Mailboxes { mailboxes } = ask(&office, Request::MailboxShow { identity }) else {
        panic!("a mailbox")
    };
    let gib = 1_u64 << 30;
    let thresholds = &mailboxes[0].thresholds;
    let all = [thresholds.issue_warning, thresholds.prohibit_send, thresholds.prohibit_send_receive];
    assert_eq!(all, [196 * gib, 198 * gib, 200 * gib].map(Some));
    let plans = |office: &Office| match ask(office, Request::LifeQuestion(crate::admin::office::LifeQuestion::Plans)) {
        Response::LicencePlans { plans } => plans.into_iter().find(|plan| plan.label == "Archive").unwrap(),
        other => panic!("{other:?}"),
    };
    let shown = plans(&office);
    assert_eq!((shown.seats, shown.assigned, shown.bytes_max), (Some(1), 1, Some(200 * gib)));
    assert_eq!(shown.features, "for those who keep everything");
    let Response::Directory { document } = ask(&office, Request::Export { hashes: false }) else {
        panic!("a directory")
    };
    let text = transfer::write(Form::Toml, &document).unwrap();
    let other = Office {
        directory: std::sync::Arc::new(crate::admin::office::MemoryDirectory::new(Snapshot::default())),
        ..crate::admin::office::tests::office()
    };
    assert_eq!(bring(&other, &text, true).rejected, []);
    assert_eq!(plans(&other), shown);
    let forget = PlanEdit { label: "ARCHIVE".to_owned(), forget: true, ..PlanEdit::default() };
    assert!(matches!(plan(&office, forget), Response::Done { .. }));
    assert!(matches!(ask(&office, give("alice")), Response::Done { .. }));
}

#[test]
fn a_licence_goes_to_everybody_who_lacks_one_or_to_nobody() {
    let office = office();
    let text: String = (0..20).map(|number| user(&format!("new{number}"), "")).collect();
    let report = bring(&office, &text, true);
    assert!(report.warnings[0].starts_with("20 user mailboxes without licence cannot be used"), "{report:?}");
    let seats = |count| PlanEdit { label: "E3".to_owned(), seats: Some(Cap::Count(count)), ..PlanEdit::default() };
    let all = || ask(&office, Request::Life(LifeOrder::LicenseAll { label: "E3".to_owned() }));
    plan(&office, seats(19));
    let Response::Failed(failure) = all() else { panic!("there are nineteen") };
    assert_eq!(failure.cures, ["franking licence plan set E3 --seats 20"]);
    assert_eq!(office.directory.snapshot().licence_count("E3"), 0);
    plan(&office, seats(20));
    let Response::Done { message, .. } = all() else { panic!("there are twenty") };
    assert_eq!(message, "E3 is assigned to 20 user mailboxes.");
    assert_eq!(state(&office, "new7"), State::Active);
}
