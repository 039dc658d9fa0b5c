//! Explanations tell what the server does, and their cures are the right ones.

use super::*;
use crate::admin::office::tests::contoso;
use crate::model::directory::{AcceptedDomain, Change, DomainType, Organisation};
use crate::model::policy::Profile;
use crate::model::policy::settings::SrsKey;

fn ask(query: Query) -> Explanation {
    explain(&contoso(), &Settings::default(), &query, Timestamp::EPOCH)
}

fn submission(login: &str, from: &str, to: &[&str]) -> Query {
    Query {
        login: Some(login.to_owned()),
        from: Some(from.to_owned()).filter(|text| !text.is_empty()),
        to: to.iter().map(|text| (*text).to_owned()).collect(),
        port: 587,
        ..Query::default()
    }
}

fn inbound(to: &str) -> Query {
    Query { from: Some("eve@fabrikam.example".to_owned()), to: vec![to.to_owned()], port: 25, ..Query::default() }
}

#[track_caller]
fn refused(query: Query, reply: &str, cure: &str) {
    let explanation = ask(query);
    assert!(!explanation.accepted, "{explanation:?}");
    let last = explanation.steps.last().unwrap();
    assert!(last.reply.as_deref().unwrap().starts_with(reply), "{last:?}");
    assert!(last.cures.iter().any(|own| own == cure), "{:?}", last.cures);
}

#[test]
fn each_refusal_of_signing_in_names_its_cure() {
    let unlock = "franking account unblock info@contoso.example";
    refused(submission("info@contoso.example", "", &[]), "535 5.7.3", unlock);
    let licence = "franking licence assign dora@contoso.example";
    refused(submission("dora@contoso.example", "", &[]), "550 5.2.1", licence);
    let mailbox = "franking recipient set scanner@contoso.example --type UserMailbox --licence ExchangeOnlinePlan1";
    refused(submission("scanner@contoso.example", "", &[]), "550 5.2.1", mailbox);
    let allow = "franking recipient set quiet@contoso.example --smtp-auth allow";
    refused(submission("quiet@contoso.example", "", &[]), "535 5.7.139", allow);
    refused(submission("alcie@contoso.example", "", &[]), "535 5.7.3", "did you mean alice@contoso.example?");
}

#[test]
fn the_cure_of_what_a_device_is_bound_to_keeps_what_it_is_bound_to() {
    use crate::model::directory::{Device, DeviceRecipient, Recipient, device::Verifier};
    let alice = Address::parse("alice@contoso.example").unwrap();
    let mut alice = Recipient::clone(contoso().find_by_address(&alice).unwrap());
    let mut device = Device::new("scan", Timestamp::EPOCH);
    let hash = crate::model::directory::PasswordHash::from_phc("x");
    device.verifier = Some(Verifier { selector: crate::model::directory::Selector::parse("k7mq").unwrap(), hash });
    device.recipients = vec![DeviceRecipient::Inside];
    alice.account.as_deref_mut().unwrap().devices.push(device);
    let snapshot = contoso().apply(&[Change::PutRecipient(Box::new(alice))]).unwrap();
    let cures = |to: &str| {
        let query = Query { device: Some("scan".to_owned()), ..submission("alice@contoso.example", "", &[to]) };
        explain(&snapshot, &Settings::default(), &query, Timestamp::EPOCH).steps.pop().unwrap().cures
    };
    let set = "franking device set alice@contoso.example scan --recipient inside";
    assert_eq!(cures("x@fabrikam.example"), [format!("{set},x@fabrikam.example")]);
    assert_eq!(cures("\"a,$(b)\"@fabrikam.example"), [format!("{set},ADDRESS")]);
}

#[test]
fn a_mail_user_may_submit_on_premises() {
    let settings = Settings::of(Profile::ExchangeServer);
    let query = submission("scanner@contoso.example", "", &["bob@contoso.example"]);
    assert!(explain(&contoso(), &settings, &query, Timestamp::EPOCH).accepted);
}

