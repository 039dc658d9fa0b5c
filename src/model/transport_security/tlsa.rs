//! TLSA records (RFC 6698, RFC 7671): which of them mail may go by, and whether a certificate fits one.

use sha2::{Digest as _, Sha256, Sha512};

/// More records of one host than this are not looked at; real hosts have fewer than ten.
pub const RECORDS_MAX: usize = 64;

const USAGE_ANCHOR: u8 = 2;
const USAGE_END_ENTITY: u8 = 3;
const SELECTOR_CERTIFICATE: u8 = 0;
const SELECTOR_KEY: u8 = 1;
const MATCHING_FULL: u8 = 0;
const MATCHING_SHA256: u8 = 1;
const MATCHING_SHA512: u8 = 2;

/// One TLSA record, with the numbers of its registries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlsa {
    /// What the association means: 2 (DANE-TA) or 3 (DANE-EE) for mail.
    pub usage: u8,
    /// What of the certificate is compared: 0 all of it, 1 its public key.
    pub selector: u8,
    /// How it is compared: 0 as it is, 1 by SHA-256, 2 by SHA-512.
    pub matching: u8,
    /// What it is compared with.
    pub data: Vec<u8>,
}

impl Tlsa {
    /// Whether mail can go by it. The PKIX usages 0 and 1 cannot serve SMTP (RFC 7672 section 3.1.3), and a digest of
    /// the wrong length fits nothing.
    pub fn is_usable(&self) -> bool {
        let length = match self.matching {
            MATCHING_FULL => !self.data.is_empty(),
            MATCHING_SHA256 => self.data.len() == 32,
            MATCHING_SHA512 => self.data.len() == 64,
            _ => false,
        };
        length
            && matches!(self.usage, USAGE_ANCHOR | USAGE_END_ENTITY)
            && matches!(self.selector, SELECTOR_CERTIFICATE | SELECTOR_KEY)
    }

    /// Whether it names the host's own certificate (DANE-EE), and not an authority of the host's choice.
    pub const fn is_end_entity(&self) -> bool {
        self.usage == USAGE_END_ENTITY
    }

    /// The whole certificate of an authority, where the record has it: then the host need not send it.
    pub fn anchor(&self) -> Option<&[u8]> {
        let whole =
            self.usage == USAGE_ANCHOR && self.selector == SELECTOR_CERTIFICATE && self.matching == MATCHING_FULL;
        whole.then_some(&self.data)
    }

    /// Whether a certificate fits: `certificate` is all of it in DER, `key` its SubjectPublicKeyInfo in DER.
    pub fn fits(&self, certificate: &[u8], key: &[u8]) -> bool {
        let subject = match self.selector {
            SELECTOR_CERTIFICATE => certificate,
            SELECTOR_KEY => key,
            _ => return false,
        };
        match self.matching {
            MATCHING_FULL => self.data == subject,
            MATCHING_SHA256 => self.data == Sha256::digest(subject).as_slice(),
            MATCHING_SHA512 => self.data == Sha512::digest(subject).as_slice(),
            _ => false,
        }
    }
}

/// Those of a host's records that mail goes by. Where a host gives the same usage and selector with both digests, only
/// the stronger counts (RFC 7671 section 9). Empty when none is usable: then TLS is demanded, and nothing of the
/// certificate.
pub fn usable(records: Vec<Tlsa>) -> Vec<Tlsa> {
    let mut records: Vec<Tlsa> = records.into_iter().filter(Tlsa::is_usable).take(RECORDS_MAX).collect();
    let strong: Vec<(u8, u8)> = records
        .iter()
        .filter(|record| record.matching == MATCHING_SHA512)
        .map(|record| (record.usage, record.selector))
        .collect();
    records.retain(|record| record.matching != MATCHING_SHA256 || !strong.contains(&(record.usage, record.selector)));
    records
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(usage: u8, selector: u8, matching: u8, data: &[u8]) -> Tlsa {
        Tlsa { usage, selector, matching, data: data.to_vec() }
    }

    #[test]
    fn a_certificate_fits_by_what_is_selected_and_how() {
        let (certificate, key) = (b"certificate", b"key");
        for usage in [2, 3] {
            for (selector, subject) in [(0, &certificate[..]), (1, &key[..])] {
                for (matching, data) in [
                    (0, subject.to_vec()),
                    (1, Sha256::digest(subject).to_vec()),
                    (2, Sha512::digest(subject).to_vec()),
                ] {
                    let fitting = record(usage, selector, matching, &data);
                    assert!(fitting.is_usable() && fitting.fits(certificate, key), "{fitting:?}");
                    assert!(!fitting.fits(b"other", b"another"), "{fitting:?}");
                }
            }
        }
    }

    #[test]
    fn what_mail_cannot_go_by_is_unusable() {
        let digest = [7; 32];
        for (usage, selector, matching, data) in [
            (0, 1, 1, &digest[..]),
            (1, 1, 1, &digest),
            (4, 1, 1, &digest),
            (255, 1, 1, &digest),
            (3, 2, 1, &digest),
            (3, 1, 3, &digest),
            (3, 1, 1, &digest[1..]),
            (3, 1, 2, &digest),
            (3, 1, 0, &[]),
        ] {
            let record = record(usage, selector, matching, data);
            assert!(!record.is_usable(), "{record:?}");
            assert_eq!(usable(vec![record]), []);
        }
        assert!(!record(3, 9, 0, b"key").fits(b"key", b"key") && !record(3, 1, 9, b"key").fits(b"key", b"key"));
    }

    #[test]
    fn a_weaker_digest_does_not_count_beside_a_stronger_one() {
        let (weak, strong) = (record(3, 1, 1, &[1; 32]), record(3, 1, 2, &[2; 64]));
        let (other, whole) = (record(2, 1, 1, &[3; 32]), record(3, 1, 0, b"key"));
        let all = vec![weak.clone(), strong.clone(), other.clone(), whole.clone()];
        assert_eq!(usable(all), [strong, other.clone(), whole]);
        assert_eq!(usable(vec![weak.clone(), other.clone()]), [weak, other]);
        // A digest that cannot be right does not push out one that can.
        let (weak, broken) = (record(3, 1, 1, &[1; 32]), record(3, 1, 2, &[2; 63]));
        assert_eq!(usable(vec![weak.clone(), broken]), [weak]);
    }

    #[test]
    fn only_a_whole_certificate_of_an_authority_is_an_anchor_by_itself() {
        assert_eq!(record(2, 0, 0, b"ca").anchor(), Some(&b"ca"[..]));
        for other in [record(3, 0, 0, b"ca"), record(2, 1, 0, b"ca"), record(2, 0, 1, &[0; 32])] {
            assert_eq!(other.anchor(), None);
        }
    }
}
