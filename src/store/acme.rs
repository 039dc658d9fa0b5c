//! What an authority gave by itself (ACME, RFC 8555), in a directory of the data directory.
//!
//! ```text
//! acme/certificate.pem   the certificate that is shown, with its key: one file, so that both are always of one another
//! ```

use std::path::{Path, PathBuf};

use crate::world::tls::CertificatePaths;

/// Where certificate and key are within a data directory; the file is there once there is one.
pub fn certificate_paths(data: &Path) -> CertificatePaths {
    let path: PathBuf = data.join("acme").join("certificate.pem");
    CertificatePaths { certificate: path.clone(), key: path }
}
