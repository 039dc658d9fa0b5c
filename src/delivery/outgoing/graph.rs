//! Hands mail to Microsoft Graph: `sendMail` with the whole message, in the name of a mailbox.
//!
//! Graph knows no envelope (see [`recipient_fields`](crate::model::mail::recipient_fields)), takes three megabytes, and
//! says of all recipients at once whether it takes a message. It promises that nobody gets a message twice by what its
//! header says, that what Graph takes is a message in whole, and that its wish to be left alone is obeyed. A post whose
//! answer is lost is repeated, as with SMTP.

use core::fmt;
use std::io::{self, Read as _};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::{Gate, Parcel, Rewritten, attempt_of, outbound};
use crate::delivery::relay_agent::MessageSource;
use crate::delivery::tokens::{TokenSource, printable};
use crate::model::mail::borrowed_name::in_the_name_of;
use crate::model::mail::recipient_fields::{OtherRecipients, addressed_to};
use crate::model::mail::{Address, EnhancedStatus, ForwardPath, ReversePath};
use crate::model::queue::{Attempt, Finding, Outcome};
use crate::model::smtp::client::Trouble;
use crate::world::https::{HttpsUrl, Post, PostAnswer, Posts};
use crate::world::offload;

/// Graph takes requests of four megabytes, and Base64 makes four octets of three.
const MESSAGE_BYTES_MAX: u64 = 3_000_000;
/// Requests for one mailbox at once, beyond which Graph throttles; each holds a message in memory here.
pub const PLACES_MAX: usize = 4;

/// Graph, and on which terms mail goes there.
#[derive(Clone)]
pub struct Graph {
    /// Where it is, such as `https://graph.microsoft.com/v1.0`.
    pub endpoint: HttpsUrl,
    /// How it is reached.
    pub posts: Arc<dyn Posts>,
    /// What allows it.
    pub tokens: Arc<TokenSource>,
    /// The mailbox in whose name all mail goes; that of each sender without one.
    pub mailbox: Option<Address>,
    /// What to do about addresses in the header that are no recipients.
    pub others: OtherRecipients,
    /// The way in.
    pub gate: Arc<Gate>,
}

impl fmt::Debug for Graph {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Graph").field("endpoint", &self.endpoint).finish_non_exhaustive()
    }
}

/// An error of Graph's.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Failure {
    error: FailureDetail,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct FailureDetail {
    code: String,
    message: String,
}

/// What an answer means for every recipient.
enum Verdict {
    Taken,
    /// Our own settings are at fault, or Graph is: the message waits.
    Waits(EnhancedStatus),
    /// Never.
    Failed(EnhancedStatus),
}

impl Graph {
    /// What becomes of a parcel; the same for every recipient.
    pub(super) async fn carry(&self, parcel: &Parcel) -> Outcome {
        let place = match self.gate.enter().await {
            Ok(place) => place,
            Err(trouble) => return unreached(parcel, trouble),
        };
        let (mailbox, source) = match self.body(parcel) {
            Ok(body) => body,
            Err((status, text)) => return self.failed(parcel, status, text),
        };
        let content = match offload(move || read(&*source)).await.and_then(|content| content) {
            Ok(content) => STANDARD.encode(content),
            Err(error) => {
                let reply = Finding::HostTrouble(EnhancedStatus(4, 3, 0), error.to_string()).reply();
                return Outcome::Deferred(Attempt { at: parcel.at, host: None, reply });
            }
        };
        let url = self.endpoint.below(&["users", &mailbox.to_string(), "sendMail"]);
        let post = Post { url, content_type: "text/plain", bearer: None, body: content.into() };
        let outcome = self.post(parcel, post).await;
        drop(place);
        outcome
    }

    /// The mailbox, and the message as Graph wants it.
    fn body(&self, parcel: &Parcel) -> Result<(Address, Arc<dyn MessageSource>), (EnhancedStatus, String)> {
        let (message, former) = (outbound(parcel), &parcel.message.head);
        let (mailbox, head) = match (&self.mailbox, message.reverse_path) {
            (Some(mailbox), _) => (mailbox.clone(), in_the_name_of(former, mailbox)),
            (None, ReversePath::Mailbox(sender)) => (sender, former.to_vec()),
            (None, ReversePath::Null) => {
                let text = "a message without sender cannot leave by Graph; set rewrite_sender".to_owned();
                return Err((EnhancedStatus(5, 1, 7), text));
            }
        };
        let recipients = message.recipients.iter().filter_map(|recipient| match &recipient.path {
            ForwardPath::Mailbox(address) => Some(address),
            ForwardPath::Postmaster => None,
        });
        let head = addressed_to(&head, &recipients.collect::<Vec<_>>(), self.others)
            .map_err(|error| (EnhancedStatus(5, 6, 0), error.to_string()))?;
        let front_bytes = parcel.source.bytes().saturating_sub(parcel.message.bytes());
        let source = Rewritten::new(Arc::clone(&parcel.source), front_bytes, former.len() as u64, head);
        if source.bytes() > MESSAGE_BYTES_MAX {
            let text = format!("it is longer than the {MESSAGE_BYTES_MAX} octets that Graph takes; route it by SMTP");
            return Err((EnhancedStatus(5, 3, 4), text));
        }
        Ok((mailbox, Arc::new(source)))
    }

