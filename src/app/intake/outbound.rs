//! Who sends too much outside is restricted, before anybody is told so: durably first, then its mail in the queue, then
//! the administrators.

use std::sync::Arc;

use super::Intake;
use crate::model::directory::{Recipient, Snapshot};
use crate::model::mail::Address;
use crate::model::policy::restricted::{Submitter, external_recipients};
use crate::model::policy::{Envelope, Refusal};
use crate::model::report::{Reporter, RestrictionFacts, restriction_notice};
use crate::model::smtp::Submission;
use crate::store::queue::OwnMessage;
use crate::store::restrictions::Restriction;
use crate::store::tally::{OutboundHold, SentOutside};

impl Intake {
    /// Holds the recipients outside of a message, of which there may be so many in an hour, and in a day. Who has none
    /// left, or is restricted already, is refused.
    pub(super) async fn hold_outbound(
        &self,
        submission: &Submission,
        (per_hour, per_day): (Option<u32>, Option<u32>),
        account: Option<&Arc<Recipient>>,
    ) -> Result<OutboundHold, Refusal> {
        let Some(submitter) = Submitter::of(&submission.envelope) else {
            // Asked for accounts and clients of connectors only.
            return Err(Refusal::TemporaryServerError);
        };
        if self.counters.restrictions.is_restricted(&submitter) {
            return Err(Refusal::BadOutboundSender);
        }
        let outside = external_recipients(&submission.envelope);
        let held = self.counters.tally.hold_outbound(&submitter, outside, per_hour, per_day);
        match held {
            Ok(hold) => Ok(hold),
            Err(sent) => {
                let address = account.map_or_else(String::new, |account| account.primary().to_string());
                self.restrict(submitter, &address, sent).await;
                Err(Refusal::BadOutboundSender)
            }
        }
    }

    async fn restrict(&self, submitter: Submitter, address: &str, sent: SentOutside) {
        let (device, connector) = (submitter.device().map(str::to_owned), submitter.connector().map(str::to_owned));
        let restriction = Restriction {
            submitter,
            address: address.into(),
            since: self.clock.now(),
            of_hour: sent.of_hour,
            of_day: sent.of_day,
            told: false,
        };
        let (restrictions, queue) = (Arc::clone(&self.counters.restrictions), Arc::clone(&self.queue));
        let restricted = tokio::task::spawn_blocking(move || {
            let is_new = restrictions.restrict(restriction);
            queue.restrict(|| restrictions.submitters());
            is_new
        });
        let SentOutside { of_hour, of_day } = sent;
        match restricted.await {
            Ok(true) => tracing::warn!(
                account = %address, device, connector, of_hour, of_day,
                "restricted: too many recipients outside; nothing more is taken from it, and what waits to \
                 leave stays, until an administrator releases it (franking restricted)"
            ),
            Ok(false) => {}
            Err(error) => tracing::error!(%error, account = %address, "who sends too much could not be restricted"),
        }
    }

    /// Tells the administrators of everybody who was restricted and they were not told of, through the queue. Whom a
    /// kill caught between the two is told of twice.
    pub(in crate::app) async fn tell_administrators(&self) {
        for restriction in self.counters.restrictions.all().into_iter().filter(|own| !own.told) {
            let connector = restriction.submitter.connector();
            let Some(message) = self.notice(&restriction) else {
                let account = &restriction.address;
                tracing::error!(%account, connector, "nobody can be told of a restriction: no postmaster");
                continue;
            };
            match self.queue.commit_own(message).await {
                Ok(id) => {
                    let account = &restriction.address;
                    tracing::info!(queue_id = %id, %account, connector, "the administrators are told");
                    let restrictions = Arc::clone(&self.counters.restrictions);
                    let submitter = restriction.submitter.clone();
                    let _ = tokio::task::spawn_blocking(move || restrictions.told(&submitter)).await;
                }
                // It is tried again with the next round.
                Err(error) => tracing::warn!(%error, "the administrators could not be told of a restriction yet"),
            }
        }
    }

    fn notice(&self, restriction: &Restriction) -> Option<OwnMessage> {
        let (snapshot, settings) = (self.directory.current(), self.settings.current());
        let author = self.postmaster(&snapshot)?;
        let named = snapshot.organisation().notify_outbound_spam_recipient.clone();
        let write = |to: &Address| {
            let content = restriction_notice(&RestrictionFacts {
                reporter: &Reporter { host: self.host.clone(), author: author.clone() },
                to,
                account: &restriction.address,
                device: restriction.submitter.device(),
                connector: restriction.submitter.connector(),
                since: restriction.since,
                of_hour: restriction.of_hour,
                of_day: restriction.of_day,
                reply: &Refusal::BadOutboundSender.bare_reply(&settings),
            });
            let envelope = Envelope::notice(&snapshot, &settings, core::slice::from_ref(to), &content)?;
            Some(OwnMessage { envelope, content })
        };
        // An address that nobody has any more must not hide it.
        named.as_ref().and_then(write).or_else(|| write(&author))
    }

    fn postmaster(&self, snapshot: &Snapshot) -> Option<Address> {
        let domain = snapshot.default_domain().map_or_else(|| self.host.to_string(), ToString::to_string);
        Address::parse(&format!("postmaster@{domain}")).ok()
    }
}
