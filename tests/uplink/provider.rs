//! A provider on loopback: a token endpoint and a host that takes mail from whom it has given a token, or from whom its
//! authority knows. It checks every field of what it is asked, and remembers everything.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::certificates::Authority;
use crate::support::{Place, wait_for};

pub(super) const SECRET: &str = "hush+hush/100%&more";
pub(super) const CLIENT: &str = "11111111-2222-3333-4444-555555555555";
pub(super) const SCOPE: &str = "https://outlook.office365.com/.default";
pub(super) const TOKEN_PATH: &str = "/tenant/oauth2/v2.0/token";
pub(super) const GRAPH_PATH: &str = "/v1.0/users/";
/// The mailbox that may send.
pub(super) const LICENSED: &str = "alice@contoso.example";

/// A message that was taken.
#[derive(Clone, Debug, Default)]
pub(super) struct Mail {
    /// Who signed in, and by which mechanism.
    pub(super) login: Option<(String, String)>,
    /// Whether the client showed a certificate.
    pub(super) certificate: bool,
    /// The argument of MAIL FROM.
    pub(super) from: String,
    /// The arguments of RCPT TO.
    pub(super) to: Vec<String>,
    pub(super) content: String,
}

/// What the provider knows, and how it is disposed.
#[derive(Default)]
pub(super) struct Facts {
    /// What the token endpoint was asked, form by form.
    pub(super) asked: Vec<BTreeMap<String, String>>,
    /// Answers of the token endpoint in place of the usual ones: status line with fields, and body.
    pub(super) answers: VecDeque<(String, String)>,
    /// The one refresh token that is good; each answer gives the next.
    pub(super) refresh_token: Option<String>,
    /// How long tokens last, in seconds.
    pub(super) lifetime: u64,
    /// Tokens that are good.
    pub(super) good: BTreeSet<String>,
    given: usize,
    /// No token that is given is good.
    pub(super) refusing: bool,
    /// How often somebody connected to the host, and signed in.
    pub(super) connections: usize,
    pub(super) sign_ins: usize,
    /// Replies to whole messages in place of the usual one.
    pub(super) throttles: VecDeque<&'static str>,
    pub(super) mail: Vec<Mail>,
    /// Whole messages wait for their reply while this is set; how many do.
    pub(super) holding: bool,
    pub(super) held: usize,
    /// Answers of Graph in place of the usual one.
    pub(super) graph_answers: VecDeque<(String, String)>,
    /// How often something was posted to Graph.
    pub(super) posts: usize,
    /// What nobody should have said.
    pub(super) wrong: Vec<String>,
}

/// The provider. Dropping it ends it.
pub(super) struct Provider {
    _runtime: Runtime,
    facts: Arc<Mutex<Facts>>,
    /// Where it takes mail: STARTTLS, and TLS from the first octet.
    pub(super) smtp: u16,
    pub(super) smtps: u16,
    /// Where its web server is.
    pub(super) web: u16,
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

impl Provider {
    /// Starts it and writes what a client needs into `place`: `ca.pem`, `client.pem`, `client.key`, `secret`.
    pub(super) fn start(place: &Place) -> Self {
        let authority = Authority::new();
        authority.write(place.path());
        place.file("secret", SECRET);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let facts = Arc::new(Mutex::new(Facts { lifetime: 3_600, ..Facts::default() }));
        let tls = authority.acceptor();
        let bound = || runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let listeners = [bound(), bound(), bound()];
        let [smtp, smtps, web] = listeners.each_ref().map(|listener| listener.local_addr().unwrap().port());
        for (listener, service) in listeners.into_iter().zip([Service::Smtp, Service::Smtps, Service::Web]) {
            let (facts, tls) = (Arc::clone(&facts), tls.clone());
            runtime.spawn(async move {
                while let Ok((stream, _)) = listener.accept().await {
                    // A client that hangs up early ends its own visit, and no more.
                    tokio::spawn(serve(stream, service, Arc::clone(&facts), tls.clone()));
                }
            });
        }
        Self { _runtime: runtime, facts, smtp, smtps, web }
    }

    pub(super) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap()
    }

    /// The message with this text in it, once it was taken.
    pub(super) fn wait_for(&self, text: &str) -> Mail {
        wait_for(text, || self.facts().mail.iter().find(|mail| mail.content.contains(text)).cloned())
    }

