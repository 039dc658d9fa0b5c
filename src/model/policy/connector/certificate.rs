//! A certificate that a client showed, as far as policy cares: whose it is, and who says so.

use core::fmt;
use core::str::FromStr;
use std::path::Path;
use std::sync::Arc;

use crate::model::mail::DomainPattern;

/// Octets of a SHA-256.
const DIGEST_BYTES: usize = 32;

/// Who vouches for the names in certificates.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Authorities {
    /// The authorities that the operating system trusts.
    System,
    /// Those in this file.
    File(Arc<Path>),
}

impl fmt::Display for Authorities {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::System => formatter.write_str("the authorities of the system"),
            Self::File(path) => write!(formatter, "the authorities in {}", path.display()),
        }
    }
}

/// The SHA-256 of a certificate's DER form: it is this certificate, whoever signed it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; DIGEST_BYTES]);

/// A text that is no fingerprint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is the SHA-256 of a certificate, 64 hexadecimal digits, with or without colons")]
pub struct FingerprintError;

impl FromStr for Fingerprint {
    type Err = FingerprintError;

    /// Reads what `openssl x509 -fingerprint -sha256` prints behind the equals sign.
    fn from_str(text: &str) -> Result<Self, FingerprintError> {
        let digits: Vec<u8> = match text.contains(':') {
            true if text.split(':').all(|pair| pair.len() == 2) => text.bytes().filter(|own| *own != b':').collect(),
            true => return Err(FingerprintError),
            false => text.bytes().collect(),
        };
        let digit = |octet: u8| char::from(octet).to_digit(16).and_then(|value| u8::try_from(value).ok());
        let mut digest = [0; DIGEST_BYTES];
        if digits.len() != 2 * DIGEST_BYTES {
            return Err(FingerprintError);
        }
        for (place, pair) in digest.iter_mut().zip(digits.chunks_exact(2)) {
            let [high, low] = pair else { return Err(FingerprintError) };
            let (high, low) = digit(*high).zip(digit(*low)).ok_or(FingerprintError)?;
            *place = high << 4 | low;
        }
        Ok(Self(digest))
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, octet) in self.0.iter().enumerate() {
            write!(formatter, "{}{octet:02X}", if place == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Fingerprint({self})")
    }
}

/// A certificate of which a client proved to hold the key, and that is neither too old nor too young.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificate {
    /// Which one it is.
    pub fingerprint: Fingerprint,
    /// Its DNS names; one that begins with an asterisk is for all below. Anybody can write any name into one.
    pub names: Vec<DomainPattern>,
    /// Who says that the names are true.
    pub vouched_by: Vec<Authorities>,
}
