//! An issuer of tokens on loopback: it signs, and publishes its keys on a web server that can be down.

use std::sync::{Arc, Mutex};

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use ring::rand::SystemRandom;
use ring::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufStream};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use crate::support::Place;
use crate::uplink::certificates::Authority;

pub(super) const ISSUER: &str = "https://login.contoso.example/tenant/v2.0";

/// A key of the issuer's.
pub(super) struct Signer {
    id: &'static str,
    pair: EcdsaKeyPair,
}

fn encoded(octets: impl AsRef<[u8]>) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(octets)
}

impl Signer {
    pub(super) fn new(id: &'static str) -> Self {
        let (how, random) = (&ECDSA_P256_SHA256_FIXED_SIGNING, SystemRandom::new());
        let document = EcdsaKeyPair::generate_pkcs8(how, &random).unwrap();
        Self { id, pair: EcdsaKeyPair::from_pkcs8(how, document.as_ref(), &random).unwrap() }
    }

    /// The set of keys that has this one alone.
    pub(super) fn set(&self) -> String {
        let (x, y) = self.pair.public_key().as_ref()[1..].split_at(32);
        let (x, y) = (encoded(x), encoded(y));
        format!(r#"{{"keys":[{{"kty":"EC","crv":"P-256","use":"sig","kid":"{}","x":"{x}","y":"{y}"}}]}}"#, self.id)
    }

    /// A token for somebody, from one second to another, with more claims.
    pub(super) fn token(&self, upn: &str, (begin, end): (u64, u64), more: &str) -> String {
        let header = format!(r#"{{"typ":"JWT","alg":"ES256","kid":"{}"}}"#, self.id);
        let whose = format!(r#""iss":"{ISSUER}","aud":"api://franking","scp":"SMTP.Send","upn":"{upn}""#);
        let claims = format!(r#"{{{whose},"nbf":{begin},"exp":{end}{more}}}"#);
        let signed = format!("{}.{}", encoded(header), encoded(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
        format!("{signed}.{}", encoded(signature))
    }
}

/// `[[issuer]]` as an administrator writes it; `keys` says where they are.
pub(super) fn table(keys: &str) -> String {
    format!(
        "[[issuer]]\nname = \"entra\"\nissuer = \"{ISSUER}\"\naudience = [\"api://franking\"]\n\
         scope = \"SMTP.Send\"\n{keys}\n\n[limits]\nlockout_delay_seconds = 0\n\n"
    )
}

/// The issuer's web server. Dropping it ends it.
pub(super) struct Web {
    _runtime: Runtime,
    facts: Arc<Mutex<(Option<String>, usize)>>,
    port: u16,
}

impl Web {
    /// Starts it and writes `ca.pem`, by which it is known, into `place`.
    pub(super) fn start(place: &Place, set: &str) -> Self {
        let authority = Authority::new();
        authority.write(place.path());
        let tls = authority.acceptor();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let facts = Arc::new(Mutex::new((Some(set.to_owned()), 0)));
        let own = Arc::clone(&facts);
        runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(stream) = tls.accept(stream).await else { continue };
                let mut stream = BufStream::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.is_ok_and(|count| count > 2) {}
                let answer = {
                    let mut facts = own.lock().unwrap();
                    facts.1 += 1;
                    let is_right = line.starts_with("GET /tenant/keys HTTP/1.1\r\n");
                    facts.0.clone().filter(|_| is_right)
                };
                let (status, body) = answer.map_or(("503 Service Unavailable", String::new()), |set| ("200 OK", set));
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + &body).as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { _runtime: runtime, facts, port }
    }

    /// What it publishes from now on; nothing means that it is down.
    pub(super) fn publish(&self, set: Option<String>) {
        self.facts.lock().unwrap().0 = set;
    }

    /// How often it was asked.
    pub(super) fn asked(&self) -> usize {
        self.facts.lock().unwrap().1
    }

    /// The configuration of a server that believes it.
    pub(super) fn table(&self) -> String {
        let keys = format!("jwks_url = \"https://127.0.0.1:{}/tenant/keys\"", self.port);
        format!("[relay]\nauthorities = \"ca.pem\"\n\n{}", table(&keys))
    }
}
