//! AUTH: which mechanisms there are, what is asked, and what the verdict means.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::super::grammar::Mechanism;
use super::super::greeting::{offers_auth, offers_scram, offers_tokens};
use super::super::interface::{Action, Presented, Role, TlsState, Verdict, Waiting};
use super::super::line::Line;
use super::super::replies::Answer;
use super::super::sasl::{Bearer, Claim, ClientFirst, Exchange, Step};
use super::{Moment, Phase, Session};
use crate::model::directory::device::Secret;
use crate::model::faults;
use crate::model::policy::scram::{self, Proven};
use crate::model::policy::sign_in::find_account;
use crate::model::policy::{Evidence, Refusal, SignedIn, Unrecorded, sign_in};

/// Whether something may be shown where others listen, as far as its form says: as the secret of a device alone.
fn may_be_overheard(presented: &Presented) -> bool {
    match presented {
        Presented::Password(text) => Secret::read(text).is_some(),
        // It shows no secret, and nobody's password passes by it there (`scram::verify`).
        Presented::Scram(_) => true,
        Presented::Token(_) => false,
    }
}

/// What is being checked.
#[derive(Debug)]
pub(super) struct PendingClaim {
    login: String,
    authorization: Option<String>,
    /// How the token was sent, if it was one.
    bearer: Option<Bearer>,
    /// What was said in SCRAM, which this server's own proof is about.
    said: Option<String>,
}

impl Session {
    pub(super) fn auth(
        &mut self,
        moment: Moment<'_>,
        mechanism: Mechanism,
        initial: Option<&str>,
    ) -> Result<(), Refusal> {
        if self.greeting.is_none() {
            return Err(Refusal::SendHelloFirst);
        }
        if self.options.role == Role::Inbound {
            return Err(Refusal::UnrecognizedAuthenticationType);
        }
        if !offers_auth(&self.options) {
            return Err(Refusal::EncryptionRequired);
        }
        if self.signed_in.is_some() {
            return Err(Refusal::AlreadyAuthenticated);
        }
        if self.transaction.is_some() {
            return Err(Refusal::BadSequence);
        }
        let exchange = self.exchange(mechanism)?;
        match initial {
            // RFC 4954 section 4: "=" stands for an empty response.
            Some(initial) => self.respond(moment, exchange, if initial == "=" { b"" } else { initial.as_bytes() }),
            None => self.ask(exchange),
        }
        Ok(())
    }

    fn exchange(&self, mechanism: Mechanism) -> Result<Exchange, Refusal> {
        let bearer = match (mechanism, self.options.emulate_exchange_online) {
            (Mechanism::Login, _) => return Ok(Exchange::LoginName),
            (Mechanism::Plain, false) => return Ok(Exchange::Plain),
            (Mechanism::ScramSha256, false) if offers_scram(&self.options) => return Ok(Exchange::ScramFirst),
            (Mechanism::Xoauth2, _) => Bearer::Xoauth2,
            (Mechanism::OauthBearer, false) => Bearer::OauthBearer,
            (Mechanism::Plain | Mechanism::OauthBearer, true) | (Mechanism::ScramSha256 | Mechanism::Other, _) => {
                return Err(Refusal::UnrecognizedAuthenticationType);
            }
        };
        // Where a password may be sent in clear text, a token may not.
        let in_clear = !matches!(self.options.tls, TlsState::Active(_)) && !self.options.settings.issuers.is_empty();
        match (offers_tokens(&self.options), in_clear) {
            (true, _) => Ok(Exchange::Token(bearer)),
            (false, true) => Err(Refusal::EncryptionRequired),
            (false, false) => Err(Refusal::UnrecognizedAuthenticationType),
        }
    }

    /// A line while AUTH is under way.
    pub(super) fn response(&mut self, moment: Moment<'_>, exchange: Exchange, line: &Line<Zeroizing<Vec<u8>>>) {
        match line {
            Line::Whole(response) => self.respond(moment, exchange, response),
            // It has failed already.
            Line::TooLong | Line::Spoilt if matches!(exchange, Exchange::TokenRefused) => {
                self.refuse_claim(moment, Refusal::AuthenticationUnsuccessful);
            }
            Line::TooLong => self.refuse(moment, Refusal::LineTooLong),
            Line::Spoilt => self.refuse(moment, Refusal::BareNewlineInCommand),
        }
    }

    fn ask(&mut self, exchange: Exchange) {
        self.say(&match exchange {
            Exchange::LoginName => Answer::UserName,
            Exchange::LoginPassword { .. } => Answer::Password,
            Exchange::Plain
            | Exchange::Token(_)
            | Exchange::TokenRefused
            | Exchange::ScramFirst
            | Exchange::ScramFinal(_)
            | Exchange::Proven(_) => Answer::GoOn,
        });
        self.phase = Phase::Authentication(exchange);
    }

