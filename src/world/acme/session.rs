//! An account at the authority: made, bound to another that somebody has there, and used again.

use core::fmt;
use core::time::Duration;

use base64::prelude::{BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD, Engine as _};
use instant_acme::{
    AccountCredentials, CertificateIdentifier, Error, ExternalAccountKey, Identifier, Key, NewAccount, NewOrder,
};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, Der, PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::FromDer as _;
use zeroize::Zeroizing;

use super::order::Order;
use super::{AcmeHttp, Pace, Trouble};
use crate::model::mail::Timestamp;
use crate::model::transport_security::certificate::Window;
use crate::world::https::{FetchError, HttpsUrl};

/// The private key of an account, in PKCS #8 (ECDSA, P-256). Hidden in debug output.
#[derive(Clone, PartialEq, Eq)]
pub struct AccountKey(Zeroizing<Vec<u8>>);

impl fmt::Debug for AccountKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AccountKey(hidden)")
    }
}

impl AccountKey {
    /// A new one.
    ///
    /// # Errors
    /// When there is no randomness.
    pub fn generate() -> Result<Self, Trouble> {
        let (_, key) = Key::generate_pkcs8().map_err(|error| Trouble::of(error, None))?;
        Ok(Self(Zeroizing::new(key.secret_pkcs8_der().to_vec())))
    }

    /// From what [`Self::text`] gave; `None` for anything else.
    pub fn from_text(text: &str) -> Option<Self> {
        let key = Self(Zeroizing::new(BASE64_URL_SAFE_NO_PAD.decode(text).ok()?));
        Key::from_pkcs8_der(key.der()).ok().map(|_| key)
    }

    /// As text, to be kept.
    pub fn text(&self) -> Zeroizing<String> {
        Zeroizing::new(BASE64_URL_SAFE_NO_PAD.encode(&*self.0))
    }

    fn der(&self) -> PrivatePkcs8KeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.0.to_vec())
    }
}

/// An account that somebody has at the authority already (RFC 8555 section 7.3.4).
pub struct Binding {
    id: String,
    key: ExternalAccountKey,
}

impl fmt::Debug for Binding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Binding").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Binding {
    /// From the key identifier and the HMAC key in base64, as authorities show them; `None` when the latter is not.
    pub fn new(id: &str, key: &str) -> Option<Self> {
        let key = key.trim().trim_end_matches('=');
        let octets = BASE64_URL_SAFE_NO_PAD.decode(key).or_else(|_| BASE64_STANDARD_NO_PAD.decode(key));
        let octets = Zeroizing::new(octets.ok().filter(|octets| !octets.is_empty())?);
        Some(Self { id: id.to_owned(), key: ExternalAccountKey::new(id.to_owned(), &octets) })
    }
}

/// Makes an account with `key`, or finds the one that has it: repeated after a crash it gives the same. Its address.
///
/// # Errors
/// [`Trouble`].
pub async fn sign_up(
    http: &AcmeHttp,
    directory: &HttpsUrl,
    key: &AccountKey,
    contact: &[String],
) -> Result<String, Trouble> {
    let failed = |error| Trouble::of(error, http.take_retry_after());
    let own = Key::from_pkcs8_der(key.der()).map_err(failed)?;
    let builder = instant_acme::Account::builder_with_http(Box::new(http.clone()));
    let made = builder.create_from_key((own, PrivateKeyDer::Pkcs8(key.der())), directory.to_string()).await;
    let (account, _) = made.map_err(failed)?;
    if !contact.is_empty() {
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        account.update_contacts(&contact).await.map_err(failed)?;
    }
    Ok(account.id().to_owned())
}

/// Makes an account that belongs to another; its key and its address. The library makes the key, so a crash before the
/// caller has kept it loses the account, and an authority that binds once wants another binding then.
///
/// # Errors
/// [`Trouble`].
pub async fn sign_up_bound(
    http: &AcmeHttp,
    directory: &HttpsUrl,
    binding: &Binding,
    contact: &[String],
) -> Result<(AccountKey, String), Trouble> {
    let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
    let wanted = NewAccount { contact: &contact, terms_of_service_agreed: true, only_return_existing: false };
    let builder = instant_acme::Account::builder_with_http(Box::new(http.clone()));
    let made = builder.create(&wanted, directory.to_string(), Some(&binding.key)).await;
    let (account, credentials) = made.map_err(|error| Trouble::of(error, http.take_retry_after()))?;
    Ok((key_of(&credentials), account.id().to_owned()))
}

fn key_of(credentials: &AccountCredentials) -> AccountKey {
    AccountKey(Zeroizing::new(credentials.private_key().secret_pkcs8_der().to_vec()))
}

/// An account that is used.
pub struct Account {
    inner: instant_acme::Account,
    http: AcmeHttp,
    pace: Pace,
}

impl fmt::Debug for Account {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Account").field("address", &self.inner.id()).finish_non_exhaustive()
    }
}

