//! Tokens in AUTH: XOAUTH2, as the large providers have it, and OAUTHBEARER (RFC 7628).
//!
//! Both send one response and, when it is refused, get a challenge that says so as JSON; whatever they answer to that,
//! AUTH has failed. The challenge is the same for every reason.

use zeroize::Zeroizing;

use super::{LOGIN_BYTES_MAX, login};
use crate::model::policy::{Refusal, Settings};
use crate::model::smtp::interface::{Credentials, Presented};

/// What separates the fields.
const SEPARATOR: char = '\u{1}';

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model::smtp) enum Bearer {
    /// `user=…`, `auth=…`.
    Xoauth2,
    /// A GS2 header, then `auth=…`.
    OauthBearer,
}

impl Bearer {
    /// Reads the one response.
    pub(super) fn read(self, response: &[u8]) -> Result<Credentials, Refusal> {
        let text = core::str::from_utf8(response).map_err(|_| self.malformed())?;
        let ended = text.strip_suffix(SEPARATOR).and_then(|text| text.strip_suffix(SEPARATOR));
        let ended = ended.ok_or_else(|| self.malformed())?;
        let (user, fields) = match self {
            Self::Xoauth2 => (None, ended),
            Self::OauthBearer => {
                let (header, fields) = ended.split_once(SEPARATOR).ok_or_else(|| self.malformed())?;
                (Some(authorization(header).ok_or_else(|| self.malformed())?), fields)
            }
        };
        let pairs = fields.split(SEPARATOR).map(|field| field.split_once('='));
        let pairs = pairs.collect::<Option<Vec<_>>>().ok_or_else(|| self.malformed())?;
        let one = |name: &str| {
            let mut found = pairs.iter().filter(|(own, _)| *own == name);
            let value = found.next().map(|(_, value)| *value);
            if found.next().is_some() { None } else { value }
        };
        // Without a name in OAUTHBEARER the token alone says who it is (RFC 7628 section 3.1).
        let user = match user {
            Some(user) if user.is_empty() => user,
            Some(user) => login(user.as_bytes())?,
            None => login(one("user").ok_or_else(|| self.malformed())?.as_bytes())?,
        };
        let token = token(one("auth").ok_or_else(|| self.malformed())?).ok_or(Refusal::AuthenticationUnsuccessful)?;
        Ok(Credentials { login: user, presented: Presented::Token(Zeroizing::new(token.to_owned())) })
    }

    const fn malformed(self) -> Refusal {
        match self {
            Self::Xoauth2 => Refusal::InvalidXoauth2Data,
            Self::OauthBearer => Refusal::AuthenticationNotDecodable,
        }
    }

    /// What a client hears before it is refused (RFC 7628 section 3.2.2).
    pub(in crate::model::smtp) fn challenge(self, settings: &Settings) -> String {
        let status = match self {
            Self::Xoauth2 => "401",
            Self::OauthBearer => "invalid_token",
        };
        // One word without quotation marks, as the configuration is judged.
        let scope = settings.issuers.iter().find_map(|issuer| issuer.scope.as_deref());
        let scope = scope.map_or_else(String::new, |scope| format!(",\"scope\":\"{scope}\""));
        format!("{{\"status\":\"{status}\",\"schemes\":\"bearer\"{scope}}}")
    }
}

/// The authorization identity of a GS2 header (RFC 5801 section 4), empty when there is none. Channel binding is none
/// of these mechanisms' affairs: `p` is refused, `y` means that the client would have liked it.
fn authorization(header: &str) -> Option<String> {
    let rest = header.strip_prefix("n,").or_else(|| header.strip_prefix("y,"))?;
    match rest.strip_suffix(',')? {
        "" => Some(String::new()),
        named => sasl_name(named.strip_prefix("a=")?),
    }
}

