//! Looks for the proofs of names as an authority does, at ports of 127.0.0.1 in the place of 80 and 443: names are not
//! looked up here.

use std::sync::Arc;
use std::time::Duration;

use franking::world::tls::server_name;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use sha2::{Digest as _, Sha256};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer as _;

use super::jws;

/// The error of RFC 8555 section 6.7 and its words.
pub(super) type Failed = (&'static str, String);

async fn connected(port: u16) -> Result<TcpStream, Failed> {
    let outcome = timeout(Duration::from_secs(5), TcpStream::connect(("127.0.0.1", port))).await;
    let refused = |error: String| ("connection", format!("127.0.0.1: Fetching: {error}"));
    outcome.map_err(|_| refused("timeout".to_owned()))?.map_err(|error| refused(error.to_string()))
}

/// RFC 8555 section 8.3.
pub(super) async fn http(port: u16, name: &str, token: &str, proof: &str) -> Result<(), Failed> {
    let mut stream = connected(port).await?;
    let path = format!("/.well-known/acme-challenge/{token}");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {name}\r\nUser-Agent: authority\r\nConnection: close\r\n\r\n");
    let failed = |text: String| ("unauthorized", text);
    stream.write_all(request.as_bytes()).await.map_err(|error| failed(error.to_string()))?;
    let mut answer = String::new();
    let read = timeout(Duration::from_secs(5), stream.read_to_string(&mut answer)).await;
    read.map_err(|_| failed("no answer".to_owned()))?.map_err(|error| failed(error.to_string()))?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or_else(|| failed("no answer".to_owned()))?;
    if !head.starts_with("HTTP/1.1 200 ") {
        let status = head.lines().next().unwrap_or_default();
        return Err(failed(format!("Invalid response from http://{name}{path}: {status}")));
    }
    if body == proof { Ok(()) } else { Err(failed("The key authorization file is another".to_owned())) }
}

/// Takes any certificate whose key signed the handshake. The library's own verifiers refuse the critical extension.
#[derive(Debug)]
struct ByItsKey;

impl ServerCertVerifier for ByItsKey {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let (_, parsed) = X509Certificate::from_der(own).map_err(|error| Error::General(error.to_string()))?;
        let point = &parsed.public_key().subject_public_key.data;
        jws::verify_der(point, message, signed.signature()).map_err(Error::General)?;
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        own: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verify_tls12_signature(message, own, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// RFC 8737 section 3.
pub(super) async fn tls_alpn(port: u16, name: &str, proof: &str) -> Result<(), Failed> {
    let failed = |text: &str| ("unauthorized", text.to_owned());
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ByItsKey))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"acme-tls/1".to_vec()];
    let stream = connected(port).await?;
    let shaken = TlsConnector::from(Arc::new(config)).connect(server_name(name).unwrap(), stream).await;
    let stream = shaken.map_err(|error| ("tls", error.to_string()))?;
    let session = stream.get_ref().1;
    if session.alpn_protocol() != Some(b"acme-tls/1") {
        return Err(failed("another protocol"));
    }
    let shown = session.peer_certificates().unwrap_or_default();
    let [only] = shown else { return Err(failed("not one certificate")) };
    let (_, parsed) = X509Certificate::from_der(only).map_err(|_| failed("no certificate"))?;
    let names = parsed.subject_alternative_name().ok().flatten().map(|found| &found.value.general_names);
    if !matches!(names.map(Vec::as_slice), Some([GeneralName::DNSName(own)]) if *own == name) {
        return Err(failed("not the name alone"));
    }
    let extension = parsed.extensions().iter().find(|own| own.oid.to_id_string() == "1.3.6.1.5.5.7.1.31");
    let extension = extension.filter(|own| own.critical).ok_or_else(|| failed("no critical acmeIdentifier"))?;
    let wanted = [&[4, 32][..], &Sha256::digest(proof.as_bytes())].concat();
    if extension.value == wanted { Ok(()) } else { Err(failed("another proof")) }
}
