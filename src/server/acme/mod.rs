//! Keeps the certificate that an authority gives by itself (ACME): gets it, renews it in time, and goes on with the one
//! that is there while that fails.
//!
//! Every step is durable before the next one is taken, so that after a crash the same order goes on, with the same key
//! and the same account. An attempt is written down as failed before it begins: a server that dies of it comes back
//! later and later, as after any other failure. Nothing here stops or delays mail.

mod attempt;
mod responder;

use core::fmt;
use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest as _, Sha256};

pub use responder::Responder;

use super::Stop;
use crate::config::AcmeConfig;
use crate::model::mail::Timestamp;
use crate::model::transport_security::certificate::{
    Attempts, Chance, LONGEST_WAIT, Refused, Standing, Window, attempt as next_attempt, renewal, standing,
};
use crate::store::acme::{AcmeFiles, KeptAttempts, KeptCertificate};
use crate::world::acme::{AcmeHttp, CertificateId, Challenges, Pace, Trouble};
use crate::world::tls::{CertificatePaths, CertificateStore, PairFacts, inspect};
use crate::world::{Clock, offload};

/// How often it is looked whether something is due: clocks are set, and files are moved away.
const ROUND: Duration = Duration::from_secs(60);
/// The authority's word on when to renew holds at least so long, and at most.
const SUGGESTION_LEAST: Duration = Duration::from_secs(3_600);
const SUGGESTION_LONGEST: Duration = Duration::from_secs(86_400);
/// When it does not answer, it is asked again after this.
const SUGGESTION_USUAL: Duration = Duration::from_secs(6 * 3_600);

/// What a keeper works with.
pub struct KeeperParts {
    /// What the operator wants.
    pub config: AcmeConfig,
    /// What is kept of it.
    pub files: AcmeFiles,
    /// Where a new certificate is shown.
    pub certificates: Arc<CertificateStore>,
    /// What is shown there until the first one has come.
    pub stand_in: Option<CertificatePaths>,
    /// The way to the authority.
    pub http: AcmeHttp,
    /// The proofs of this moment.
    pub challenges: Challenges,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// How often the authority is asked about a decision.
    pub pace: Pace,
}

/// Keeps one certificate.
pub struct Keeper {
    parts: KeeperParts,
    directory: String,
    names: Vec<String>,
    /// What the authority said of the certificate with these octets, and until when that holds.
    suggestion: Mutex<Option<Suggestion>>,
    /// One attempt at a time.
    turn: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Keeper {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Keeper").field("names", &self.names).finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
struct Suggestion {
    certificate: [u8; 32],
    window: Option<Window>,
    until: Timestamp,
}

/// When to ask the authority.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Urgency {
    /// When it is time.
    WhenDue,
    /// Somebody wants it now.
    Now,
}

/// How a look at the certificate ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounded {
    /// Nothing is to be done before this.
    NotDue(Timestamp),
    /// There is a new certificate, and it is shown; its last instant.
    Renewed(Timestamp),
}

/// The certificate that is there, and what comes next.
#[derive(Clone, Debug)]
pub struct Outlook {
    /// The certificate, when there is one that can be used.
    pub held: Option<PairFacts>,
    /// Why it has to be renewed before its time: in words; empty when it has not.
    pub lacking: String,
    /// When the authority is asked next.
    pub next: Timestamp,
    /// Attempts that failed since the last that did not.
    pub attempts: Option<KeptAttempts>,
    kept: Option<KeptCertificate>,
}

impl Keeper {
    /// Begins nothing yet; see [`run`].
    pub fn new(parts: KeeperParts) -> Self {
        let directory = parts.config.directory.to_string();
        let names = parts.config.names.iter().map(ToString::to_string).collect();
        Self { parts, directory, names, suggestion: Mutex::default(), turn: tokio::sync::Mutex::default() }
    }

