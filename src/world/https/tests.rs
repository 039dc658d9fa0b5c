//! A web server on loopback that answers what a script says.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
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

/// Fetches from a server whose certificate is for `HOST`, under the name `host`; also what the server was asked.
async fn fetch(
    answer: Vec<u8>,
    host: &str,
    adjust: impl FnOnce(&mut HttpsOptions),
) -> (Result<Vec<u8>, String>, String) {
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
        let Ok(mut stream) = acceptor.accept(stream).await else { return String::new() };
        let mut asked = Vec::new();
        while !asked.ends_with(b"\r\n\r\n") {
            let mut octet = [0];
            if stream.read(&mut octet).await.unwrap_or(0) == 0 {
                break;
            }
            asked.push(octet[0]);
        }
        // A client that has had enough hangs up.
        let _ = stream.write_all(&answer).await;
        let _ = stream.flush().await;
        if !answer.ends_with(UNFINISHED) {
            let _ = stream.shutdown().await;
        }
        let mut rest = [0];
        let _ = stream.read(&mut rest).await;
        String::from_utf8(asked).unwrap()
    });
    let addresses = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let resolver = FixedResolver::new().with_addresses(HOST, addresses).with_addresses("other.example", addresses);
    let mut options =
        HttpsOptions { port, loopback_allowed: true, bytes_max: 64 << 10, timeout: Duration::from_secs(20) };
    adjust(&mut options);
    let tls = verified(&Roots::File(place.path().join("ca.pem"))).unwrap();
    let client = HttpsClient::new(Arc::new(resolver), Arc::new(TcpDialer), tls, options);
    let outcome = client.fetch(host, PATH).await.map_err(|error| error.to_string());
    drop(client);
    // A server that nobody came to ends with this visitor.
    let visitor = tokio::net::TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await;
    drop(visitor);
    let asked = server.await.unwrap();
    (outcome, asked)
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
