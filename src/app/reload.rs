//! Reads the configuration again, at the operator's word (SIGHUP).
//!
//! It promises that everything of the new configuration which needs no restart is in force at once, or nothing of it:
//! whatever can go wrong, such as a password that is not there, is tried before anything alters. What is on its way
//! ends on the way on which it set out.

use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::task::spawn_blocking;

use super::certificates::Watch;
use super::intake::Intake;
use super::issuers;
use super::outbound::{Made, Outside};
use super::serve::{ServeError, server_settings};
use crate::admin::office::{ConfigurationView, InForce};
use crate::config::{Config, RouteWay};
use crate::model::policy::RouteTable;
use crate::server::{ServerSettings, Services};
use crate::store::live::LiveSettings;
use crate::world::Clock;
use crate::world::https::Documents;

/// What goes by the configuration of a running server.
pub(super) struct Reloading {
    pub(super) path: PathBuf,
    /// What the server was started with.
    pub(super) started: Config,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) settings: Arc<LiveSettings>,
    pub(super) services: Arc<Services<Intake>>,
    /// The way out by SMTP; none where mail for other systems goes into a directory.
    pub(super) outside: Option<Outside>,
    pub(super) certificates: Arc<Watch>,
    /// The ways whose certificates administrators are shown.
    pub(super) routes: Arc<ArcSwap<RouteTable<RouteWay>>>,
    pub(super) in_force: Arc<InForce>,
}

/// Everything that was made of a configuration, and alters nothing yet.
struct Read {
    config: Config,
    settings: ServerSettings,
    documents: Option<Arc<dyn Documents>>,
    outside: Option<Made>,
}

/// Why a configuration is not used.
#[derive(Debug, thiserror::Error)]
enum ReloadError {
    #[error(transparent)]
    Config(#[from] crate::config::ConfigErrors),
    #[error(transparent)]
    Serve(#[from] ServeError),
}

impl Reloading {
    /// Goes by what the server was started with, and says so.
    pub(super) fn new(own: Self) -> Arc<Self> {
        own.in_force.took(own.view(&own.started));
        Arc::new(own)
    }

    /// What administrators are told of a configuration that is in force.
    fn view(&self, config: &Config) -> ConfigurationView {
        ConfigurationView {
            checksum: config.checksum,
            since: self.clock.now().to_string(),
            after_restart: after_restart(&self.started, config),
            refused: None,
        }
    }

    /// Goes by the configuration as it is now. New sessions go by its limits and rules, and so do delivery, routes,
    /// tokens, quotas and notices from now on. A configuration with a fault changes nothing.
    pub(super) async fn again(self: &Arc<Self>) {
        let (path, own) = (self.path.display(), Arc::clone(self));
        let read = spawn_blocking(move || own.read().map_err(|error| error.to_string())).await;
        match read.map_err(|error| error.to_string()).and_then(|read| read) {
            Ok(read) => {
                let (routes, tokens) = (read.config.routes.iter().count(), read.config.tokens.len());
                let view = self.view(&read.config);
                let keys = view.after_restart.join(", ");
                self.put_in_force(read);
                self.in_force.took(view);
                tracing::info!(%path, routes, tokens, "the configuration was read again; what comes now goes by it");
                if !keys.is_empty() {
                    tracing::warn!(%keys, "some of what was changed counts after a restart only");
                }
            }
            Err(error) => {
                self.in_force.refused(&error);
                tracing::error!(%error, "the new configuration has a fault and is not used");
            }
        }
    }

    /// Blocks.
    fn read(&self) -> Result<Read, ReloadError> {
        let config = Config::load(&self.path)?;
        let settings = server_settings(&config).map_err(ServeError::from)?;
        let documents = issuers::documents(&config)?;
        let outside = self.outside.as_ref().map(|outside| outside.make_again(&config)).transpose()?;
        Ok(Read { config, settings, documents, outside })
    }

    fn put_in_force(&self, read: Read) {
        let Read { config, mut settings, documents, outside } = read;
        self.settings.reload(&config.settings);
        settings.policy = Arc::clone(&self.settings);
        self.services.settings.store(Arc::new(settings));
        if let (Some(own), Some(made)) = (&self.outside, outside) {
            self.certificates.follow(made.certificates());
            own.exchange(made);
        }
        self.routes.store(Arc::new(config.routes));
        let tokens = Arc::clone(&self.services.tokens);
        tokens.reconfigure(&config.issuers, documents.as_ref());
        // Nobody waits for the keys of an issuer before a token comes.
        tokio::spawn(async move { tokens.refresh().await });
    }
}

/// The keys, as they stand in the file, whose change counts after a restart only.
fn after_restart(started: &Config, now: &Config) -> Vec<String> {
    let changed = [
        ("hostname", started.hostname != now.hostname),
        ("data", started.data != now.data),
        ("drain_seconds", started.drain != now.drain),
        ("[[listener]]", started.listeners != now.listeners),
        ("[tls]", started.certificates != now.certificates),
        ("[acme]", started.acme != now.acme),
        ("[queue]", started.queue != now.queue),
        ("[trace]", started.trace != now.trace),
        ("[log]", started.log != now.log),
    ];
    changed.into_iter().filter(|(_, changed)| *changed).map(|(key, _)| key.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn what_waits_for_a_restart_is_named_as_it_stands_in_the_file() {
        let config = |text: &str| Config::parse(text, Path::new("/franking.toml")).unwrap();
        let started = config("");
        for (text, key) in [
            ("hostname = \"mx.contoso.example\"", "hostname"),
            ("data = \"elsewhere\"", "data"),
            ("drain_seconds = 7", "drain_seconds"),
            ("[[listener]]\naddress = \"127.0.0.1:2587\"", "[[listener]]"),
            ("[tls]\ncertificate = [\"a.pem\"]\nkey = [\"a.key\"]", "[tls]"),
            ("[queue]\nretry_seconds = [1]", "[queue]"),
            ("[trace]\ndays = 1", "[trace]"),
            ("[log]\nformat = \"json\"", "[log]"),
        ] {
            assert_eq!(after_restart(&started, &config(text)), [key], "{text}");
        }
        for text in ["[policy]\nrefuse_early = true", "[[route]]\ndomains = [\"*\"]\nhost = \"smtp.example\"", "# x"] {
            assert!(after_restart(&started, &config(text)).is_empty(), "{text}");
            assert_ne!(config(text).checksum, started.checksum, "{text}");
        }
    }
}