/// A name in which commas and equals signs are written as `=2C` and `=3D` (RFC 5801 section 4); `None` for what is no
/// such name.
pub(super) fn sasl_name(text: &str) -> Option<String> {
    if text.is_empty() || text.len() > 3 * LOGIN_BYTES_MAX || text.contains(',') {
        return None;
    }
    let (mut name, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once('=') {
        name.push_str(before);
        name.push(match after.get(..2)? {
            "2C" => ',',
            "3D" => '=',
            _ => return None,
        });
        rest = after.get(2..)?;
    }
    name.push_str(rest);
    Some(name)
}

/// The token after its scheme, whose letter case does not matter (RFC 6750 section 2.1).
fn token(value: &str) -> Option<&str> {
    let (scheme, token) = value.split_once(' ')?;
    let fits = |octet: u8| octet.is_ascii_alphanumeric() || b"-._~+/=".contains(&octet);
    let token = token.trim_start_matches(' ');
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty() && token.bytes().all(fits)).then_some(token)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(bearer: Bearer, response: &str) -> Result<(String, String), Refusal> {
        bearer.read(response.replace('^', "\u{1}").as_bytes()).map(|credentials| match credentials.presented {
            Presented::Token(token) => (credentials.login, token.to_string()),
            Presented::Password(_) | Presented::Scram(_) => panic!("no token"),
        })
    }

    #[test]
    fn both_mechanisms_say_who_and_with_which_token() {
        let alice = |token: &str| Ok(("alice@contoso.example".to_owned(), token.to_owned()));
        let xoauth2 = |text| read(Bearer::Xoauth2, text);
        assert_eq!(xoauth2("user=alice@contoso.example^auth=Bearer a.b.c^^"), alice("a.b.c"));
        assert_eq!(xoauth2("user=alice@contoso.example^auth=bearer x=^^"), alice("x="));
        let bearer = |text| read(Bearer::OauthBearer, text);
        let full = "n,a=alice@contoso.example,^host=mx.contoso.example^port=587^auth=Bearer a.b.c^^";
        assert_eq!(bearer(full), alice("a.b.c"));
        assert_eq!(bearer("y,a=alice@contoso.example,^auth=Bearer a.b.c^^"), alice("a.b.c"));
        assert_eq!(bearer("n,,^auth=Bearer a.b.c^^"), Ok((String::new(), "a.b.c".to_owned())));
        assert_eq!(bearer("n,a=a=2Cb=3Dc,^auth=Bearer x^^").unwrap().0, "a,b=c");
    }

    #[test]
    fn what_has_not_their_form_is_told_from_what_cannot_be_right() {
        for text in [
            "",
            "^^",
            "user=a",
            "user=a^^",
            "auth=Bearer x^^",
            "user=a^auth=Bearer x",
            "user=a^auth=Bearer x^",
            "user=a^user=b^auth=Bearer x^^",
            "user=a^auth=Bearer x^auth=Bearer y^^",
            "user=a^x^auth=Bearer x^^",
        ] {
            assert_eq!(read(Bearer::Xoauth2, text), Err(Refusal::InvalidXoauth2Data), "{text}");
        }
        for text in [
            "",
            "n,,^^",
            "p=tls-exporter,,^auth=Bearer x^^",
            "n,b=c,^auth=Bearer x^^",
            "n,a=,^auth=Bearer x^^",
            "n,a=x=41,^auth=Bearer x^^",
            "n,a=a,b,^auth=Bearer x^^",
            ",,^auth=Bearer x^^",
            "n,a=x=2^auth=Bearer x^^",
        ] {
            assert_eq!(read(Bearer::OauthBearer, text), Err(Refusal::AuthenticationNotDecodable), "{text}");
        }
        for text in [
            "user=a^auth=Basic x^^",
            "user=a^auth=^^",
            "user=a^auth=Bearer ^^",
            "user=a^auth=Bearer x y^^",
            "user=^auth=Bearer x^^",
            "user=a\r\nb^auth=Bearer x^^",
            "user=a^auth=Bearer x\u{fc}^^",
        ] {
            assert_eq!(read(Bearer::Xoauth2, text), Err(Refusal::AuthenticationUnsuccessful), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_response_makes_them_panic(
            octets in prop::collection::vec(any::<u8>(), 0..200),
            text in "[nyp],(a=)?[a=,2C]{0,9},?\u{1}(auth=(Bearer )?[a-z. ]{0,5}\u{1}?)?\u{1}?",
        ) {
            for bearer in [Bearer::Xoauth2, Bearer::OauthBearer] {
                let _ = bearer.read(&octets);
                let _ = bearer.read(text.as_bytes());
            }
        }
    }
}
