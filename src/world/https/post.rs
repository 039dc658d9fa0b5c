//! Posts to a web server that the operator named, and takes its answer whatever it says.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::time::Duration;

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{HeaderMap, Request, header};
use tokio::time::timeout;

use super::url::HttpsUrl;
use super::{FetchError, HttpsClient};

/// What is posted. Printing it for debugging shows where to only.
#[derive(Clone)]
pub struct Post {
    /// Where to.
    pub url: HttpsUrl,
    /// What the body is, such as `application/x-www-form-urlencoded`.
    pub content_type: &'static str,
    /// The access token that allows it (RFC 6750 section 2.1).
    pub bearer: Option<String>,
    /// The body.
    pub body: Bytes,
}

impl fmt::Debug for Post {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Post").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What a web server answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostAnswer {
    /// The status, such as 200. A redirect is an answer like any other: nobody follows it.
    pub status: u16,
    /// How long to wait before asking again, where it says so in seconds (RFC 9110 section 10.2.3). A date is not
    /// understood and counts as absent.
    pub retry_after: Option<Duration>,
    /// The body.
    pub body: Vec<u8>,
}

/// A post in progress. Boxed, so that a source can be chosen at run time.
pub type Posting<'a> = Pin<Box<dyn Future<Output = Result<PostAnswer, FetchError>> + Send + 'a>>;

/// Posts to web servers.
pub trait Posts: Send + Sync {
    /// Posts; the error is why there is no answer.
    fn post<'a>(&'a self, post: &'a Post) -> Posting<'a>;
}

impl Posts for HttpsClient {
    fn post<'a>(&'a self, post: &'a Post) -> Posting<'a> {
        Box::pin(async move {
            let outcome = timeout(self.options.timeout, self.posted(post)).await;
            let outcome = outcome.unwrap_or_else(|_| Err("no answer in time".to_owned()));
            outcome.map_err(|reason| FetchError {
                host: post.url.authority(),
                // What follows a question mark may be a secret.
                path: post.url.path().split('?').next().unwrap_or_default().to_owned(),
                reason,
            })
        })
    }
}

impl HttpsClient {
    async fn posted(&self, post: &Post) -> Result<PostAnswer, String> {
        let stream = self.connect(&post.url.host(), post.url.address(), post.url.port()).await?;
        let mut request = Request::post(post.url.path())
            .header(header::HOST, post.url.authority())
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, post.content_type)
            .header(header::CONNECTION, "close");
        if let Some(token) = &post.bearer {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        // Not in its own words, which might repeat a token.
        let request = request.body(Full::new(post.body.clone())).map_err(|_| "the request cannot be written")?;
        let answer = self.exchange(stream, request, |_| Ok(())).await?;
        let (status, retry_after) = (answer.status().as_u16(), retry_after(answer.headers()));
        Ok(PostAnswer { status, retry_after, body: answer.into_body().to_vec() })
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
