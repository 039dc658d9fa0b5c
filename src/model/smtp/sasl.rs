//! AUTH PLAIN (RFC 4616), AUTH LOGIN, tokens and SCRAM as a small state machine over base64 responses.
//!
//! Promises: strict base64, bounded lengths, and no copy of a password or a token that is not cleared when it is
//! dropped.

mod bearer;
mod scram;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

pub(super) use self::bearer::Bearer;
pub(super) use self::scram::{Challenged, ClientFirst};
use super::interface::{Credentials, Presented};
use crate::model::policy::{Refusal, SignedIn};

/// Octets of a login: a local part, an `@` and a domain.
const LOGIN_BYTES_MAX: usize = 320;
/// Octets of a password; hashing takes time in proportion.
const PASSWORD_BYTES_MAX: usize = 1024;

/// Where an exchange stands: which response is awaited.
#[derive(Debug)]
pub(super) enum Exchange {
    /// PLAIN: the one response there is.
    Plain,
    /// LOGIN: the user name.
    LoginName,
    /// LOGIN: the password.
    LoginPassword {
        /// The user name.
        login: String,
    },
    /// A token: the one response there is.
    Token(Bearer),
    /// A token was refused, and the client is to take note of it with whatever it answers.
    TokenRefused,
    /// SCRAM: who it is.
    ScramFirst,
    /// SCRAM: the proof.
    ScramFinal(Box<Challenged>),
    /// SCRAM: this server has proved itself in its turn, and the client is to take note of it.
    Proven(Box<SignedIn>),
}

/// What a response leads to.
#[derive(Debug)]
pub(super) enum Step {
    /// Another response is needed.
    Continue(Exchange),
    /// SCRAM: the client is to be challenged.
    Challenge(ClientFirst),
    /// SCRAM: the client has verified that this is its server.
    Acknowledged(Box<SignedIn>),
    /// Everything was said.
    Complete(Claim),
}

/// What the client claims.
#[derive(Debug)]
pub(super) struct Claim {
    /// Who it is, and the proof.
    pub(super) credentials: Credentials,
    /// As whom it wants to act; `None` means as itself.
    pub(super) authorization: Option<String>,
}

impl Exchange {
    /// Takes one response as sent.
    ///
    /// # Errors
    /// `AuthenticationCancelled`, `AuthenticationNotDecodable`, or `AuthenticationUnsuccessful` for what can be decoded
    /// but never be right.
    pub(super) fn respond(self, response: &[u8]) -> Result<Step, Refusal> {
        if matches!(self, Self::TokenRefused) {
            return Err(Refusal::AuthenticationUnsuccessful);
        }
        if response == b"*" {
            return Err(Refusal::AuthenticationCancelled);
        }
        let decoded = decode(response)?;
        match self {
            Self::Plain => plain(&decoded).map(Step::Complete),
            Self::LoginName => Ok(Step::Continue(Self::LoginPassword { login: login(&decoded)? })),
            Self::LoginPassword { login } => {
                let presented = Presented::Password(password(&decoded)?);
                Ok(Step::Complete(Claim { credentials: Credentials { login, presented }, authorization: None }))
            }
            Self::Token(bearer) => {
                let credentials = bearer.read(&decoded)?;
                Ok(Step::Complete(Claim { credentials, authorization: None }))
            }
            Self::ScramFirst => ClientFirst::read(&decoded).map(Step::Challenge),
            Self::ScramFinal(challenged) => {
                let presented = Presented::Scram(challenged.read(&decoded)?);
                let Challenged { login, authorization, .. } = *challenged;
                Ok(Step::Complete(Claim { credentials: Credentials { login, presented }, authorization }))
            }
            Self::Proven(signed_in) if decoded.is_empty() => Ok(Step::Acknowledged(signed_in)),
            Self::Proven(_) => Err(Refusal::AuthenticationNotDecodable),
            Self::TokenRefused => Err(Refusal::AuthenticationUnsuccessful),
        }
    }

    /// How tokens are sent, where one was asked for.
    pub(super) const fn bearer(&self) -> Option<Bearer> {
        match self {
            Self::Token(bearer) => Some(*bearer),
            Self::Plain
            | Self::LoginName
            | Self::LoginPassword { .. }
            | Self::TokenRefused
            | Self::ScramFirst
            | Self::ScramFinal(_)
            | Self::Proven(_) => None,
        }
    }
}

