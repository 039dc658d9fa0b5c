//! Tokens of an issuer that the tests have the keys of, of another program, and of nobody.

use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _};

use super::*;
use proptest::prelude::*;

/// What this server never has: the private half of an issuer's key.
pub(crate) struct Signer {
    id: String,
    pair: EcdsaKeyPair,
    random: SystemRandom,
}

fn encoded(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

impl Signer {
    /// A new key on P-256.
    pub(crate) fn new(id: &str) -> Self {
        let random = SystemRandom::new();
        let how = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let document = EcdsaKeyPair::generate_pkcs8(how, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(how, document.as_ref(), &random).unwrap();
        Self { id: id.to_owned(), pair, random }
    }

    /// The public half, with more members.
    pub(crate) fn key(&self, more: &str) -> String {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (encoded(x), encoded(y));
        format!(r#"{{"kty":"EC","crv":"P-256","kid":"{}","x":"{x}","y":"{y}"{more}}}"#, self.id)
    }

    /// A set with this key alone.
    pub(crate) fn set(&self) -> String {
        format!(r#"{{"keys":[{}]}}"#, self.key(""))
    }

    pub(crate) fn sign(&self, header: &str, claims: &str) -> String {
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.pair.sign(&self.random, signed.as_bytes()).unwrap();
        format!("{signed}.{}", encoded(signature))
    }

    /// A token as an issuer makes it.
    pub(crate) fn token(&self, claims: &str) -> String {
        self.sign(&format!(r#"{{"alg":"ES256","typ":"JWT","kid":"{}"}}"#, self.id), claims)
    }
}

fn verified(text: &str, set: &str, allowed: &[Algorithm]) -> Result<Claims, Fault> {
    Token::read(text)?.verify(&KeySet::read(set.as_bytes()).unwrap(), allowed)
}

const CLAIMS: &str = r#"{"iss":"https://login.example","aud":["a","b"],"exp":2000.9,"nbf":999.1,"scp":"one two",
    "roles":["mail"],"upn":"alice@contoso.example","email_verified":true,"n":{"upn":"bob@contoso.example"}}"#;

#[test]
fn what_its_issuer_signed_is_read() {
    let signer = Signer::new("one");
    let claims = verified(&signer.token(CLAIMS), &signer.set(), &Algorithm::ALL).unwrap();
    assert_eq!(claims.issuer.as_deref(), Some("https://login.example"));
    assert_eq!((claims.audiences, claims.expires), (vec!["a".to_owned(), "b".to_owned()], Some(2_000)));
    assert_eq!((claims.not_before, claims.email_verified), (Some(1_000), Some(true)));
    assert_eq!((claims.scopes, claims.roles), (vec!["one".to_owned(), "two".to_owned()], vec!["mail".to_owned()]));
    let named = [("iss", "https://login.example"), ("scp", "one two"), ("upn", "alice@contoso.example")];
    assert_eq!(claims.texts, named.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn tokens_that_another_program_signed_with_rsa_are_verified() {
    let fixture: serde_json::Value = serde_json::from_str(include_str!("../../../fixtures/tokens/rsa.json")).unwrap();
    let set = serde_json::json!({ "keys": fixture["keys"] }).to_string();
    for (name, token) in fixture["tokens"].as_object().unwrap() {
        let (token, own) = (token.as_str().unwrap(), Algorithm::parse(name).unwrap());
        assert_eq!(verified(token, &set, &[own]).unwrap().expires, Some(2_000), "{name}");
        let others: Vec<Algorithm> = Algorithm::ALL.into_iter().filter(|other| *other != own).collect();
        assert_eq!(verified(token, &set, &others), Err(Fault::Algorithm(name.clone())));
        // The key is for one algorithm alone.
        let bound = |algorithm: &str| set.replace("\"kid\"", &format!("\"alg\":\"{algorithm}\",\"kid\""));
        assert!(verified(token, &bound(name), &[own]).is_ok());
        let other = if name == "RS256" { "RS384" } else { "RS256" };
        assert_eq!(verified(token, &bound(other), &[own]), Err(Fault::NoKey("rsa-1".to_owned())));
    }
}

/// RFC 8037 appendix A.2.
const ED25519: &str = r#"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#;

/// RFC 8037 appendix A.4.
#[test]
fn ed25519_is_verified_as_its_standard_shows() {
    let keys = KeySet::read(ED25519.as_bytes()).unwrap();
    let key = keys.find(None, Algorithm::EdDsa).next().unwrap();
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let signed = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    assert!(key.verifies(Algorithm::EdDsa, signed, &signature));
    assert!(!key.verifies(Algorithm::EdDsa, &signed[1..], &signature));
    let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).unwrap();
    assert!(!key.verifies(Algorithm::EdDsa, signed, pair.sign(signed).as_ref()));
}

#[test]
fn another_key_another_text_and_another_signature_are_all_wrong() {
    let (signer, other) = (Signer::new("one"), Signer::new("one"));
    let token = signer.token(CLAIMS);
    assert_eq!(verified(&other.token(CLAIMS), &signer.set(), &Algorithm::ALL), Err(Fault::Signature));
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let header = signed.split_once('.').unwrap().0;
    let altered = format!("{header}.{}.{signature}", encoded(CLAIMS.replace("alice", "carol")));
    assert_eq!(verified(&altered, &signer.set(), &Algorithm::ALL), Err(Fault::Signature));
    for wrong in ["", "AA", &encoded([0; 64]), &encoded([0xff; 64])] {
        let outcome = verified(&format!("{signed}.{wrong}"), &signer.set(), &Algorithm::ALL);
        assert_eq!(outcome, Err(Fault::Signature), "{wrong}");
    }
}

#[test]
fn a_key_is_found_by_its_name_and_without_one_by_what_it_can() {
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let set = format!(r#"{{"keys":[{},{}]}}"#, one.key(""), two.key(""));
    assert!(verified(&two.token(CLAIMS), &set, &Algorithm::ALL).is_ok());
    assert!(verified(&two.sign(r#"{"alg":"ES256"}"#, CLAIMS), &set, &Algorithm::ALL).is_ok());
    let three = Signer::new("three").token(CLAIMS);
    assert_eq!(verified(&three, &set, &Algorithm::ALL), Err(Fault::NoKey("three".to_owned())));
    let wrong = two.sign(r#"{"alg":"ES256","kid":"one"}"#, CLAIMS);
    assert_eq!(verified(&wrong, &set, &Algorithm::ALL), Err(Fault::Signature));
}

#[test]
fn headers_that_must_not_count_do_not() {
    let signer = Signer::new("one");
    let outcome = |header: &str| verified(&signer.sign(header, CLAIMS), &signer.set(), &Algorithm::ALL).err();
    let algorithm = |name: &str| Some(Fault::Algorithm(name.to_owned()));
    assert_eq!(outcome(r#"{"alg":"none","kid":"one"}"#), algorithm("none"));
    assert_eq!(outcome(r#"{"alg":"HS256","kid":"one"}"#), algorithm("HS256"));
    assert_eq!(outcome(r#"{"alg":["ES256"],"kid":"one"}"#), algorithm(""));
    assert_eq!(outcome(r#"{"kid":"one"}"#), algorithm(""));
    // Known, and not what the key is for.
    assert_eq!(outcome(r#"{"alg":"RS256","kid":"one"}"#), Some(Fault::NoKey("one".to_owned())));
    for critical in [r#"["exp"]"#, "[]", r#"["b64"],"b64":false"#, "null"] {
        let header = format!(r#"{{"alg":"ES256","kid":"one","crit":{critical}}}"#);
        assert_eq!(outcome(&header), Some(Fault::Critical));
    }
    assert_eq!(outcome(r#"{"alg":"ES256","typ":"logout+jwt"}"#), Some(Fault::Type("logout+jwt".to_owned())));
    assert_eq!(outcome(r#"{"alg":"ES256","typ":1}"#), Some(Fault::Type(String::new())));
    for kind in ["JWT", "jwt", "at+jwt", "application/at+JWT"] {
        assert_eq!(outcome(&format!(r#"{{"alg":"ES256","typ":"{kind}"}}"#)), None, "{kind}");
    }
    assert!(matches!(outcome(r#"{"alg":"ES256","kid":1}"#), Some(Fault::Malformed(_))));
    assert!(matches!(outcome(r#"{"alg":"none","alg":"ES256"}"#), Some(Fault::Malformed(_))));
    // A key that a token brings along is not looked at.
    let forger = Signer::new("forged");
    let own = format!(r#"{{"alg":"ES256","jku":"https://evil.example","jwk":{}}}"#, forger.key(""));
    assert_eq!(verified(&forger.sign(&own, CLAIMS), &signer.set(), &Algorithm::ALL), Err(Fault::Signature));
}

#[test]
fn what_is_no_token_is_refused_before_any_key_is_looked_at() {
    let signer = Signer::new("one");
    let good = signer.token(CLAIMS);
    let parts: Vec<&str> = good.split('.').collect();
    let doubled = signer.token(r#"{"iss":"a","iss":"b"}"#);
    let nested = signer.token(&format!(r#"{{"a":{}1{}}}"#, "[".repeat(200), "]".repeat(200)));
    let listed = signer.token("[]");
    let deep = signer.token(r#"{"a":{"b":1,"b":2}}"#);
    for text in [
        "",
        ".",
        "..",
        "...",
        "a.b.c",
        &format!("{good}="),
        &format!("{good}.x"),
        &format!(" {good}"),
        parts[0],
        &parts[..2].join("."),
        &format!("{}.{}=.{}", parts[0], parts[1], parts[2]),
        &doubled,
        &nested,
        &listed,
        &deep,
        &good.replace('.', "\u{2024}"),
    ] {
        assert!(matches!(Token::read(text), Err(Fault::Malformed(_))), "{text}");
    }
    let long = signer.token(&format!(r#"{{"a":"{}"}}"#, "x".repeat(TOKEN_BYTES_MAX)));
    assert_eq!(Token::read(&long).err(), Some(Fault::TooLong));
}

#[test]
fn claims_of_the_wrong_kind_are_as_good_as_none() {
    let signer = Signer::new("one");
    let claims = |text: &str| verified(&signer.token(text), &signer.set(), &Algorithm::ALL).unwrap();
    let odd = claims(
        r#"{"iss":1,"aud":{"a":1},"exp":"2000","nbf":"0","upn":["alice@contoso.example"],"roles":"x",
        "email_verified":"false"}"#,
    );
    assert_eq!((odd.issuer, odd.audiences, odd.expires, odd.not_before), (None, Vec::new(), None, Some(u64::MAX)));
    assert_eq!((odd.email_verified, odd.roles), (Some(false), vec!["x".to_owned()]));
    let names: Vec<&str> = odd.texts.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["exp", "nbf", "roles", "email_verified"]);
    let far = claims(r#"{"exp":1e300,"nbf":-5}"#);
    assert_eq!((far.expires, far.not_before), (Some(u64::MAX), Some(0)));
    assert_eq!(claims(r#"{"exp":-1}"#).expires, Some(0));
}

#[test]
fn sets_keep_what_can_verify_and_nothing_else() {
    let signer = Signer::new("one");
    let count = |keys: &[&str]| KeySet::read(format!(r#"{{"keys":[{}]}}"#, keys.join(",")).as_bytes());
    let good = signer.key("");
    let encrypting = signer.key(r#","use":"enc""#);
    let wrapping = signer.key(r#","key_ops":["wrapKey"]"#);
    let verifying = signer.key(r#","key_ops":["verify"],"use":"sig","x5c":["AAAA"]"#);
    let short = good.replace("\"x\":\"", "\"x\":\"AA");
    let weak = format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, encoded([0xff; 128]));
    let huge = format!(r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#, encoded([0xff; 1_025]));
    let shared = r#"{"kty":"oct","kid":"one","k":"AAAA","alg":"HS256"}"#;
    let others = [&encrypting, &wrapping, &short, &weak, &huge, shared, "1", "{}", r#"{"kty":"EC","crv":"P-521"}"#];
    assert_eq!(count(&others), Err(KeysError::NoKey));
    assert_eq!(count(&[&good, &verifying]).unwrap().count(), 2);
    assert_eq!(count(&[&[&*good][..], &others].concat()).unwrap().count(), 1);
    for text in ["", "{}", "[]", r#"{"keys":1}"#, r#"{"keys":[],"keys":[]}"#, "\u{fc}"] {
        assert_eq!(KeySet::read(text.as_bytes()), Err(KeysError::NoSet), "{text}");
    }
    assert_eq!(KeySet::read(br#"{"keys":[]}"#), Err(KeysError::NoKey));
}

proptest! {
    #[test]
    fn no_text_makes_it_panic(text in any::<String>(), parts in prop::collection::vec("[A-Za-z0-9_-]{0,20}", 0..5)) {
        let _ = (Token::read(&text), Token::read(&parts.join(".")), KeySet::read(text.as_bytes()));
    }

    #[test]
    fn no_header_and_no_claims_make_it_panic(
        header in r#"\{("(alg|kid|typ|crit)":("ES256"|"none"|"one"|1|null|\[\]),?){0,3}\}"#,
        claims in r#"\{("(iss|aud|exp|nbf|scp)":("a b"|1e9|-1|99999999999999999999|\[1,"x"\]|null|\{\}),?){0,3}\}"#,
    ) {
        let token = format!("{}.{}.AAAA", encoded(&header), encoded(&claims));
        if let Ok(token) = Token::read(&token) {
            let keys = KeySet::read(ED25519.as_bytes()).unwrap();
            prop_assert!(token.verify(&keys, &Algorithm::ALL).is_err());
        }
    }
}
