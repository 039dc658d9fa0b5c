//! The ways of the configuration as delivery takes them, with passwords, certificates and tokens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::serve::ServeError;
use crate::config::{GraphConfig, OutboundConfig, RelayProof, RelayTls, RouteWay, TokenAuth};
use crate::delivery::exchanger::{HopSecurity, SignIn, SmartHost, TokenSignIn};
use crate::delivery::outgoing::{Gate, Graph, PLACES_MAX, Uplink, Way};
use crate::delivery::relay_agent::ReuseOptions;
use crate::delivery::tokens::TokenSource;
use crate::model::mail::Domain;
use crate::model::policy::RouteTable;
use crate::model::queue::Limits;
use crate::model::smtp::client::{Credentials, Secret, TokenMechanism};
use crate::world::Clock;
use crate::world::https::Posts;
use crate::world::secret::SecretError;
use crate::world::tls::{CertificateStore, Identity, Roots, TlsSetupError};

/// A password that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{source}. The server reads the password of the login at the next host there; of a file it is the first line")]
pub struct PasswordError {
    /// Where it should be, and what is wrong.
    #[from]
    pub source: SecretError,
}

/// What the ways are made with.
pub(super) struct Builder<'a> {
    /// The tokens of the configuration, by name.
    pub(super) tokens: &'a BTreeMap<Box<str>, Arc<TokenSource>>,
    /// How web services are reached, on a system with certificate authorities.
    pub(super) posts: Option<&'a Arc<dyn Posts>>,
    /// Who vouches for hosts to which a certificate is shown.
    pub(super) roots: &'a Roots,
    /// The time.
    pub(super) clock: &'a Arc<dyn Clock>,
    /// How long a host in trouble is left alone at first.
    pub(super) pause: Duration,
    /// The certificates that are shown to hosts, which are read again when they are renewed.
    pub(super) certificates: Vec<Arc<CertificateStore>>,
    /// What the ways were before. A way that is what it was keeps its gate, with what is on its way and what the host
    /// has said of itself; any other begins with an open one, beside which the former lets out what has passed it.
    pub(super) former: &'a [KnownWay],
    /// What the ways are now, each of the configuration once.
    pub(super) known: Vec<KnownWay>,
}

/// A way of the configuration, and what was made of it.
pub(super) type KnownWay = (RouteWay, Way);

fn find<'a>(known: &'a [KnownWay], way: &RouteWay) -> Option<&'a Way> {
    known.iter().find(|(other, _)| other == way).map(|(_, made)| made)
}

