//! Postfix as others run it: it greylists, refuses, limits sizes, answers late, shows an expired certificate, offers
//! fewer extensions, and changes its mind after it has taken a message.
//!
//! One Postfix listens at a port for each of these ways, and each has a domain here.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::host::{Fault, Host, Step};
use super::{End, content, report_about, wait_for_answers};
use crate::clients::postfix::{Extras, Postfix};
use crate::support::maildir::Stored;
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::smtp::Client;
use crate::support::{Place, free_port, wait_for};

/// Seconds where production has minutes and hours.
const IN_SECONDS: &str = "[relay.timeouts]\ngreeting_seconds = 20\n\n[queue]\nretry_seconds = [1]\n\
                          delay_notice_seconds = 2\n\n[relay]\nsmart_host = \"127.0.0.1\"\ntls = \"required\"\n";

/// Its policy service: greylists until it is told not to. The thread ends with the test program.
struct Greylist {
    port: u16,
    passes: Arc<AtomicBool>,
}

impl Greylist {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, passes) = (listener.local_addr().unwrap().port(), Arc::new(AtomicBool::new(false)));
        let own = Arc::clone(&passes);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let own = Arc::clone(&own);
                std::thread::spawn(move || {
                    let mut answers = stream.try_clone().unwrap();
                    // A request is lines of `name=value`, ended by an empty one.
                    for line in BufReader::new(stream).lines().map_while(Result::ok) {
                        if line.is_empty() {
                            let passes = own.load(Ordering::Relaxed);
                            let action = if passes { "DUNNO" } else { "DEFER 4.7.1 Greylisted, see you later" };
                            let _ = answers.write_all(format!("action={action}\n\n").as_bytes());
                        }
                    }
                });
            }
        });
        Self { port, passes }
    }
}

/// A way to take mail, and how alice's message to it ends.
struct Way {
    name: &'static str,
    options: Vec<String>,
    /// Parameters of MAIL and of RCPT.
    parameters: (&'static str, &'static str),
    recipient: &'static str,
    body: String,
    end: End,
}

fn ways(greylist: &Greylist, place: &Place) -> Vec<Way> {
    let way = |name, options: &[&str], parameters, body: &str, end| Way {
        name,
        options: options.iter().map(|option| (*option).to_owned()).collect(),
        parameters,
        recipient: "user",
        body: body.to_owned(),
        end,
    };
    let greylisting = format!(
        "smtpd_recipient_restrictions = check_policy_service inet:127.0.0.1:{}, permit_mynetworks, reject",
        greylist.port
    );
    let (certificate, key) = expired_certificate(place);
    let expired = [format!("smtpd_tls_cert_file = {certificate}"), format!("smtpd_tls_key_file = {key}")];
    let large = "0123456789012345678901234567890123456789\r\n".repeat(200);
    let (quiet, eight_bit) = (("", " NOTIFY=FAILURE"), (" BODY=8BITMIME", " NOTIFY=FAILURE"));
    let utf8 = (" SMTPUTF8 BODY=8BITMIME", " NOTIFY=FAILURE");
    let without = |keywords: &str| format!("smtpd_discard_ehlo_keywords = {keywords}");
    vec![
        way("greylisting", &[&greylisting], quiet, "Hello.", End::Mended("Greylisted, see you later")),
        way("strict", &[], quiet, "Hello.", End::Reported("5.1.1")),
        way("small", &["message_size_limit = 4000"], quiet, &large, End::Reported("5.3.4")),
        way("secretly", &["message_size_limit = 4000", &without("size")], quiet, &large, End::Reported("5.3.4")),
        way(
            "slow",
            &["smtpd_delay_reject = no", "smtpd_client_restrictions = sleep 1, permit"],
            quiet,
            "Hello.",
            End::Delivered,
        ),
        way("expired", &[&expired[0], &expired[1]], quiet, "Hello.", End::Delivered),
        way("untrusting", &["smtpd_tls_security_level = none"], quiet, "Hello.", End::Delivered),
        way("eight", &[], eight_bit, "Gr\u{fc}\u{df}e.", End::Delivered),
        way("seven", &[&without("8bitmime")], eight_bit, "Gr\u{fc}\u{df}e.", End::Reported("5.6.3")),
        Way { recipient: "us\u{e9}r", ..way("utf", &[], utf8, "Hello.", End::Delivered) },
        Way {
            recipient: "us\u{e9}r",
            ..way("ascii", &["smtputf8_enable = no"], utf8, "Hello.", End::Reported("5.6.7"))
        },
        way(
            "bare",
            &[&without("chunking, dsn, pipelining, enhancedstatuscodes, size, vrfy, etrn")],
            quiet,
            "Hello.",
            End::Delivered,
        ),
    ]
}

