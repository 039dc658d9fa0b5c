//! Certificates that a client must not trust, for servers that applications are tested against: one that ran out, one
//! for another host, one of an authority that nobody knows. The first two are signed by the authority that the good one
//! is signed by, so that nothing else is wrong with them.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::date_time_ymd;
use rustls::ServerConfig;

use super::development::{DevelopmentError, authority_of, date, leaf_params, load_or_make_key, write_certificate};
use super::{CertificatePaths, CertificateStore, TlsSetupError, ensure_development_certificates, server_config};
use crate::model::mail::{Domain, Timestamp};
use crate::world::random::Random;

const DAY: Duration = Duration::from_secs(86_400);
/// A host that no client looks for (RFC 2606).
const OTHER_HOST: &str = "other-host.invalid";

/// Handshakes that go wrong, each for one reason.
#[derive(Clone, Debug)]
pub struct SpoiltTls {
    /// The certificate ran out yesterday.
    pub expired: Arc<ServerConfig>,
    /// It is for another host.
    pub wrong_name: Arc<ServerConfig>,
    /// Nobody knows who signed it.
    pub unknown_authority: Arc<ServerConfig>,
}

/// Why they cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum SpoiltError {
    /// A certificate.
    #[error(transparent)]
    Development(#[from] DevelopmentError),
    /// A file of one.
    #[error(transparent)]
    Certificate(#[from] super::CertificateError),
    /// TLS as a whole.
    #[error(transparent)]
    Tls(#[from] TlsSetupError),
}

impl SpoiltTls {
    /// Makes them in `place`, signed by the development authority in `authority`, which is made where there is none.
    /// Touches files: not for an async task.
    ///
    /// # Errors
    /// [`SpoiltError`].
    pub fn make(
        authority: &Path,
        place: &Path,
        host: &Domain,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Self, SpoiltError> {
        let hosts = [host.clone()];
        ensure_development_certificates(authority, &hosts, now, random)?;
        let (stranger, _) = ensure_development_certificates(&place.join("stranger"), &hosts, now, random)?;
        let issuer = authority_of(authority, now, random)?;
        let names = [host.to_string(), "localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
        let mut expired = leaf_params(&names, now, random).map_err(DevelopmentError::from)?;
        let before = |days: u32| {
            let milliseconds = u64::try_from((DAY * days).as_millis()).unwrap_or(u64::MAX);
            date(Timestamp::from_unix_milliseconds(now.unix_milliseconds().saturating_sub(milliseconds)))
        };
        let ((year, month, day), (last_year, last_month, last_day)) = (before(90), before(1));
        expired.not_before = date_time_ymd(year, month, day);
        expired.not_after = date_time_ymd(last_year, last_month, last_day);
        let wrong_name = leaf_params(&[OTHER_HOST.to_owned()], now, random).map_err(DevelopmentError::from)?;
        let sign = |stem: &str, params: rcgen::CertificateParams| -> Result<Arc<ServerConfig>, SpoiltError> {
            let pair = |ending: &str| place.join(format!("{stem}.{ending}"));
            let paths = CertificatePaths { certificate: pair("pem"), key: pair("key") };
            let key = load_or_make_key(&paths.key)?;
            let certificate = params.signed_by(&key, &issuer).map_err(DevelopmentError::from)?;
            write_certificate(&paths.certificate, &certificate)?;
            shown(paths)
        };
        Ok(Self {
            expired: sign("expired", expired)?,
            wrong_name: sign("wrong-name", wrong_name)?,
            unknown_authority: shown(stranger)?,
        })
    }
}

fn shown(paths: CertificatePaths) -> Result<Arc<ServerConfig>, SpoiltError> {
    Ok(server_config(Arc::new(CertificateStore::open(&[paths])?))?)
}
