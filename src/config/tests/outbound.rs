//! Where mail goes from here, and what is heeded on the way.

use super::*;

#[test]
fn dane_needs_name_servers_that_nobody_can_speak_for() {
    for (text, said) in [
        ("dane = true", ":2: relay.dane: needs a name server that can be relied on; name one that validates DNSSEC"),
        (
            "dane = true\nname_servers = [\"127.0.0.1\", \"192.0.2.1:53\"]",
            ":2: relay.dane: the answers of 192.0.2.1:53 could be forged on their way; name a server on this machine",
        ),
        (
            "trust_ad = false\ndane = true\nname_servers = [\"192.0.2.1\"]",
            ":3: relay.dane: the answers of 192.0.2.1:53 could be forged",
        ),
        ("trust_ad = true", ":2: relay.trust_ad: has no effect without dane; add dane = true, or remove the key"),
        (
            "name_servers = [\"127.0.0.1\", \"localhost\"]",
            ":2: relay.name_servers[2]: \"localhost\" is no address of a name server; write it like \"127.0.0.1:53\"",
        ),
        ("name_servers = [\"0.0.0.0\"]", ":2: relay.name_servers[1]: \"0.0.0.0\" is no address"),
        ("name_servers = [\"127.0.0.1:0\"]", ":2: relay.name_servers[1]: \"127.0.0.1:0\" is no address"),
        ("mta_sts = \"yes\"", ":2: relay.mta_sts: invalid type: string \"yes\", expected a boolean"),
    ] {
        let text = problem(&format!("[relay]\n{text}"));
        assert!(text.starts_with(said), "{text}");
    }
    let crowd = format!("[relay]\nname_servers = [{}]", "\"127.0.0.1\", ".repeat(9));
    assert!(problem(&crowd).contains("more than 8 name servers"));
    for near in ["127.0.0.1", "127.9.9.9:5353", "[::1]:53", "::1", "::ffff:127.0.0.1"] {
        let config = parse(&format!("[relay]\ndane = true\nname_servers = [\"{near}\"]")).unwrap();
        assert!(config.transport.dane, "{near}");
    }
}

#[test]
fn a_smart_hosts_password_never_crosses_in_clear_text() {
    let text = "[relay]\nsmart_host = \"a.example\"\ntls = \"opportunistic\"\nlogin = \"a\"\npassword_file = \"b\"";
    assert!(problem(text).contains(":3: relay.tls: the password could be read on its way"));
}

#[test]
fn a_route_says_in_few_keys_what_is_usual() {
    let of = |more: &str| {
        let config = parse(&format!("[[route]]\ndomains = [\"a.example\"]\n{more}")).unwrap();
        way(&config, "a.example").unwrap().1
    };
    let login = "login = \"a\"\npassword_file = \"/b\"";
    let credentials = Some(("a".to_owned(), PathBuf::from("/b")));
    assert_eq!(of("host = \"h.example\""), host("h.example", 25, RelayTls::Required, None));
    assert_eq!(of("host = \"h.example\"\ntls = \"implicit\""), host("h.example", 465, RelayTls::Implicit, None));
    let signed_in = of(&format!("host = \"h.example\"\n{login}"));
    assert_eq!(signed_in, host("h.example", 587, RelayTls::Required, credentials));
    assert_eq!(of("tls = \"opportunistic\""), RouteWay::Exchangers { verified: false });
    let all = parse("[[route]]\ndomains = [\"*\"]\nhost = \"h.example\"").unwrap();
    assert_eq!(way(&all, "[192.0.2.1]").unwrap().1, host("h.example", 25, RelayTls::Required, None));
}

#[test]
fn a_route_that_leads_nowhere_is_refused_with_its_cure() {
    for (route, said) in [
        ("domains = []\nhost = \"h.example\"", ":2: route[1].domains: a route for no domain; name them"),
        ("domains = [\"a.example\", \"a b\"]\nhost = \"h\"", ":2: route[1].domains[2]: \"a b\" is no domain"),
        ("domains = [\"a.example\"]", ":2: route[1].domains: a route without a host; name the host"),
        ("domains = [\"a.example\"]\ntls = \"required\"", ":3: route[1].tls: a route without a host; name the host"),
        (
            "domains = [\"a.example\"]\ntls = \"verified-mx\"\nport = 26",
            ":4: route[1].port: has no effect without host; name the host",
        ),
        (
            "domains = [\"a.example\"]\nhost = \"h\"\ntls = \"verified-mx\"",
            ":4: route[1].tls: \"verified-mx\" is for the mail exchangers of the domain; remove host",
        ),
        (
            "domains = [\"a.example\"]\nhost = \"h\"\ntls = \"none\"\nlogin = \"a\"\npassword_file = \"b\"",
            ":4: route[1].tls: the password could be read on its way",
        ),
        ("domains = [\"a.example\"]\nhost = \"h\"\nlogin = \"a\"", ":4: route[1].login: a login without password"),
        (
            "domains = [\"a.example\"]\nhost = \"h\"\nlogin = \"a\\u0000\"\npassword_file = \"b\"",
            ":4: route[1].login: no login; give the name to sign in with",
        ),
        ("domains = [\"a.example\"]\nhost = \"a:25\"", ":3: route[1].host: \"a:25\" is no host"),
        (
            "domains = [\"a.example\", \"A.example\"]\nhost = \"h\"",
            ":2: route[1].domains[2]: \"a.example\": has a route already; remove one of the two",
        ),
        ("host = \"h\"", ":1: route[1]: a route for no domain and no sender; name them"),
        ("domains = [\"a.example\"]\nhost = \"h\"\ntls = \"tls\"", ":4: route[1].tls: unknown value `tls`"),
    ] {
        let text = problem(&format!("[[route]]\n{route}"));
        assert!(text.starts_with(said), "{text}");
    }
    let both = "[relay]\nsmart_host = \"a.example\"\n[[route]]\ndomains = [\"*\"]\nhost = \"b.example\"";
    assert!(
        problem(both).starts_with(":4: route[1].domains[1]: \"*\": there are two ways for all other mail; keep one")
    );
    let crowd: String =
        (0..1_001).map(|n| format!("[[route]]\ndomains = [\"d{n}.example\"]\nhost = \"h\"\n")).collect();
    assert!(problem(&crowd).contains("more than 1000 routes"));
}
