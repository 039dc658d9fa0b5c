//! What we sign in with at another host, and how each mechanism words it.

use core::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The most octets of an AUTH line with an initial response (RFC 4954 section 4, RFC 5321 section 4.5.3.1.4); a longer
/// response follows on a line of its own.
const AUTH_LINE_BYTES_MAX: usize = 512;
/// The most characters that are kept of a challenge.
const CHALLENGE_CHARACTERS_MAX: usize = 300;

/// A login and what proves it. Printing it for debugging shows the login only.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name to sign in with, not empty and without control characters. At Exchange Online it is the mailbox.
    pub login: String,
    /// What proves it.
    pub secret: Secret,
}

/// What proves a login.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// A password without NUL, given with AUTH PLAIN or AUTH LOGIN, whichever is offered.
    Password(String),
    /// An OAuth 2.0 access token: printable ASCII without spaces (RFC 6750 section 2.1).
    Token {
        /// How it is given.
        mechanism: TokenMechanism,
        /// The token.
        token: String,
    },
}

/// A mechanism that takes an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenMechanism {
    /// The providers' own, by which Exchange Online and Gmail are signed in to.
    Xoauth2,
    /// RFC 7628.
    OauthBearer {
        /// The port of the host, which is part of what is said.
        port: u16,
    },
}

impl fmt::Debug for Credentials {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Credentials").field("login", &self.login).finish_non_exhaustive()
    }
}

impl Credentials {
    /// The response of AUTH PLAIN (RFC 4616), encoded.
    pub(super) fn plain(login: &str, password: &str) -> String {
        STANDARD.encode(format!("\0{login}\0{password}"))
    }
}

impl TokenMechanism {
    /// Its name in AUTH.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Xoauth2 => "XOAUTH2",
            Self::OauthBearer { .. } => "OAUTHBEARER",
        }
    }

    /// The response that gives the token, encoded.
    pub(super) fn response(self, login: &str, token: &str, host: &str) -> String {
        STANDARD.encode(match self {
            // https://learn.microsoft.com/exchange/client-developer/legacy-protocols/, "SASL XOAUTH2".
            Self::Xoauth2 => format!("user={login}\x01auth=Bearer {token}\x01\x01"),
            // RFC 7628 section 3.1; the login within the header of RFC 5801 section 4.
            Self::OauthBearer { port } => {
                let name = login.replace('=', "=3D").replace(',', "=2C");
                format!("n,a={name},\x01host={host}\x01port={port}\x01auth=Bearer {token}\x01\x01")
            }
        })
    }

    /// What is answered to the challenge that says what is wrong with the token; the refusal follows it. RFC 7628
    /// section 3.2.3 wants one octet 1, XOAUTH2 nothing.
    pub(super) const fn resignation(self) -> &'static str {
        match self {
            Self::Xoauth2 => "\r\n",
            Self::OauthBearer { .. } => "AQ==\r\n",
        }
    }
}

/// AUTH with its initial response, if that fits on the line.
pub(super) fn auth_line(mechanism: &str, response: &str) -> Option<String> {
    let line = format!("AUTH {mechanism} {response}\r\n");
    (line.len() <= AUTH_LINE_BYTES_MAX).then_some(line)
}

/// What a host says of a token, in printable ASCII and bounded: JSON with a `status` (RFC 7628 section 3.2.2). `None`
/// for what is not encoded as it must be.
pub(super) fn challenge(text: &str) -> Option<Box<str>> {
    let decoded = STANDARD.decode(text.trim()).ok()?;
    let text: String = decoded
        .iter()
        .take(CHALLENGE_CHARACTERS_MAX)
        .map(|octet| if matches!(octet, 0x20..=0x7e) { char::from(*octet) } else { '?' })
        .collect();
    (!text.is_empty()).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> String {
        String::from_utf8(STANDARD.decode(text).unwrap()).unwrap()
    }

    #[test]
    fn credentials_are_encoded_and_never_printed() {
        // RFC 4616 section 4.
        assert_eq!(Credentials::plain("tim", "tanstaaftanstaaf"), "AHRpbQB0YW5zdGFhZnRhbnN0YWFm");
        let password = Secret::Password("tanstaaftanstaaf".into());
        let token = Secret::Token { mechanism: TokenMechanism::Xoauth2, token: "tanstaaftanstaaf".into() };
        for secret in [password, token] {
            assert!(!format!("{:?}", Credentials { login: "tim".into(), secret }).contains("tanstaaf"));
        }
    }

    #[test]
    fn tokens_are_worded_as_each_mechanism_wants_it() {
        // The example of Google and Microsoft, which both print.
        assert_eq!(
            TokenMechanism::Xoauth2.response(
                "test@contoso.onmicrosoft.com",
                "EwBAAl3BAAUFFpUAo7J3Ve0bjLBWZWCclRC3EoAA",
                ""
            ),
            "dXNlcj10ZXN0QGNvbnRvc28ub25taWNyb3NvZnQuY29tAWF1dGg9QmVhcmVyIEV3QkFBbDNCQUFVRkZwVUFvN0ozVmUwYmpMQldaV0Nj\
             bFJDM0VvQUEBAQ=="
        );
        // RFC 7628 section 4.1.
        let said =
            TokenMechanism::OauthBearer { port: 587 }.response("user@example.com", "vF9dft4qmT", "server.example.com");
        assert_eq!(
            decoded(&said),
            "n,a=user@example.com,\x01host=server.example.com\x01port=587\x01auth=Bearer vF9dft4qmT\x01\x01"
        );
        let odd = TokenMechanism::OauthBearer { port: 25 }.response("a=b,c", "t", "h");
        assert!(decoded(&odd).starts_with("n,a=a=3Db=2Cc,\x01host=h\x01port=25\x01"), "{}", decoded(&odd));
    }

    #[test]
    fn a_long_response_has_a_line_of_its_own() {
        let fits = "x".repeat(AUTH_LINE_BYTES_MAX - "AUTH XOAUTH2 \r\n".len());
        assert_eq!(auth_line("XOAUTH2", &fits).map(|line| line.len()), Some(AUTH_LINE_BYTES_MAX));
        assert_eq!(auth_line("XOAUTH2", &format!("{fits}x")), None);
    }

    #[test]
    fn a_challenge_is_printable_and_bounded() {
        let said = challenge("eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIn0=");
        assert_eq!(said.as_deref(), Some("{\"status\":\"401\",\"schemes\":\"bearer\"}"));
        assert_eq!(challenge(&STANDARD.encode(b"a\r\n\xff\x1b")).as_deref(), Some("a????"));
        assert_eq!(challenge(&STANDARD.encode([b'x'; 1_000])).map(|said| said.len()), Some(CHALLENGE_CHARACTERS_MAX));
        assert_eq!((challenge("no base64!"), challenge("")), (None, None));
    }
}
