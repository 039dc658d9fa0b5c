//! Judges `[[token]]`: where access tokens come from.

use core::ops::Range;
use std::path::PathBuf;

use toml::Spanned;

use super::Judge;
use crate::config::raw::{RawFlow, RawToken};
use crate::config::{TokenConfig, TokenFlow};
use crate::world::https::HttpsUrl;
use crate::world::secret::SecretSource;

/// One for each provider and mailbox is far fewer.
const TOKENS_MAX: usize = 100;
/// The name is a file name, too.
const NAME_BYTES_MAX: usize = 64;
const TEXT_BYTES_MAX: usize = 2_048;

/// The three keys of a secret: `_file`, `_env` and `_credential`.
pub(super) type SecretKeys = (Option<Spanned<PathBuf>>, Option<Spanned<String>>, Option<Spanned<String>>);

/// Where the first of them stands that is there.
pub(super) fn span_of((file, variable, credential): &SecretKeys) -> Option<Range<usize>> {
    let file = file.as_ref().map(Spanned::span);
    file.or_else(|| variable.as_ref().map(Spanned::span)).or_else(|| credential.as_ref().map(Spanned::span))
}

impl Judge<'_> {
    /// All tokens; of two with one name the second is refused.
    pub(super) fn tokens(&mut self, raw: Vec<RawToken>) -> Vec<TokenConfig> {
        if let Some(over) = raw.get(TOKENS_MAX) {
            self.refuse(&over.name.span(), format!("more than {TOKENS_MAX} tokens"), "remove some");
        }
        let mut tokens: Vec<TokenConfig> = Vec::new();
        for token in raw.into_iter().take(TOKENS_MAX) {
            let span = token.name.span();
            let Some(token) = self.token(token) else { continue };
            if tokens.iter().any(|known| known.name == token.name) {
                self.refuse(&span, format!("there are two tokens \"{}\"", token.name), "give each its own name");
            } else {
                tokens.push(token);
            }
        }
        tokens
    }

    fn token(&mut self, raw: RawToken) -> Option<TokenConfig> {
        let (span, name) = (raw.name.span(), raw.name.into_inner());
        let fits = |octet: u8| octet.is_ascii_lowercase() || octet.is_ascii_digit() || octet == b'-';
        if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.bytes().all(fits) {
            let cure = format!("write at most {NAME_BYTES_MAX} small letters, digits and hyphens");
            self.refuse(&span, format!("\"{name}\" is no name for a token"), cure);
        }
        let client_secret = (raw.client_secret_file, raw.client_secret_env, raw.client_secret_credential);
        let client_secret = self.secret(client_secret);
        let spans = [
            raw.refresh_token_file.as_ref().map(Spanned::span),
            raw.refresh_token_env.as_ref().map(Spanned::span),
            raw.refresh_token_credential.as_ref().map(Spanned::span),
        ];
        let refresh_token = (raw.refresh_token_file, raw.refresh_token_env, raw.refresh_token_credential);
        let refresh_token = self.secret(refresh_token);
        let flow = match (raw.flow, refresh_token) {
            (RawFlow::ClientCredentials, refresh_token) => {
                if let Some(span) = spans.into_iter().flatten().next().filter(|_| refresh_token.is_some()) {
                    let cure = "set flow = \"refresh-token\", or remove the key";
                    self.refuse(&span, "has no effect with client credentials", cure);
                }
                if client_secret.is_none() {
                    let cure = "add client_secret_file, client_secret_env or client_secret_credential";
                    self.refuse(&span, "client credentials without secret", cure);
                }
                TokenFlow::ClientCredentials
            }
            (RawFlow::RefreshToken, Some(source)) => TokenFlow::RefreshToken(source),
            (RawFlow::RefreshToken, None) => {
                let cure = "add refresh_token_file, refresh_token_env or refresh_token_credential";
                self.refuse(&span, "no refresh token", cure);
                return None;
            }
        };
        let client_id = self.text(raw.client_id);
        let scope = raw.scope.map(|scope| self.text(scope));
        let url = self.url(raw.token_url)?;
        Some(TokenConfig { name: name.into(), flow, url, client_id, scope, client_secret })
    }

    pub(super) fn url(&mut self, value: Spanned<String>) -> Option<HttpsUrl> {
        let (span, text) = (value.span(), value.into_inner());
        match text.parse() {
            Ok(url) => Some(url),
            Err(error) => {
                let cure = "write it as the provider does, such as \"https://login.example/oauth2/token\"";
                self.refuse(&span, format!("\"{text}\" cannot be asked: {error}"), cure);
                None
            }
        }
    }

    pub(super) fn text(&mut self, value: Spanned<String>) -> String {
        let (span, text) = (value.span(), value.into_inner());
        if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.contains(char::is_control) {
            let cure = format!("give 1 to {TEXT_BYTES_MAX} octets without control characters");
            self.refuse(&span, "empty, too long, or not on one line", cure);
        }
        text
    }

    pub(super) fn secret(&mut self, (file, variable, credential): SecretKeys) -> Option<SecretSource> {
        let mut found: Vec<(Range<usize>, SecretSource)> = Vec::new();
        if let Some(file) = file {
            found.push((file.span(), SecretSource::File(self.beside(file.get_ref()))));
        }
        if let Some(name) = variable {
            let span = name.span();
            if name.get_ref().is_empty() || name.get_ref().contains(['=', '\0']) {
                self.refuse(&span, "no name of a variable", "write it like \"UPLINK_SECRET\"");
            }
            found.push((span, SecretSource::Environment(name.into_inner())));
        }
        if let Some(name) = credential {
            let (span, name) = (name.span(), name.into_inner());
            if name.is_empty() || name.starts_with('.') || name.contains(['/', '\0']) {
                let cure = "write the name after LoadCredential= in the unit, such as \"uplink-secret\"";
                self.refuse(&span, format!("\"{name}\" is no name of a credential"), cure);
            }
            found.push((span, SecretSource::Credential(name)));
        }
        let mut found = found.into_iter();
        let first = found.next();
        if let Some((span, _)) = found.next() {
            self.refuse(&span, "the secret is in two places", "keep one of _file, _env and _credential");
        }
        first.map(|(_, source)| source)
    }
}