/// A certificate of years ago, and its key.
fn expired_certificate(place: &Place) -> (String, String) {
    let mut parameters = rcgen::CertificateParams::new(vec!["mx.fabrikam.example".to_owned()]).unwrap();
    parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
    parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = parameters.self_signed(&key).unwrap();
    let certificate = place.file("expired.pem", certificate.pem());
    let key = place.file("expired.key", key.serialize_pem());
    (certificate.display().to_string(), key.display().to_string())
}

/// Postfix with all its ways. At its ordinary port it takes mail for fabrikam.example, and for two domains whose mail
/// it hands to the host at `behind`.
fn start(place: &Place, ways: &[Way], next: u16, behind: u16) -> Option<(Postfix, BTreeMap<&'static str, u16>)> {
    let mut ports = BTreeMap::new();
    let (mut domains, mut boxes) = (String::new(), String::new());
    for way in ways {
        ports.insert(way.name, free_port());
        domains += &format!(", {}.example", way.name);
        if way.name != "strict" {
            boxes += &format!(", {{ {}@{}.example = {}/ }}", way.recipient, way.name, way.name);
        }
    }
    let main = format!(
        "virtual_mailbox_domains = fabrikam.example, elsewhere.example, later.example, never.example{domains}\n\
         virtual_mailbox_maps = inline:{{ {{ eve@fabrikam.example = eve/ }}, \
         {{ user@elsewhere.example = elsewhere/ }}, {{ user@later.example = later/ }}, \
         {{ user@never.example = never/ }}{boxes} }}\n\
         transport_maps = inline:{{ {{ contoso.example = smtp:[127.0.0.1]:{next} }}, \
         {{ later.example = smtp:[127.0.0.1]:{behind} }}, {{ never.example = smtp:[127.0.0.1]:{behind} }} }}\n"
    );
    let ports_with_options = ways.iter().map(|way| (ports[way.name], way.options.clone())).collect();
    let postfix = Postfix::start_with(place, Some(next), &Extras { main, ports: ports_with_options })?;
    Some((postfix, ports))
}

/// The reports in alice's mailbox that say this.
fn reports_with(server: &Server, needles: &[&str]) -> Vec<Stored> {
    let mut found = server.mailbox("alice").messages();
    found.retain(|stored| super::is_report(stored) && needles.iter().all(|needle| stored.contains(needle)));
    found
}

