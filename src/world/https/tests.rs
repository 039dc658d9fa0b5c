//! A web server on loopback that answers what a script says.

use std::net::Ipv4Addr;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::model::mail::Domain;
use crate::world::network::{TcpDialer, accept, listen};
use crate::world::tls::{CertificateStore, Roots, ensure_development_certificates, server_config, verified};
use crate::world::{Clock as _, FixedResolver, SeededRandom, SystemClock};

const HOST: &str = "mta-sts.fabrikam.example";
/// A server whose answer ends so goes silent and keeps the connection.
const UNFINISHED: &[u8] = b"...";
const PATH: &str = "/.well-known/mta-sts.txt";

/// A server whose certificate is for `HOST`, and a client that trusts it.
struct Rig {
    client: HttpsClient,
    port: u16,
    /// What the server was asked.
    server: tokio::task::JoinHandle<String>,
    _place: tempfile::TempDir,
}

impl Rig {
    fn new(answer: Vec<u8>, adjust: impl FnOnce(&mut HttpsOptions)) -> Self {
        let place = tempfile::tempdir().unwrap();
        let names = [Domain::parse(HOST).unwrap()];
        let now = SystemClock::new().now();
        let (paths, _) = ensure_development_certificates(place.path(), &names, now, &SeededRandom::new(1)).unwrap();
        let store = Arc::new(CertificateStore::open(&[paths]).unwrap());
        let acceptor = TlsAcceptor::from(server_config(store).unwrap());
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            let (stream, _) = accept(&listener).await.unwrap();
            let Ok(stream) = acceptor.accept(stream).await else { return String::new() };
            serve(stream, &answer).await
        });
        let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
        let resolver = FixedResolver::new().with_addresses(HOST, addresses).with_addresses("other.example", addresses);
        let mut options =
            HttpsOptions { port, loopback_allowed: true, bytes_max: 64 << 10, timeout: Duration::from_secs(20) };
        adjust(&mut options);
        let tls = verified(&Roots::File(place.path().join("ca.pem"))).unwrap();
        let client = HttpsClient::new(Arc::new(resolver), Arc::new(TcpDialer), tls, options);
        Self { client, port, server, _place: place }
    }

    /// What the server was asked; nothing when nobody came.
    async fn asked(self) -> String {
        drop(self.client);
        // A server that nobody came to ends with this visitor.
        let visitor = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)).await;
        drop(visitor);
        self.server.await.unwrap()
    }
}

/// Reads the head of a request and as much of a body as it announces, then answers.
async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) -> String {
    let (mut asked, mut end) = (Vec::new(), None);
    while end.is_none_or(|end| asked.len() < end) {
        let mut octet = [0];
        if stream.read(&mut octet).await.unwrap_or(0) == 0 {
            break;
        }
        asked.push(octet[0]);
        if end.is_none() && asked.ends_with(b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&asked).to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            end = Some(asked.len() + length.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0));
        }
    }
    // A client that has had enough hangs up.
    let _ = stream.write_all(answer).await;
    let _ = stream.flush().await;
    if !answer.ends_with(UNFINISHED) {
        let _ = stream.shutdown().await;
    }
    let mut rest = [0];
    let _ = stream.read(&mut rest).await;
    String::from_utf8(asked).unwrap()
}

/// Fetches from a server whose certificate is for `HOST`, under the name `host`; also what the server was asked.
async fn fetch(
    answer: Vec<u8>,
    host: &str,
    adjust: impl FnOnce(&mut HttpsOptions),
) -> (Result<Vec<u8>, String>, String) {
    let rig = Rig::new(answer, adjust);
    let outcome = rig.client.fetch(host, PATH).await.map_err(|error| error.to_string());
    (outcome, rig.asked().await)
}

/// Posts a form to such a server.
async fn post(answer: Vec<u8>, adjust: impl FnOnce(&mut HttpsOptions)) -> (Result<PostAnswer, String>, String) {
    let rig = Rig::new(answer, adjust);
    let post = Post {
        url: format!("https://{HOST}:{}/token?secret=x", rig.port).parse().unwrap(),
        content_type: "text/plain",
        bearer: Some("t0ken".to_owned()),
        body: "a=b&c=d".into(),
    };
    let outcome = rig.client.post(&post).await.map_err(|error| error.to_string());
    assert!(!format!("{post:?} {outcome:?}").contains("t0ken"));
    (outcome, rig.asked().await)
}

fn answer(head: &str, body: &[u8]) -> Vec<u8> {
    [format!("HTTP/1.1 {head}\r\n\r\n").as_bytes(), body].concat()
}

