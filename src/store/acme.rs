//! What is kept of an authority that gives certificates by itself (ACME, RFC 8555), in a room of the data directory.
//!
//! ```text
//! acme/certificate.pem   the certificate that is shown, with its key: one file, so that both always belong together
//! acme/account-….json    the account at an authority, one for each; the digits are the hash of its directory's address
//! acme/order.json        an order under way, with the key of the certificate that comes of it
//! acme/attempts.json     attempts that failed since the last that did not
//! ```
//!
//! Each file is replaced as a whole and readable by its owner only. Whoever looks after a crash finds the former
//! content or the new one. Everything blocks.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::model::transport_security::certificate::Attempts;
use crate::world::disk::{Disk, remove_if_there, replace};
use crate::world::tls::CertificatePaths;

/// The directory's name in the data directory.
const ROOM: &str = "acme";
/// No file here is longer, in octets.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What the line begins with that says who gave a certificate. Whatever stands outside the sections of a PEM file is
/// for people (RFC 7468 section 2).
const GIVEN_BY: &str = "Given by ";

/// Where certificate and key are within a data directory; the file is there once there is one.
pub fn certificate_paths(data: &Path) -> CertificatePaths {
    let path = data.join(ROOM).join("certificate.pem");
    CertificatePaths { certificate: path.clone(), key: path }
}

/// An account at an authority.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAccount {
    /// The authority's directory.
    pub directory: String,
    /// Its private key, as text.
    pub key: String,
    /// Where it is at the authority; none before that has said so.
    pub address: Option<String>,
    /// Whom the authority was told to write to.
    pub contact: Vec<String>,
    /// What it was bound to.
    pub external_account: Option<String>,
}

impl core::fmt::Debug for KeptAccount {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("KeptAccount").field("address", &self.address).finish_non_exhaustive()
    }
}

/// An order under way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptOrder {
    /// Where it is at the authority.
    pub address: String,
    /// The account that made it.
    pub account: String,
    /// The names it is for.
    pub names: Vec<String>,
    /// The key of the certificate that comes of it, in PEM.
    pub key: String,
}

impl core::fmt::Debug for KeptOrder {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("KeptOrder").field("address", &self.address).finish_non_exhaustive()
    }
}

/// Attempts that failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptAttempts {
    /// How many, and when.
    #[serde(flatten)]
    pub attempts: Attempts,
    /// Why the last one did.
    pub trouble: String,
    /// The configuration that they failed with: another deserves another try.
    pub configuration: String,
}

/// A certificate and its key.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptCertificate {
    /// The directory of the authority that gave it; empty where the file does not say.
    pub directory: String,
    /// The file.
    pub octets: Vec<u8>,
}

impl core::fmt::Debug for KeptCertificate {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.debug_struct("KeptCertificate").field("directory", &self.directory).finish_non_exhaustive()
    }
}

impl KeptCertificate {
    /// A certificate that the authority of `directory` gave as `chain`, with its key; both in PEM.
    pub fn new(directory: &str, key: &str, chain: &str) -> Self {
        let text = format!("{GIVEN_BY}{directory}\n{}\n{}\n", key.trim_end(), chain.trim_end());
        Self { directory: directory.to_owned(), octets: text.into_bytes() }
    }

    /// Whether `key` is its key.
    pub fn has_key(&self, key: &str) -> bool {
        let key = key.trim();
        !key.is_empty() && self.octets.windows(key.len()).any(|window| window == key.as_bytes())
    }
}

/// The files of one data directory.
#[derive(Clone, Debug)]
pub struct AcmeFiles {
    disk: Arc<dyn Disk>,
    data: PathBuf,
}

impl AcmeFiles {
    /// Those within `data`. The directory is made when there is something to keep.
    pub fn new(disk: Arc<dyn Disk>, data: &Path) -> Self {
        Self { disk, data: data.to_owned() }
    }

    /// Where the certificate is.
    pub fn certificate_paths(&self) -> CertificatePaths {
        certificate_paths(&self.data)
    }

