//! An authority of the test's own: the part of RFC 8555 that a server needs, over TLS on loopback, as strict as it can
//! be, and misbehaving where a test wants it to.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::prelude::{BASE64_URL_SAFE_NO_PAD, Engine as _};
use franking::model::mail::Timestamp;
use franking::model::transport_security::certificate::Window;
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use super::issuing::{self, Issuing};
use super::jws::{self, PublicKey, Signed, Signer};
use super::proofs::{self, Failed};
use crate::support::http::{Request, read};

/// What it does besides its duty.
#[derive(Default)]
pub(super) struct Moods {
    /// So many requests are told that their nonce is bad.
    pub(super) bad_nonces: usize,
    /// Orders are refused, and may come again after so many seconds.
    pub(super) rate_limit: Option<u64>,
    /// So many questions about a finalised order are answered with "processing", with this Retry-After.
    pub(super) processing: (usize, Option<u64>),
    /// So many requests are answered with a page for people.
    pub(super) garbage: usize,
    /// Does what is asked at this step, and never answers.
    pub(super) silent_at: Option<&'static str>,
    /// Does what is asked at this step, and hangs up.
    pub(super) hangs_up_at: Option<&'static str>,
    /// The account that new ones must be bound to: its identifier and HMAC key.
    pub(super) bound_to: Option<(String, Vec<u8>)>,
    /// When it wants certificates renewed.
    pub(super) window: Option<Window>,
    /// Takes no HTTP-01.
    pub(super) no_http: bool,
    /// Gives certificates for this name whatever was ordered.
    pub(super) wrong_name: Option<String>,
}

pub(super) struct AccountRecord {
    pub(super) key: PublicKey,
    pub(super) contact: Vec<String>,
    pub(super) bound: Option<String>,
    pub(super) gone: bool,
}

pub(super) struct OrderRecord {
    account: String,
    pub(super) names: Vec<String>,
    pub(super) replaces: Option<String>,
    finalized: bool,
    failed: bool,
    certificate: Option<String>,
    polls: usize,
}

struct Proof {
    order: usize,
    name: String,
    token: String,
    status: &'static str,
    error: Option<Failed>,
}

/// Everything it knows.
pub(super) struct Facts {
    pub(super) moods: Moods,
    pub(super) now: Timestamp,
    pub(super) lifetime: Duration,
    /// Where it looks for proofs.
    pub(super) port: u16,
    pub(super) accounts: Vec<AccountRecord>,
    pub(super) orders: Vec<OrderRecord>,
    /// The certificates that it gave.
    pub(super) given: Vec<String>,
    /// The steps that were asked for, in order.
    pub(super) asked: Vec<&'static str>,
    /// What nobody may send.
    pub(super) wrong: Vec<String>,
    proofs: Vec<Proof>,
    nonces: HashSet<String>,
    counter: u64,
    base: String,
    issuing: Issuing,
}

/// The authority. Dropping it ends it.
pub(super) struct Authority {
    /// Taken at the end.
    runtime: Option<Runtime>,
    facts: Arc<Mutex<Facts>>,
    reached: Arc<Notify>,
    pub(super) directory: String,
    pub(super) root: String,
}

/// Status, further fields, body.
type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

impl Drop for Authority {
    fn drop(&mut self) {
        // It may be within a runtime of the test's, which must not wait.
        self.runtime.take().into_iter().for_each(Runtime::shutdown_background);
    }
}

impl Authority {
    pub(super) fn start(now: Timestamp) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let base = format!("https://{}", listener.local_addr().unwrap());
        let issuing = Issuing::new();
        let (root, tls) = (issuing.root.clone(), issuing.acceptor());
        let facts = Facts {
            moods: Moods::default(),
            now,
            lifetime: Duration::from_secs(90 * 86_400),
            port: 0,
            accounts: Vec::new(),
            orders: Vec::new(),
            given: Vec::new(),
            asked: Vec::new(),
            wrong: Vec::new(),
            proofs: Vec::new(),
            nonces: HashSet::new(),
            counter: 0,
            base: base.clone(),
            issuing,
        };
        let (facts, reached) = (Arc::new(Mutex::new(facts)), Arc::new(Notify::new()));
        let (own, told) = (Arc::clone(&facts), Arc::clone(&reached));
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let (facts, reached, tls) = (Arc::clone(&own), Arc::clone(&told), tls.clone());
                tokio::spawn(async move {
                    if let Ok(stream) = tls.accept(stream).await {
                        let _ = serve(BufStream::new(stream), facts, reached).await;
                    }
                });
            }
        });
        Self { runtime: Some(runtime), facts, reached, directory: format!("{base}/directory"), root }
    }

    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap()
    }

    /// Comes back when the step was taken at which it is silent.
    pub(super) async fn reached(&self) {
        self.reached.notified().await;
    }
}

