//! What an operator decides about mail to other systems: which way it takes, and how much of it at once.

use core::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::model::mail::recipient_fields::OtherRecipients;
use crate::model::mail::{Address, Domain};
use crate::world::https::HttpsUrl;
use crate::world::secret::SecretSource;
use crate::world::tls::CertificatePaths;

/// How a host that the operator named is spoken to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RelayTls {
    /// STARTTLS with a certificate that proves the host's name; without it nothing is sent.
    #[default]
    Required,
    /// STARTTLS where it is offered, with any certificate.
    Opportunistic,
    /// TLS from the first octet, with a certificate that proves the host's name.
    Implicit,
    /// Never.
    None,
}

/// What a `[[route]]` may say about TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RouteTls {
    /// As [`RelayTls::Required`].
    Required,
    /// As [`RelayTls::Opportunistic`]; without a host, the mail exchangers are used, past any smart host.
    Opportunistic,
    /// As [`RelayTls::Implicit`].
    Implicit,
    /// As [`RelayTls::None`].
    None,
    /// The mail exchangers, and only over TLS with a certificate that proves the exchanger's name.
    VerifiedMx,
}

/// A host that takes mail for others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SmartHost {
    /// Its name or address literal.
    pub host: Domain,
    /// Its port.
    pub port: u16,
    /// How it is spoken to.
    pub tls: RelayTls,
    /// What it is signed in to with.
    pub credentials: Option<RelayCredentials>,
    /// The certificate by which it knows this server.
    pub certificate: Option<CertificatePaths>,
    /// The mailbox in whose name all mail goes there, where the host lets no other send.
    pub rewrite_sender: Option<Address>,
    /// Messages on their way there at once, to all domains together; as many as `[queue]` allows when unset.
    pub connections_max: Option<usize>,
}

/// A login at a host, and what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RelayCredentials {
    /// The name; for a token the mailbox.
    pub login: String,
    /// What proves it.
    pub proof: RelayProof,
}

/// What proves a login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RelayProof {
    /// A password, which is there.
    Password(SecretSource),
    /// An access token.
    Token {
        /// How it is given.
        auth: TokenAuth,
        /// The name of its `[[token]]`.
        name: Box<str>,
    },
}

/// How an access token is given to a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAuth {
    /// As Exchange Online and Gmail take it.
    Xoauth2,
    /// RFC 7628.
    OauthBearer,
}

/// What `auth` may say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RelayAuth {
    /// PLAIN or LOGIN, with a password.
    #[default]
    Password,
    /// XOAUTH2, with a token.
    Xoauth2,
    /// OAUTHBEARER (RFC 7628), with a token.
    OauthBearer,
}

/// Microsoft Graph, and on which terms mail goes there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphConfig {
    /// Where it is.
    pub endpoint: HttpsUrl,
    /// The name of its `[[token]]`.
    pub token: Box<str>,
    /// The mailbox in whose name all mail goes; that of each sender when unset.
    pub rewrite_sender: Option<Address>,
    /// What to do about addresses in the header that are no recipients.
    pub other_recipients: OtherRecipients,
    /// Messages on their way there at once; four when unset.
    pub connections_max: Option<usize>,
}

impl fmt::Display for GraphConfig {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Microsoft Graph at {} with the token {}", self.endpoint.authority(), self.token)?;
        match &self.rewrite_sender {
            Some(mailbox) => write!(formatter, ", in the name of {mailbox}"),
            None => Ok(()),
        }
    }
}

/// What `via` may say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RouteVia {
    /// SMTP.
    #[default]
    Smtp,
    /// Microsoft Graph.
    Graph,
}

/// A way for mail to other systems.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteWay {
    /// To this host, whatever the DNS says.
    Host(SmartHost),
    /// To Microsoft Graph.
    Graph(GraphConfig),
    /// To the mail exchangers of the domain.
    Exchangers {
        /// Only over TLS, with a certificate for the exchanger's name.
        verified: bool,
    },
}

impl fmt::Display for RouteWay {
    /// The way in words: `by …`. Passwords are not among them.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exchangers { verified: true } => {
                formatter.write_str("the mail exchangers of the domain, with verified TLS")
            }
            Self::Exchangers { verified: false } => formatter.write_str("the mail exchangers of the domain"),
            Self::Host(host) => host.fmt(formatter),
            Self::Graph(graph) => graph.fmt(formatter),
        }
    }
}

impl fmt::Display for SmartHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, tls, .. } = self;
        let tls = match tls {
            RelayTls::Required => "with verified TLS",
            RelayTls::Opportunistic => "with TLS if it is offered",
            RelayTls::Implicit => "with verified TLS from the first octet",
            RelayTls::None => "in clear text",
        };
        write!(formatter, "the host {host}, port {port}, {tls}")?;
        if self.certificate.is_some() {
            formatter.write_str(" and a client certificate")?;
        }
        if let Some(RelayCredentials { login, proof: RelayProof::Token { auth, name } }) = &self.credentials {
            let auth = match auth {
                TokenAuth::Xoauth2 => "XOAUTH2",
                TokenAuth::OauthBearer => "OAUTHBEARER",
            };
            write!(formatter, ", signed in as {login} by {auth} with the token {name}")?;
        }
        match &self.rewrite_sender {
            Some(mailbox) => write!(formatter, ", in the name of {mailbox}"),
            None => Ok(()),
        }
    }
}

/// What may be under way to other systems at once. Every number is at least 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboundConfig {
    /// Connections to one destination, which is a domain; at most `connections_max`.
    pub connections_per_destination: usize,
    /// Connections to all other systems.
    pub connections_max: usize,
    /// Recipients of one transaction; those over that go in another.
    pub recipients_per_transaction: usize,
    /// Messages on one connection, one after the other.
    pub messages_per_connection: usize,
    /// How long a connection waits for its next message; zero closes it after each.
    pub connection_idle: Duration,
}