#[test]
fn postfix_in_all_its_moods_gets_each_message_once_or_its_sender_hears_why() {
    let place = Place::new();
    let greylist = Greylist::start();
    let (ways, inbound) = (ways(&greylist, &place), free_port());
    let behind = Host::start(Fault::Says(Step::Rcpt, b"550 5.1.6 The user has moved away\r\n"));
    let Some((postfix, ports)) = start(&place, &ways, inbound, behind.port) else { return };
    let domains: Vec<String> = ways.iter().map(|way| format!("{}.example", way.name)).collect();
    let mut routes: Vec<(&str, u16)> =
        domains.iter().zip(&ways).map(|(domain, way)| (domain.as_str(), ports[way.name])).collect();
    routes.extend(["later.example", "never.example", "fabrikam.example"].map(|domain| (domain, postfix.port())));
    let smart_host = format!("{IN_SECONDS}port = {}\n", ports["expired"]);
    let site = Site::set_up_at(&place, inbound, &routes, &smart_host);
    let server = site.start(&place);
    let mut alice = site.alice();
    for way in &ways {
        let to = format!("<{}@{}.example>{}", way.recipient, way.name, way.parameters.1);
        let from = format!("<alice@contoso.example>{}", way.parameters.0);
        alice.send_with(&from, &[to], &content(way.name, &way.body)).unwrap();
    }
    drop(alice);
    wait_for_answers(&site, vec![("greylisting", ports["greylisting"], "450 4.7.1 <user@greylisting.example>")]);
    greylist.passes.store(true, Ordering::Relaxed);
    for way in &ways {
        let Way { name, end, .. } = way;
        if let End::Reported(status) = end {
            let report = report_about(&server, &format!("{name}.example"), way.recipient);
            assert!(report.contains(&format!("Status: {status}")), "{name}: {}", report.text());
        } else {
            let taken = wait_for(name, || postfix.messages(name).pop());
            assert!(taken.contains(&way.body.replace("\r\n", "\n")), "{name}: {}", taken.text());
            // Any certificate is better than none; without STARTTLS it goes in clear text.
            let secured = taken.header("Received")[0].contains("using TLSv1");
            assert_eq!(secured, *name != "untrusting", "{name}: {}", taken.text());
        }
    }
    wait_for("an empty queue", || (site.queued() == 0).then_some(()));
    for way in &ways {
        let expected = usize::from(!matches!(way.end, End::Reported(_)));
        assert_eq!(postfix.messages(way.name).len(), expected, "{}", way.name);
    }
    let reported = ways.iter().filter(|way| matches!(way.end, End::Reported(_))).count();
    assert_eq!(super::reports(&server), reported, "every failure is reported once, and nothing else");
    reports_between_the_two(&site, &server, &postfix, &ports);
    nothing_goes_to_a_host_that_cannot_prove_its_name(&site, &postfix);
    server.stop();
    postfix.stop();
}