async fn serve(
    mut stream: BufStream<impl AsyncRead + AsyncWrite + Unpin>,
    facts: Arc<Mutex<Facts>>,
    reached: Arc<Notify>,
) -> io::Result<()> {
    let request = read(&mut stream).await?;
    let ((status, fields, body), step) = answer(&facts, &request);
    if let Some(proof) = step.strip_prefix("proof ").and_then(|number| number.parse().ok()) {
        tokio::spawn(look(Arc::clone(&facts), proof));
    }
    let step = step.split(' ').next().unwrap_or_default();
    let (silent, hangs_up) = {
        let moods = &facts.lock().unwrap().moods;
        (moods.silent_at == Some(step), moods.hangs_up_at == Some(step))
    };
    if silent {
        reached.notify_one();
        core::future::pending::<()>().await;
    }
    if hangs_up {
        return Ok(());
    }
    let mut head = format!("HTTP/1.1 {status} Status\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    for (name, value) in fields {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all((head + "\r\n").as_bytes()).await?;
    if request.method != "HEAD" {
        stream.write_all(&body).await?;
    }
    stream.shutdown().await
}

fn problem(status: u16, kind: &str, detail: &str) -> Answer {
    let body = json!({"type": format!("urn:ietf:params:acme:error:{kind}"), "detail": detail, "status": status});
    (status, vec![("Content-Type", "application/problem+json".to_owned())], body.to_string().into_bytes())
}

fn json_answer(status: u16, body: &Value) -> Answer {
    (status, vec![("Content-Type", "application/json".to_owned())], body.to_string().into_bytes())
}

/// The answer, and the step that was taken.
fn answer(facts: &Mutex<Facts>, request: &Request) -> (Answer, String) {
    let mut facts = facts.lock().unwrap();
    if facts.moods.garbage > 0 {
        facts.moods.garbage -= 1;
        return ((502, Vec::new(), b"<html>Bad gateway</html>".to_vec()), "garbage".to_owned());
    }
    let (mut answer, step) = match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/directory") => (facts.directory(), "directory".to_owned()),
        ("HEAD", "/nonce") => ((200, Vec::new(), Vec::new()), "nonce".to_owned()),
        ("GET", path) if path.starts_with("/renewal/") => (facts.renewal(path), "renewal".to_owned()),
        ("POST", _) => facts.post(request),
        (method, path) => {
            facts.wrong.push(format!("{method} {path}"));
            (problem(404, "malformed", "no such place"), "nothing".to_owned())
        }
    };
    if step != "directory" {
        let nonce = facts.fresh("nonce");
        facts.nonces.insert(nonce.clone());
        answer.1.push(("Replay-Nonce", nonce));
    }
    (answer, step)
}

/// Looks for a proof, and writes down what was found.
async fn look(facts: Arc<Mutex<Facts>>, number: usize) {
    let (port, name, token, proof, http) = {
        let facts = facts.lock().unwrap();
        let own = &facts.proofs[number / 2];
        let account = &facts.orders[own.order].account;
        let key = &facts.accounts.iter().enumerate().find(|(at, _)| facts.account_url(*at) == *account).unwrap().1.key;
        let proof = format!("{}.{}", own.token, key.thumbprint());
        (facts.port, own.name.clone(), own.token.clone(), proof, number.is_multiple_of(2))
    };
    let outcome = match http {
        true => proofs::http(port, &name, &token, &proof).await,
        false => proofs::tls_alpn(port, &name, &proof).await,
    };
    let mut facts = facts.lock().unwrap();
    let own = &mut facts.proofs[number / 2];
    own.status = if outcome.is_ok() { "valid" } else { "invalid" };
    own.error = outcome.err();
    if own.error.is_some() {
        let order = own.order;
        facts.orders[order].failed = true;
    }
}

impl Facts {
    fn fresh(&mut self, what: &str) -> String {
        self.counter += 1;
        BASE64_URL_SAFE_NO_PAD.encode(format!("{what}-{}-of-the-authority", self.counter))
    }

    fn account_url(&self, at: usize) -> String {
        format!("{}/account/{at}", self.base)
    }

