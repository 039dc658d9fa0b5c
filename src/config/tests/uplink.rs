//! Access tokens, and what a route may say of hosts that want them.

use super::*;
use crate::model::mail::Address;
use crate::model::mail::recipient_fields::OtherRecipients;
use crate::world::secret::SecretSource;

const TOKEN: &str = "[[token]]\nname = \"uplink\"\nflow = \"client-credentials\"\n\
                     token_url = \"https://login.example/tenant/token\"\nclient_id = \"id\"\nscope = \"mail\"\n\
                     client_secret_file = \"uplink.secret\"\n";
const RELAY: &str = "[relay]\nsmart_host = \"smtp.example\"\nauth = \"xoauth2\"\nlogin = \"uplink@contoso.example\"\n\
                     token = \"uplink\"\n";

#[test]
fn a_token_and_the_host_that_wants_it_reach_the_configuration() {
    let more = "rewrite_sender = \"uplink@contoso.example\"\nconnections_max = 3\n\
                certificate = \"a.pem\"\nkey = \"/b.key\"\n";
    let config = parse(&format!("{RELAY}{more}{TOKEN}")).unwrap();
    let secret = SecretSource::File("/etc/franking/uplink.secret".into());
    let token = TokenConfig {
        name: "uplink".into(),
        flow: TokenFlow::ClientCredentials,
        url: "https://login.example/tenant/token".parse().unwrap(),
        client_id: "id".to_owned(),
        scope: Some("mail".to_owned()),
        client_secret: Some(secret),
    };
    assert_eq!(config.tokens, [token]);
    let host = SmartHost {
        host: Domain::parse("smtp.example").unwrap(),
        port: 587,
        tls: RelayTls::Required,
        credentials: Some(RelayCredentials {
            login: "uplink@contoso.example".to_owned(),
            proof: RelayProof::Token { auth: TokenAuth::Xoauth2, name: "uplink".into() },
        }),
        certificate: Some(CertificatePaths { certificate: "/etc/franking/a.pem".into(), key: "/b.key".into() }),
        rewrite_sender: Some(Address::parse("uplink@contoso.example").unwrap()),
        connections_max: Some(3),
    };
    assert_eq!(way(&config, "fabrikam.example"), Some(("*".to_owned(), RouteWay::Host(host))));
}

#[test]
fn a_secret_may_be_in_three_places() {
    let of = |key: &str| {
        let text = TOKEN.replace("client_secret_file = \"uplink.secret\"", key);
        parse(&text).unwrap().tokens[0].client_secret.clone()
    };
    let variable = Some(SecretSource::Environment("UPLINK".to_owned()));
    assert_eq!(of("client_secret_env = \"UPLINK\""), variable);
    let credential = Some(SecretSource::Credential("uplink".to_owned()));
    assert_eq!(of("client_secret_credential = \"uplink\""), credential);
    let text = TOKEN.replace("client-credentials", "refresh-token").replace("client_secret_file", "refresh_token_file");
    let token = parse(&text).unwrap().tokens.remove(0);
    let source = SecretSource::File("/etc/franking/uplink.secret".into());
    assert_eq!((token.flow, token.client_secret), (TokenFlow::RefreshToken(source), None));
}

#[test]
fn a_token_that_cannot_be_asked_for_is_refused_with_its_cure() {
    for (from, to, said) in [
        ("\"uplink\"", "\"Up Link\"", ":2: token[1].name: \"Up Link\" is no name for a token; write at most 64 small"),
        ("\"uplink\"", "\"../x\"", ":2: token[1].name: \"../x\" is no name for a token"),
        (
            "https:",
            "http:",
            ":4: token[1].token_url: \"http://login.example/tenant/token\" cannot be asked: it does not",
        ),
        ("\"id\"", "\"\"", ":5: token[1].client_id: empty, too long, or not on one line"),
        ("client_secret_file = \"uplink.secret\"", "", ":2: token[1].name: client credentials without secret; add"),
        (
            "client_secret_file = \"uplink.secret\"",
            "client_secret_file = \"a\"\nclient_secret_env = \"B\"",
            ":8: token[1].client_secret_env: the secret is in two places; keep one",
        ),
        ("client_secret_file", "client_secret_credential", ""),
        (
            "client_secret_file = \"uplink.secret\"",
            "client_secret_credential = \"../a\"",
            ":7: token[1].client_secret_credential: \"../a\" is no name of a credential",
        ),
        ("client-credentials", "refresh-token", ":2: token[1].name: no refresh token; add refresh_token_file"),
        (
            "scope",
            "refresh_token_file = \"r\"\nscope",
            ":6: token[1].refresh_token_file: has no effect with client credentials; set flow",
        ),
        ("flow = \"client-credentials\"", "flow = \"password\"", ":3: token[1].flow: unknown value `password`"),
    ] {
        let text = TOKEN.replacen(from, to, 1);
        match said {
            "" => assert!(parse(&text).is_ok(), "{text}"),
            said => assert!(problem(&text).starts_with(said), "{}", problem(&text)),
        }
    }
    let twice = format!("{TOKEN}{TOKEN}");
    assert!(problem(&twice).starts_with(":9: token[2].name: there are two tokens \"uplink\""), "{}", problem(&twice));
}