impl Builder<'_> {
    /// All ways of the configuration. Reads files; blocks.
    ///
    /// # Errors
    /// For the first file that cannot be read, or is not what it should be.
    pub(super) fn ways(&mut self, configured: &RouteTable<RouteWay>) -> Result<RouteTable<Way>, ServeError> {
        // What is the same in the configuration is one: its password is read once, and its gate is shared.
        for (_, way) in configured.iter() {
            if find(&self.known, way).is_none() {
                let made = self.way(way)?;
                self.known.push((way.clone(), made));
            }
        }
        // Every one was made above.
        Ok(configured.map(|way| find(&self.known, way).cloned().unwrap_or(Way::Exchangers { verified: true })))
    }

    fn way(&mut self, way: &RouteWay) -> Result<Way, ServeError> {
        Ok(match way {
            RouteWay::Exchangers { verified } => Way::Exchangers { verified: *verified },
            RouteWay::Host(configured) => {
                let host = self.smart_host(configured)?;
                let is_like = |former: &SmartHost| match (&former.sign_in, &host.sign_in) {
                    (Some(former), Some(own)) => former.is_like(own),
                    (former, own) => former.is_none() && own.is_none(),
                };
                let gate = match find(self.former, way) {
                    Some(Way::Host(former)) if is_like(&former.host) => Arc::clone(&former.gate),
                    Some(Way::Host(_) | Way::Graph(_) | Way::Exchangers { .. }) | None => {
                        self.gate(&host.host, configured.connections_max)
                    }
                };
                Way::Host(Uplink { host, rewrite_sender: configured.rewrite_sender.clone(), gate })
            }
            RouteWay::Graph(configured) => self.graph(configured, find(self.former, way))?,
        })
    }

    fn gate(&self, host: &str, places_max: Option<usize>) -> Arc<Gate> {
        Arc::new(Gate::new(host, places_max, self.pause, Arc::clone(self.clock)))
    }

    /// # Errors
    /// Without certificate authorities, which tokens need as well.
    fn graph(&self, configured: &GraphConfig, former: Option<&Way>) -> Result<Way, ServeError> {
        let GraphConfig { endpoint, token, rewrite_sender, other_recipients, connections_max } = configured;
        let (Some(posts), Some(tokens)) = (self.posts, self.tokens.get(token)) else {
            return Err(TlsSetupError::NoSystemAuthorities.into());
        };
        let gate = match former {
            Some(Way::Graph(former)) if former.tokens.is_like(tokens) => Arc::clone(&former.gate),
            Some(Way::Graph(_) | Way::Host(_) | Way::Exchangers { .. }) | None => {
                self.gate(&endpoint.host(), Some(connections_max.unwrap_or(PLACES_MAX)))
            }
        };
        Ok(Way::Graph(Graph {
            endpoint: endpoint.clone(),
            posts: Arc::clone(posts),
            tokens: Arc::clone(tokens),
            mailbox: rewrite_sender.clone(),
            others: *other_recipients,
            gate,
        }))
    }

    fn smart_host(&mut self, configured: &crate::config::SmartHost) -> Result<SmartHost, ServeError> {
        let host = match &configured.host {
            Domain::Literal(address) => address.to_string(),
            name @ Domain::Name(_) => name.to_string(),
        };
        let identity = match &configured.certificate {
            None => None,
            Some(paths) => {
                let store = Arc::new(CertificateStore::open(core::slice::from_ref(paths))?);
                self.certificates.push(Arc::clone(&store));
                Some(Identity::new(self.roots, store)?)
            }
        };
        Ok(SmartHost {
            host,
            port: configured.port,
            security: match configured.tls {
                RelayTls::Required => HopSecurity::StartTls,
                RelayTls::Opportunistic => HopSecurity::Opportunistic,
                RelayTls::Implicit => HopSecurity::ImplicitTls,
                RelayTls::None => HopSecurity::Plain,
            },
            sign_in: self.sign_in(configured)?,
            identity,
        })
    }

    fn sign_in(&self, configured: &crate::config::SmartHost) -> Result<Option<SignIn>, ServeError> {
        let Some(credentials) = &configured.credentials else { return Ok(None) };
        let login = credentials.login.clone();
        Ok(match &credentials.proof {
            RelayProof::Password(place) => {
                let password = place.read().map_err(PasswordError::from)?;
                Some(SignIn::Fixed(Credentials { login, secret: Secret::Password(password) }))
            }
            RelayProof::Token { auth, name } => {
                let mechanism = match auth {
                    TokenAuth::Xoauth2 => TokenMechanism::Xoauth2,
                    TokenAuth::OauthBearer => TokenMechanism::OauthBearer { port: configured.port },
                };
                // The configuration names no token that is not there.
                self.tokens
                    .get(name)
                    .map(|tokens| SignIn::Token(TokenSignIn { login, mechanism, tokens: Arc::clone(tokens) }))
            }
        })
    }
}

/// How much the queue lets out at once.
pub(super) fn limits(configured: &OutboundConfig) -> Limits {
    Limits {
        per_lane: configured.connections_per_destination,
        relays: configured.connections_max,
        batch: configured.recipients_per_transaction,
        ..Limits::default()
    }
}

