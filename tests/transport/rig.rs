//! Hosts that take mail with good, bad and no TLS, a web server with a policy, and an agent that sends to them.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use franking::delivery::exchanger::mta_sts::MtaSts;
use franking::delivery::exchanger::policy_cache::PolicyCache;
use franking::delivery::exchanger::{ExchangerOptions, Route, TransportSecurity};
use franking::delivery::relay_agent::{MessageBytes, MessageSource, RelayAgent, RelayOptions, RelayTls};
use franking::model::mail::{Address, Domain, ForwardPath, ReversePath};
use franking::model::smtp::client::{BodyKind, DsnRequest, OutboundMessage, OutboundRecipient, Outcome};
use franking::world::disk::SimulatedDisk;
use franking::world::https::{HttpsClient, HttpsOptions};
use franking::world::network::{TcpDialer, accept, listen};
use franking::world::tls::{Authorities, Roots, opportunistic, verified};
use franking::world::{Clock as _, FixedResolver, SeededRandom, SystemClock};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use super::certificates::{Authority, Kind};

pub(super) const DOMAIN: &str = "fabrikam.example";
pub(super) const HOST: &str = "mx.fabrikam.example";
pub(super) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// How a host goes about TLS.
#[derive(Clone)]
pub(super) enum Starttls {
    /// As it should.
    Offered(TlsAcceptor),
    /// Somebody on the way took the offer out.
    Stripped,
    /// It is offered, and refused when asked for.
    Refused,
    /// It is offered, and comes to nothing.
    Broken,
}

/// What a host heard: whether under TLS, and the line.
type Heard = Arc<Mutex<Vec<(bool, String)>>>;

/// A host on loopback that takes whatever it is given, until it is dropped.
pub(super) struct Host {
    pub(super) address: SocketAddr,
    heard: Heard,
    task: JoinHandle<()>,
}

impl Drop for Host {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Host {
    pub(super) fn start(starttls: Starttls) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), starttls)
    }

    pub(super) fn start_at(address: SocketAddr, starttls: Starttls) -> Self {
        let listener = listen(address).unwrap();
        let (address, heard) = (listener.local_addr().unwrap(), Heard::default());
        let notes = Arc::clone(&heard);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = accept(&listener).await {
                // A client that hangs up early ends the dialogue, and no more.
                let _ = serve(Box::new(stream), &starttls, &notes).await;
            }
        });
        Self { address, heard, task }
    }

    fn lines(&self, secured: bool) -> Vec<String> {
        let heard = self.heard.lock().unwrap();
        heard.iter().filter(|(own, _)| *own == secured).map(|(_, line)| line.clone()).collect()
    }

    /// Whether it learned in clear text who writes to whom.
    pub(super) fn heard_mail_in_clear(&self) -> bool {
        self.lines(false).iter().any(|line| line.starts_with("MAIL") || line.starts_with("RCPT") || line == "DATA")
    }

    /// Whether it learned that at all.
    pub(super) fn heard_mail(&self) -> bool {
        self.heard_mail_in_clear() || self.lines(true).iter().any(|line| line.starts_with("MAIL"))
    }

    pub(super) fn heard_nothing(&self) -> bool {
        self.heard.lock().unwrap().is_empty()
    }
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

async fn serve(wire: Box<dyn Wire>, starttls: &Starttls, heard: &Heard) -> std::io::Result<()> {
    let (mut stream, mut secured) = (BufStream::new(wire), false);
    stream.write_all(b"220 x\r\n").await?;
    loop {
        stream.flush().await?;
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_owned();
        heard.lock().unwrap().push((secured, line.clone()));
        let offered = !secured && !matches!(starttls, Starttls::Stripped);
        let reply: &[u8] = match line.split(' ').next().unwrap_or_default() {
            "EHLO" if offered => b"250-x\r\n250 STARTTLS\r\n",
            "DATA" => {
                stream.write_all(b"354 go\r\n").await?;
                stream.flush().await?;
                let mut content = String::new();
                while !content.ends_with("\r\n.\r\n") {
                    if stream.read_line(&mut content).await? == 0 {
                        return Ok(());
                    }
                }
                b"250 taken\r\n"
            }
            "STARTTLS" => match starttls {
                Starttls::Offered(acceptor) => {
                    stream.write_all(b"220 go\r\n").await?;
                    stream.flush().await?;
                    stream = BufStream::new(Box::new(acceptor.accept(stream.into_inner()).await?));
                    secured = true;
                    continue;
                }
                Starttls::Broken => b"220 go\r\nthis is not TLS\r\n",
                Starttls::Stripped | Starttls::Refused => b"454 4.7.0 not now\r\n",
            },
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return stream.flush().await;
            }
            _ => b"250 ok\r\n",
        };
        stream.write_all(reply).await?;
    }
}

