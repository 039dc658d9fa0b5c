//! Whether clients can follow a certificate to an authority that they know: what is in the file besides the first.

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer as _;

use super::CertificateError;
use super::client::{Roots, root_store};
use super::pair::{CertificatePaths, certificate_error, read};

/// How a chain of certificates looks to a client that knows the authorities of this system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Chain {
    /// It leads to one of them, to an intermediate certificate, or it is its own authority.
    Whole,
    /// The certificate at this place, counted from 1, did not sign the one before it.
    Disordered(usize),
    /// The server's own certificate stands alone, and this authority, which signed it, is none that is known.
    Cut {
        /// Its name.
        issuer: String,
    },
}

/// Looks at the chain in a certificate file. Reads files, those of the system's authorities as well.
///
/// # Errors
/// When the file cannot be read or holds no certificates.
pub fn chain(paths: &CertificatePaths, roots: &Roots) -> Result<Chain, CertificateError> {
    let path = &paths.certificate;
    let pem = read(path)?;
    let wrong = |reason: String| certificate_error(path, &reason);
    let ders = CertificateDer::pem_slice_iter(&pem).collect::<Result<Vec<_>, _>>();
    let ders = ders.map_err(|error| wrong(error.to_string()))?;
    let parsed = ders.iter().map(|der| X509Certificate::from_der(der).map(|(_, parsed)| parsed));
    let parsed = parsed.collect::<Result<Vec<_>, _>>().map_err(|error| wrong(error.to_string()))?;
    for (place, pair) in parsed.windows(2).enumerate() {
        if let [lower, upper] = pair
            && lower.issuer().as_raw() != upper.subject().as_raw()
        {
            return Ok(Chain::Disordered(place + 2));
        }
    }
    let [only] = parsed.as_slice() else { return Ok(Chain::Whole) };
    let own_authority = only.issuer().as_raw() == only.subject().as_raw();
    if own_authority || is_known(only.issuer().as_raw(), roots) {
        return Ok(Chain::Whole);
    }
    Ok(Chain::Cut { issuer: only.issuer().to_string() })
}

/// Whether one of the authorities has this name, in DER with its tag and length, which anchors leave out.
fn is_known(name: &[u8], roots: &Roots) -> bool {
    let Ok(store) = root_store(roots) else { return false };
    store.roots.iter().any(|anchor| {
        let head = name.strip_suffix(anchor.subject.as_ref());
        head.is_some_and(|head| (2..=4).contains(&head.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    fn params(name: &str, authority: bool) -> CertificateParams {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        if authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        }
        params
    }

    fn look(place: &Path, pems: &[&str]) -> Chain {
        let paths = CertificatePaths { certificate: place.join("chain.pem"), key: place.join("no.key") };
        std::fs::write(&paths.certificate, pems.concat()).unwrap();
        chain(&paths, &Roots::File(place.join("roots.pem"))).unwrap()
    }

    #[test]
    fn a_chain_is_whole_cut_or_out_of_order() {
        let place = tempfile::tempdir().unwrap();
        let keys = [(); 3].map(|()| KeyPair::generate().unwrap());
        let root = params("Root", true).self_signed(&keys[0]).unwrap().pem();
        let by_root = Issuer::new(params("Root", true), &keys[0]);
        let middle = params("Middle", true).signed_by(&keys[1], &by_root).unwrap().pem();
        let by_middle = Issuer::new(params("Middle", true), &keys[1]);
        let own = params("mx.contoso.example", false).signed_by(&keys[2], &by_middle).unwrap().pem();
        let direct = params("mx.contoso.example", false).signed_by(&keys[2], &by_root).unwrap().pem();
        std::fs::write(place.path().join("roots.pem"), &root).unwrap();
        let look = |pems: &[&str]| look(place.path(), pems);
        for whole in [&[&own, &middle][..], &[&own, &middle, &root], &[&direct], &[&root]] {
            let whole: Vec<&str> = whole.iter().map(|pem| pem.as_str()).collect();
            assert_eq!(look(&whole), Chain::Whole);
        }
        let Chain::Cut { issuer } = look(&[&own]) else { panic!("not cut") };
        assert!(issuer.contains("CN=Middle"), "{issuer}");
        assert_eq!(look(&[&own, &root, &middle]), Chain::Disordered(2));
        assert_eq!(look(&[&own, &middle, &own]), Chain::Disordered(3));
    }
}