    /// A `[[token]]` by client credentials, as an administrator writes it.
    pub(super) fn token(&self) -> String {
        format!(
            "[[token]]\nname = \"provider\"\nflow = \"client-credentials\"\n\
             token_url = \"https://127.0.0.1:{}{TOKEN_PATH}\"\nclient_id = \"{CLIENT}\"\nscope = \"{SCOPE}\"\n\
             client_secret_file = \"secret\"\n\n",
            self.web
        )
    }

    /// `[relay]` for all mail, signed in by that token.
    pub(super) fn relay(&self, auth: &str) -> String {
        format!(
            "[relay]\nsmart_host = \"127.0.0.1\"\nport = {}\nauthorities = \"ca.pem\"\nauth = \"{auth}\"\n\
             login = \"{LICENSED}\"\ntoken = \"provider\"\n",
            self.smtp
        )
    }
}

impl Provider {
    /// A `[[route]]` for all mail by Graph, with that token.
    pub(super) fn graph(&self) -> String {
        format!(
            "[relay]\nauthorities = \"ca.pem\"\n\n[[route]]\ndomains = [\"*\"]\nvia = \"graph\"\n\
             endpoint = \"https://127.0.0.1:{}/v1.0\"\ntoken = \"provider\"\n",
            self.web
        )
    }
}

#[derive(Clone, Copy)]
enum Service {
    Smtp,
    Smtps,
    Web,
}

async fn serve(stream: TcpStream, service: Service, facts: Arc<Mutex<Facts>>, tls: TlsAcceptor) -> io::Result<()> {
    match service {
        Service::Smtp => {
            facts.lock().unwrap().connections += 1;
            let port = stream.local_addr()?.port();
            let mut plain = BufStream::new(stream);
            say(&mut plain, "220 provider").await?;
            loop {
                let line = hear(&mut plain).await?;
                match line.split(' ').next().unwrap_or_default() {
                    "EHLO" => say(&mut plain, "250-provider\r\n250 STARTTLS").await?,
                    "STARTTLS" => break say(&mut plain, "220 go").await?,
                    "QUIT" => return Ok(()),
                    _ => {
                        facts.lock().unwrap().wrong.push(format!("in clear: {line}"));
                        say(&mut plain, "530 5.7.0 STARTTLS first").await?;
                    }
                }
            }
            let stream = tls.accept(plain.into_inner()).await?;
            let certificate = stream.get_ref().1.peer_certificates().is_some();
            Session { port, facts, mail: Mail { certificate, ..Mail::default() } }
                .run(&mut BufStream::new(stream))
                .await
        }
        Service::Smtps => {
            facts.lock().unwrap().connections += 1;
            let port = stream.local_addr()?.port();
            let stream = tls.accept(stream).await?;
            let mut stream = BufStream::new(stream);
            say(&mut stream, "220 provider").await?;
            Session { port, facts, mail: Mail::default() }.run(&mut stream).await
        }
        Service::Web => super::web::serve(BufStream::new(tls.accept(stream).await?), &facts).await,
    }
}

async fn say(stream: &mut BufStream<impl Wire>, line: &str) -> io::Result<()> {
    stream.write_all(format!("{line}\r\n").as_bytes()).await?;
    stream.flush().await
}

async fn hear(stream: &mut BufStream<impl Wire>) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line).await? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// A session under TLS.
struct Session {
    port: u16,
    facts: Arc<Mutex<Facts>>,
    mail: Mail,
}

