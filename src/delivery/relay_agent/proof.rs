//! What a host has to prove in the TLS handshake, and what it means when it does not.

use std::io;
use std::sync::Arc;

use rustls::{CertificateError, ClientConfig, Error};
use rustls_pki_types::ServerName;
use tokio_rustls::TlsConnector;

use crate::delivery::exchanger::{Candidate, Demand, HopSecurity, TransportSecurity};
use crate::model::mail::EnhancedStatus;
use crate::model::smtp::client::{TlsPolicy, Trouble};
use crate::world::network::Stream;
use crate::world::tls::{Authorities, Identity, dane, server_name};

use super::RelayTls;

/// How a handshake failed.
pub(super) struct Unproved {
    /// For logs and reports.
    pub(super) status: EnhancedStatus,
    /// The same in words.
    pub(super) reason: String,
}

impl Unproved {
    /// Nothing came.
    pub(super) fn by_silence() -> Self {
        Self { status: EnhancedStatus(4, 7, 5), reason: "the TLS handshake failed: no answer in time".to_owned() }
    }
}

/// What a host has to prove.
#[derive(Clone)]
pub(super) struct Proof {
    host: String,
    demand: Demand,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
    /// Judges the certificate for the log alone.
    testing: Option<Authorities>,
}

impl Proof {
    /// What `host` has to prove, and what that means for STARTTLS; the trouble is why nobody could prove it.
    pub(super) fn of(
        host: &Candidate,
        tls: &RelayTls,
        demands: &TransportSecurity,
    ) -> Result<(Self, TlsPolicy), Trouble> {
        let trouble = |text: &str| Trouble::local(EnhancedStatus(4, 7, 5), Some(&host.host), text);
        let required = match host.demand {
            Demand::None | Demand::MtaStsTesting => TlsPolicy::Required,
            Demand::MtaSts | Demand::Dane(_) | Demand::DaneUnusable => {
                TlsPolicy::Demanded { missing: host.demand.no_tls_status() }
            }
        };
        let by_records = match &host.demand {
            Demand::Dane(demand) => {
                let config = dane(&demand.records, &demand.names).map_err(|error| trouble(&error.to_string()))?;
                Some((config, demand.names.base.as_str()))
            }
            Demand::None | Demand::MtaSts | Demand::MtaStsTesting | Demand::DaneUnusable => None,
        };
        let (policy, config, name) = match (host.security, by_records) {
            (HopSecurity::Plain, _) => (TlsPolicy::Off, Some(Arc::clone(&tls.opportunistic)), None),
            (HopSecurity::Opportunistic, _) => (TlsPolicy::Opportunistic, Some(Arc::clone(&tls.opportunistic)), None),
            (HopSecurity::AnyTls, _) => (required, Some(Arc::clone(&tls.opportunistic)), None),
            (HopSecurity::StartTls, Some((config, base))) => (required, Some(config), Some(base)),
            (HopSecurity::StartTls, None) | (HopSecurity::ImplicitTls, _) => {
                let own = host.identity.as_ref().map(Identity::config);
                (required, own.or_else(|| tls.verified.clone()), None)
            }
        };
        let config = config.ok_or_else(|| {
            trouble("its certificate must be verified, and no certificate authorities are configured")
        })?;
        // An odd host name matters only where it must be proved; otherwise the address serves.
        let lax = matches!(host.security, HopSecurity::Plain | HopSecurity::Opportunistic | HopSecurity::AnyTls);
        let name = match server_name(name.unwrap_or(&host.host)) {
            Some(name) => name,
            None if lax => host.address.ip().into(),
            None => return Err(trouble("its name cannot be in a certificate")),
        };
        let testing = demands.authorities.clone().filter(|_| host.demand == Demand::MtaStsTesting);
        Ok((Self { host: host.host.clone(), demand: host.demand.clone(), config, name, testing }, policy))
    }

    /// Does the handshake.
    pub(super) async fn ask(&self, wire: Box<dyn Stream>) -> Result<Box<dyn Stream>, Unproved> {
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let stream = connector.connect(self.name.clone(), wire).await.map_err(|error| self.unproved(&error))?;
        if let Some(authorities) = &self.testing {
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
            if let Err(reason) = authorities.judge(chain, &self.name) {
                let host = self.host.as_str();
                tracing::warn!(host, reason, "the certificate fails the MTA-STS policy, which is in testing");
            }
        }
        Ok(Box::new(stream))
    }

    /// Exchange's statuses for what can be wrong with a certificate (spec section 1.5).
    fn unproved(&self, error: &io::Error) -> Unproved {
        let certificate = error.get_ref().and_then(|error| match error.downcast_ref::<Error>() {
            Some(Error::InvalidCertificate(certificate)) => Some(certificate),
            _ => None,
        });
        let (status, words) = match (&self.demand, certificate) {
            (Demand::Dane(_), Some(CertificateError::Expired | CertificateError::ExpiredContext { .. })) => {
                (EnhancedStatus(4, 7, 322), "certificate-expired")
            }
            (
                Demand::Dane(_),
                Some(CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }),
            ) => (EnhancedStatus(4, 7, 325), "certificate-host-mismatch"),
            (Demand::Dane(_), Some(_)) => {
                (EnhancedStatus(4, 7, 323), "tlsa-invalid: the certificate fits no TLSA record")
            }
            (Demand::MtaSts, Some(_)) => (EnhancedStatus(4, 7, 5), "the certificate failed MTA-STS validation"),
            (Demand::None | Demand::MtaSts | Demand::MtaStsTesting | Demand::Dane(_) | Demand::DaneUnusable, _) => {
                (EnhancedStatus(4, 7, 5), "the TLS handshake failed")
            }
        };
        Unproved { status, reason: format!("{words}: {error}") }
    }
}
