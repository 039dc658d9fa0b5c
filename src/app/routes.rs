//! The ways of the configuration as delivery takes them, with the passwords read from their files.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::{OutboundConfig, RelayTls, RouteWay};
use crate::delivery::exchanger::{HopSecurity, SmartHost};
use crate::delivery::outgoing::Way;
use crate::delivery::relay_agent::ReuseOptions;
use crate::model::mail::Domain;
use crate::model::policy::RouteTable;
use crate::model::queue::Limits;
use crate::model::smtp::client::{Credentials, Secret};
use crate::world::disk::read_regular;

/// The longest file that can hold a password, in octets.
const PASSWORD_FILE_BYTES_MAX: u64 = 64 * 1024;

/// A password that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error(
    "{path}: {source}. Write the password of the login at the next host into its first line, readable by the server"
)]
pub struct PasswordError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub source: io::Error,
}

/// All ways of the configuration. Reads the password files; blocks.
///
/// # Errors
/// [`PasswordError`] for the first file that cannot be read or holds no password.
pub(super) fn ways(configured: &RouteTable<RouteWay>) -> Result<RouteTable<Way>, PasswordError> {
    configured.try_map(|way| {
        Ok(match way {
            RouteWay::Exchangers { verified } => Way::Exchangers { verified: *verified },
            RouteWay::Host(host) => Way::Host(smart_host(host)?),
        })
    })
}

fn smart_host(configured: &crate::config::SmartHost) -> Result<SmartHost, PasswordError> {
    let credentials = match &configured.credentials {
        None => None,
        Some((login, path)) => {
            let password = password(path).map_err(|source| PasswordError { path: path.clone(), source })?;
            Some(Credentials { login: login.clone(), secret: Secret::Password(password) })
        }
    };
    let host = match &configured.host {
        Domain::Literal(address) => address.to_string(),
        name @ Domain::Name(_) => name.to_string(),
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
        credentials,
    })
}

/// The first line of the file.
fn password(path: &Path) -> io::Result<String> {
    let invalid = |text| io::Error::new(io::ErrorKind::InvalidData, text);
    let text =
        String::from_utf8(read_regular(path, PASSWORD_FILE_BYTES_MAX)?).map_err(|_| invalid("it is not UTF-8"))?;
    let line = text.lines().next().unwrap_or_default();
    if line.is_empty() || line.contains('\0') {
        return Err(invalid("its first line is no password"));
    }
    Ok(line.to_owned())
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
    use super::*;
    use crate::config::Config;

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
            let (_, Way::Host(host)) = ways.find(&Domain::parse("fabrikam.example").unwrap()).unwrap() else {
                panic!()
            };
            assert!(host.credentials.as_ref().unwrap().secret == Secret::Password(password.to_owned()));
            assert_eq!((host.port, host.security), (587, HopSecurity::StartTls));
            let shown = format!("{ways:?} {:?} {:?}", config.routes, config.settings.routes);
            assert!(!shown.contains(password), "{shown}");
        }
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
            assert!(said.contains(&path.display().to_string()) && said.contains("Write the password"), "{said}");
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
