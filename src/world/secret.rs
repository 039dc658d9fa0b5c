//! Secrets that the operator keeps for this server: in a file, in the environment, or with the service manager.
//!
//! They are read when they are needed, so that one which was renewed counts at once. No error repeats one.

use core::fmt;
use std::io;
use std::path::{Path, PathBuf};

use super::disk::read_regular;

/// The longest file that can hold a secret, in octets.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// Where systemd puts what `LoadCredential=` names (systemd.exec(5)).
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// Where a secret is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In the first line of this file.
    File(PathBuf),
    /// In this variable of the environment that the server was started with.
    Environment(String),
    /// In the first line of the credential of this name, which systemd hands to the service.
    Credential(String),
}

/// A secret that cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("{place}: {source}")]
pub struct SecretError {
    /// Where it should be.
    pub place: String,
    /// What is wrong.
    pub source: io::Error,
}

impl SecretSource {
    /// The secret as it is now. Blocks.
    ///
    /// # Errors
    /// [`SecretError`] when there is none, or the first line is empty, or it is no text.
    pub fn read(&self) -> Result<String, SecretError> {
        let found = match self {
            Self::File(path) => first_line(path),
            Self::Environment(name) => variable(name).and_then(|text| usable(&text)),
            Self::Credential(name) => {
                variable(CREDENTIALS_DIRECTORY).and_then(|directory| first_line(&Path::new(&directory).join(name)))
            }
        };
        found.map_err(|source| SecretError { place: self.to_string(), source })
    }
}

impl fmt::Display for SecretSource {
    /// Where it is, in words.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Environment(name) => write!(formatter, "the environment variable {name}"),
            Self::Credential(name) => write!(formatter, "the systemd credential {name}"),
        }
    }
}

/// The first line of a file: a password or another secret.
///
/// # Errors
/// The system's; `InvalidData` when the file is no text, or its first line is empty or has a NUL.
pub fn first_line(path: &Path) -> io::Result<String> {
    let text = String::from_utf8(read_regular(path, FILE_BYTES_MAX)?).map_err(|_| invalid("it is not UTF-8"))?;
    usable(text.lines().next().unwrap_or_default())
}

fn usable(text: &str) -> io::Result<String> {
    if text.is_empty() || text.contains('\0') {
        return Err(invalid("its first line is no secret"));
    }
    Ok(text.to_owned())
}

fn invalid(text: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[allow(clippy::disallowed_methods, reason = "the operator named the variable; this is the one place that reads it")]
fn variable(name: &str) -> io::Result<String> {
    std::env::var(name).map_err(|error| match error {
        std::env::VarError::NotPresent => io::Error::new(io::ErrorKind::NotFound, format!("{name} is not set")),
        std::env::VarError::NotUnicode(_) => invalid("it is not UTF-8"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_the_first_line_and_is_read_each_time() {
        let place = tempfile::tempdir().unwrap();
        let source = SecretSource::File(place.path().join("secret"));
        assert!(source.read().unwrap_err().to_string().contains("secret: "));
        for (text, secret) in [("hush-hush", "hush-hush"), ("hush\r\nnote\n", "hush"), (" a b \n", " a b ")] {
            std::fs::write(place.path().join("secret"), text).unwrap();
            assert_eq!(source.read().unwrap(), secret);
        }
        for text in [&b""[..], b"\nhush-hush", b"\xffhush", b"hush\0"] {
            std::fs::write(place.path().join("secret"), text).unwrap();
            let said = source.read().unwrap_err().to_string();
            assert!(!said.contains("hush"), "{said}");
        }
    }

    #[test]
    fn the_environment_is_read_and_what_is_missing_is_named() {
        // Every system has it.
        let path = SecretSource::Environment("PATH".to_owned());
        assert_eq!(path.read().ok(), std::env::var_os("PATH").and_then(|text| text.into_string().ok()));
        let missing = SecretSource::Environment("FRANKING_NO_SUCH_SECRET".to_owned());
        let said = missing.read().unwrap_err().to_string();
        assert_eq!(said, "the environment variable FRANKING_NO_SUCH_SECRET: FRANKING_NO_SUCH_SECRET is not set");
        let credential = SecretSource::Credential("franking-no-such-secret".to_owned());
        assert!(credential.read().unwrap_err().to_string().contains("credential franking-no-such-secret"));
    }
}