fn decode(response: &[u8]) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    STANDARD.decode(response).map(Zeroizing::new).map_err(|_| Refusal::AuthenticationNotDecodable)
}

/// `authorization NUL login NUL password`.
fn plain(decoded: &[u8]) -> Result<Claim, Refusal> {
    let mut parts = decoded.split(|byte| *byte == 0);
    let (Some(authorization), Some(name), Some(secret), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(Refusal::AuthenticationNotDecodable);
    };
    let authorization = if authorization.is_empty() { None } else { Some(login(authorization)?) };
    let presented = Presented::Password(password(secret)?);
    Ok(Claim { credentials: Credentials { login: login(name)?, presented }, authorization })
}

fn login(octets: &[u8]) -> Result<String, Refusal> {
    let text = core::str::from_utf8(octets).map_err(|_| Refusal::AuthenticationNotDecodable)?;
    if text.is_empty() || text.len() > LOGIN_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(Refusal::AuthenticationUnsuccessful);
    }
    Ok(text.to_owned())
}

fn password(octets: &[u8]) -> Result<Zeroizing<String>, Refusal> {
    let text = core::str::from_utf8(octets).map_err(|_| Refusal::AuthenticationNotDecodable)?;
    if text.is_empty() || text.len() > PASSWORD_BYTES_MAX || text.contains('\0') {
        return Err(Refusal::AuthenticationUnsuccessful);
    }
    Ok(Zeroizing::new(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(exchange: Exchange, plain: &[u8]) -> Result<Step, Refusal> {
        exchange.respond(STANDARD.encode(plain).as_bytes())
    }

    fn claim(step: Result<Step, Refusal>) -> (String, String, Option<String>) {
        match step {
            Ok(Step::Complete(Claim {
                credentials: Credentials { login, presented: Presented::Password(password) },
                authorization,
            })) => (login, password.to_string(), authorization),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn plain_says_everything_at_once() {
        let own = claim(answer(Exchange::Plain, b"\0alice@contoso.example\0pa ss"));
        assert_eq!(own, ("alice@contoso.example".to_owned(), "pa ss".to_owned(), None));
        assert_eq!(claim(answer(Exchange::Plain, b"bob\0alice\0x")).2.as_deref(), Some("bob"));
    }

    #[test]
    fn login_asks_twice() {
        let Ok(Step::Continue(next)) = answer(Exchange::LoginName, b"alice") else { panic!() };
        assert_eq!(claim(answer(next, b"secret")), ("alice".to_owned(), "secret".to_owned(), None));
    }

    #[test]
    fn what_is_not_strict_base64_cannot_be_decoded() {
        for response in ["YQ", "YQ=", "YR==", "Y Q==", "YQ==\t", "=", "%%%%", "YQ==YQ==", "\u{fc}"] {
            let outcome = Exchange::LoginName.respond(response.as_bytes());
            assert!(matches!(outcome, Err(Refusal::AuthenticationNotDecodable)), "{response:?}");
        }
        for plain in [&b"a\0b"[..], b"a\0b\0c\0d", b"alice", b"\0\xff\0x"] {
            assert!(matches!(answer(Exchange::Plain, plain), Err(Refusal::AuthenticationNotDecodable)), "{plain:?}");
        }
    }

    #[test]
    fn hostile_names_and_endless_secrets_are_wrong_credentials() {
        let long = [b"\0a\0".as_slice(), &[b'x'; 2000]].concat();
        for plain in [&b"\0\0x"[..], b"\0a\0", b"\0a\r\nb\0x", b"\x1b[2J\0a\0x", &long] {
            assert!(matches!(answer(Exchange::Plain, plain), Err(Refusal::AuthenticationUnsuccessful)), "{plain:?}");
        }
        assert!(matches!(Exchange::Plain.respond(b"*"), Err(Refusal::AuthenticationCancelled)));
    }

    #[test]
    fn debug_output_hides_passwords_and_tokens() {
        let step = answer(Exchange::Plain, b"\0alice\0hunter2");
        assert!(!format!("{step:?}").contains("hunter2"));
        let step = answer(Exchange::Token(Bearer::Xoauth2), b"user=alice\x01auth=Bearer hunter2\x01\x01");
        assert!(step.is_ok() && !format!("{step:?}").contains("hunter2"));
    }
}
