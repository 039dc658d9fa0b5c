//! `franking certificate`.

use clap::Subcommand;

use crate::admin::office::{CertificateOrder, Request};

/// The certificates that the server shows.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking certificate show")]
pub enum CertificateCommand {
    /// Which certificates are shown, for which names, by whom they are signed, and how long they last
    #[command(after_help = "\
The first one is shown to clients that ask for no name, or for none of ours. SOURCE is \"file\" ([tls] of the \
configuration), \"acme\" (an authority gave it by itself, [acme]), or \"development\" (made here, trusted by nobody). \
With [acme], the last lines say when the authority is asked next, and what it said if it gave none.

Exchange: Get-ExchangeCertificate

Examples:
  franking certificate show
  franking certificate show --json")]
    Show,
    /// Ask the authority of ACME for a new certificate now
    #[command(after_help = "\
It is renewed by itself in the last third of its life; this is for the day on which the cause of a failure was mended. \
The certificate in use stays until the new one is good, and the new one is shown from the next handshake on, without a \
restart. Authorities count: Let's Encrypt gives five certificates for the same names in a week. For trials set \
directory_url to its staging directory.

Exchange: New-ExchangeCertificate

Examples:
  franking certificate renew")]
    Renew,
}

impl CertificateCommand {
    pub(super) const fn request(&self) -> Request {
        match self {
            Self::Show => Request::Certificate(CertificateOrder::Show),
            Self::Renew => Request::Certificate(CertificateOrder::Renew),
        }
    }
}