#[test]
fn send_as_is_refused_after_data_and_names_the_grant() {
    let query = submission("bob@contoso.example", "info@contoso.example", &["alice@contoso.example"]);
    let cure = "franking permission grant info@contoso.example --to bob@contoso.example --right send-as";
    refused(query.clone(), "554 5.2.252", cure);
    assert_eq!(ask(query.clone()).steps.last().unwrap().command, "DATA, with From: info@contoso.example");
    let early = Settings { refuse_early: true, ..Settings::default() };
    let explanation = explain(&contoso(), &early, &query, Timestamp::EPOCH);
    assert_eq!(explanation.steps.last().unwrap().command, "MAIL FROM:<info@contoso.example>");
}

#[test]
fn whose_quota_counts_is_told_with_the_capacity() {
    let told = |from: &str| {
        let query = submission("alice@contoso.example", from, &["bob@contoso.example"]);
        ask(query).steps.iter().flat_map(|step| step.outcome.clone()).collect::<Vec<_>>().join("\n")
    };
    let owners = "may not send any more: franking mailbox show info@contoso.example";
    let text = told("info@contoso.example");
    assert!(text.contains("554 5.2.2") && text.contains(owners), "{text}");
    assert!(!told("alice@contoso.example").contains("5.2.2"));
}

#[test]
fn the_address_of_a_moderators_answer_is_told_for_what_it_is() {
    let settings = Settings { srs_keys: vec![SrsKey([7; 32])], ..Settings::default() };
    let awaited = Awaited { message: 0x2A, place: 3 };
    let address = awaited.address(&contoso(), &settings).unwrap().to_string();
    let asked = |query: Query| explain(&contoso(), &settings, &query, Timestamp::EPOCH);
    let what =
        format!("{address}: the address at which moderators answer about recipient 3 of message 000000000000002A");
    let explanation = asked(submission("alice@contoso.example", "", &[&address]));
    let last = explanation.steps.last().unwrap();
    assert!(last.outcome.iter().any(|line| line.starts_with(&what)), "{last:?}");
    // A stranger is refused as for any address that nobody has.
    let explanation = asked(inbound(&address));
    let last = explanation.steps.last().unwrap();
    assert!(!last.accepted && last.cures.iter().any(|line| line.starts_with(&what)), "{last:?}");
    // Nobody makes such an address without the key.
    let forged = explain(&contoso(), &Settings::default(), &inbound(&address), Timestamp::EPOCH);
    assert!(!forged.steps.last().unwrap().cures.iter().any(|line| line.contains("moderators answer")));
}

#[test]
fn a_domain_that_nobody_sends_from_or_to_is_told_with_its_switch() {
    let domain = |name: &str| AcceptedDomain::new(name.parse().unwrap(), DomainType::Authoritative);
    let changes = [
        AcceptedDomain { sending_from_disabled: true, ..domain("former.example") },
        AcceptedDomain { sending_to_disabled: true, ..domain("closed.example") },
    ];
    let snapshot = contoso().apply(&changes.map(Change::PutDomain)).unwrap();
    let told = |query: Query| {
        let last = explain(&snapshot, &Settings::default(), &query, Timestamp::EPOCH).steps.pop().unwrap();
        (last.command, last.cures.concat())
    };
    let from = "franking domain set former.example --sending-from-disabled off".to_owned();
    let by = Query { from: Some("eve@former.example".to_owned()), ..inbound("bob@contoso.example") };
    assert_eq!(told(by), ("MAIL FROM:<eve@former.example>".to_owned(), from));
    let to = "franking domain set closed.example --sending-to-disabled off".to_owned();
    let command = "RCPT TO:<bob@closed.example>".to_owned();
    assert_eq!(told(submission("alice@contoso.example", "", &["bob@closed.example"])), (command, to));
}

