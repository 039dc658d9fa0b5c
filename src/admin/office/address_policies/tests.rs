//! Email address policies as an administrator on premises, and one in the cloud, works with them.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::*;
use crate::admin::office::tests::office;
use crate::admin::office::{RecipientEdit, Request, handle, identity};
use crate::model::directory::AddressBookProperty;
use crate::model::policy::{Profile, Settings};
use crate::store::live::LiveSettings;

fn with(profile: Profile) -> Office {
    Office { settings: Arc::new(LiveSettings::new(Settings::of(profile))), ..office() }
}

fn ask(office: &Office, request: Request) -> Response {
    handle(office, "root", request, &mut |_| {})
}

/// The note of what was done, or the refusal with its first cure.
fn said(response: Response) -> Result<String, (String, String)> {
    match response {
        Response::Done { message, notes, .. } => {
            Ok(core::iter::once(message).chain(notes).collect::<Vec<_>>().join(" "))
        }
        Response::Failed(failure) => Err((failure.message, failure.cures.first().cloned().unwrap_or_default())),
        other => panic!("{other:?}"),
    }
}

fn put(name: &str, templates: &[&str], filter: &str) -> Request {
    let entry = AddressPolicyEntry {
        name: name.into(),
        templates: Some(templates.iter().map(|text| (*text).into()).collect()),
        recipient_filter: Some(filter.into()),
        ..AddressPolicyEntry::default()
    };
    Request::AddressPolicy(AddressPolicyOrder::Put { entry, new: true, rename: None })
}

fn new(address: &str, kind: RecipientType, book: &[(AddressBookProperty, &str)]) -> Request {
    let address_book: BTreeMap<_, _> = book.iter().map(|(property, text)| (*property, (*text).to_owned())).collect();
    let edit = Box::new(RecipientEdit { address_book, ..RecipientEdit::default() });
    Request::RecipientNew { address: address.to_owned(), recipient_type: kind, edit, password: None }
}

fn set(identity: &str, edit: RecipientEdit) -> Request {
    Request::RecipientSet { identity: identity.to_owned(), edit: Box::new(edit) }
}

fn enabled(on: bool) -> RecipientEdit {
    RecipientEdit { email_address_policy_enabled: Some(on), ..RecipientEdit::default() }
}

fn addresses(office: &Office, identity: &str) -> Vec<String> {
    let snapshot = office.directory.snapshot();
    identity::find(&snapshot, identity).unwrap().addresses.smtp().map(ToString::to_string).collect()
}

fn apply(office: &Office, preview: bool) -> AppliedPolicies {
    let order = AddressPolicyOrder::Apply { name: None, preview, limit: 2 };
    let Response::AppliedPolicies(report) = ask(office, Request::AddressPolicy(order)) else { panic!() };
    report
}

const JUERGEN: [(AddressBookProperty, &str); 2] =
    [(AddressBookProperty::FirstName, "J\u{fc}rgen"), (AddressBookProperty::LastName, "M\u{fc}ller")];

#[test]
fn a_new_recipient_without_address_has_those_of_its_policy() {
    let office = with(Profile::ExchangeServer);
    let user = RecipientType::UserMailbox;
    said(ask(&office, put("Staff", &["SMTP:%g.%s@contoso.example", "smtp:%m@contoso.example"], ""))).unwrap();
    let told = said(ask(&office, new("jm", user, &JUERGEN))).unwrap();
    assert!(told.starts_with("Jurgen.Muller@contoso.example is a UserMailbox now. Its addresses are by the"), "{told}");
    assert_eq!(addresses(&office, "jm"), ["Jurgen.Muller@contoso.example", "jm@contoso.example"]);
    // A namesake has numbers, and a login that is nobody else's.
    said(ask(&office, new("jm", user, &JUERGEN))).unwrap();
    assert_eq!(addresses(&office, "jurgen.muller2"), ["Jurgen.Muller2@contoso.example", "jm2@contoso.example"]);
    let snapshot = office.directory.snapshot();
    let namesake = identity::find(&snapshot, "jm2").unwrap();
    assert_eq!(namesake.account.as_ref().unwrap().login.to_string(), "Jurgen.Muller2@contoso.example");
    assert_eq!((namesake.alias().as_ref(), namesake.email_address_policy_enabled), ("jm", true));
    // Who names an address has it.
    said(ask(&office, new("boss@contoso.example", user, &JUERGEN))).unwrap();
    assert_eq!(addresses(&office, "boss"), ["boss@contoso.example"]);
    // Nothing is for a group here, so the alias makes its address as ever.
    said(ask(&office, put("x", &["x%m@contoso.example"], "RecipientType -eq 'Nobody'"))).unwrap();
    assert_eq!(apply(&office, false).altered, 0);
}