    /// Posts, and once more with another token where the first is refused.
    async fn post(&self, parcel: &Parcel, mut post: Post) -> Outcome {
        let token = match self.tokens.token().await {
            Ok(token) => token,
            Err(trouble) => return self.waits(parcel, EnhancedStatus(4, 7, 8), &trouble.to_string(), None),
        };
        post.bearer = Some(token.clone());
        let mut answer = self.posts.post(&post).await;
        if answer.as_ref().is_ok_and(|answer| answer.status == 401) {
            match self.tokens.renew(&token).await {
                Ok(Some(fresh)) => {
                    post.bearer = Some(fresh);
                    answer = self.posts.post(&post).await;
                }
                Ok(None) => {}
                Err(trouble) => return self.waits(parcel, EnhancedStatus(4, 7, 8), &trouble.to_string(), None),
            }
        }
        match answer {
            Ok(answer) => self.told(parcel, &answer),
            Err(error) => self.waits(parcel, EnhancedStatus(4, 4, 1), &error.reason, None),
        }
    }

    fn told(&self, parcel: &Parcel, answer: &PostAnswer) -> Outcome {
        let failure: Failure = serde_json::from_slice(&answer.body).unwrap_or_default();
        let FailureDetail { code, message } = failure.error;
        let said = printable(&format!("{} {code}: {message}", answer.status));
        match verdict(answer.status, &code) {
            Verdict::Taken => {
                self.gate.open();
                let reply = Finding::HostAccepted(answer.status.to_string() + " Accepted").reply();
                let attempt = Attempt { at: parcel.at, host: Some(self.endpoint.host().into()), reply };
                Outcome::Relayed { attempt, dsn_passed_on: false }
            }
            Verdict::Waits(status) => self.waits(parcel, status, &said, answer.retry_after),
            Verdict::Failed(status) => self.failed(parcel, status, said),
        }
    }

    /// The message waits, and nothing goes there for a while.
    fn waits(&self, parcel: &Parcel, status: EnhancedStatus, text: &str, wish: Option<Duration>) -> Outcome {
        let trouble = Trouble::local(status, Some(&self.endpoint.host()), text);
        self.gate.close(&trouble, wish);
        unreached(parcel, trouble)
    }

    fn failed(&self, parcel: &Parcel, status: EnhancedStatus, text: String) -> Outcome {
        let trouble = Trouble::local(status, Some(&self.endpoint.host()), text);
        Outcome::Failed(attempt_of(trouble, parcel.at, Finding::HostUnfit))
    }
}

fn unreached(parcel: &Parcel, trouble: Trouble) -> Outcome {
    Outcome::Unreached(attempt_of(trouble, parcel.at, Finding::HostTrouble))
}

/// What a status and an error's code mean. Faults of our own settings wait, and so does whatever may pass.
fn verdict(status: u16, code: &str) -> Verdict {
    match (status, code) {
        (202, _) => Verdict::Taken,
        (400, "ErrorInvalidRecipients") => Verdict::Failed(EnhancedStatus(5, 1, 3)),
        (400, "ErrorMessageSizeExceeded") | (413, _) => Verdict::Failed(EnhancedStatus(5, 3, 4)),
        (400, _) => Verdict::Failed(EnhancedStatus(5, 6, 0)),
        (403, "ErrorSendAsDenied") => Verdict::Failed(EnhancedStatus(5, 7, 60)),
        (403, "ErrorQuotaExceeded") => Verdict::Failed(EnhancedStatus(5, 2, 2)),
        // The mailbox is none of the provider's, or may not send.
        (404, _) => Verdict::Failed(EnhancedStatus(5, 2, 1)),
        (401 | 403, _) => Verdict::Waits(EnhancedStatus(4, 7, 8)),
        (429, _) => Verdict::Waits(EnhancedStatus(4, 7, 500)),
        _ => Verdict::Waits(EnhancedStatus(4, 3, 2)),
    }
}

/// The whole message, which is not longer than it says.
fn read(source: &dyn MessageSource) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    source.open()?.take(MESSAGE_BYTES_MAX.saturating_add(1)).read_to_end(&mut content)?;
    if content.len() as u64 != source.bytes() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "the stored message has another length"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_its_meaning() {
        for (status, code, meaning) in [
            (202, "", "taken"),
            (400, "ErrorInvalidRecipients", "failed 5.1.3"),
            (400, "ErrorMimeContentInvalid", "failed 5.6.0"),
            (413, "", "failed 5.3.4"),
            (403, "ErrorSendAsDenied", "failed 5.7.60"),
            (404, "ErrorInvalidUser", "failed 5.2.1"),
            (401, "InvalidAuthenticationToken", "waits 4.7.8"),
            (403, "ErrorAccessDenied", "waits 4.7.8"),
            (429, "ApplicationThrottled", "waits 4.7.500"),
            (503, "", "waits 4.3.2"),
            (200, "", "waits 4.3.2"),
            (302, "", "waits 4.3.2"),
        ] {
            let told = match verdict(status, code) {
                Verdict::Taken => "taken".to_owned(),
                Verdict::Waits(status) => format!("waits {status}"),
                Verdict::Failed(status) => format!("failed {status}"),
            };
            assert_eq!(told, meaning, "{status} {code}");
        }
    }
}
