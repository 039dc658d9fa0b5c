//! Gets a document from a web server that the operator named.

use http_body_util::Full;
use hyper::{Request, header};
use tokio::time::timeout;

use super::url::HttpsUrl;
use super::{Fetch, FetchError, HttpsClient, is_ok, words};

/// Gives documents of web servers.
pub trait Documents: Send + Sync {
    /// What is at `url`, of whatever type: who asks knows what to make of it. Nothing but 200 is an answer, and no
    /// redirect is followed.
    fn get<'a>(&'a self, url: &'a HttpsUrl) -> Fetch<'a>;
}

impl Documents for HttpsClient {
    fn get<'a>(&'a self, url: &'a HttpsUrl) -> Fetch<'a> {
        Box::pin(async move {
            let outcome = timeout(self.options.timeout, self.document(url)).await;
            let outcome = outcome.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            outcome.map_err(|reason| FetchError { host: url.authority(), path: url.path().to_owned(), reason })
        })
    }
}

impl HttpsClient {
    async fn document(&self, url: &HttpsUrl) -> Result<Vec<u8>, String> {
        let stream = self.connect(&url.host(), url.address(), url.port()).await?;
        let request = Request::get(url.path())
            .header(header::HOST, url.authority())
            .header(header::ACCEPT, "application/json")
            .header(header::CONNECTION, "close")
            .body(Full::default())
            .map_err(words)?;
        let answer = self.exchange(stream, request, is_ok).await?;
        Ok(answer.into_body().to_vec())
    }
}