#[test]
fn a_host_that_wants_a_token_is_judged_as_a_whole() {
    for (from, to, said) in [
        ("token = \"uplink\"", "token = \"other\"", ":5: relay.token: there is no [[token]] \"other\"; add it"),
        ("token = \"uplink\"\n", "", ":3: relay.auth: no token is named; add token"),
        ("login = \"uplink@contoso.example\"\n", "", ":3: relay.auth: a token without login; add login"),
        ("auth = \"xoauth2\"\n", "", ":4: relay.token: a token has no effect with a password; add auth"),
        ("token =", "password_file = \"a\"\ntoken =", ":5: relay.password_file: a password has no effect with a token"),
        ("auth =", "tls = \"opportunistic\"\nauth =", ":3: relay.tls: the token could be read on its way; set tls"),
        ("auth =", "certificate = \"a\"\nauth =", ":3: relay.certificate: a certificate without key; add key"),
        ("auth =", "key = \"a\"\nauth =", ":3: relay.key: a key without certificate; add certificate"),
        ("auth =", "rewrite_sender = \"a b\"\nauth =", ":3: relay.rewrite_sender: \"a b\" is no address"),
        (
            "auth =",
            "rewrite_sender = \"\u{e4}@contoso.example\"\nauth =",
            ":3: relay.rewrite_sender: \"\u{e4}@contoso.example\" is not ASCII",
        ),
        ("auth =", "connections_max = 0\nauth =", ":3: relay.connections_max: 0 is out of range"),
        ("\"xoauth2\"", "\"xoauth\"", ":3: relay.auth: unknown value `xoauth`; did you mean `xoauth2`?"),
    ] {
        let text = format!("{}{TOKEN}", RELAY.replacen(from, to, 1));
        assert!(problem(&text).starts_with(said), "{}", problem(&text));
    }
    let certificate = "[[route]]\ndomains = [\"*\"]\nhost = \"h\"\ntls = \"none\"\ncertificate = \"a\"\nkey = \"b\"";
    let said = problem(certificate);
    assert!(said.starts_with(":4: route[1].tls: anybody could be shown the certificate"), "{said}");
    let idle = "[[route]]\ndomains = [\"a.example\"]\ntls = \"verified-mx\"\nrewrite_sender = \"a@contoso.example\"";
    assert!(problem(idle).starts_with(":4: route[1].rewrite_sender: has no effect without host"), "{}", problem(idle));
}

#[test]
fn a_password_may_be_in_three_places_and_is_in_one() {
    let host = |keys: &str| format!("[[route]]\ndomains = [\"*\"]\nhost = \"a.example\"\nlogin = \"a\"\n{keys}\n");
    let relay = |keys: &str| format!("[relay]\nsmart_host = \"a.example\"\nlogin = \"a\"\n{keys}\n");
    for (keys, place) in [
        ("password_file = \"/b\"", "/b"),
        ("password_env = \"UPLINK\"", "the environment variable UPLINK"),
        ("password_credential = \"uplink\"", "the systemd credential uplink"),
    ] {
        for text in [host(keys), relay(keys)] {
            let config = parse(&text).unwrap();
            let (_, way) = config.routes.iter().next().unwrap();
            let RouteWay::Host(SmartHost { credentials: Some(credentials), .. }) = way else { panic!("{way:?}") };
            let RelayProof::Password(source) = &credentials.proof else { panic!("{credentials:?}") };
            assert_eq!(source.to_string(), place);
            let (twice, without) = (format!("{keys}\npassword_env = \"X\""), text.replace("login = \"a\"\n", ""));
            if !keys.contains("_env") {
                assert!(problem(&text.replace(keys, &twice)).contains("the secret is in two places"));
            }
            assert!(problem(&without).contains("a password without login"), "{}", problem(&without));
            let nowhere = text.replace(keys, "");
            assert!(problem(&nowhere).contains("a login without password"), "{}", problem(&nowhere));
        }
    }
}

