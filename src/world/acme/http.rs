//! How the library reaches the authority: by our own client, which proves its name and bounds its answers.

use core::future::Future;
use core::pin::Pin;
use core::time::Duration;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, header};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use mail_parser::DateTime;

use crate::model::mail::Timestamp;
use crate::world::Clock;
use crate::world::https::HttpsClient;

/// The way to an authority; clones are the same one.
#[derive(Clone)]
pub struct AcmeHttp {
    client: Arc<HttpsClient>,
    clock: Arc<dyn Clock>,
    /// How long the last answer asked to be left alone. The library does not tell it of errors.
    retry_after: Arc<Mutex<Option<Duration>>>,
}

impl AcmeHttp {
    /// By `client`, whose TLS must prove names.
    pub fn new(client: HttpsClient, clock: Arc<dyn Clock>) -> Self {
        Self { client: Arc::new(client), clock, retry_after: Arc::default() }
    }

    /// What the last answer asked, and nothing from now on.
    pub(super) fn take_retry_after(&self) -> Option<Duration> {
        self.retry_after.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    async fn answer(self, request: Request<BodyWrapper<Bytes>>) -> Result<BytesResponse, Error> {
        let (parts, body) = request.into_parts();
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let outcome = self.client.send(Request::from_parts(parts, body)).await;
        let asked = outcome.as_ref().ok().and_then(|answer| retry_after(answer.headers(), self.clock.now()));
        *self.retry_after.lock().unwrap_or_else(PoisonError::into_inner) = asked;
        let answer = outcome.map_err(|error| Error::Other(Box::new(error)))?;
        Ok(BytesResponse::from(answer.map(Full::new)))
    }
}

impl HttpClient for AcmeHttp {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        Box::pin(self.clone().answer(request))
    }
}

/// Seconds or a date (RFC 9110 section 10.2.3).
fn retry_after(fields: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = fields.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let instant = DateTime::parse_rfc822(text)?.to_timestamp();
    let instant = Timestamp::from_unix_milliseconds(u64::try_from(instant).ok()?.saturating_mul(1_000));
    Some(instant.since(now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hyper::http::HeaderValue;

    #[test]
    fn a_wait_is_given_in_seconds_or_as_a_date() {
        let now = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
        let of = |text: &str| {
            let value = HeaderValue::from_str(text).unwrap();
            retry_after(&[(header::RETRY_AFTER, value)].into_iter().collect(), now)
        };
        assert_eq!(of("120"), Some(Duration::from_secs(120)));
        assert_eq!(of("Mon, 05 Jan 2026 10:00:00 GMT"), Some(Duration::from_secs(3_600)));
        assert_eq!(of("Mon, 05 Jan 2025 10:00:00 GMT"), Some(Duration::ZERO));
        for odd in ["", "-1", "soon", "99999999999999999999999"] {
            assert_eq!(of(odd), None, "{odd}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
