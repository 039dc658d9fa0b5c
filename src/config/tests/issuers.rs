//! Issuers of tokens, and SCRAM.

use super::*;
use crate::model::policy::settings::Scram;
use crate::model::policy::token::{Algorithm, Issuer};

const ISSUER: &str = "[[issuer]]\nname = \"entra\"\nissuer = \"https://login.example/v2.0\"\n\
                      audience = [\"api://us\"]\njwks_url = \"https://login.example/keys\"\n";

#[test]
fn an_issuer_reaches_the_configuration_and_the_settings() {
    let config = parse(ISSUER).unwrap();
    let usual = Issuer {
        name: "entra".into(),
        issuer: "https://login.example/v2.0".into(),
        audiences: vec!["api://us".into()],
        algorithms: vec![Algorithm::Rs256, Algorithm::Ps256, Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa],
        login_claims: ["preferred_username", "upn", "email"].map(Into::into).into(),
        scope: None,
        role: None,
        skew: Duration::from_secs(60),
    };
    let url = KeySource::Url("https://login.example/keys".parse().unwrap());
    assert_eq!(config.issuers, [IssuerConfig { rules: usual.clone(), keys: url }]);
    assert_eq!(config.settings.issuers, std::slice::from_ref(&usual));
    let more =
        "algorithms = [\"RS512\"]\nlogin_claim = [\"sub\"]\nscope = \"SMTP.Send\"\nrole = \"mail\"\nskew_seconds = 0\n";
    let text = ISSUER.replace("jwks_url = \"https://login.example/keys\"", "jwks_file = \"keys.json\"");
    let own = Issuer {
        algorithms: vec![Algorithm::Rs512],
        login_claims: vec!["sub".into()],
        scope: Some("SMTP.Send".into()),
        role: Some("mail".into()),
        skew: Duration::ZERO,
        ..usual
    };
    let file = KeySource::File("/etc/franking/keys.json".into());
    assert_eq!(parse(&format!("{text}{more}")).unwrap().issuers, [IssuerConfig { rules: own, keys: file }]);
    assert!(parse("").unwrap().issuers.is_empty());
}

#[test]
fn an_issuer_that_could_not_be_believed_is_refused() {
    for (from, to, said) in [
        ("\"entra\"", "\"En tra\"", ":2: issuer[1].name: \"En tra\" is no name for an issuer"),
        ("issuer = \"https://login.example/v2.0\"", "issuer = \"\"", ":3: issuer[1].issuer: empty, too long"),
        ("[\"api://us\"]", "[]", ":4: issuer[1].audience: give 1 to 20 of them"),
        ("[\"api://us\"]", "[\"\"]", ":4: issuer[1].audience[1]: empty, too long"),
        ("https://login.example/keys", "http://login.example/keys", ":5: issuer[1].jwks_url: \"http://"),
        ("jwks_url = \"https://login.example/keys\"\n", "", ":2: issuer[1].name: an issuer without keys; add jwks_url"),
        ("jwks_url", "jwks_file = \"a\"\njwks_url", ":5: issuer[1].jwks_file: the keys are in two places"),
        ("jwks_url", "algorithms = []\njwks_url", ":5: issuer[1].algorithms: no algorithm"),
        (
            "jwks_url",
            "algorithms = [\"RS256\", \"none\"]\njwks_url",
            ":5: issuer[1].algorithms[2]: \"none\" is no algorithm; give some of RS256",
        ),
        ("jwks_url", "algorithms = [\"HS256\"]\njwks_url", ":5: issuer[1].algorithms[1]: \"HS256\" is no algorithm"),
        ("jwks_url", "login_claim = []\njwks_url", ":5: issuer[1].login_claim: give 1 to 20 of them"),
        ("jwks_url", "scope = \"a b\"\njwks_url", ":5: issuer[1].scope: \"a b\" is no scope or role"),
        ("jwks_url", "role = \"a\\\"b\"\njwks_url", ":5: issuer[1].role: \"a\"b\" is no scope or role"),
        ("jwks_url", "skew_seconds = 601\njwks_url", ":5: issuer[1].skew_seconds: 601 is out of range"),
    ] {
        let text = ISSUER.replacen(from, to, 1);
        assert!(problem(&text).starts_with(said), "{}", problem(&text));
    }
    let said = problem(&format!("{ISSUER}{ISSUER}"));
    assert!(said.starts_with(":7: issuer[2].name: there are two issuers \"entra\""), "{said}");
    let said = problem(&format!("{ISSUER}{}", ISSUER.replacen("entra", "other", 1)));
    assert!(said.starts_with(":8: issuer[2].issuer: there are two issuers with this \"iss\""), "{said}");
    let many: String = (0..21)
        .map(|number| ISSUER.replace("entra", &format!("a{number}")).replace("v2.0", &format!("{number}")))
        .collect();
    assert!(problem(&many).contains("more than 20 issuers"), "{}", problem(&many));
}

#[test]
fn scram_is_off_unless_somebody_wants_it() {
    for (text, scram) in [
        ("", Scram::Off),
        ("[policy]\nscram_sha_256 = \"off\"", Scram::Off),
        ("[policy]\nscram_sha_256 = \"prepare\"", Scram::Prepare),
        ("[policy]\nscram_sha_256 = \"on\"", Scram::On),
    ] {
        assert_eq!(parse(text).unwrap().settings.scram, scram);
    }
    let said = problem("[policy]\nscram_sha_256 = \"yes\"");
    assert!(said.starts_with(":2: policy.scram_sha_256: unknown value `yes`"), "{said}");
}
