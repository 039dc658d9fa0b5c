//! Sends a request of any kind to a web server that the operator named, and takes its answer with its fields.

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::http::HeaderValue;
use hyper::{Request, Response, header};
use tokio::time::timeout;

use super::url::HttpsUrl;
use super::{FetchError, HttpsClient, words};

impl HttpsClient {
    /// Sends `request`, whose address must be a whole one; an answer is an answer whatever its status, and no redirect
    /// is followed.
    ///
    /// # Errors
    /// Why there is no answer.
    pub async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
        let address = request.uri().to_string();
        let url: HttpsUrl = address.parse().map_err(|error: super::UrlError| FetchError {
            // An address in another's answer may be anything.
            host: address.chars().filter(|letter| !letter.is_control()).take(80).collect(),
            path: String::new(),
            reason: error.to_string(),
        })?;
        let outcome = timeout(self.options.timeout, self.whole(&url, request)).await;
        let outcome = outcome.unwrap_or_else(|_| Err("no answer in time".to_owned()));
        let path = url.path().split('?').next().unwrap_or_default().to_owned();
        outcome.map_err(|reason| FetchError { host: url.authority(), path, reason })
    }

    async fn whole(&self, url: &HttpsUrl, request: Request<Bytes>) -> Result<Response<Bytes>, String> {
        let stream = self.connect(&url.host(), url.address(), url.port()).await?;
        let (mut parts, body) = request.into_parts();
        parts.uri = url.path().parse().map_err(words)?;
        let host = HeaderValue::from_str(&url.authority()).map_err(words)?;
        parts.headers.insert(header::HOST, host);
        parts.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        let request = Request::from_parts(parts, Full::new(body));
        self.exchange(stream, request, |_| Ok(())).await
    }
}