    /// The account at the authority of `directory`.
    ///
    /// # Errors
    /// The system's; `InvalidData` for a file that is damaged.
    pub fn account(&self, directory: &str) -> io::Result<Option<KeptAccount>> {
        let found: Option<KeptAccount> = self.json(&account_name(directory))?;
        Ok(found.filter(|account| account.directory == directory))
    }

    /// Keeps it.
    ///
    /// # Errors
    /// The system's.
    pub fn keep_account(&self, account: &KeptAccount) -> io::Result<()> {
        self.keep_json(&account_name(&account.directory), account)
    }

    /// The order under way.
    ///
    /// # Errors
    /// The system's. A damaged file is none: the order is made anew.
    pub fn order(&self) -> io::Result<Option<KeptOrder>> {
        self.forgiving("order.json")
    }

    /// Keeps it in the place of any other, or forgets it.
    ///
    /// # Errors
    /// The system's.
    pub fn keep_order(&self, order: Option<&KeptOrder>) -> io::Result<()> {
        match order {
            Some(order) => self.keep_json("order.json", order),
            None => self.forget("order.json"),
        }
    }

    /// The attempts that failed.
    ///
    /// # Errors
    /// The system's. A damaged file is none.
    pub fn attempts(&self) -> io::Result<Option<KeptAttempts>> {
        self.forgiving("attempts.json")
    }

    /// Keeps them, or forgets them.
    ///
    /// # Errors
    /// The system's.
    pub fn keep_attempts(&self, attempts: Option<&KeptAttempts>) -> io::Result<()> {
        match attempts {
            Some(attempts) => self.keep_json("attempts.json", attempts),
            None => self.forget("attempts.json"),
        }
    }

    /// The certificate, as it lies there.
    ///
    /// # Errors
    /// The system's.
    pub fn certificate(&self) -> io::Result<Option<KeptCertificate>> {
        let Some(octets) = self.read(&self.certificate_paths().certificate)? else { return Ok(None) };
        let first = octets.split(|octet| *octet == b'\n').next().unwrap_or_default();
        let directory = core::str::from_utf8(first).ok().and_then(|line| line.strip_prefix(GIVEN_BY));
        Ok(Some(KeptCertificate { directory: directory.unwrap_or_default().to_owned(), octets }))
    }

    /// Keeps a certificate in the place of the former.
    ///
    /// # Errors
    /// The system's.
    pub fn keep_certificate(&self, certificate: &KeptCertificate) -> io::Result<()> {
        self.keep("certificate.pem", &certificate.octets)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.data.join(ROOM).join(name)
    }

    fn read(&self, path: &Path) -> io::Result<Option<Vec<u8>>> {
        match self.disk.length(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Ok(length) if length > FILE_BYTES_MAX => return Err(damaged(path, "it is too long")),
            length => length?,
        };
        self.disk.read(path).map(Some)
    }

    fn json<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        let path = self.path(name);
        let Some(octets) = self.read(&path)? else { return Ok(None) };
        serde_json::from_slice(&octets).map(Some).map_err(|_| damaged(&path, "it is damaged"))
    }

    fn forgiving<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        match self.json(name) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::warn!(%error, "the file is not used");
                Ok(None)
            }
            read => read,
        }
    }

    fn keep_json(&self, name: &str, value: &impl Serialize) -> io::Result<()> {
        self.keep(name, &serde_json::to_vec_pretty(value).map_err(io::Error::other)?)
    }

    fn keep(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.disk.create_directories(&self.data.join(ROOM))?;
        let draft = self.path(&format!("{name}.new"));
        replace(&*self.disk, &self.path(name), &draft, core::iter::once(content)).map(drop)
    }

    fn forget(&self, name: &str) -> io::Result<()> {
        let path = self.path(name);
        if !self.disk.exists(&path)? {
            return Ok(());
        }
        remove_if_there(&*self.disk, &path)?;
        self.disk.synchronize_directory(&self.data.join(ROOM))
    }
}