#[test]
fn routes_may_be_for_senders() {
    let text = "[[route]]\nsenders = [\"Scanner@contoso.example\", \"*.contoso.example\"]\nhost = \"a.example\"\n\
                [[route]]\nsenders = [\"contoso.example\"]\ndomains = [\"bank.example\"]\nhost = \"b.example\"\n";
    let config = parse(text).unwrap();
    let by = |sender: &str, domain: &str| {
        let sender = Address::parse(sender).unwrap();
        config.routes.find(Some(&sender), &Domain::parse(domain).unwrap()).map(|(pattern, _)| pattern.to_string())
    };
    assert_eq!(by("scanner@contoso.example", "x.example").as_deref(), Some("* from scanner@contoso.example"));
    assert_eq!(by("a@b.contoso.example", "x.example").as_deref(), Some("* from *.contoso.example"));
    assert_eq!(by("alice@contoso.example", "bank.example").as_deref(), Some("bank.example from contoso.example"));
    assert_eq!(by("alice@contoso.example", "x.example"), None);
    for (senders, said) in [
        ("[]", ":2: route[1].senders: names no sender; name them"),
        ("[\"a@b@c\"]", ":2: route[1].senders[1]: \"a@b@c\" is no sender"),
        ("[\"a b\"]", ":2: route[1].senders[1]: \"a b\" is no sender"),
        ("[\"a@b.example\", \"A@B.example\"]", ":2: route[1].senders[2]: \"* from a@b.example\": has a route already"),
    ] {
        let text = problem(&format!("[[route]]\nsenders = {senders}\nhost = \"h\""));
        assert!(text.starts_with(said), "{text}");
    }
}

#[test]
fn a_route_by_graph_needs_a_token_and_nothing_of_a_host() {
    let graph = "[[route]]\ndomains = [\"*\"]\nvia = \"graph\"\ntoken = \"uplink\"\n";
    let config = parse(&format!("{graph}rewrite_sender = \"a@contoso.example\"\nother_recipients = \"hide\"\n{TOKEN}"));
    let graph_config = GraphConfig {
        endpoint: "https://graph.microsoft.com/v1.0".parse().unwrap(),
        token: "uplink".into(),
        rewrite_sender: Some(Address::parse("a@contoso.example").unwrap()),
        other_recipients: OtherRecipients::Hide,
        connections_max: None,
    };
    assert_eq!(way(&config.unwrap(), "fabrikam.example").unwrap().1, RouteWay::Graph(graph_config));
    for (more, said) in [
        ("host = \"h\"\n", ":5: route[1].host: has no effect by Graph; remove the key"),
        ("port = 25\n", ":5: route[1].port: has no effect by Graph"),
        ("login = \"a\"\n", ":5: route[1].login: has no effect by Graph"),
        ("endpoint = \"http://h\"\n", ":5: route[1].endpoint: \"http://h\" cannot be asked"),
        ("connections_max = 0\n", ":5: route[1].connections_max: 0 is out of range"),
    ] {
        let text = format!("{graph}{more}{TOKEN}");
        assert!(problem(&text).starts_with(said), "{}", problem(&text));
    }
    let without = graph.replace("token = \"uplink\"\n", "");
    assert!(problem(&without).starts_with(":3: route[1].via: no token is named"), "{}", problem(&without));
    let by_smtp = "[[route]]\ndomains = [\"*\"]\nhost = \"h\"\nother_recipients = \"hide\"";
    let said = problem(by_smtp);
    assert!(said.starts_with(":4: route[1].other_recipients: has no effect by SMTP"), "{said}");
}