#[test]
fn a_permitted_message_is_followed_to_every_copy() {
    let query = submission("alice@contoso.example", "info@contoso.example", &["staff@contoso.example"]);
    let explanation = ask(query);
    assert!(explanation.accepted);
    let last = explanation.steps.last().unwrap();
    let outcome = last.outcome.join("\n");
    for place in [
        "into the mailbox of alice@contoso.example",
        "into the mailbox of bob@contoso.example",
        "out to carol@fabrikam.example",
        "out to partner@fabrikam.example",
    ] {
        assert!(outcome.contains(place), "{outcome}");
    }
    assert!(explanation.steps.iter().all(|step| step.accepted));
    assert!(explanation.steps[0].reply.as_deref().unwrap().starts_with("235 2.7.0"));
}

#[test]
fn strangers_are_told_what_would_let_them_in() {
    refused(
        inbound("staff@contoso.example"),
        "550 5.7.133",
        "franking recipient set staff@contoso.example --require-authentication no",
    );
    refused(inbound("someone@elsewhere.example"), "550 5.7.64", "franking domain add elsewhere.example");
    refused(inbound("bbo@contoso.example"), "550 5.4.1", "did you mean bob@contoso.example?");
    assert!(ask(inbound("bob@contoso.example")).accepted);
    assert!(ask(inbound("postmaster")).accepted);
}

#[test]
fn a_reserved_domain_is_explained_by_the_switch_that_refuses_it() {
    let single = Organisation { reject_single_label_recipient_domains: true, ..contoso().organisation().clone() };
    let snapshot = contoso().apply(&[Change::PutOrganisation(single)]).unwrap();
    let query = submission("alice@contoso.example", "", &["bob@fabrikam"]);
    let explanation = explain(&snapshot, &Settings::default(), &query, Timestamp::EPOCH);
    let last = explanation.steps.last().unwrap();
    assert!(last.reply.as_deref().unwrap().starts_with("550 5.1.6"), "{explanation:?}");
    assert_eq!(last.cures, ["franking organisation set --reject-single-label-recipient-domains off"]);
}

#[test]
fn submission_without_sign_in_and_nonsense_are_refused_without_panic() {
    let query = Query { port: 587, to: vec!["bob@contoso.example".to_owned()], ..Query::default() };
    let explanation = ask(query);
    assert!(explanation.steps[0].reply.as_deref().unwrap().starts_with("530 5.7.57"));
    for nonsense in ["", "@", "\r\nRCPT TO:<x>", "\u{1b}[2J", "a@b@c", "<>"] {
        let mut query = submission("alice", nonsense, &[nonsense]);
        query.header_from = Some(nonsense.to_owned());
        ask(query);
        ask(inbound(nonsense));
    }
}

#[test]
fn the_way_out_is_named_with_its_route() {
    let query = submission("alice@contoso.example", "", &["partner@fabrikam.example"]);
    let way = |settings: &Settings| {
        let explanation = explain(&contoso(), settings, &query, Timestamp::EPOCH);
        explanation.steps.last().unwrap().outcome.concat()
    };
    let mut settings = Settings::default();
    assert_eq!(way(&settings), "out to partner@fabrikam.example, by the mail exchangers of fabrikam.example");
    settings.routes.insert("*".parse().unwrap(), "the host smtp.example".into());
    let smart = "out to partner@fabrikam.example, by the route for *: the host smtp.example";
    assert_eq!(way(&settings), smart);
    settings.routes.insert("*.fabrikam.example".parse().unwrap(), "another".into());
    assert_eq!(way(&settings), smart);
}