    fn respond(&mut self, moment: Moment<'_>, exchange: Exchange, response: &[u8]) {
        let bearer = exchange.bearer();
        match exchange.respond(response) {
            Ok(Step::Continue(next)) => self.ask(next),
            // Without TLS the password of an account is not looked at, whoever's and whether right or wrong.
            Ok(Step::Complete(Claim { credentials, .. }))
                if self.is_in_clear() && !may_be_overheard(&credentials.presented) =>
            {
                self.refuse_claim(moment, Refusal::DeviceSecretRequired);
            }
            Ok(Step::Challenge(first)) => self.challenge(moment, first),
            Ok(Step::Acknowledged(signed_in)) => self.enter(*signed_in),
            Ok(Step::Complete(Claim { credentials, authorization })) => {
                let said = match &credentials.presented {
                    Presented::Scram(shown) => Some(shown.said.clone()),
                    Presented::Password(_) | Presented::Token(_) => None,
                };
                self.claim = Some(PendingClaim { login: credentials.login.clone(), authorization, bearer, said });
                self.outbox.push(Action::CheckCredentials(credentials));
                self.waits = Waiting::Verdict;
                self.progressed = moment.now;
            }
            Err(Refusal::AuthenticationUnsuccessful) => self.fail(moment, bearer, Refusal::AuthenticationUnsuccessful),
            Err(refusal) => self.refuse(moment, refusal),
        }
    }

    /// A client whose token is refused first hears it in the words of its mechanism (RFC 7628 section 3.2.3). Other
    /// refusals have words of their own, and what is emulated has been seen to refuse at once.
    fn fail(&mut self, moment: Moment<'_>, bearer: Option<Bearer>, refusal: Refusal) {
        let told = bearer.filter(|_| refusal == Refusal::AuthenticationUnsuccessful);
        match told.filter(|_| !self.options.emulate_exchange_online) {
            Some(bearer) => {
                let challenge = bearer.challenge(&self.options.settings);
                self.say(&Answer::Challenge(challenge.as_bytes()));
                self.phase = Phase::Authentication(Exchange::TokenRefused);
            }
            None => self.refuse_claim(moment, refusal),
        }
    }

    pub(super) fn credentials_judged(&mut self, moment: Moment<'_>, verdict: Verdict) {
        if self.waits != Waiting::Verdict {
            return;
        }
        self.resume(moment.now);
        let Some(mut claim) = self.claim.take() else {
            return;
        };
        let evidence = match verdict {
            Verdict::Judged(evidence) => evidence,
            Verdict::Identified { proof, login } => {
                claim.login = login;
                Evidence::Right(proof)
            }
            Verdict::TemporaryFailure => return self.refuse(moment, Refusal::TemporaryAuthenticationFailure),
        };
        match self.judge_claim(moment, &claim, evidence) {
            Ok(signed_in) => {
                let login = signed_in.login();
                if self.is_struck(moment.now, faults::Step::Auth, |about| about.login = Some(login.clone())) {
                    return;
                }
                match claim.said {
                    Some(said) => self.prove(moment, signed_in, &said),
                    None => self.enter(signed_in),
                }
            }
            Err(refusal) => self.fail(moment, claim.bearer, refusal),
        }
    }

    fn enter(&mut self, signed_in: SignedIn) {
        self.signed_in = Some(signed_in);
        self.last_auth_refusal = None;
        self.counts.errors = 0;
        self.say(&Answer::SignedIn);
    }

    /// Tells a client of SCRAM its salt. Whoever it is, there is one.
    fn challenge(&mut self, moment: Moment<'_>, first: ClientFirst) {
        let secrets = &self.options.scram;
        let salt = scram::salt(moment.snapshot, secrets, &first.login);
        let nonce = scram::nonce(secrets, self.counts.challenges);
        self.counts.challenges = self.counts.challenges.wrapping_add(1);
        let (challenge, challenged) = first.challenged(salt, &nonce);
        self.say(&Answer::Challenge(challenge.as_bytes()));
        self.phase = Phase::Authentication(Exchange::ScramFinal(Box::new(challenged)));
    }

    /// SMTP's success carries no data, so this server's own proof is one more challenge (RFC 4954 section 4).
    fn prove(&mut self, moment: Moment<'_>, signed_in: SignedIn, said: &str) {
        let account = moment.snapshot.recipient(signed_in.account()).and_then(|found| found.account.as_deref());
        let proven = signed_in.selector().map_or(Proven::Password, Proven::Device);
        let signature = account.and_then(|account| scram::signature(account, proven, said));
        // The password was changed between the two steps.
        let Some(signature) = signature else {
            return self.refuse(moment, Refusal::TemporaryAuthenticationFailure);
        };
        let text = format!("v={}", STANDARD.encode(signature));
        self.say(&Answer::Challenge(text.as_bytes()));
        self.phase = Phase::Authentication(Exchange::Proven(Box::new(signed_in)));
    }

    fn judge_claim(&self, moment: Moment<'_>, claim: &PendingClaim, evidence: Evidence) -> Result<SignedIn, Refusal> {
        let signed_in = sign_in(moment.snapshot, &self.options.settings, &claim.login, evidence, &mut Unrecorded)?;
        // An account may act as itself, by whatever name of its own; as nobody else (decision D10).
        let acts_as_itself = claim.authorization.as_deref().is_none_or(|name| {
            find_account(moment.snapshot, name).is_some_and(|found| found.id == signed_in.account())
        });
        if acts_as_itself { Ok(signed_in) } else { Err(Refusal::AuthenticationUnsuccessful) }
    }

    /// The refusal is remembered: MAIL repeats it. The session goes on until too many have failed.
    fn refuse_claim(&mut self, moment: Moment<'_>, refusal: Refusal) {
        self.counts.auth_failures = self.counts.auth_failures.saturating_add(1);
        self.last_auth_refusal = Some(refusal.clone());
        self.refuse_late(moment, refusal);
        if self.counts.auth_failures >= self.options.limits.auth_failures_max {
            self.refuse(moment, Refusal::TooManyErrors);
        }
    }
}
