//! The words of SCRAM-SHA-256 (RFC 5802 section 7), without channel binding: it is not offered with `-PLUS`.
//!
//! What the client binds (`p=`) is refused, and so is whatever it demands that nobody here understands (`m=`).
//! Extensions that it merely mentions are passed over, as the standard says. The login is prepared by SASLprep, so that
//! every way to write it is the same.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use stringprep::saslprep;

use super::bearer::sasl_name;
use super::login;
use crate::model::directory::ScramSalt;
use crate::model::policy::Refusal;
use crate::model::policy::scram::ScramProof;

/// Octets of a client's part of the nonce; usual are 24 to 32.
const NONCE_BYTES: core::ops::RangeInclusive<usize> = 1..=256;

/// What a client says first.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::model::smtp) struct ClientFirst {
    pub(in crate::model::smtp) login: String,
    authorization: Option<String>,
    /// `n,,` or the like, which it repeats at the end.
    header: String,
    bare: String,
    nonce: String,
}

/// An exchange that waits for the client's proof. Of bounded size, since every line is.
#[derive(Debug)]
pub(in crate::model::smtp) struct Challenged {
    pub(in crate::model::smtp) login: String,
    pub(in crate::model::smtp) authorization: Option<String>,
    header: String,
    /// Both of the messages so far, with the comma between them.
    said: String,
    nonce: String,
    salt: ScramSalt,
}

impl ClientFirst {
    /// # Errors
    /// `AuthenticationNotDecodable` for what has not the form, `AuthenticationUnsuccessful` for a login that nobody can
    /// have.
    pub(super) fn read(decoded: &[u8]) -> Result<Self, Refusal> {
        let text = core::str::from_utf8(decoded).map_err(|_| Refusal::AuthenticationNotDecodable)?;
        let (header, bare) = divided(text).ok_or(Refusal::AuthenticationNotDecodable)?;
        let mut parts = bare.split(',');
        let name = parts.next().and_then(|part| part.strip_prefix("n=")).and_then(sasl_name);
        let nonce = parts.next().and_then(|part| part.strip_prefix("r=")).filter(|nonce| is_nonce(nonce));
        let (Some(name), Some(nonce)) = (name, nonce) else { return Err(Refusal::AuthenticationNotDecodable) };
        let authorization = match header.get(2..).and_then(|rest| rest.strip_suffix(',')) {
            Some("") => None,
            Some(named) => {
                let named = named.strip_prefix("a=").and_then(sasl_name).ok_or(Refusal::AuthenticationNotDecodable)?;
                Some(prepared(&named)?)
            }
            None => return Err(Refusal::AuthenticationNotDecodable),
        };
        let (header, bare, nonce) = (header.to_owned(), bare.to_owned(), nonce.to_owned());
        Ok(Self { login: prepared(&name)?, authorization, header, bare, nonce })
    }

    /// What this server says to it, with a nonce of its own, and what it then waits for.
    pub(in crate::model::smtp) fn challenged(self, salt: ScramSalt, own: &[u8]) -> (String, Challenged) {
        let nonce = format!("{}{}", self.nonce, STANDARD.encode(own));
        let text = format!("r={nonce},s={},i={}", STANDARD.encode(&salt.salt), salt.iterations);
        let said = format!("{},{text}", self.bare);
        let Self { login, authorization, header, .. } = self;
        (text, Challenged { login, authorization, header, said, nonce, salt })
    }
}

impl Challenged {
    /// The client's proof.
    ///
    /// # Errors
    /// `AuthenticationNotDecodable` for what has not the form or is no answer to this challenge.
    pub(super) fn read(&self, decoded: &[u8]) -> Result<ScramProof, Refusal> {
        let read = || {
            let text = core::str::from_utf8(decoded).ok()?;
            let (before, proof) = text.rsplit_once(",p=")?;
            let mut parts = before.split(',');
            let bound = STANDARD.decode(parts.next()?.strip_prefix("c=")?).ok()?;
            let nonce = parts.next()?.strip_prefix("r=")?;
            let proof: [u8; 32] = STANDARD.decode(proof).ok()?.try_into().ok()?;
            let is_answer = bound == self.header.as_bytes() && nonce == self.nonce;
            is_answer.then(|| (before.to_owned(), proof))
        };
        let (before, proof) = read().ok_or(Refusal::AuthenticationNotDecodable)?;
        let said = format!("{},{before}", self.said);
        Ok(ScramProof { salt: self.salt.clone(), said, proof })
    }
}

/// The GS2 header, and what follows it.
fn divided(text: &str) -> Option<(&str, &str)> {
    // y: the client would bind the channel, and has seen that this server does not.
    let rest = text.strip_prefix("n,").or_else(|| text.strip_prefix("y,"))?;
    let end = rest.find(',')?.checked_add(3)?;
    Some((text.get(..end)?, text.get(end..)?))
}

/// RFC 5802 section 7: printable ASCII without the comma.
fn is_nonce(text: &str) -> bool {
    NONCE_BYTES.contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_graphic() && octet != b',')
}

