//! The request for a certificate (PKCS #10) and the key that it is for.

use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use zeroize::Zeroizing;

use super::Trouble;

/// A new private key (ECDSA, P-256), in PEM.
///
/// # Errors
/// When there is no randomness.
pub fn certificate_key() -> Result<Zeroizing<String>, Trouble> {
    let key = KeyPair::generate().map_err(|error| Trouble::here(error.to_string(), ""))?;
    Ok(Zeroizing::new(key.serialize_pem()))
}

/// A request for a certificate for `names`, signed with `key`, in DER.
///
/// # Errors
/// When the key is none, or a name is none.
pub fn certificate_request(names: &[String], key: &str) -> Result<Vec<u8>, Trouble> {
    let failed = |error: rcgen::Error| Trouble::here(format!("no request can be made: {error}"), "");
    let key = KeyPair::from_pem(key).map_err(failed)?;
    let mut params = CertificateParams::new(names).map_err(failed)?;
    // The alternative names are what counts; a common name of more than 64 characters would be refused.
    params.distinguished_name = DistinguishedName::new();
    Ok(params.serialize_request(&key).map_err(failed)?.der().to_vec())
}