/// A web server that answers every request with this text, until it is dropped.
pub(super) struct Web {
    port: u16,
    task: JoinHandle<()>,
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Web {
    pub(super) fn start(authority: &Authority, text: String) -> Self {
        let acceptor = authority.show(&format!("mta-sts.{DOMAIN}"), Kind::Good).acceptor;
        let listener = listen("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = accept(&listener).await {
                let Ok(stream) = acceptor.accept(stream).await else { continue };
                let mut stream = BufStream::new(stream);
                let mut line = String::new();
                while stream.read_line(&mut line).await.unwrap_or(0) > 2 {
                    line.clear();
                }
                let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: close\r\nContent-Length:";
                let answer = format!("{head} {}\r\n\r\n{text}", text.len());
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self { port, task }
    }
}

/// A server that sends mail.
pub(super) struct Rig {
    pub(super) authority: Authority,
    place: tempfile::TempDir,
}

impl Rig {
    pub(super) fn new() -> Self {
        let (authority, place) = (Authority::new(), tempfile::tempdir().unwrap());
        std::fs::write(place.path().join("ca.pem"), authority.pem()).unwrap();
        Self { authority, place }
    }

    fn roots(&self) -> Roots {
        Roots::File(self.place.path().join("ca.pem"))
    }

    /// The demands that are heeded: TLSA records, and a policy where `web` has one.
    pub(super) fn demands(&self, resolver: &FixedResolver, web: Option<&Web>) -> TransportSecurity {
        let authorities = Some(Authorities::open(&self.roots()).unwrap());
        let mta_sts = web.map(|web| {
            let options = HttpsOptions {
                port: web.port,
                loopback_allowed: true,
                bytes_max: 64 << 10,
                timeout: Duration::from_secs(20),
            };
            let clock = Arc::new(SystemClock::new());
            let tls = verified(&self.roots()).unwrap();
            let texts = HttpsClient::new(Arc::new(resolver.clone()), Arc::new(TcpDialer), tls, options);
            let cache = PolicyCache::open(Arc::new(SimulatedDisk::new(1)), Path::new("/mta-sts"), clock.now());
            Arc::new(MtaSts::new(Arc::new(texts), cache, clock))
        });
        TransportSecurity { mta_sts, dane: true, authorities }
    }

    /// Sends one message along `route`, to exchangers at `port`; what became of it.
    pub(super) async fn send(
        &self,
        route: &Route,
        port: u16,
        resolver: FixedResolver,
        demands: TransportSecurity,
    ) -> String {
        let exchanger =
            ExchangerOptions { own_names: Vec::new(), own_addresses: Vec::new(), port, loopback_allowed: true };
        let options = RelayOptions {
            own_name: Domain::parse("mx.contoso.example").unwrap(),
            local_ipv4: Some(Ipv4Addr::LOCALHOST),
            local_ipv6: None,
            exchanger,
            patience_divisor: 10,
            attempt_max: Duration::from_secs(30),
        };
        let tls =
            RelayTls { opportunistic: opportunistic().unwrap(), verified: Some(verified(&self.roots()).unwrap()) };
        let random = Arc::new(SeededRandom::new(1));
        let agent = RelayAgent::new(Arc::new(resolver), Arc::new(TcpDialer), random, tls, options).heeding(demands);
        let source: Arc<dyn MessageSource> = Arc::new(MessageBytes(b"Subject: hi\r\n\r\nhi\r\n"[..].into()));
        let outcomes = agent.deliver(route, message(), &source).await;
        match &outcomes[0] {
            Outcome::Delivered { secured: true, .. } => "over TLS".to_owned(),
            Outcome::Delivered { secured: false, .. } => "in clear".to_owned(),
            Outcome::Deferred(trouble) => format!("deferred {}", trouble.status),
            Outcome::Failed(trouble) => format!("failed {}", trouble.status),
        }
    }
}

fn message() -> OutboundMessage {
    let path = ForwardPath::Mailbox(Address::parse("bob@fabrikam.example").unwrap());
    OutboundMessage {
        reverse_path: ReversePath::Mailbox(Address::parse("alice@contoso.example").unwrap()),
        bytes: 0,
        body: BodyKind::SevenBit,
        smtputf8: false,
        ret: None,
        envelope_id: None,
        recipients: vec![OutboundRecipient { path, dsn: DsnRequest::default() }],
    }
}

pub(super) fn to_domain() -> Route {
    Route::Mx(Domain::parse(DOMAIN).unwrap())
}

/// The domain with its one exchanger, and its web server.
pub(super) fn names() -> FixedResolver {
    FixedResolver::new()
        .with_exchanger(DOMAIN, 10, HOST)
        .with_addresses(HOST, [LOOPBACK])
        .with_addresses(&format!("mta-sts.{DOMAIN}"), [LOOPBACK])
}