impl Session {
    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap()
    }

    async fn run(&mut self, stream: &mut BufStream<impl Wire>) -> io::Result<()> {
        loop {
            let line = hear(stream).await?;
            let (verb, rest) = line.split_once(' ').unwrap_or((&line, ""));
            let known = self.mail.login.is_some() || self.mail.certificate;
            let reply = match verb {
                "EHLO" => "250-provider\r\n250-8BITMIME\r\n250 AUTH LOGIN XOAUTH2 OAUTHBEARER".to_owned(),
                "AUTH" => self.auth(stream, rest).await?,
                "MAIL" if !known => "530 5.7.57 Client not authenticated to send mail.".to_owned(),
                "MAIL" => {
                    self.mail.from = rest.to_owned();
                    "250 2.1.0 Sender OK".to_owned()
                }
                "RCPT" => {
                    self.mail.to.push(rest.to_owned());
                    "250 2.1.5 Recipient OK".to_owned()
                }
                "DATA" => self.data(stream).await?,
                "RSET" => "250 2.0.0 Resetting".to_owned(),
                "QUIT" => return say(stream, "221 2.0.0 bye").await,
                _ => {
                    self.facts().wrong.push(line.clone());
                    "500 5.3.3 Unrecognized command".to_owned()
                }
            };
            say(stream, &reply).await?;
        }
    }

    async fn auth(&mut self, stream: &mut BufStream<impl Wire>, rest: &str) -> io::Result<String> {
        let (mechanism, response) = rest.split_once(' ').unwrap_or((rest, ""));
        let (mechanism, mut response) = (mechanism.to_owned(), response.to_owned());
        if response.is_empty() {
            say(stream, "334 ").await?;
            response = hear(stream).await?;
        }
        let decoded = BASE64_STANDARD.decode(&response).ok().and_then(|octets| String::from_utf8(octets).ok());
        let claim = decoded.as_deref().and_then(|text| match mechanism.as_str() {
            "XOAUTH2" => text.strip_prefix("user=")?.strip_suffix("\x01\x01")?.split_once("\x01auth=Bearer "),
            "OAUTHBEARER" => {
                let middle = format!(",\x01host=127.0.0.1\x01port={}\x01auth=Bearer ", self.port);
                let (login, token) = text.strip_prefix("n,a=")?.strip_suffix("\x01\x01")?.split_once(&*middle)?;
                Some((login, token))
            }
            _ => None,
        });
        let Some((login, token)) = claim else {
            self.facts().wrong.push(format!("{mechanism}: {decoded:?}"));
            return Ok("501 5.5.4 Invalid arguments".to_owned());
        };
        let good = {
            let mut facts = self.facts();
            facts.sign_ins += 1;
            facts.good.contains(token)
        };
        if good {
            self.mail.login = Some((login.to_owned(), mechanism));
            return Ok("235 2.7.0 Authentication successful".to_owned());
        }
        let challenge = r#"{"status":"401","schemes":"Bearer","scope":"https://outlook.office365.com/"}"#;
        say(stream, &format!("334 {}", BASE64_STANDARD.encode(challenge))).await?;
        let (answer, wanted) = (hear(stream).await?, if mechanism == "XOAUTH2" { "" } else { "AQ==" });
        if answer != wanted {
            self.facts().wrong.push(format!("{mechanism} after the challenge: {answer}"));
        }
        Ok("535 5.7.3 Authentication unsuccessful".to_owned())
    }

    async fn data(&mut self, stream: &mut BufStream<impl Wire>) -> io::Result<String> {
        say(stream, "354 Start mail input; end with <CRLF>.<CRLF>").await?;
        let mut content = String::new();
        while !content.ends_with("\r\n.\r\n") {
            if stream.read_line(&mut content).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        let mail = Mail { content, ..self.mail.clone() };
        self.mail.to.clear();
        self.facts().held += 1;
        while self.facts().holding {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let mut facts = self.facts();
        facts.held -= 1;
        if let Some(reply) = facts.throttles.pop_front() {
            return Ok(reply.to_owned());
        }
        // Exchange Online looks at From and at the envelope (spec section 1.5).
        let own = |text: &str| mail.login.as_ref().is_none_or(|(login, _)| text.contains(&format!("<{login}>")));
        let author = mail.content.lines().find(|line| line.starts_with("From:")).unwrap_or_default();
        if !own(&mail.from) || !own(author) {
            return Ok("554 5.2.252 SendAsDenied; not allowed to send as somebody else".to_owned());
        }
        facts.mail.push(mail);
        Ok("250 2.0.0 OK <taken@provider>".to_owned())
    }
}

impl Facts {
    /// A token, and whether it is good.
    pub(super) fn grant(&mut self) -> String {
        self.given += 1;
        // As long as the providers', so that it does not fit on the line of AUTH.
        let token = format!("token-{}.{}", self.given, "x".repeat(1_500));
        if !self.refusing {
            self.good.insert(token.clone());
        }
        token
    }
}