#[test]
fn it_is_told_whether_a_mailbox_answers_by_itself_and_why_not() {
    use crate::model::directory::{AutoReply, AutoReplyState, Recipient};
    let snapshot = contoso();
    let bob = snapshot.find_by_address(&Address::parse("bob@contoso.example").unwrap()).unwrap();
    let told = |state, query: Query| {
        let mut away = Recipient::clone(bob);
        let (internal_message, external_message) = ("Away.".into(), "Away.".into());
        away.auto_reply =
            Some(Box::new(AutoReply { state, internal_message, external_message, ..AutoReply::default() }));
        let snapshot = snapshot.apply(&[Change::PutRecipient(Box::new(away))]).unwrap();
        let explanation = explain(&snapshot, &Settings::default(), &query, Timestamp::EPOCH);
        explanation.steps.last().unwrap().outcome.clone()
    };
    let inside = || submission("alice@contoso.example", "", &["bob@contoso.example"]);
    let outcome = told(AutoReplyState::Enabled, inside());
    let expected = "bob@contoso.example answers alice@contoso.example by itself with its internal text, once";
    assert!(outcome.iter().any(|line| line == expected), "{outcome:?}");
    let outcome = told(AutoReplyState::Enabled, inbound("bob@contoso.example"));
    assert!(outcome.iter().any(|line| line.ends_with("by itself with its external text, once")), "{outcome:?}");
    let outcome = told(AutoReplyState::Disabled, inside());
    let expected = "bob@contoso.example does not answer by itself: automatic replies are off";
    assert!(outcome.iter().any(|line| line == expected), "{outcome:?}");
}

/// Contoso with a connector of printers, and a partner.
fn connected(query: Query) -> Explanation {
    let text = "[[connector]]\nname = \"printers\"\nnetworks = [\"192.168.10.0/24\"]\n\
                recipients = [\"adatum.example\"]\nsenders = [\"contoso.example\"]\nrequire_tls = true\n\
                [[connector]]\nname = \"fabrikam\"\ntype = \"partner\"\nsenders = [\"fabrikam.example\"]\n\
                networks = [\"203.0.113.0/24\"]\n[[connector]]\nname = \"server\"\n\
                certificates = [\"mx.contoso.example\"]\nrecipients = \"anyone\"\n";
    let config = crate::config::Config::parse(text, std::path::Path::new("franking.toml")).unwrap();
    explain(&contoso(), &config.settings, &query, Timestamp::EPOCH)
}

#[test]
fn a_client_of_port_25_is_explained_by_its_connector() {
    let client = |peer: Option<&str>, from: &str, to: &str| Query {
        peer: peer.map(|peer| peer.parse().unwrap()),
        from: Some(from.to_owned()),
        to: vec![to.to_owned()],
        port: 25,
        tls: true,
        ..Query::default()
    };
    let (printer, alice) = (Some("192.168.10.7"), "alice@contoso.example");
    let known = connected(client(printer, alice, "x@adatum.example"));
    let word = "the connector printers vouches for the client: it may write to recipients inside and in adatum.example";
    assert!(known.accepted && known.steps[0].outcome == [word], "{known:?}");
    let said = |query: Query| {
        let explanation = connected(query);
        assert!(!explanation.accepted, "{explanation:?}");
        let last = explanation.steps.into_iter().next_back().unwrap();
        (last.reply.unwrap(), last.cures.join("; "))
    };
    for (query, reply, cure) in [
        (client(printer, alice, "x@fabrikam.example"), "550 5.7.64 ", "for the connector printers: recipients = "),
        (
            client(printer, "eve@adatum.example", "x@adatum.example"),
            "550 5.7.64 ",
            "add <eve@adatum.example> to its senders",
        ),
        (client(Some("10.0.0.1"), alice, "x@adatum.example"), "550 5.7.64 ", "with networks = [\"10.0.0.1\"]"),
        (client(None, alice, "x@adatum.example"), "550 5.7.64 ", "[[connector]] with networks"),
        (Query { tls: false, ..client(printer, alice, "bob@contoso.example") }, "451 5.7.3 ", "ask again with --tls"),
        (client(None, "eve@fabrikam.example", "bob@contoso.example"), "550 5.7.51 ", "for the connector fabrikam"),
    ] {
        let (answer, cures) = said(query.clone());
        assert!(answer.starts_with(reply) && cures.contains(cure), "{query:?}: {answer} {cures}");
    }
    let server = Query { certificate: Some("mx.contoso.example".to_owned()), ..client(None, "", "x@fabrikam.example") };
    assert!(connected(server.clone()).accepted);
    assert!(!connected(Query { certificate: Some("mx.adatum.example".to_owned()), ..server }).accepted);
}