fn prepared(name: &str) -> Result<String, Refusal> {
    let name = saslprep(name).map_err(|_| Refusal::AuthenticationUnsuccessful)?;
    login(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn salt() -> ScramSalt {
        ScramSalt { salt: STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap(), iterations: 4_096 }
    }

    /// RFC 7677 section 3.
    #[test]
    fn the_words_are_those_of_the_standard() {
        let first = ClientFirst::read(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO").unwrap();
        assert_eq!((first.login.as_str(), &first.authorization), ("user", &None));
        // The standard's nonce is no base64 of ours, so it is put in its place.
        let (text, mut challenged) = first.challenged(salt(), b"");
        assert_eq!(text, "r=rOprNGfwEbeRWgbNEkqO,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096");
        let nonce = "rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        challenged.said = challenged.said.replacen("rOprNGfwEbeRWgbNEkqO,s=", &format!("{nonce},s="), 1);
        challenged.nonce = nonce.to_owned();
        let last = format!("c=biws,r={nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
        let shown = challenged.read(last.as_bytes()).unwrap();
        let said =
            format!("n=user,r=rOprNGfwEbeRWgbNEkqO,r={nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r={nonce}");
        assert_eq!((shown.said, shown.salt), (said, salt()));
    }

    #[test]
    fn names_are_decoded_and_prepared() {
        let read = |text: &str| ClientFirst::read(text.as_bytes()).map(|first| (first.login, first.authorization));
        let own = |login: &str, other: Option<&str>| Ok((login.to_owned(), other.map(str::to_owned)));
        assert_eq!(read("y,,n=a=2Cb=3D,r=x"), own("a,b=", None));
        assert_eq!(read("n,a=bob,n=alice,r=x,ext=1"), own("alice", Some("bob")));
        // A soft hyphen is nothing, a wide letter is a letter, an ordinal is a letter (RFC 4013 section 3).
        assert_eq!(read("n,,n=I\u{ad}X,r=x"), own("IX", None));
        assert_eq!(read("n,,n=\u{ff21}\u{aa},r=x"), own("Aa", None));
    }

    #[test]
    fn what_has_not_the_form_is_told_so() {
        for text in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=alice",
            "n,,r=x,n=alice",
            "n,,n=alice,r=",
            "p=tls-exporter,,n=alice,r=x",
            "n,b=c,n=alice,r=x",
            "n,a=,n=alice,r=x",
            "n,,m=x,n=alice,r=x",
            "n,,n=,r=x",
            "n,,n=a=b,r=x",
            "x,,n=alice,r=x",
            "n,,n=alice,r=a b",
            "n,,n=alice,r=\u{fc}",
        ] {
            assert_eq!(ClientFirst::read(text.as_bytes()), Err(Refusal::AuthenticationNotDecodable), "{text}");
        }
        // Control characters, and letters of both directions (RFC 4013 sections 2.3 and 2.4).
        for text in ["n,,n=a\u{7}b,r=x", "n,,n=\u{627}1,r=x", "n,,n=\u{ad},r=x"] {
            assert_eq!(ClientFirst::read(text.as_bytes()), Err(Refusal::AuthenticationUnsuccessful), "{text}");
        }
        let long = format!("n,,n=alice,r={}", "x".repeat(257));
        assert_eq!(ClientFirst::read(long.as_bytes()), Err(Refusal::AuthenticationNotDecodable));
    }

    #[test]
    fn a_proof_answers_its_own_challenge_only() {
        let proof = STANDARD.encode([7; 32]);
        let read = |text: String| {
            let (_, challenged) = ClientFirst::read(b"n,a=bob,n=alice,r=abc").unwrap().challenged(salt(), b"own");
            challenged.read(text.as_bytes())
        };
        let header = STANDARD.encode("n,a=bob,");
        assert!(read(format!("c={header},r=abcb3du,p={proof}")).is_ok());
        assert!(read(format!("c={header},r=abcb3du,x=y,p={proof}")).is_ok());
        for text in [
            format!("c=biws,r=abcb3du,p={proof}"),
            format!("c={header},r=abc,p={proof}"),
            format!("c={header},r=abcb3du,p={}", STANDARD.encode([7; 31])),
            format!("r=abcb3du,c={header},p={proof}"),
            format!("c={header},r=abcb3du"),
            String::new(),
        ] {
            assert_eq!(read(text.clone()), Err(Refusal::AuthenticationNotDecodable), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_octets_make_it_panic(
            octets in prop::collection::vec(any::<u8>(), 0..200),
            text in "[nyp]?,(a=[a-z=]{0,3})?,(n=[a-z=,2C]{0,6})?,(r=[!-~]{0,9})?",
            last in "(c=[a-zA-Z=]{0,9})?,(r=[!-~]{0,9})?,(p=[a-zA-Z=]{0,48})?",
        ) {
            let _ = ClientFirst::read(&octets);
            if let Ok(first) = ClientFirst::read(text.as_bytes()) {
                let (_, challenged) = first.challenged(salt(), b"own");
                let _ = (challenged.read(&octets), challenged.read(last.as_bytes()));
            }
        }
    }
}