    /// What is there and what comes next. Blocks.
    ///
    /// # Errors
    /// The disk's.
    pub fn outlook(&self) -> io::Result<Outlook> {
        let now = self.parts.clock.now();
        let kept = self.parts.files.certificate()?;
        let path = self.parts.files.certificate_paths().certificate;
        let held = kept.as_ref().and_then(|kept| match inspect(&kept.octets, &path) {
            Ok(facts) => Some(facts),
            Err(error) => {
                tracing::warn!(%error, "the certificate that the authority gave cannot be used");
                None
            }
        });
        let attempts = self.parts.files.attempts()?.filter(|kept| kept.configuration == self.fingerprint());
        let lacking = self.lacking(kept.as_ref(), held.as_ref());
        let due = match (&kept, &held) {
            (Some(kept), Some(held)) if lacking.is_empty() => {
                renewal(held.validity, self.window(kept), chance(&[&kept.octets]))
            }
            (_, _) => Timestamp::EPOCH,
        };
        let tried = attempts.as_ref().map(|kept| kept.attempts);
        let last = tried.map_or(0, |tried| tried.last.unix_milliseconds());
        let chance = chance(&[self.directory.as_bytes(), self.names.concat().as_bytes(), &last.to_le_bytes()]);
        Ok(Outlook { held, lacking, next: next_attempt(due, tried, chance, now), attempts, kept })
    }

