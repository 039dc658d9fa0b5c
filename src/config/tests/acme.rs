//! Certificates that an authority gives by itself.

use super::*;
use crate::world::secret::SecretSource;

const HOST: &str = "hostname = \"mx.contoso.example\"\n";
const TABLE: &str = "[acme]\nagree_to_terms = true\n";

fn acme(more: &str) -> AcmeConfig {
    parse(&format!("{HOST}{TABLE}{more}")).unwrap().acme.unwrap()
}

#[test]
fn two_lines_are_enough_for_a_certificate() {
    let found = acme("");
    assert_eq!(found.directory.to_string(), "https://acme-v02.api.letsencrypt.org/directory");
    assert_eq!(found.names, [Domain::parse("mx.contoso.example").unwrap()]);
    assert_eq!((found.challenge, found.listen), (AcmeChallenge::Http01, vec!["0.0.0.0:80".parse().unwrap()]));
    assert!(found.contact.is_empty() && found.authorities.is_none() && found.external_account.is_none());
    assert_eq!(acme("challenge = \"tls-alpn-01\"").listen, ["0.0.0.0:443".parse().unwrap()]);
    assert!(parse(HOST).unwrap().acme.is_none());
}

#[test]
fn everything_about_an_authority_of_ones_own_reaches_the_configuration() {
    let found = acme(
        "directory_url = \"https://ca.contoso.example:9000/acme/acme/directory\"\nauthorities = \"root.pem\"\n\
         contact = [\"admin@contoso.example\"]\nnames = [\"MX.contoso.example\", \"smtp.contoso.example\", \
         \"mx.contoso.example\"]\nlisten = [\"192.0.2.1:8080\", \"[::1]:0\"]\nexternal_account_id = \"kid-1\"\n\
         external_account_key_credential = \"acme\"\n",
    );
    assert_eq!(found.directory.authority(), "ca.contoso.example:9000");
    assert_eq!(
        found.names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["mx.contoso.example", "smtp.contoso.example"]
    );
    assert_eq!(found.authorities, Some("/etc/franking/root.pem".into()));
    assert_eq!((found.listen.len(), found.contact.len()), (2, 1));
    let key = SecretSource::Credential("acme".to_owned());
    assert_eq!(found.external_account, Some(ExternalAccount { key_id: "kid-1".to_owned(), key }));
}

#[test]
fn what_no_authority_could_do_is_refused_with_its_cure() {
    for (text, wanted) in [
        (format!("{HOST}[acme]\n"), "without agreeing to the authority's terms; read the terms"),
        (format!("{HOST}[acme]\nagree_to_terms = false\n"), ":3: acme.agree_to_terms: no certificate is given"),
        (TABLE.to_owned(), "nobody gives a certificate for localhost; set hostname"),
        (format!("hostname = \"[192.0.2.1]\"\n{TABLE}"), "nobody gives a certificate for [192.0.2.1]"),
        (format!("{HOST}{TABLE}names = []\n"), "0 names"),
        (format!("{HOST}{TABLE}names = [\"*.contoso.example\"]\n"), "stands for many names; only DNS can prove it"),
        (format!("{HOST}{TABLE}names = [\"localhost\"]\n"), "no name that an authority could look up"),
        (format!("{HOST}{TABLE}directory_url = \"http://ca.example/\"\n"), "it does not begin with https://"),
        (format!("{HOST}{TABLE}challenge = \"dns-01\"\n"), "unknown value `dns-01`"),
        (format!("{HOST}{TABLE}contact = [\"admin\"]\n"), "is no address"),
        (format!("{HOST}{TABLE}listen = [\"80\"]\n"), "\"80\" is no address with port; write address and port like"),
        (format!("{HOST}{TABLE}listen = [\"0.0.0.0:25\"]\n"), "0.0.0.0:25 is listened on already"),
        (format!("{HOST}{TABLE}external_account_id = \"a\"\n"), "half of an external account"),
        (format!("{HOST}{TABLE}external_account_key_env = \"A\"\n"), "half of an external account"),
    ] {
        let said = problem(&text);
        assert!(said.contains(wanted), "{text}: {said}");
    }
}