#[test]
fn a_primary_address_that_a_policy_makes_is_not_set_by_hand() {
    let office = with(Profile::ExchangeServer);
    said(ask(&office, put("Staff", &["SMTP:%g.%s@contoso.example"], ""))).unwrap();
    said(ask(&office, new("jm", RecipientType::UserMailbox, &JUERGEN))).unwrap();
    let primary = |on: Option<bool>| RecipientEdit {
        primary: Some("boss@contoso.example".to_owned()),
        email_address_policy_enabled: on,
        ..RecipientEdit::default()
    };
    let (refusal, cure) = said(ask(&office, set("jm", primary(None)))).unwrap_err();
    assert!(refusal.contains("cannot be set while EmailAddressPolicyEnabled is on"), "{refusal}");
    let identity = "Jurgen.Muller@contoso.example";
    assert_eq!(
        cure,
        format!("franking recipient set {identity} --email-address-policy-enabled off --primary boss@contoso.example")
    );
    said(ask(&office, set("jm", primary(Some(false))))).unwrap();
    assert_eq!(addresses(&office, "jm"), ["boss@contoso.example", identity]);
    // Back on, the policy has it back, and the other one is kept.
    let told = said(ask(&office, set("jm", enabled(true)))).unwrap();
    assert!(told.contains("Its primary address is Jurgen.Muller@contoso.example now, by the email address"), "{told}");
    assert_eq!(addresses(&office, "jm"), [identity, "boss@contoso.example"]);
    // A new name has its address at once; what is not about names leaves addresses alone.
    let married = BTreeMap::from([(AddressBookProperty::LastName, "Meier".to_owned())]);
    said(ask(&office, set("jm", RecipientEdit { address_book: married, ..Default::default() }))).unwrap();
    let all = ["Jurgen.Meier@contoso.example", "boss@contoso.example", identity];
    assert_eq!(addresses(&office, "jm"), all);
    let entry = AddressPolicyEntry {
        name: "staff".into(),
        templates: Some(vec!["%s@contoso.example".into()]),
        ..AddressPolicyEntry::default()
    };
    let told = said(ask(&office, Request::AddressPolicy(AddressPolicyOrder::Put { entry, new: false, rename: None })));
    assert!(told.unwrap().contains("franking address-policy apply --preview"));
    said(ask(&office, set("jm", RecipientEdit { hidden: Some(true), ..Default::default() }))).unwrap();
    assert_eq!(addresses(&office, "jm"), all);
}

#[test]
fn applying_is_previewed_first_and_goes_on_where_it_stopped() {
    let office = with(Profile::ExchangeServer);
    let follow = ["alice", "bob", "info", "staff", "carol"];
    follow.iter().for_each(|identity| drop(said(ask(&office, set(identity, enabled(true)))).unwrap()));
    said(ask(&office, put("All", &["x-%m@contoso.example"], ""))).unwrap();
    let before = office.directory.snapshot();
    let preview = apply(&office, true);
    assert_eq!((preview.governed, preview.altered, preview.refused, preview.rows.len()), (5, 5, 0, 2));
    assert_eq!(office.directory.snapshot().version(), before.version());
    let done = apply(&office, false);
    assert_eq!(AppliedPolicies { preview: true, ..done }, preview);
    assert_eq!(addresses(&office, "alice"), ["x-alice@contoso.example", "alice@contoso.example"]);
    assert_eq!((apply(&office, false).governed, apply(&office, false).altered), (5, 0));
    // One of them gets another name by hand, and only that one is looked at again.
    said(ask(&office, set("bob", RecipientEdit { mail_nickname: Some("b".to_owned()), ..Default::default() })))
        .unwrap();
    assert_eq!(apply(&office, false).altered, 0);
    assert_eq!(addresses(&office, "bob")[0], "x-b@contoso.example");
    let Response::AddressPolicies { policies, .. } =
        ask(&office, Request::AddressPolicy(AddressPolicyOrder::Show { name: "ALL".to_owned() }))
    else {
        panic!("it is shown")
    };
    assert_eq!(policies[0].recipients, Some(5));
}

