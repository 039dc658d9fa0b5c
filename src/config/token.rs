//! Access tokens (RFC 6749): who is asked for them, and with what.

use crate::world::https::HttpsUrl;
use crate::world::secret::SecretSource;

/// One `[[token]]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenConfig {
    /// Its name, by which routes refer to it: letters, digits and hyphens.
    pub name: Box<str>,
    /// How it is asked for.
    pub flow: TokenFlow,
    /// The token endpoint.
    pub url: HttpsUrl,
    /// The application, as the provider registered it.
    pub client_id: String,
    /// What the token is for, as the provider words it.
    pub scope: Option<String>,
    /// Where the application's secret is; a public application has none.
    pub client_secret: Option<SecretSource>,
}

/// How a token is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenFlow {
    /// As the application itself (RFC 6749 section 4.4).
    ClientCredentials,
    /// With a refresh token, for somebody who consented once (section 6). Where it is; what the provider exchanges it
    /// for is kept in the data directory.
    RefreshToken(SecretSource),
}