    /// Does what is due, or what is wanted now, and nothing else. `say` is told of each step.
    ///
    /// # Errors
    /// [`Trouble`]; the certificate that is there stays, and when to try again is written down.
    pub async fn round(
        self: &Arc<Self>,
        urgency: Urgency,
        say: &(dyn Fn(&'static str) + Send + Sync),
    ) -> Result<Rounded, Trouble> {
        let _turn = self.turn.lock().await;
        let mut outlook = self.look().await?;
        if urgency == Urgency::WhenDue {
            if self.ask_when(&outlook).await {
                outlook = self.look().await?;
            }
            if outlook.next > self.parts.clock.now() {
                return Ok(Rounded::NotDue(outlook.next));
            }
        }
        let failures = outlook.attempts.as_ref().map_or(0, |kept| kept.attempts.failures).saturating_add(1);
        let began = self.parts.clock.now();
        let broken_off = Trouble { refused: Refused::Unreachable, ..Trouble::here("it was broken off", "") };
        self.remember(failures, began, &broken_off).await?;
        match self.attempt(&outlook, say).await {
            Ok(not_after) => {
                self.on_disk(|files| files.keep_attempts(None)).await?;
                Ok(Rounded::Renewed(not_after))
            }
            Err(trouble) => {
                self.remember(failures, began, &trouble).await?;
                Err(trouble)
            }
        }
    }

    async fn look(self: &Arc<Self>) -> Result<Outlook, Trouble> {
        let own = Arc::clone(self);
        self.blocking(move || own.outlook()).await
    }

    async fn remember(&self, failures: u32, began: Timestamp, trouble: &Trouble) -> Result<(), Trouble> {
        let wanted = trouble.retry_after.map(|wait| self.parts.clock.now().plus(wait.min(LONGEST_WAIT)));
        let attempts = Attempts { failures, refused: trouble.refused, last: began, not_before: wanted };
        let (trouble, configuration) = (trouble.to_string(), self.fingerprint());
        let kept = KeptAttempts { attempts, trouble, configuration };
        self.on_disk(move |files| files.keep_attempts(Some(&kept))).await
    }

    /// Why the certificate must be renewed whatever its dates.
    fn lacking(&self, kept: Option<&KeptCertificate>, held: Option<&PairFacts>) -> String {
        let (Some(kept), Some(held)) = (kept, held) else { return "there is none".to_owned() };
        if kept.directory != self.directory {
            return "it comes from another authority".to_owned();
        }
        let lacking: Vec<&str> =
            self.names.iter().filter(|name| !held.names.contains(name)).map(String::as_str).collect();
        if lacking.is_empty() { String::new() } else { format!("it is not for {}", lacking.join(", ")) }
    }

    /// Tells one configuration from another.
    fn fingerprint(&self) -> String {
        let AcmeConfig { contact, challenge, listen, authorities, external_account, .. } = &self.parts.config;
        let own = (&self.directory, &self.names, contact, challenge, listen, authorities, external_account);
        let hash = Sha256::digest(format!("{own:?}").as_bytes());
        hash.iter().take(16).map(|octet| format!("{octet:02x}")).collect()
    }

    fn window(&self, kept: &KeptCertificate) -> Option<Window> {
        let known = *self.suggestion.lock().unwrap_or_else(PoisonError::into_inner);
        known.filter(|known| known.certificate == digest(&[&kept.octets])).and_then(|known| known.window)
    }

    /// Asks the authority when it wants the certificate renewed (RFC 9773), unless it is known. Whether it was asked.
    async fn ask_when(&self, outlook: &Outlook) -> bool {
        let Some(kept) = outlook.kept.as_ref().filter(|_| outlook.lacking.is_empty() && outlook.attempts.is_none())
        else {
            return false;
        };
        let (now, certificate) = (self.parts.clock.now(), digest(&[&kept.octets]));
        let known = *self.suggestion.lock().unwrap_or_else(PoisonError::into_inner);
        let is_current = |known: Suggestion| {
            known.certificate == certificate && now < known.until && known.until <= now.plus(SUGGESTION_LONGEST)
        };
        if known.is_some_and(is_current) {
            return false;
        }
        let mut window = None;
        let mut holds = SUGGESTION_USUAL;
        if let (Some(id), Ok(Some(account))) = (CertificateId::of_pem(&kept.octets), self.known_account().await)
            && let Some((suggested, wanted)) = account.suggested(&id).await
        {
            tracing::debug!(?suggested, "the authority says when to renew its certificate");
            window = Some(suggested);
            holds = wanted.clamp(SUGGESTION_LEAST, SUGGESTION_LONGEST);
        }
        let suggestion = Suggestion { certificate, window, until: now.plus(holds) };
        *self.suggestion.lock().unwrap_or_else(PoisonError::into_inner) = Some(suggestion);
        true
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&AcmeFiles) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Trouble> {
        let files = self.parts.files.clone();
        self.blocking(move || work(&files)).await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> Result<T, Trouble> {
        let done = offload(work).await.and_then(|done| done);
        done.map_err(|error| Trouble::here(error.to_string(), "see to the data directory and its disk"))
    }
}

/// Looks every minute, and does what is due, until it is told to stop. An attempt that is under way then is broken off;
/// the next start goes on with it.
pub async fn run(keeper: Arc<Keeper>, mut stop: Stop) {
    loop {
        tokio::select! {
            () = stop.asked() => return,
            () = keeper.look_after() => {}
        }
        tokio::select! {
            () = stop.asked() => return,
            () = tokio::time::sleep(ROUND) => {}
        }
    }
}

impl Keeper {
    async fn look_after(self: &Arc<Self>) {
        let say = |step: &'static str| tracing::info!(names = %self.names.join(", "), "ACME: {step}");
        // What is the matter is said when it is new, and not each minute that it lasts.
        let Err(trouble) = self.round(Urgency::WhenDue, &say).await else { return };
        let outlook = self.look().await.ok();
        let next = outlook.as_ref().map_or_else(String::new, |outlook| outlook.next.to_string());
        let held = outlook.and_then(|outlook| outlook.held);
        let urgent =
            held.is_none_or(|held| standing(held.validity.not_after, self.parts.clock.now()) != Standing::Good);
        let names = self.names.join(", ");
        if urgent {
            tracing::error!(%trouble, %names, %next, "no new certificate by ACME");
        } else {
            tracing::warn!(%trouble, %names, %next, "no new certificate by ACME; the one in use is good for now");
        }
    }
}

fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    parts.iter().for_each(|part| hasher.update(part));
    hasher.finalize().into()
}

/// The same for the same, and spread evenly over everything else.
fn chance(parts: &[&[u8]]) -> Chance {
    let [first, second, third, fourth, ..] = digest(parts);
    Chance(u32::from_le_bytes([first, second, third, fourth]))
}
