//! Listeners: who may sign in without TLS, and where; who announces clients.

use super::*;

#[test]
fn passwords_in_clear_text_are_for_named_private_networks_only() {
    let listener = |more: &str| format!("[[listener]]\naddress = \"192.168.1.1:587\"\ntls = \"none\"\n{more}");
    assert!(problem(&listener("")).contains("nobody could sign in here"));
    let errors = parse(&listener("auth_without_tls = true")).unwrap_err().to_string();
    assert!(errors.contains("named private networks only"), "{errors}");
    for public in ["0.0.0.0/0", "203.0.113.0/24", "::/0", "172.0.0.0/8"] {
        let errors = parse(&listener(&format!("auth_without_tls = true\nnetworks = [\"{public}\"]"))).unwrap_err();
        assert!(errors.to_string().contains(&format!("\"{public}\" is public")), "{errors}");
    }
    let idle = "[[listener]]\naddress = \"0.0.0.0:587\"\nnetworks = [\"10.0.0.0/8\"]";
    assert!(problem(idle).contains(":3: listener[1].networks[1]: has no effect"), "{}", problem(idle));
    let inbound = listener("role = \"inbound\"\nauth_without_tls = true\nnetworks = [\"10.0.0.0/8\"]");
    assert!(problem(&inbound).contains("nobody signs in on an inbound listener"));
}

#[test]
fn nobody_signs_in_without_tls_on_an_address_that_the_world_reaches() {
    let listener = |address: &str, more: &str| {
        format!("[[listener]]\naddress = \"{address}\"\nauth_without_tls = true\nnetworks = [\"10.0.0.0/8\"]\n{more}")
    };
    for tls in ["", "tls = \"none\"", "tls = \"starttls\""] {
        for address in ["127.0.0.1:25", "10.1.2.3:25", "[fd00::1]:25", "[::1]:25"] {
            assert!(parse(&listener(address, tls)).is_ok(), "{address} {tls}");
        }
        for (address, what) in [
            ("0.0.0.0:25", "every address of this machine"),
            ("[::]:25", "every address of this machine"),
            ("192.0.2.1:25", "a public address"),
            ("[2001:db8::1]:25", "a public address"),
        ] {
            let said = problem(&listener(address, tls));
            assert!(said.contains(&format!("without TLS nobody signs in on {what}")), "{said}");
            assert!(said.contains("listen on a private address or on loopback"), "{said}");
        }
    }
    assert!(problem(&listener("127.0.0.1:465", "")).contains("TLS begins with the first octet"));
}

#[test]
fn proxies_are_named_and_their_tls_counts_where_nobody_listens_between() {
    let listener = |more: &str| format!("[[listener]]\naddress = \"127.0.0.1:2525\"\n{more}\n");
    let config = parse(&listener("proxy_from = [\"127.0.0.1\", \"203.0.113.0/24\"]")).unwrap();
    let proxy = config.listeners[0].proxy.as_ref().unwrap();
    assert_eq!((proxy.from.len(), proxy.tls), (2, false));
    assert!(parse(&listener("")).unwrap().listeners[0].proxy.is_none());
    let ending = "tls = \"none\"\nproxy_from = [\"10.0.0.5\"]\nproxy_tls = true";
    assert!(parse(&listener(ending)).unwrap().listeners[0].proxy.as_ref().unwrap().tls);
    for (more, said) in [
        ("proxy_from = []", "nobody could connect here"),
        ("proxy_from = [\"10.0.0.5/8\"]", "has address bits beyond its prefix"),
        ("proxy_tls = true", "has no effect without proxy_from"),
        ("proxy_from = [\"10.0.0.5\"]\nproxy_tls = true", "TLS ends at the proxy or here"),
        ("tls = \"implicit\"\nproxy_from = [\"10.0.0.5\"]\nproxy_tls = true", "TLS ends at the proxy or here"),
        (&ending.replace("10.0.0.5", "203.0.113.5"), "\"203.0.113.5\" is public, and what the proxy deciphered"),
        (&ending.replace("proxy_tls = true", ""), "without TLS nobody could sign in here"),
    ] {
        assert!(problem(&listener(more)).contains(said), "{more}: {}", problem(&listener(more)));
    }
    let open = listener(ending).replace("127.0.0.1:2525", "0.0.0.0:2525");
    assert!(problem(&open).contains("nobody signs in on every address of this machine"), "{}", problem(&open));
}
