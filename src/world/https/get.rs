//! Gets a document from a web server that the operator named.

use core::pin::pin;

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use super::url::HttpsUrl;
use super::{Fetch, FetchError, HEADER_BYTES_MAX, HEADERS_MAX, HttpsClient, words};

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
        let mut builder = hyper::client::conn::http1::Builder::new();
        builder.max_buf_size(HEADER_BYTES_MAX).max_headers(HEADERS_MAX);
        let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(words)?;
        let request = Request::get(url.path())
            .header(header::HOST, url.authority())
            .header(header::ACCEPT, "application/json")
            .header(header::CONNECTION, "close")
            .body(Empty::<Bytes>::new())
            .map_err(words)?;
        let mut exchange = pin!(async {
            let response = sender.send_request(request).await.map_err(words)?;
            read(response, self.options.bytes_max).await
        });
        tokio::select! {
            biased;
            outcome = &mut exchange => return outcome,
            _ = connection => {}
        }
        // The other side has hung up; what it said before is still there.
        exchange.await
    }
}

async fn read(response: Response<Incoming>, bytes_max: usize) -> Result<Vec<u8>, String> {
    if response.status() != StatusCode::OK {
        return Err(format!("it answered {}", response.status().as_u16()));
    }
    let body = Limited::new(response.into_body(), bytes_max).collect().await.map_err(words)?;
    Ok(body.to_bytes().to_vec())
}
