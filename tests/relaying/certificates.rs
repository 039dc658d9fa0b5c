//! Clients with certificates of every sort, over both versions of TLS: who is known by one, and who is a stranger.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use rcgen::KeyPair;
use rustls::client::ResolvesClientCert;
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, SignatureScheme};
use rustls_pki_types::CertificateDer;
use sha2::{Digest as _, Sha256};

use super::client::{Client, Identity, tls};
use super::rig::Rig;
use crate::support::authority::{Root, params, private};

/// Messages so far.
static NUMBER: AtomicUsize = AtomicUsize::new(0);
const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 7));

pub(super) struct Authority(Root);

impl Authority {
    pub(super) fn new() -> Self {
        Self(Root::new("Authority of devices"))
    }

    /// Itself, for those who are to trust it.
    pub(super) fn pem(&self) -> &str {
        &self.0.pem
    }

    /// A certificate for these names, and its key, both as PEM as well.
    pub(super) fn sign(&self, names: &[&str], until: i32) -> (Identity, String, String) {
        let (own, key) = self.0.sign(names, until);
        (identity(own.der(), &key), own.pem(), key.serialize_pem())
    }
}

fn identity(certificate: &CertificateDer<'static>, key: &KeyPair) -> Identity {
    Identity { chain: vec![certificate.clone()], key: private(key) }
}

fn self_signed(name: &str, until: i32) -> Identity {
    let key = KeyPair::generate().unwrap();
    identity(params(&[name], until).self_signed(&key).unwrap().der(), &key)
}

fn fingerprint(identity: &Identity) -> String {
    Sha256::digest(&identity.chain[0]).iter().map(|octet| format!("{octet:02x}")).collect()
}

/// Which connector the server takes a client for, and whether its message may leave.
fn known(rig: &Rig, identity: Option<&Identity>, from: &str) -> Option<String> {
    let mut found = Vec::new();
    for version in [&TLS12, &TLS13] {
        let config = tls(rig.directory.path(), &[version], identity);
        // The second handshake resumes the first.
        for _ in 0..2 {
            let mut client = Client::connect(rig.inbound, HERE).start_tls(&config);
            assert!(client.say("EHLO device.contoso.example").starts_with("250"));
            let id = format!("{}@certificates.example", NUMBER.fetch_add(1, Ordering::SeqCst));
            let reply = client.send_message(from, "<x@adatum.example>", &id);
            let taken = rig.taken(&id);
            assert_eq!(reply.starts_with("250 "), taken.is_some(), "{reply}");
            assert!(taken.is_some() || reply.starts_with("550 5.7.64 "), "{reply}");
            found.push(taken.and_then(|taken| taken.connector));
        }
    }
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]), "{found:?}");
    found.pop().flatten()
}

fn connectors(place: &Path, trusted: &Authority, pinned: &[&Identity]) -> String {
    std::fs::write(place.join("devices-ca.pem"), trusted.pem()).unwrap();
    let prints: Vec<String> = pinned.iter().map(|own| format!("\"{}\"", fingerprint(own))).collect();
    format!(
        "[[connector]]\nname = \"devices\"\ncertificates = [\"*.devices.contoso.example\"]\n\
         authorities = \"devices-ca.pem\"\nrecipients = \"anyone\"\n\
         [[connector]]\nname = \"pinned\"\nfingerprints = [{}]\nrecipients = \"anyone\"\n",
        prints.join(", ")
    )
}

#[test]
fn a_certificate_lets_in_whom_it_is_for_and_nobody_else() {
    let place = tempfile::tempdir().unwrap();
    let (trusted, other) = (Authority::new(), Authority::new());
    let (good, ..) = trusted.sign(&["p7.devices.contoso.example"], 2090);
    let (expired, ..) = trusted.sign(&["p7.devices.contoso.example"], 2021);
    let (foreign, ..) = trusted.sign(&["p7.devices.fabrikam.example"], 2090);
    let (of_others, ..) = other.sign(&["p7.devices.contoso.example"], 2090);
    let (pinned, pinned_expired) = (self_signed("printer-9", 2090), self_signed("printer-8", 2021));
    let lookalike = self_signed("printer-9", 2090);
    let rig = Rig::start(&connectors(place.path(), &trusted, &[&pinned, &pinned_expired]), place.path());
    let ours = "<alice@contoso.example>";
    for (what, identity, expected) in [
        ("none", None, None),
        ("one of the authority", Some(&good), Some("devices")),
        ("one that has expired", Some(&expired), None),
        ("one for another name", Some(&foreign), None),
        ("one of another authority", Some(&of_others), None),
        ("a pinned one", Some(&pinned), Some("pinned")),
        ("a pinned one that has expired", Some(&pinned_expired), None),
        ("one that looks like it", Some(&lookalike), None),
    ] {
        assert_eq!(known(&rig, identity, ours).as_deref(), expected, "{what}");
    }
    // The name in the certificate stands for any sender, a fingerprint for none.
    for from in ["<>", "<eve@fabrikam.example>"] {
        assert_eq!(known(&rig, Some(&good), from).as_deref(), Some("devices"), "{from}");
        assert_eq!(known(&rig, Some(&pinned), from), None, "{from}");
    }
}

#[test]
fn nobody_is_asked_for_a_certificate_where_none_is_wanted() {
    let place = tempfile::tempdir().unwrap();
    let trusted = Authority::new();
    let with = Rig::start(&connectors(place.path(), &trusted, &[&self_signed("a", 2090)]), place.path());
    let without = Rig::start("", place.path());
    let is_asked = |rig: &Rig, port: SocketAddr| {
        let watch = Arc::new(Watch::default());
        let mut config = ClientConfig::clone(&tls(rig.directory.path(), &[&TLS13], None));
        config.client_auth_cert_resolver = Arc::<Watch>::clone(&watch);
        let mut client = Client::connect(port, HERE).start_tls(&Arc::new(config));
        assert!(client.say("EHLO device.contoso.example").starts_with("250"));
        watch.0.load(Ordering::SeqCst)
    };
    assert!(is_asked(&with, with.inbound));
    assert!(!is_asked(&with, with.submission));
    assert!(!is_asked(&without, without.inbound));
}

/// Has no certificate, and notices that it is asked for one.
#[derive(Debug, Default)]
struct Watch(AtomicBool);

impl ResolvesClientCert for Watch {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.0.store(true, Ordering::SeqCst);
        None
    }

    fn has_certs(&self) -> bool {
        true
    }
}