/// The account at `address`, which [`sign_up`] gave.
///
/// # Errors
/// [`Trouble`].
pub async fn sign_in(
    http: &AcmeHttp,
    directory: &HttpsUrl,
    key: &AccountKey,
    address: &str,
    pace: Pace,
) -> Result<Account, Trouble> {
    let builder = instant_acme::Account::builder_with_http(Box::new(http.clone()));
    let found = builder.from_parts(address.to_owned(), key.der(), directory.to_string()).await;
    let inner = found.map_err(|error| Trouble::of(error, http.take_retry_after()))?;
    Ok(Account { inner, http: http.clone(), pace })
}

impl Account {
    /// Where it is at the authority.
    pub fn address(&self) -> &str {
        self.inner.id()
    }

    /// Tells the authority whom to write to.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn tell_contact(&self, contact: &[String]) -> Result<(), Trouble> {
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        self.inner.update_contacts(&contact).await.map_err(|error| self.trouble(error))
    }

    /// Orders a certificate for `names`, in the place of another where that is named (RFC 9773 section 5).
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn order(&self, names: &[String], replaced: Option<&CertificateId>) -> Result<Order, Trouble> {
        let identifiers: Vec<Identifier> = names.iter().cloned().map(Identifier::Dns).collect();
        if let Some(CertificateId(replaced)) = replaced {
            let outcome = self.inner.new_order(&NewOrder::new(&identifiers).replaces(replaced.clone())).await;
            match outcome {
                Ok(order) => return Ok(self.ordered(order)),
                Err(Error::Other(error)) if error.is::<FetchError>() => return Err(self.trouble(Error::Other(error))),
                Err(error) => {
                    let trouble = self.trouble(error);
                    if trouble.retry_after.is_some() {
                        return Err(trouble);
                    }
                    // Authorities differ in what they take for replaced; without that word it is an order like others.
                    tracing::debug!(%trouble, "the authority takes no order in the place of the former certificate");
                }
            }
        }
        let outcome = self.inner.new_order(&NewOrder::new(&identifiers)).await;
        outcome.map(|order| self.ordered(order)).map_err(|error| self.trouble(error))
    }

    /// An order that was made earlier.
    ///
    /// # Errors
    /// [`Trouble`].
    pub async fn resume(&self, address: &str) -> Result<Order, Trouble> {
        let outcome = self.inner.order(address.to_owned()).await;
        outcome.map(|order| self.ordered(order)).map_err(|error| self.trouble(error))
    }

    /// When the authority wants a certificate to be renewed, and how long that holds; nothing where it does not say.
    pub async fn suggested(&self, certificate: &CertificateId) -> Option<(Window, Duration)> {
        let (info, holds) = self.inner.renewal_info(&certificate.0).await.ok()?;
        let instant =
            |seconds: i64| Timestamp::from_unix_milliseconds(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000));
        let suggested = info.suggested_window;
        let start = instant(suggested.start.unix_timestamp());
        Some((Window { start, end: instant(suggested.end.unix_timestamp()) }, holds))
    }

    fn ordered(&self, inner: instant_acme::Order) -> Order {
        Order::new(inner, self.http.clone(), self.pace)
    }

    fn trouble(&self, error: Error) -> Trouble {
        Trouble::of(error, self.http.take_retry_after())
    }
}

/// By what an authority knows a certificate that it gave (RFC 9773 section 4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateId(CertificateIdentifier<'static>);

impl CertificateId {
    /// That of the first certificate in a PEM text; `None` when it does not say whose key signed it.
    pub fn of_pem(pem: &[u8]) -> Option<Self> {
        let der = CertificateDer::pem_slice_iter(pem).next()?.ok()?;
        let (_, parsed) = X509Certificate::from_der(&der).ok()?;
        let authority = parsed.iter_extensions().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(named) => named.key_identifier.as_ref().map(|key| key.0),
            _ => None,
        })?;
        let serial = parsed.tbs_certificate.raw_serial();
        let named = CertificateIdentifier::new(Der::from_slice(authority), Der::from_slice(serial));
        Some(Self(named.into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_being_kept_and_shows_itself_nowhere() {
        let key = AccountKey::generate().unwrap();
        assert_eq!(AccountKey::from_text(&key.text()), Some(key.clone()));
        assert!(format!("{key:?}").len() < 30);
        for odd in ["", "AAAA", "\u{e9}", &key.text()[1..]] {
            assert!(AccountKey::from_text(odd).is_none());
        }
    }

    #[test]
    fn a_binding_takes_the_key_as_authorities_show_it() {
        for good in ["-_8", "+/8=", " -_8\n"] {
            assert!(Binding::new("kid", good).is_some(), "{good}");
        }
        for odd in ["", "=", "a b", "\u{e9}"] {
            assert!(Binding::new("kid", odd).is_none(), "{odd}");
        }
        assert!(!format!("{:?}", Binding::new("kid", "c2VjcmV0").unwrap()).contains("c2Vj"));
    }
}