#[tokio::test]
async fn a_text_is_fetched_as_it_is() {
    for head in [
        "200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5",
        "200 OK\r\ncontent-type: TEXT/plain; charset=utf-8\r\nContent-Length: 5",
        "200 Fine\r\nContent-Type: text/plain\r\nConnection: close",
    ] {
        let (text, asked) = fetch(answer(head, b"hello"), HOST, |_| {}).await;
        assert_eq!(text, Ok(b"hello".to_vec()), "{head}");
        assert!(asked.starts_with("GET /.well-known/mta-sts.txt HTTP/1.1\r\n"), "{asked}");
        assert!(asked.to_ascii_lowercase().contains("\r\nhost: mta-sts.fabrikam.example\r\n"), "{asked}");
    }
    let chunked =
        answer("200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(fetch(chunked, HOST, |_| {}).await.0, Ok(b"hello".to_vec()));
}

#[tokio::test]
async fn what_is_no_plain_answer_is_refused_with_its_reason() {
    let long = vec![b'a'; (64 << 10) + 1];
    let endless = "X-A: b\r\n".repeat(20_000);
    for (octets, reason) in [
        (answer("301 Moved\r\nLocation: https://other.example/\r\nContent-Length: 0", b""), "it answered 301"),
        (answer("404 Not Found\r\nContent-Type: text/plain\r\nContent-Length: 0", b""), "it answered 404"),
        (answer("204 None\r\nContent-Type: text/plain", b""), "it answered 204"),
        (answer("200 OK\r\nContent-Type: text/html\r\nContent-Length: 5", b"hello"), "it is not text/plain"),
        (answer("200 OK\r\nContent-Length: 5", b"hello"), "it is not text/plain"),
        (answer("200 OK\r\nContent-Type: text/plain\r\nConnection: close", &long), "length limit exceeded"),
        (answer("200 OK\r\nContent-Type: text/plain\r\nContent-Length: 65537", &long), "length limit exceeded"),
        (answer("200 OK\r\nContent-Type: text/plain\r\nContent-Length: 9", b"cut"), "https://"),
        (answer(&format!("200 OK\r\n{endless}Content-Type: text/plain"), b""), "https://"),
        (b"220 mx ESMTP\r\n".to_vec(), "https://"),
        (Vec::new(), "https://"),
    ] {
        let (outcome, _) = fetch(octets, HOST, |_| {}).await;
        let error = outcome.unwrap_err();
        assert!(error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn the_host_must_prove_its_name_and_be_elsewhere() {
    let good = || answer("200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5", b"hello");
    let (named, asked) = fetch(good(), "other.example", |_| {}).await;
    assert!(named.unwrap_err().contains("certificate"));
    assert_eq!(asked, "", "nothing is said to a host that proves nothing");
    let (local, _) = fetch(good(), HOST, |options| options.loopback_allowed = false).await;
    assert!(local.unwrap_err().contains("no address"));
    let (nowhere, _) = fetch(good(), "nowhere.example", |_| {}).await;
    assert!(nowhere.unwrap_err().contains("no address"));
}

#[tokio::test]
async fn silence_ends_with_the_patience() {
    let silent = answer("200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5", UNFINISHED);
    let (outcome, _) = fetch(silent, HOST, |options| options.timeout = Duration::from_millis(300)).await;
    assert!(outcome.unwrap_err().contains("no answer in time"));
}

#[tokio::test]
async fn what_is_posted_arrives_and_every_answer_is_given_back() {
    let said = answer("200 OK\r\nContent-Length: 2", b"{}");
    let (given, asked) = post(said, |_| {}).await;
    assert_eq!(given.unwrap(), PostAnswer { status: 200, retry_after: None, body: b"{}".to_vec() });
    let asked = asked.replacen("authorization", "Authorization", 1);
    assert!(asked.starts_with("POST /token?secret=x HTTP/1.1\r\n") && asked.ends_with("\r\n\r\na=b&c=d"), "{asked}");
    assert!(asked.contains("\r\nAuthorization: Bearer t0ken\r\n"), "{asked}");
    for (head, status, retry_after) in [
        ("429 Busy\r\nRetry-After: 17\r\nContent-Length: 0", 429, Some(17)),
        ("503 Down\r\nRetry-After: Fri, 31 Dec 1999 23:59:59 GMT\r\nContent-Length: 0", 503, None),
        ("302 Found\r\nLocation: https://other.example/\r\nContent-Length: 0", 302, None),
        ("202 Accepted\r\nRetry-After: -1\r\nContent-Length: 0", 202, None),
    ] {
        let (given, _) = post(answer(head, b""), |_| {}).await;
        let given = given.unwrap();
        assert_eq!((given.status, given.retry_after), (status, retry_after.map(Duration::from_secs)), "{head}");
    }
}

#[tokio::test]
async fn a_post_without_a_whole_answer_is_an_error_that_tells_no_secret() {
    let long = vec![b'a'; (64 << 10) + 1];
    for (octets, reason) in [
        (answer("200 OK\r\nConnection: close", &long), "length limit exceeded"),
        (answer("200 OK\r\nContent-Length: 9", b"cut"), "https://"),
        (b"220 mx ESMTP\r\n".to_vec(), "https://"),
        (Vec::new(), "https://"),
    ] {
        let error = post(octets, |_| {}).await.0.unwrap_err();
        assert!(error.contains(reason) && !error.contains("secret"), "{error}");
    }
    let silent = answer("200 OK\r\nContent-Length: 5", UNFINISHED);
    let error = post(silent, |options| options.timeout = Duration::from_millis(300)).await.0.unwrap_err();
    assert!(error.contains("no answer in time"), "{error}");
    let good = answer("200 OK\r\nContent-Length: 0", b"");
    let (local, asked) = post(good, |options| options.loopback_allowed = false).await;
    assert!(local.unwrap_err().contains("no address") && asked.is_empty());
}