/// What is asked for with NOTIFY, RET, ENVID and ORCPT (RFC 3461) comes back, by either server.
fn reports_between_the_two(site: &Site, server: &Server, postfix: &Postfix, ports: &BTreeMap<&'static str, u16>) {
    let mut alice = site.alice();
    let mut send = |name: &str, mail: &str, to: &str, notify: &str| {
        let from = format!("<alice@contoso.example>{mail} ENVID=env-{name}");
        let to = format!("<{to}> NOTIFY={notify} ORCPT=rfc822;first.{name}@contoso.example");
        alice.send_with(&from, &[to], &content(name, "A secret body.")).unwrap();
    };
    let found = |name: &str, needles: &[&str]| {
        let (envelope_id, recipient) =
            (format!("Original-Envelope-Id: env-{name}"), format!("riginal-Recipient: rfc822;first.{name}@"));
        let needles: Vec<&str> = needles.iter().copied().chain([envelope_id.as_str()]).collect();
        wait_for(name, || {
            let unspaced = |stored: &Stored| stored.text().replace("rfc822; ", "rfc822;").contains(&recipient);
            reports_with(server, &needles).into_iter().find(unspaced)
        })
    };
    // Postfix takes it and thinks better of it.
    send("later", " RET=HDRS", "user@later.example", "FAILURE");
    send("never", " RET=FULL", "user@never.example", "NEVER");
    send("arrived", " RET=HDRS", "user@eight.example", "SUCCESS");
    send("handed-on", " RET=HDRS", "user@bare.example", "SUCCESS");
    send("refused", " RET=FULL", "user@strict.example", "SUCCESS,FAILURE");
    let later = found("later", &["Action: failed", "Status: 5.1.6", "MAILER-DAEMON@"]);
    assert!(!later.contains("A secret body."), "RET=HDRS: {}", later.text());
    assert_eq!(later.header("Return-Path"), ["<>"]);
    let arrived = found("arrived", &["Action: delivered", "MAILER-DAEMON@"]);
    assert!(!arrived.contains("A secret body."), "RET=HDRS: {}", arrived.text());
    // That one does not do reports: ours says how far we saw it.
    let relayed = found("handed-on", &["Action: relayed", "postmaster@contoso.example"]);
    assert!(relayed.contains("Remote-MTA: dns;127.0.0.1"), "{}", relayed.text());
    let refused = found("refused", &["Action: failed", "Status: 5.1.1", "postmaster@contoso.example"]);
    assert!(refused.contains("A secret body."), "RET=FULL: {}", refused.text());
    // A message that waits is announced to those who want to know, and can be given up.
    let deaf = ports["greylisting"];
    let (ok, text) = site.franking(&["queue", "suspend", "--destination", &format!("127.0.0.1:{deaf}")]);
    assert!(ok, "{text}");
    send("delayed", " RET=HDRS", "user@greylisting.example", "DELAY");
    let delayed = found("delayed", &["Action: delayed"]);
    assert!(!delayed.contains("A secret body."), "RET=HDRS: {}", delayed.text());
    drop(alice);
    let (ok, text) = site.franking(&["queue", "remove", "--destination", &format!("127.0.0.1:{deaf}")]);
    assert!(ok, "{text}");

    // The other way: eve asks from there whether bob has it, and hears it from us.
    let mut eve = Client::connect(([127, 0, 0, 1], postfix.port()).into()).unwrap();
    let bob = "<bob@contoso.example> NOTIFY=SUCCESS ORCPT=rfc822;bob.x@contoso.example".to_owned();
    eve.send_with("<eve@fabrikam.example> RET=HDRS ENVID=env-eve", &[bob], &content("to-bob", "Hello.")).unwrap();
    let told = wait_for("our report to eve", || {
        let mut told = postfix.messages("eve");
        told.retain(|stored| stored.contains("Original-Envelope-Id: env-eve"));
        told.pop()
    });
    for needle in ["Action: delivered", "Original-Recipient: rfc822;bob.x@contoso.example", "Reporting-MTA: dns;mx."] {
        assert!(told.contains(needle), "{needle}: {}", told.text());
    }
    wait_for("an empty queue", || (site.queued() == 0).then_some(()));
    let bounced = |line: &str| line.contains("to=<user@never.example>") && line.contains("status=bounced");
    wait_for("the end of what nobody wants to hear of", || postfix.log().lines().any(bounced).then_some(()));
    assert_eq!(reports_with(server, &["env-never"]).len(), 0, "NOTIFY=NEVER");
    assert_eq!(reports_with(server, &["env-delayed", "Action: failed"]).len(), 0, "NOTIFY=DELAY without FAILURE");
}

/// Where a certificate is required, mail waits for one, and an administrator can send it another way.
fn nothing_goes_to_a_host_that_cannot_prove_its_name(site: &Site, postfix: &Postfix) {
    let to = "<user@elsewhere.example> NOTIFY=FAILURE".to_owned();
    let content = content("elsewhere", "A secret body.");
    site.alice().send_with("<alice@contoso.example>", &[to], &content).unwrap();
    let waiting = wait_for("an answer about the certificate", || {
        let list = site.json(&["queue", "list", "--destination", "elsewhere.example"]);
        let message = list["messages"].get(0)?;
        message["last_answer"].as_str().is_some_and(|said| said.contains("certificate")).then(|| list.clone())
    });
    let said = waiting["messages"][0]["last_answer"].as_str().unwrap();
    assert!(said.starts_with("451 4.7.5 127.0.0.1: the TLS handshake failed: invalid peer certificate"), "{said}");
    assert_eq!(postfix.messages("elsewhere").len(), 0);
    let to = format!("127.0.0.1:{}", postfix.port());
    let (moved, said) = site.franking(&["queue", "move", "--destination", "elsewhere.example", "--to", &to]);
    assert!(moved, "{said}");
    wait_for("its end", || (site.queued() == 0).then_some(()));
    assert_eq!(
        wait_for("the message", || postfix.messages("elsewhere").pop()).header("Return-Path"),
        ["<alice@contoso.example>"]
    );
}
