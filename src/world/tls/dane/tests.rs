//! Certificates of every sort against the records that should and should not take them.

use rcgen::{BasicConstraints, Certificate, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::client::danger::ServerCertVerifier as _;
use sha2::{Digest as _, Sha256, Sha512};

use super::super::judged::Verifier;
use super::*;

const HOST: &str = "mx.fabrikam.example";

/// The year 2026, from which the certificates here are looked at.
fn now() -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(1_767_600_000))
}

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: Certificate,
}

fn params(names: &[&str], until: i32) -> CertificateParams {
    let mut params = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(until, 1, 1);
    params
}

fn authority(name: &str) -> Authority {
    let mut params = params(&[], 2030);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    Authority { issuer: Issuer::new(params, key), certificate }
}

impl Authority {
    fn issue(&self, names: &[&str], until: i32) -> CertificateDer<'static> {
        let key = KeyPair::generate().unwrap();
        params(names, until).signed_by(&key, &self.issuer).unwrap().der().clone()
    }

    fn der(&self) -> CertificateDer<'static> {
        self.certificate.der().clone()
    }
}

fn key_of(certificate: &CertificateDer<'_>) -> Vec<u8> {
    X509Certificate::from_der(certificate).unwrap().1.tbs_certificate.subject_pki.raw.to_vec()
}

fn record(usage: u8, selector: u8, matching: u8, certificate: &CertificateDer<'_>) -> Tlsa {
    let subject = if selector == 0 { certificate.to_vec() } else { key_of(certificate) };
    let data = match matching {
        0 => subject,
        1 => Sha256::digest(&subject).to_vec(),
        _ => Sha512::digest(&subject).to_vec(),
    };
    Tlsa { usage, selector, matching, data }
}

/// What becomes of a host that shows `chain`.
fn verify(records: &[Tlsa], chain: &[CertificateDer<'static>]) -> Result<(), Error> {
    let names = [HOST, "fabrikam.example"].map(|name| server_name(name).unwrap()).to_vec();
    let verifier = Verifier::new(TlsaRule::new(records, names));
    let (own, rest) = chain.split_first().unwrap();
    verifier.verify_server_cert(own, rest, &server_name("other.example").unwrap(), &[], now()).map(|_| ())
}

fn mismatch() -> Result<(), Error> {
    Err(Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure))
}

#[test]
fn an_end_entity_record_is_all_the_proof() {
    let authority = authority("A");
    // Past its end and for another name: neither counts.
    let shown = authority.issue(&["nobody.example"], 2021);
    let other = authority.issue(&[HOST], 2030);
    for selector in [0, 1] {
        for matching in [0, 1, 2] {
            let right = record(3, selector, matching, &shown);
            assert_eq!(verify(core::slice::from_ref(&right), &[shown.clone(), authority.der()]), Ok(()), "{right:?}");
            assert_eq!(verify(core::slice::from_ref(&right), &[other.clone(), authority.der()]), mismatch());
            // The right certificate in the wrong place proves nothing: its key is not used in the handshake.
            assert_eq!(verify(&[right], &[other.clone(), shown.clone()]), mismatch());
        }
    }
}

#[test]
fn one_fitting_record_among_several_is_enough() {
    let authority = authority("A");
    let (old, new) = (authority.issue(&[HOST], 2030), authority.issue(&[HOST], 2030));
    assert_eq!(verify(&[record(3, 1, 1, &old), record(3, 1, 1, &new)], &[new]), Ok(()));
}

#[test]
fn an_authority_vouches_for_names_and_dates() {
    let (own, foreign) = (authority("A"), authority("B"));
    let good = own.issue(&[HOST], 2030);
    for selector in [0, 1] {
        for matching in [0, 1, 2] {
            let anchor = record(2, selector, matching, &own.der());
            let of = |chain: &[CertificateDer<'static>]| verify(core::slice::from_ref(&anchor), chain);
            assert_eq!(of(&[good.clone(), own.der()]), Ok(()), "{anchor:?}");
            assert_eq!(
                of(&[own.issue(&["fabrikam.example"], 2030), own.der()]),
                Ok(()),
                "the next-hop domain serves, too"
            );
            let expired = of(&[own.issue(&[HOST], 2021), own.der()]);
            assert!(matches!(expired, Err(Error::InvalidCertificate(CertificateError::ExpiredContext { .. }))));
            let named = of(&[own.issue(&["other.example"], 2030), own.der()]);
            assert!(matches!(named, Err(Error::InvalidCertificate(CertificateError::NotValidForNameContext { .. }))));
            // Signed by another, with the right authority shown beside it.
            let unknown = of(&[foreign.issue(&[HOST], 2030), own.der(), foreign.der()]);
            assert_eq!(unknown, Err(Error::InvalidCertificate(CertificateError::UnknownIssuer)));
            assert!(of(&[foreign.issue(&[HOST], 2030), foreign.der()]).is_err());
        }
    }
}

#[test]
fn an_authority_must_be_shown_unless_the_record_holds_it() {
    let authority = authority("A");
    let shown = [authority.issue(&[HOST], 2030)];
    assert_eq!(verify(&[record(2, 0, 0, &authority.der())], &shown), Ok(()));
    for (selector, matching) in [(0, 1), (0, 2), (1, 0), (1, 1), (1, 2)] {
        assert_eq!(verify(&[record(2, selector, matching, &authority.der())], &shown), mismatch());
    }
}

#[test]
fn an_authority_of_the_same_name_with_another_key_does_not_serve() {
    let (right, false_one) = (authority("A"), authority("A"));
    let forged = [false_one.issue(&[HOST], 2030), right.der(), false_one.der()];
    assert!(verify(&[record(2, 1, 1, &right.der())], &forged).is_err());
}

#[test]
fn no_certificate_makes_it_panic() {
    let authority = authority("A");
    let whole = authority.issue(&[HOST], 2030);
    let records = [record(3, 1, 1, &whole), record(2, 1, 1, &authority.der())];
    let junk = Tlsa { usage: 2, selector: 0, matching: 0, data: b"no certificate".to_vec() };
    assert_eq!(verify(core::slice::from_ref(&junk), core::slice::from_ref(&whole)), mismatch());
    for length in 0..whole.len() {
        let cut = CertificateDer::from(whole[..length].to_vec());
        assert!(verify(&records, &[cut.clone(), authority.der()]).is_err(), "{length}");
        assert!(verify(core::slice::from_ref(&junk), &[cut]).is_err(), "{length}");
    }
}
