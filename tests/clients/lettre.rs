//! Lettre, the mail library of applications in Rust: it signs in by either mechanism and either kind of TLS, keeps its
//! connections, and tells its application code and text of a refusal.

use ::lettre::transport::smtp::authentication::{Credentials, Mechanism};
use ::lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use ::lettre::transport::smtp::{Error, PoolConfig, SmtpTransport, SmtpTransportBuilder};
use ::lettre::{Message, Transport as _};

use crate::support::server::Server;
use crate::support::{Place, wait_for};

/// Trusts the authority of the server alone.
fn trusting(server: &Server) -> TlsParameters {
    let authority = std::fs::read(server.authority()).unwrap();
    let parameters = TlsParameters::builder("localhost".to_owned()).certificate_store(CertificateStore::None);
    parameters.add_root_certificate(Certificate::from_pem(&authority).unwrap()).build().unwrap()
}

fn transport(port: u16, tls: Tls) -> SmtpTransportBuilder {
    // One connection at most waits in the pool, so that what is used again is that one.
    SmtpTransport::builder_dangerous("localhost").port(port).tls(tls).pool_config(PoolConfig::new().max_size(1))
}

fn by_starttls(server: &Server) -> SmtpTransportBuilder {
    transport(server.submission().port(), Tls::Required(trusting(server)))
}

fn by_implicit_tls(server: &Server) -> SmtpTransportBuilder {
    transport(server.submissions().port(), Tls::Wrapper(trusting(server)))
}

fn account(local: &str) -> Credentials {
    Credentials::new(format!("{local}@contoso.example"), format!("demo-{local}"))
}

fn message(from: &str, to: &str, token: &str) -> Message {
    let message = Message::builder().from(from.parse().unwrap()).to(to.parse().unwrap()).subject("Grüße");
    message.body(format!("{token}\r\n.y\r\n")).unwrap()
}

/// The code and the text by which an application tells a refusal.
fn told(error: &Error) -> String {
    assert!(error.is_permanent() && !error.is_transient() && !error.is_response(), "{error:?}");
    let code = error.status().unwrap_or_else(|| panic!("{error:?} has no code"));
    let text = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    format!("{code} {text}")
}

#[test]
fn lettre_submits_by_starttls_and_by_implicit_tls() {
    let place = Place::new();
    let server = Server::demo(&place);
    for (name, builder) in [("starttls", by_starttls(&server)), ("implicit", by_implicit_tls(&server))] {
        for mechanism in [Mechanism::Plain, Mechanism::Login] {
            let token = format!("lettre-{name}-{mechanism}-end");
            let builder = builder.clone().authentication(vec![mechanism]);
            let sent = message("alice@contoso.example", "bob@contoso.example", &token);
            let reply = builder.credentials(account("alice")).build().send(&sent).unwrap();
            assert_eq!((reply.code().to_string().as_str(), reply.first_word()), ("250", Some("2.0.0")), "{reply:?}");
            assert!(server.mailbox("bob").wait_for(&token).contains("\n.y"), "{token}");
        }
    }
    server.stop();
}

#[test]
fn lettre_tells_its_application_why_not() {
    let place = Place::new();
    let server = Server::demo(&place);
    let from_info = "info@contoso.example";
    let wrong = Credentials::new("alice@contoso.example".to_owned(), "demo-bob".to_owned());
    let refused = [
        // A mail user has credentials and no mailbox.
        (account("scanner"), "scanner@contoso.example", "550 5.2.1 Mailbox cannot be accessed ["),
        (account("dora"), "dora@contoso.example", "550 5.2.1 Mailbox cannot be accessed ["),
        (wrong, "alice@contoso.example", "535 5.7.3 Authentication unsuccessful"),
        (
            account("quiet"),
            "quiet@contoso.example",
            "535 5.7.139 Authentication unsuccessful, SmtpClientAuthentication",
        ),
        (
            account("bob"),
            from_info,
            "554 5.2.252 SendAsDenied; bob@contoso.example not allowed to send as info@contoso",
        ),
    ];
    for builder in [by_starttls(&server), by_implicit_tls(&server)] {
        for (credentials, from, expected) in &refused {
            let transport = builder.clone().credentials(credentials.clone()).build();
            let error = transport.send(&message(from, "bob@contoso.example", "in-vain")).unwrap_err();
            assert!(told(&error).starts_with(expected), "{from}: {error:?}, not {expected}");
        }
    }
    // Another server's application, which signs in to nothing.
    let stranger = transport(server.inbound().port(), Tls::Required(trusting(&server))).build();
    let to_nobody = message("eve@fabrikam.example", "nobody@contoso.example", "in-vain");
    let error = stranger.send(&to_nobody).unwrap_err();
    assert!(told(&error).starts_with("550 5.4.1 Recipient address rejected: Access denied"), "{error:?}");
    // Without trust in our authority nothing is said at all.
    let none = TlsParameters::builder("localhost".to_owned()).certificate_store(CertificateStore::None);
    let distrusting = transport(server.submission().port(), Tls::Required(none.build().unwrap()));
    let sent = message("alice@contoso.example", "bob@contoso.example", "in-vain");
    let error = distrusting.credentials(account("alice")).build().send(&sent).unwrap_err();
    assert!(error.status().is_none(), "{error:?}");
    assert!(!server.mailbox("bob").messages().iter().any(|stored| stored.contains("in-vain")));
    server.stop();
}

#[test]
fn a_pool_of_lettre_uses_its_connection_again_and_opens_another_after_a_refusal() {
    let place = Place::new();
    let server = Server::demo(&place);
    let pooled = by_starttls(&server).credentials(account("bob")).build();
    let send = |from: &str, token: &str| pooled.send(&message(from, "alice@contoso.example", token));
    for number in 0..3 {
        send("bob@contoso.example", &format!("pooled-{number}-end")).unwrap();
    }
    // It hangs up on a server that has refused something.
    let error = send("info@contoso.example", "in-vain").unwrap_err();
    assert!(told(&error).starts_with("554 5.2.252 SendAsDenied;"), "{error:?}");
    for number in 3..5 {
        send("bob@contoso.example", &format!("pooled-{number}-end")).unwrap();
    }
    pooled.shutdown();
    (0..5).for_each(|number| drop(server.mailbox("alice").wait_for(&format!("pooled-{number}-end"))));
    let carried = || {
        let closed = server.log().into_iter().filter(|line| line["message"] == "connection closed");
        closed.filter_map(|line| line["messages"].as_u64()).collect::<Vec<_>>()
    };
    let carried = wait_for("the end of both connections", || Some(carried()).filter(|carried| carried.len() > 1));
    assert_eq!(carried, [3, 2]);
    server.stop();
}
