//! An order for a certificate, from the proof of its names to the certificate itself.

use core::fmt;
use core::time::Duration;

use instant_acme::{AuthorizationStatus, ChallengeType, Identifier, OrderStatus};
use tokio::time::sleep;

use super::challenges::{Challenges, Shown};
use super::trouble::Obstacle;
use super::{AcmeChallenge, AcmeHttp, Pace, Trouble};

/// An authority that has more of them than this for one order is none.
const AUTHORIZATIONS_MAX: usize = 200;

/// How far an order is (RFC 8555 section 7.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Its names are to be proved.
    Unproved,
    /// They are; the request for the certificate is missing.
    Proved,
    /// The authority works on it.
    Processing,
    /// The certificate can be had.
    Given,
    /// Nothing comes of it.
    Failed,
}

/// An order.
pub struct Order {
    inner: instant_acme::Order,
    http: AcmeHttp,
    pace: Pace,
}

impl fmt::Debug for Order {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Order").field("address", &self.inner.url()).finish_non_exhaustive()
    }
}

impl Order {
    pub(super) const fn new(inner: instant_acme::Order, http: AcmeHttp, pace: Pace) -> Self {
        Self { inner, http, pace }
    }

    /// Where it is found again.
    pub fn address(&self) -> &str {
        self.inner.url()
    }

    /// How far it was when the authority was last asked.
    pub fn stage(&mut self) -> Stage {
        match self.inner.state().status {
            OrderStatus::Pending => Stage::Unproved,
            OrderStatus::Ready => Stage::Proved,
            OrderStatus::Processing => Stage::Processing,
            OrderStatus::Valid => Stage::Given,
            OrderStatus::Invalid => Stage::Failed,
        }
    }

    /// Shows a proof for each name that is not proved yet, and waits until the authority has looked at all of them.
    ///
    /// # Errors
    /// [`Trouble`]; what the authority saw in the place of a proof is among its words.
    pub async fn prove(&mut self, kind: AcmeChallenge, challenges: &Challenges) -> Result<(), Trouble> {
        // Shown until this returns, one way or the other.
        let _shown = self.show(kind, challenges).await?;
        if self.decided(&[Stage::Proved, Stage::Processing, Stage::Given]).await? == Stage::Failed {
            return Err(self.why().await);
        }
        Ok(())
    }

    async fn show(&mut self, kind: AcmeChallenge, challenges: &Challenges) -> Result<Vec<Shown>, Trouble> {
        let http = self.http.clone();
        let failed = |error| Trouble::of(error, http.take_retry_after());
        let wanted = match kind {
            AcmeChallenge::Http01 => ChallengeType::Http01,
            AcmeChallenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
        };
        let mut shown = Vec::new();
        let mut authorizations = self.inner.authorizations();
        while let Some(authorization) = authorizations.next().await {
            let mut authorization = authorization.map_err(failed)?;
            if authorization.status != AuthorizationStatus::Pending {
                continue;
            }
            let name = match authorization.identifier().identifier {
                Identifier::Dns(name) => name.clone(),
                _ => return Err(Trouble::here("the authority asks for a proof of what is no name", "")),
            };
            let Some(mut challenge) = authorization.challenge(wanted.clone()) else {
                let what = format!("the authority takes no {} for {name}", kind.name());
                return Err(Trouble::here(what, "set `challenge` to the other kind, or take another authority"));
            };
            let proof = challenge.key_authorization();
            let odd = || Trouble::here(format!("the authority's challenge for {name} cannot be shown"), "");
            shown.push(match kind {
                AcmeChallenge::Http01 => challenges.show_text(&challenge.token, proof.as_str()).ok_or_else(odd)?,
                AcmeChallenge::TlsAlpn01 => {
                    let digest = <[u8; 32]>::try_from(proof.digest().as_ref()).map_err(|_| odd())?;
                    challenges.show_certificate(&name, &digest).map_err(|_| odd())?
                }
            });
            if shown.len() > AUTHORIZATIONS_MAX {
                return Err(Trouble::here("the authority asks for too many proofs", ""));
            }
            challenge.set_ready().await.map_err(failed)?;
        }
        Ok(shown)
    }

    /// Sends the request for the certificate (PKCS #10, DER).
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn request(&mut self, csr: &[u8]) -> Result<(), Trouble> {
        let outcome = self.inner.finalize_csr(csr).await;
        outcome.map_err(|error| Trouble::of(error, self.http.take_retry_after()))
    }

    /// Waits for the certificate; its PEM text, the chain included. What is in it is the caller's to judge.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn certificate(&mut self) -> Result<String, Trouble> {
        if self.decided(&[Stage::Given]).await? == Stage::Failed {
            return Err(self.why().await);
        }
        match self.inner.certificate().await {
            Ok(Some(pem)) => Ok(pem),
            Ok(None) => Err(Trouble::undecided(self.http.take_retry_after())),
            Err(error) => Err(Trouble::of(error, self.http.take_retry_after())),
        }
    }

    /// Asks until the order has come to one of `stages`, or has failed.
    async fn decided(&mut self, stages: &[Stage]) -> Result<Stage, Trouble> {
        let Pace { first, longest, patience } = self.pace;
        let (mut waited, mut usual) = (Duration::ZERO, first);
        loop {
            let stage = self.stage();
            if stage == Stage::Failed || stages.contains(&stage) {
                return Ok(stage);
            }
            let asked = self.http.take_retry_after();
            let wait = asked.map_or(usual, |asked| asked.max(first));
            waited = waited.saturating_add(wait);
            if waited > patience {
                return Err(Trouble::undecided(asked));
            }
            sleep(wait).await;
            usual = usual.saturating_mul(2).min(longest);
            let outcome = self.inner.refresh().await.map(drop);
            outcome.map_err(|error| Trouble::of(error, self.http.take_retry_after()))?;
        }
    }

    /// Why nothing came of the order: what the authority says of the first name that it did not believe.
    async fn why(&mut self) -> Trouble {
        let gone = |trouble: Trouble| Trouble { obstacle: Obstacle::OrderGone, ..trouble };
        let of_order = self.inner.state().error.as_ref().map(|problem| Trouble::said(problem, None));
        let mut authorizations = self.inner.authorizations();
        while let Some(Ok(mut authorization)) = authorizations.next().await {
            if authorization.refresh().await.is_err() {
                continue;
            }
            let name = authorization.identifier().to_string();
            let problem = authorization.challenges.iter().find_map(|challenge| challenge.error.as_ref());
            if let Some(problem) = problem {
                return gone(Trouble::said(problem, Some(&name)));
            }
        }
        let unsaid = || Trouble::here("the authority gave the order up and does not say why", "it is tried again");
        gone(of_order.unwrap_or_else(unsaid))
    }
}
