//! The certificates that the server shows, and renewing the one that an authority gives by itself.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::response::Response;
use super::{Actor, Office, Progress};

/// What is asked about certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CertificateOrder {
    /// Which there are.
    Show,
    /// Asks the authority for a new one now.
    Renew,
}

/// Everything that is shown, and by whom it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificatesView {
    /// The certificates, those of our listeners first; the first of all is shown to who asks for no name.
    pub certificates: Vec<CertificateView>,
    /// The authority that gives one by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acme: Option<AcmeView>,
    /// Files that cannot be used, each with its cure.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// A certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateView {
    /// Where it is shown: `listeners`, or `route` for hosts that mail goes to.
    pub used_for: String,
    /// The host names and addresses it is for.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// Its first instant.
    pub not_before: String,
    /// Its last.
    pub not_after: String,
    /// Whole days until then; negative once it is past.
    pub days_left: i64,
    /// Whether that is past.
    pub expired: bool,
    /// Where it comes from: `file`, `acme` or `development`.
    pub source: String,
    /// The file.
    pub file: String,
}

/// An authority that gives a certificate by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AcmeView {
    /// Its directory.
    pub directory: String,
    /// The names that are asked for.
    pub names: Vec<String>,
    /// How they are proved.
    pub challenge: String,
    /// When it is asked next; none while no server runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_attempt: Option<String>,
    /// Attempts that failed since the last that did not.
    pub failures: u32,
    /// Why the last one did, with the cure; empty when it did not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub trouble: String,
    /// Why the certificate is to be renewed before its time; empty when it is not.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub lacking: String,
}

/// A place that knows them. Everything blocks.
pub trait CertificateDesk: Send + Sync {
    /// What is shown.
    ///
    /// # Errors
    /// A text that says why that cannot be told.
    fn show(&self) -> Result<CertificatesView, String>;

    /// Gets a new certificate from the authority, and tells each step; its last instant. May take minutes.
    ///
    /// # Errors
    /// A text that says why there is none, with the cure; the one in use stays.
    fn renew(&self, say: &mut dyn FnMut(&str)) -> Result<String, String>;
}

/// A server that shows none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoCertificates;

impl CertificateDesk for NoCertificates {
    fn show(&self) -> Result<CertificatesView, String> {
        Ok(CertificatesView::default())
    }

    fn renew(&self, _: &mut dyn FnMut(&str)) -> Result<String, String> {
        Err("there are no certificates".to_owned())
    }
}

pub(super) fn obey(
    office: &Office,
    actor: Actor<'_>,
    order: CertificateOrder,
    progress: &mut dyn FnMut(Progress),
) -> Result<Response, Failure> {
    match order {
        CertificateOrder::Show => office.certificates.show().map(Response::Certificates).map_err(Failure::unavailable),
        CertificateOrder::Renew => {
            tracing::info!(actor, "a new certificate by ACME is wanted now");
            let mut say = |step: &str| progress(Progress { what: step.to_owned(), done: 0, total: 0 });
            let renewed = office.certificates.renew(&mut say);
            let not_after = renewed.map_err(|trouble| {
                Failure::refused(trouble)
                    .cured_by("franking certificate show: what is in use, and when it is tried again")
            })?;
            let message = format!("A new certificate is in use, until {not_after}.");
            Ok(Response::Done { message, notes: Vec::new(), password: None })
        }
    }
}
