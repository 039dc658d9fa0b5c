//! AUTH, from our side: a password with PLAIN or LOGIN, an access token with XOAUTH2 or OAUTHBEARER.
//!
//! What goes wrong here is a fault of our own settings, never of the message: it waits until they are mended.

use super::super::command;
use super::super::credentials::{Credentials, Secret, auth_line, challenge};
use super::super::outcome::Trouble;
use super::super::reply_reader::RemoteReply;
use super::super::state::{AuthStep, State};
use super::super::{Step, TlsPolicy};
use super::ClientSession;
use crate::model::mail::EnhancedStatus;

const NOT_IN_CLEAR: &str = "this host offers no TLS, and the password is not sent in clear text";
const TOKEN_NOT_IN_CLEAR: &str = "the connection is in clear text, in which no token is sent";
const NO_MECHANISM: &str = "this host offers neither AUTH PLAIN nor AUTH LOGIN";
/// What the operator's settings are at fault for (RFC 4954 section 6).
const REFUSED: EnhancedStatus = EnhancedStatus(4, 7, 8);

impl ClientSession {
    pub(super) fn sign_in(&mut self) {
        let Some(credentials) = self.options.credentials.as_ref().filter(|_| !self.signed_in) else {
            return self.start_transaction();
        };
        let Credentials { login, secret } = credentials;
        let begun = match secret {
            Secret::Password(_) if !self.secured && self.options.tls != TlsPolicy::Off => {
                Err((EnhancedStatus(4, 7, 10), NOT_IN_CLEAR.to_owned()))
            }
            Secret::Password(password) if self.offered.auth_plain => {
                let line = format!("AUTH PLAIN {}\r\n", Credentials::plain(login, password));
                Ok((line, AuthStep::Verdict))
            }
            Secret::Password(_) if self.offered.auth_login => Ok(("AUTH LOGIN\r\n".to_owned(), AuthStep::LoginPrompt)),
            Secret::Password(_) => Err((EnhancedStatus(4, 7, 0), NO_MECHANISM.to_owned())),
            // RFC 6750 section 5.3: never without TLS, whatever the operator says. Whoever reads it can use it.
            Secret::Token { .. } if !self.secured => Err((EnhancedStatus(4, 7, 10), TOKEN_NOT_IN_CLEAR.to_owned())),
            Secret::Token { mechanism, token } if self.offered.offers(*mechanism) => {
                let response = mechanism.response(login, token, &self.options.host);
                Ok(auth_line(mechanism.name(), &response).map_or_else(
                    || (format!("AUTH {}\r\n", mechanism.name()), AuthStep::TokenPrompt),
                    |line| (line, AuthStep::Verdict),
                ))
            }
            Secret::Token { mechanism, .. } => {
                Err((EnhancedStatus(4, 7, 0), format!("this host offers no AUTH {}", mechanism.name())))
            }
        };
        match begun {
            Ok((command, step)) => {
                self.send(command.as_bytes());
                self.state = State::Auth(step);
            }
            Err((status, what)) => self.give_up(status, &what),
        }
    }

    pub(super) fn auth_answered(&mut self, step: AuthStep, reply: RemoteReply) {
        let prompted = reply.code() == 334;
        let Some(Credentials { login, secret }) = &self.options.credentials else { return self.nonsense() };
        let (line, next) = match (step, secret) {
            (AuthStep::Verdict, _) if reply.is_success() => {
                self.signed_in = true;
                return self.start_transaction();
            }
            (AuthStep::LoginPrompt, Secret::Password(_)) if prompted => {
                (command::auth_response(login), AuthStep::PasswordPrompt)
            }
            (AuthStep::PasswordPrompt, Secret::Password(password)) if prompted => {
                (command::auth_response(password), AuthStep::Verdict)
            }
            (AuthStep::TokenPrompt, Secret::Token { mechanism, token }) if prompted => {
                (format!("{}\r\n", mechanism.response(login, token, &self.options.host)), AuthStep::Verdict)
            }
            (AuthStep::Verdict, Secret::Token { mechanism, .. }) if prompted => {
                self.challenge = reply.lines().first().and_then(|text| challenge(text));
                (mechanism.resignation().to_owned(), AuthStep::TokenRefusal)
            }
            (AuthStep::TokenRefusal, _) if prompted || reply.is_success() => return self.nonsense(),
            (
                AuthStep::LoginPrompt
                | AuthStep::PasswordPrompt
                | AuthStep::TokenPrompt
                | AuthStep::Verdict
                | AuthStep::TokenRefusal,
                _,
            ) => return self.sign_in_refused(reply),
        };
        self.send(line.as_bytes());
        self.state = State::Auth(next);
    }

    /// Our own settings are at fault, or the token has ended before its time.
    fn sign_in_refused(&mut self, reply: RemoteReply) {
        let for_good = reply.is_permanent();
        let host = self.options.host.as_str();
        let trouble = match self.challenge.take() {
            None => Trouble { status: REFUSED, ..Trouble::remote(host, Step::Auth, reply, false) },
            Some(challenge) => {
                let text = format!("{} (in reply to AUTH), and of the token: {challenge}", reply.shortened());
                Trouble::local(REFUSED, Some(host), text).at(Step::Auth)
            }
        };
        self.fail_with(trouble, true, for_good);
    }
}