    fn directory(&self) -> Answer {
        let place = |name: &str| format!("{}/{name}", self.base);
        let mut body = json!({
            "newNonce": place("nonce"), "newAccount": place("new-account"), "newOrder": place("new-order"),
            "revokeCert": place("revoke"), "keyChange": place("key-change"),
            "meta": {"termsOfService": place("terms"), "externalAccountRequired": self.moods.bound_to.is_some()},
        });
        if self.moods.window.is_some() {
            body["renewalInfo"] = json!(place("renewal"));
        }
        json_answer(200, &body)
    }

    fn renewal(&mut self, path: &str) -> Answer {
        self.asked.push("renewal");
        let Some(Window { start, end }) = self.moods.window else { return problem(404, "malformed", "no") };
        if path.trim_start_matches("/renewal/").split('.').count() != 2 {
            self.wrong.push(format!("{path} names no certificate"));
        }
        let window = json!({"start": start.to_string(), "end": end.to_string()});
        let mut answer = json_answer(200, &json!({"suggestedWindow": window}));
        answer.1.push(("Retry-After", "21600".to_owned()));
        answer
    }

    /// Judges who asks; the account where one is named.
    fn signed(&mut self, request: &Request) -> Result<(Signed, Option<usize>), Answer> {
        let malformed = |facts: &mut Self, text: String| {
            facts.wrong.push(format!("{}: {text}", request.path));
            problem(400, "malformed", &text)
        };
        if request.fields.get("content-type").map(String::as_str) != Some("application/jose+json") {
            return Err(malformed(self, "another content type".to_owned()));
        }
        let signed = jws::read(&request.body).map_err(|error| malformed(self, error))?;
        if signed.url != format!("{}{}", self.base, request.path) {
            return Err(malformed(self, format!("signed for {}", signed.url)));
        }
        let account = match &signed.signer {
            Signer::Key(_) => None,
            Signer::Account(url) => {
                let known = (0..self.accounts.len()).find(|at| self.account_url(*at) == *url);
                let known = known.filter(|at| !self.accounts[*at].gone);
                Some(known.ok_or_else(|| problem(400, "accountDoesNotExist", "No such account"))?)
            }
        };
        if account.is_none() != (request.path == "/new-account") {
            return Err(malformed(self, "a key in the place of an account, or the other way".to_owned()));
        }
        let key = match (&signed.signer, account) {
            (Signer::Key(key), _) => key.clone(),
            (Signer::Account(_), at) => self.accounts[at.unwrap()].key.clone(),
        };
        signed.is_signed_by(&key).map_err(|error| malformed(self, error))?;
        if self.moods.bad_nonces > 0 {
            self.moods.bad_nonces -= 1;
            return Err(problem(400, "badNonce", "An old nonce"));
        }
        if !self.nonces.remove(&signed.nonce) {
            return Err(malformed(self, "a nonce that nobody gave, or used before".to_owned()));
        }
        Ok((signed, account))
    }

    fn post(&mut self, request: &Request) -> (Answer, String) {
        let (signed, account) = match self.signed(request) {
            Ok(signed) => signed,
            Err(answer) => return (answer, "refused".to_owned()),
        };
        let parts: Vec<&str> = request.path.trim_start_matches('/').split('/').collect();
        let number = |text: &str| text.parse::<usize>().unwrap_or(usize::MAX);
        let (answer, step) = match (parts.as_slice(), account) {
            (["new-account"], _) => (self.new_account(&signed), "account".to_owned()),
            (["account", _], Some(at)) => (self.account(at, signed.payload.as_ref()), "contact".to_owned()),
            (["new-order"], Some(at)) => (self.new_order(at, signed.payload.as_ref()), "order".to_owned()),
            (["order", order], _) => (self.order(number(order)), "poll".to_owned()),
            (["authorization", proof], _) => (self.authorization(number(proof)), "authorization".to_owned()),
            (["challenge", proof], _) => {
                let proof = number(proof);
                (self.challenge(proof, signed.payload.as_ref()), format!("proof {proof}"))
            }
            (["finalize", order], _) => (self.finalize(number(order), signed.payload.as_ref()), "finalize".to_owned()),
            (["certificate", order], _) => (self.certificate(number(order)), "certificate".to_owned()),
            (_, _) => (problem(404, "malformed", "no such place"), "nothing".to_owned()),
        };
        let known = ["account", "contact", "order", "poll", "authorization", "proof", "finalize", "certificate"];
        self.asked.extend(known.into_iter().find(|name| step.split(' ').next() == Some(name)));
        (answer, step)
    }
}

mod steps;