#[test]
fn who_has_too_many_addresses_is_refused_and_the_others_are_done() {
    let office = with(Profile::ExchangeServer);
    for identity in ["alice", "bob"] {
        said(ask(&office, set(identity, enabled(true)))).unwrap();
    }
    let aliases = (0..399).map(|number| format!("a{number}@contoso.example")).collect();
    said(ask(&office, set("alice", RecipientEdit { add_aliases: aliases, ..Default::default() }))).unwrap();
    said(ask(&office, put("All", &["x-%m@contoso.example"], ""))).unwrap();
    let report = apply(&office, false);
    assert_eq!((report.altered, report.refused), (1, 1));
    assert_eq!(report.refusals[0].0, "alice@contoso.example");
    assert!(report.refusals[0].1.contains("too many proxy addresses"), "{:?}", report.refusals);
}

#[test]
fn in_the_cloud_only_microsoft_365_groups_follow() {
    let office = with(Profile::ExchangeOnline);
    let told = said(ask(&office, put("Groups", &["g-%m@contoso.example"], ""))).unwrap();
    assert!(told.contains("only Microsoft 365 groups follow"), "{told}");
    let (refusal, cure) = said(ask(&office, set("alice", enabled(true)))).unwrap_err();
    assert!(refusal.contains("A UserMailbox cannot follow email address policies"), "{refusal}");
    assert!(cure.contains("address_policies_for_all"), "{cure}");
    said(ask(&office, new("walks", RecipientType::GroupMailbox, &[]))).unwrap();
    assert_eq!(addresses(&office, "g-walks"), ["g-walks@contoso.example"]);
    said(ask(&office, new("erin", RecipientType::UserMailbox, &[]))).unwrap();
    assert_eq!(addresses(&office, "erin"), ["erin@contoso.example"]);
    // What an import says of others is kept, and without effect.
    let text = "[[recipient]]\naddress = \"bob@contoso.example\"\nemail_address_policy_enabled = true\n".to_owned();
    let (name, form) = ("x.toml".to_owned(), "toml".to_owned());
    ask(&office, Request::Import { name, form, text, licence: None, all_or_nothing: true, dry_run: false });
    assert_eq!((apply(&office, false).governed, apply(&office, false).altered), (1, 0));
    said(ask(&office, set("bob", RecipientEdit { primary: Some("b@contoso.example".into()), ..Default::default() })))
        .unwrap();
}

#[test]
fn policies_are_renamed_moved_and_removed() {
    let office = with(Profile::ExchangeServer);
    for name in ["A", "B"] {
        said(ask(&office, put(name, &["%m@contoso.example"], ""))).unwrap();
    }
    let order = |name: &str, priority: Option<&str>, rename: Option<&str>| {
        let priority = priority.map(|text| text.parse().unwrap());
        let entry = AddressPolicyEntry { name: name.into(), priority, ..AddressPolicyEntry::default() };
        let rename = rename.map(str::to_owned);
        said(ask(&office, Request::AddressPolicy(AddressPolicyOrder::Put { entry, new: false, rename })))
    };
    let names =
        || office.directory.snapshot().address_policies().iter().map(|own| own.name.clone()).collect::<Vec<_>>();
    order("b", Some("1"), Some("C")).unwrap();
    assert_eq!(names(), ["C".into(), "A".into()]);
    assert!(order("A", None, Some("c")).unwrap_err().0.contains("There is an email address policy \"C\" already."));
    assert!(order("A", None, None).unwrap_err().0.contains("Nothing to set."));
    assert_eq!(order("D", Some("1"), None).unwrap_err().1, "one of \"C\", \"A\"");
    assert!(said(ask(&office, put("a", &["%m@contoso.example"], ""))).unwrap_err().0.contains("\"A\" already"));
    assert!(said(ask(&office, put("z", &["%x@contoso.example"], ""))).unwrap_err().0.contains("%x stands for nothing"));
    let domain = Request::DomainRemove { domain: "contoso.example".to_owned() };
    assert!(said(ask(&office, domain)).is_err());
    said(ask(&office, Request::AddressPolicy(AddressPolicyOrder::Remove { name: "c".to_owned() }))).unwrap();
    assert_eq!(names(), ["A".into()]);
}