fn account_name(directory: &str) -> String {
    let hash = Sha256::digest(directory.as_bytes());
    let digits: String = hash.iter().take(8).map(|octet| format!("{octet:02x}")).collect();
    format!("account-{digits}.json")
}

fn damaged(path: &Path, what: &str) -> io::Error {
    let text = format!("{}: {what}; restore it from a backup, or move it away", path.display());
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mail::Timestamp;
    use crate::model::transport_security::certificate::Refused;
    use crate::world::disk::SimulatedDisk;

    const DATA: &str = "/data";

    fn files(disk: &SimulatedDisk) -> AcmeFiles {
        AcmeFiles::new(Arc::new(disk.clone()), Path::new(DATA))
    }

    fn account(directory: &str, key: &str) -> KeptAccount {
        KeptAccount {
            directory: directory.to_owned(),
            key: key.to_owned(),
            address: None,
            contact: Vec::new(),
            external_account: None,
        }
    }

    #[test]
    fn what_is_kept_is_found_and_each_authority_has_its_own_account() {
        let files = files(&SimulatedDisk::new(1));
        assert_eq!(files.account("https://a.example/").unwrap(), None);
        for (directory, key) in [("https://a.example/", "1"), ("https://b.example/", "2")] {
            files.keep_account(&account(directory, key)).unwrap();
        }
        assert_eq!(files.account("https://a.example/").unwrap().unwrap().key, "1");
        let last = Timestamp::from_unix_milliseconds(7);
        let attempts = Attempts { failures: 3, refused: Refused::ByAuthority, last, not_before: Some(last) };
        let kept = KeptAttempts { attempts, trouble: "no".to_owned(), configuration: "x".to_owned() };
        files.keep_attempts(Some(&kept)).unwrap();
        assert_eq!(files.attempts().unwrap(), Some(kept));
        files.keep_attempts(None).unwrap();
        files.keep_attempts(None).unwrap();
        assert_eq!((files.attempts().unwrap(), files.order().unwrap()), (None, None));
    }

    #[test]
    fn a_certificate_says_who_gave_it_and_knows_its_key() {
        let files = files(&SimulatedDisk::new(1));
        let kept = KeptCertificate::new("https://a.example/", "the key\n", "the chain");
        files.keep_certificate(&kept).unwrap();
        let found = files.certificate().unwrap().unwrap();
        assert_eq!(found, kept);
        assert!(found.has_key("the key") && !found.has_key("another") && !found.has_key(""));
        let shown = format!("{found:?}{:?}", account("https://a.example/", "secret"));
        assert!(!shown.contains("the key") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn a_damaged_account_is_told_of_and_other_damage_costs_a_repetition() {
        let disk = SimulatedDisk::new(1);
        let files = files(&disk);
        files.keep_account(&account("https://a.example/", "1")).unwrap();
        let order = KeptOrder {
            address: "https://a.example/1".to_owned(),
            account: String::new(),
            names: Vec::new(),
            key: String::new(),
        };
        files.keep_order(Some(&order)).unwrap();
        for name in [account_name("https://a.example/"), "order.json".to_owned()] {
            disk.damage(&files.path(&name), 0, 1);
        }
        let said = files.account("https://a.example/").unwrap_err().to_string();
        assert!(said.contains("account-") && said.contains("move it away"), "{said}");
        assert_eq!(files.order().unwrap(), None);
    }

    #[test]
    fn a_power_cut_leaves_the_former_certificate_or_the_new_one() {
        let (first, second) = (KeptCertificate::new("a", "1", "1"), KeptCertificate::new("a", "2", "2"));
        for operations in 0..16 {
            let disk = SimulatedDisk::new(operations);
            files(&disk).keep_certificate(&first).unwrap();
            disk.cut_power_after(operations);
            let kept = files(&disk).keep_certificate(&second);
            disk.crash();
            disk.restart();
            let found = files(&disk).certificate().unwrap().unwrap();
            assert!(found == second || (found == first && kept.is_err()), "{operations}");
        }
    }
}