/// How connections are used again.
pub(super) const fn reuse(configured: &OutboundConfig) -> ReuseOptions {
    ReuseOptions {
        messages_max: configured.messages_per_connection,
        idle: configured.connection_idle,
        per_host_max: configured.connections_per_destination,
        connections_max: configured.connections_max,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Config;
    use crate::delivery::tokens::Vault;
    use crate::world::SystemClock;
    use crate::world::disk::SimulatedDisk;
    use crate::world::https::{FetchError, Post, Posting};

    fn builder<'a>(
        tokens: &'a BTreeMap<Box<str>, Arc<TokenSource>>,
        roots: &'a Roots,
        clock: &'a Arc<dyn Clock>,
        former: &'a [KnownWay],
    ) -> Builder<'a> {
        let (certificates, known, pause) = (Vec::new(), Vec::new(), Duration::ZERO);
        Builder { tokens, posts: None, roots, clock, pause, certificates, former, known }
    }

    fn ways(configured: &RouteTable<RouteWay>) -> Result<RouteTable<Way>, ServeError> {
        let (tokens, roots) = (BTreeMap::new(), Roots::System);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        builder(&tokens, &roots, &clock, &[]).ways(configured)
    }

    fn config(more: &str, directory: &Path) -> Config {
        Config::parse(more, &directory.join("franking.toml")).unwrap()
    }

    const WITH_LOGIN: &str = "[[route]]\ndomains = [\"fabrikam.example\"]\nhost = \"smtp.fabrikam.example\"\n\
                              login = \"relay\"\npassword_file = \"secret\"\n";

    #[test]
    fn the_password_is_the_first_line_of_its_file_and_shows_nowhere() {
        let place = tempfile::tempdir().unwrap();
        let config = config(WITH_LOGIN, place.path());
        for (text, password) in [("hush-hush", "hush-hush"), ("hush-hush\r\nnote\n", "hush-hush"), (" a b \n", " a b ")]
        {
            std::fs::write(place.path().join("secret"), text).unwrap();
            let ways = ways(&config.routes).unwrap();
            let (_, Way::Host(uplink)) = ways.find(None, &Domain::parse("fabrikam.example").unwrap()).unwrap() else {
                panic!()
            };
            let host = &uplink.host;
            let Some(SignIn::Fixed(credentials)) = &host.sign_in else { panic!() };
            assert!(credentials.secret == Secret::Password(password.to_owned()));
            assert_eq!((host.port, host.security), (587, HopSecurity::StartTls));
            let shown = format!("{ways:?} {:?} {:?}", config.routes, config.settings.routes);
            assert!(!shown.contains(password), "{shown}");
        }
    }

    #[test]
    fn a_way_that_is_what_it_was_keeps_its_gate() {
        let place = tempfile::tempdir().unwrap();
        let (tokens, roots) = (BTreeMap::new(), Roots::System);
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let secret = |text: &str| std::fs::write(place.path().join("secret"), text).unwrap();
        let made = |text: &str, former: &[KnownWay]| {
            let mut builder = builder(&tokens, &roots, &clock, former);
            builder.ways(&config(text, place.path()).routes).unwrap();
            builder.known
        };
        let gate = |known: &[KnownWay]| match &known.iter().find(|(_, way)| matches!(way, Way::Host(_))).unwrap().1 {
            Way::Host(uplink) => Arc::clone(&uplink.gate),
            Way::Graph(_) | Way::Exchangers { .. } => panic!(),
        };
        secret("hush-hush");
        let former = made(WITH_LOGIN, &[]);
        let kept = |text: &str| Arc::ptr_eq(&gate(&made(text, &former)), &gate(&former));
        assert!(kept(WITH_LOGIN));
        assert!(kept(&format!("{WITH_LOGIN}[[route]]\ndomains = [\"a.example\"]\ntls = \"verified-mx\"\n")));
        assert!(kept(&WITH_LOGIN.replace("\"fabrikam.example\"", "\"fabrikam.example\", \"adatum.example\"")));
        assert!(!kept(&format!("{WITH_LOGIN}connections_max = 3\n")));
        assert!(!kept(&format!("{WITH_LOGIN}port = 465\ntls = \"implicit\"\n")));
        // What was refused with the former password may be taken with another.
        secret("another");
        assert!(!kept(WITH_LOGIN));
    }

    /// Nobody answers.
    struct Silence;

    impl Posts for Silence {
        fn post<'a>(&'a self, post: &'a Post) -> Posting<'a> {
            let (host, path, reason) = (post.url.host(), String::new(), "nobody answers".to_owned());
            Box::pin(async move { Err(FetchError { host, path, reason }) })
        }
    }

    #[test]
    fn a_way_by_a_token_keeps_its_gate_while_the_token_is_what_it_was() {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
        let (posts, roots): (Arc<dyn Posts>, _) = (Arc::new(Silence), Roots::System);
        let made = |client: &str, former: &[KnownWay]| {
            let text = format!(
                "[relay]\nsmart_host = \"smtp.example\"\nauth = \"xoauth2\"\nlogin = \"a@contoso.example\"\n\
                 token = \"t\"\n[[route]]\ndomains = [\"fabrikam.example\"]\nvia = \"graph\"\ntoken = \"t\"\n\
                 [[token]]\nname = \"t\"\nflow = \"client-credentials\"\ntoken_url = \"https://login.example/t\"\n\
                 client_id = \"{client}\"\nscope = \"mail\"\nclient_secret_file = \"secret\"\n"
            );
            let config = config(&text, Path::new("/"));
            let vault = Vault::new(Arc::new(SimulatedDisk::new(1)), Path::new("/tokens"), "t");
            let source = TokenSource::new(config.tokens[0].clone(), Arc::clone(&posts), Arc::clone(&clock), vault);
            let tokens = BTreeMap::from([("t".into(), Arc::new(source))]);
            let mut builder = Builder { posts: Some(&posts), ..builder(&tokens, &roots, &clock, former) };
            builder.ways(&config.routes).unwrap();
            builder.known
        };
        let gates = |known: &[KnownWay]| -> Vec<Arc<Gate>> {
            let of = |(_, way): &KnownWay| match way {
                Way::Host(uplink) => Arc::clone(&uplink.gate),
                Way::Graph(graph) => Arc::clone(&graph.gate),
                Way::Exchangers { .. } => panic!("neither goes by exchangers"),
            };
            known.iter().map(of).collect()
        };
        let former = made("one", &[]);
        let kept = |client: &str| -> Vec<bool> {
            let (before, now) = (gates(&former), gates(&made(client, &former)));
            before.iter().zip(&now).map(|(before, now)| Arc::ptr_eq(before, now)).collect()
        };
        assert_eq!(kept("one"), [true, true]);
        assert_eq!(kept("another"), [false, false]);
    }

    #[test]
    fn a_password_may_be_in_the_environment() {
        let at = |variable: &str| {
            WITH_LOGIN.replace("password_file = \"secret\"", &format!("password_env = \"{variable}\""))
        };
        // Every system has it.
        let found = ways(&config(&at("PATH"), Path::new("/")).routes).unwrap();
        let Some((_, Way::Host(uplink))) = found.find(None, &Domain::parse("fabrikam.example").unwrap()) else {
            panic!()
        };
        let Some(SignIn::Fixed(credentials)) = &uplink.host.sign_in else { panic!() };
        let expected = std::env::var_os("PATH").and_then(|text| text.into_string().ok()).unwrap();
        assert!(credentials.secret == Secret::Password(expected));
        let said = ways(&config(&at("FRANKING_NO_SUCH_PASSWORD"), Path::new("/")).routes).unwrap_err().to_string();
        assert!(said.contains("the environment variable FRANKING_NO_SUCH_PASSWORD"), "{said}");
    }

    #[test]
    fn a_file_without_password_is_named_with_its_cure() {
        let place = tempfile::tempdir().unwrap();
        let config = config(WITH_LOGIN, place.path());
        let path = place.path().join("secret");
        for text in [None, Some(&b""[..]), Some(b"\nhush-hush"), Some(b"\xff"), Some(b"a\0b")] {
            if let Some(text) = text {
                std::fs::write(&path, text).unwrap();
            }
            let said = ways(&config.routes).unwrap_err().to_string();
            assert!(said.contains(&path.display().to_string()) && said.contains("reads the password"), "{said}");
            assert!(!said.contains("hush"), "{said}");
        }
    }

    #[test]
    fn the_configuration_bounds_the_queue_and_the_connections() {
        let text = "[queue]\nconnections_per_destination = 2\nconnections_max = 7\nrecipients_per_transaction = 50\n\
                    messages_per_connection = 3\nconnection_idle_seconds = 9\n";
        let outbound = config(text, Path::new("/")).queue.outbound;
        let limits = limits(&outbound);
        assert_eq!((limits.per_lane, limits.relays, limits.batch), (2, 7, 50));
        assert_eq!((limits.mailboxes, limits.lease), (Limits::default().mailboxes, Limits::default().lease));
        let reuse = reuse(&outbound);
        assert_eq!((reuse.per_host_max, reuse.connections_max, reuse.messages_max), (2, 7, 3));
        assert_eq!(reuse.idle.as_secs(), 9);
    }

    #[test]
    fn the_defaults_of_configuration_queue_and_connections_agree() {
        let outbound = config("", Path::new("/")).queue.outbound;
        assert_eq!(limits(&outbound), Limits::default());
        assert_eq!(reuse(&outbound), ReuseOptions::default());
    }
}
