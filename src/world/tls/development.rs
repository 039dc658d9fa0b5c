//! Certificates for the first run: a development authority and a server certificate signed by it, so that TLS works
//! before anyone has been to a real authority. Devices and test clients trust `ca.pem` and the rest follows.
//!
//! Made only where nothing is: files of anybody else are never overwritten, and neither is any key. Running again
//! changes nothing until the certificate is about to expire or a new host name is wanted. Every file appears whole, so
//! a crash in between is repaired by the next run.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SerialNumber, date_time_ymd,
};

use super::pair::{self, CertificateError, CertificatePaths, Facts, RawPair};
use crate::model::mail::{Domain, Timestamp};
use crate::world::random::Random;

const AUTHORITY_NAME: &str = "Franking development authority";
/// The issuer's name as certificates print it.
const AUTHORITY_ISSUER: &str = "CN=Franking development authority";

const DAY: Duration = Duration::from_secs(86_400);
/// Apple's limit for certificates of private authorities is 825 days; a year and a month is what others allow.
const LEAF_DAYS: u32 = 397;
const AUTHORITY_DAYS: u32 = 3650;
/// A certificate with fewer days left is made anew.
const RENEWAL_DAYS: u32 = 30;

/// Why development certificates cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum DevelopmentError {
    /// A file that is already there is not what it should be.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// `ca.pem` belongs to somebody else.
    #[error("{} is not the development authority, so nothing is signed with it; put your own server.pem and server.key \
        beside it, or name other files in the configuration", path.display())]
    ForeignAuthority {
        /// The file.
        path: PathBuf,
    },
    /// A key that is already there cannot be used.
    #[error("{} is no private key that can be used ({reason}); move it away to have a new one made", path.display())]
    Key {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        reason: String,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {source}; check that the directory exists and may be written to", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The certificate library refused.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// What was found or done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DevelopmentOutcome {
    /// The certificate is somebody else's and was left alone.
    Foreign,
    /// Everything was there and good for another month.
    Present,
    /// A server certificate was made, signed by the authority that was there.
    MadeLeaf,
    /// A server certificate was made, and a new authority, which clients have to be told to trust.
    MadeAuthority,
}

/// The files of a directory of development certificates.
#[derive(Clone, Debug)]
struct Files {
    authority: CertificatePaths,
    leaf: CertificatePaths,
}

impl Files {
    fn within(directory: &Path) -> Self {
        let pair = |stem: &str| CertificatePaths {
            certificate: directory.join(format!("{stem}.pem")),
            key: directory.join(format!("{stem}.key")),
        };
        Self { authority: pair("ca"), leaf: pair("server") }
    }
}

/// Sees to it that `directory` holds `server.pem` and `server.key` for `hosts`, `localhost` and the loopback addresses,
/// and `ca.pem` and `ca.key` that signed them. Keys are readable by their owner only. Touches files: not for an async
/// task.
///
/// # Errors
/// A [`DevelopmentError`] that names the file and the cure. Nothing was overwritten.
pub fn ensure_development_certificates(
    directory: &Path,
    hosts: &[Domain],
    now: Timestamp,
    random: &dyn Random,
) -> Result<(CertificatePaths, DevelopmentOutcome), DevelopmentError> {
    let files = Files::within(directory);
    let wanted = wanted_names(hosts);
    let leaf = facts_if_present(&files.leaf.certificate)?;
    if leaf.as_ref().is_some_and(|facts| facts.issuer != AUTHORITY_ISSUER) {
        return Ok((files.leaf, DevelopmentOutcome::Foreign));
    }
    let authority = facts_if_present(&files.authority.certificate)?;
    if authority.as_ref().is_some_and(|facts| facts.issuer != AUTHORITY_ISSUER) {
        return Err(DevelopmentError::ForeignAuthority { path: files.authority.certificate });
    }
    if let (Some(leaf), Some(authority)) = (&leaf, &authority)
        && is_current(leaf, &wanted, now)
        && leaf.authority_key == authority.subject_key
        && files.leaf.key.exists()
    {
        RawPair::read(&files.leaf)?.parse(&files.leaf)?;
        return Ok((files.leaf, DevelopmentOutcome::Present));
    }
    fs::create_dir_all(directory).map_err(|source| DevelopmentError::Write { path: directory.to_owned(), source })?;
    let (issuer, fresh) = authority_for_signing(&files.authority, authority.as_ref(), now, random)?;
    let key = load_or_make_key(&files.leaf.key)?;
    let certificate = leaf_params(&wanted, now, random)?.signed_by(&key, &issuer)?;
    write_certificate(&files.leaf.certificate, &certificate)?;
    let outcome = if fresh { DevelopmentOutcome::MadeAuthority } else { DevelopmentOutcome::MadeLeaf };
    Ok((files.leaf, outcome))
}

fn facts_if_present(path: &Path) -> Result<Option<Facts>, CertificateError> {
    match pair::read(path) {
        Ok(pem) => pair::facts_of_pem(&pem, path).map(Some),
        Err(CertificateError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn wanted_names(hosts: &[Domain]) -> Vec<String> {
    let mut names: Vec<String> = hosts
        .iter()
        .map(|host| match host {
            Domain::Name(name) => name.to_string(),
            Domain::Literal(address) => address.to_string(),
        })
        .collect();
    for name in ["localhost", "127.0.0.1", "::1"] {
        if !names.iter().any(|known| known == name) {
            names.push(name.to_owned());
        }
    }
    names
}

fn is_current(facts: &Facts, wanted: &[String], now: Timestamp) -> bool {
    facts.not_before <= now
        && facts.not_after > now.plus(DAY * RENEWAL_DAYS)
        && wanted.iter().all(|name| facts.names.contains(name))
}

/// The authority that signs; `true` when its certificate is new.
fn authority_for_signing(
    paths: &CertificatePaths,
    present: Option<&Facts>,
    now: Timestamp,
    random: &dyn Random,
) -> Result<(Issuer<'static, KeyPair>, bool), DevelopmentError> {
    let had_key = paths.key.exists();
    let key = load_or_make_key(&paths.key)?;
    // A leaf must not outlive its authority.
    let lasts = present.is_some_and(|facts| facts.not_after > now.plus(DAY * LEAF_DAYS));
    let params = authority_params(now, random);
    if had_key && lasts {
        RawPair::read(paths)?.parse(paths)?;
        return Ok((Issuer::new(params, key), false));
    }
    write_certificate(&paths.certificate, &params.self_signed(&key)?)?;
    Ok((Issuer::new(params, key), true))
}

/// The authority of `directory`, which is there.
pub(super) fn authority_of(
    directory: &Path,
    now: Timestamp,
    random: &dyn Random,
) -> Result<Issuer<'static, KeyPair>, DevelopmentError> {
    let paths = Files::within(directory).authority;
    let present = facts_if_present(&paths.certificate)?;
    authority_for_signing(&paths, present.as_ref(), now, random).map(|(issuer, _)| issuer)
}

fn authority_params(now: Timestamp, random: &dyn Random) -> CertificateParams {
    let mut params = common_params(AUTHORITY_NAME, AUTHORITY_DAYS, now, random);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

pub(super) fn leaf_params(
    names: &[String],
    now: Timestamp,
    random: &dyn Random,
) -> Result<CertificateParams, rcgen::Error> {
    let subject = names.first().map_or("localhost", String::as_str);
    // A common name has at most 64 characters; the alternative names are what counts.
    let subject = if subject.len() <= 64 { subject } else { "localhost" };
    let mut params = common_params(subject, LEAF_DAYS, now, random);
    params.subject_alt_names = CertificateParams::new(names)?.subject_alt_names;
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    Ok(params)
}

fn common_params(common_name: &str, days: u32, now: Timestamp, random: &dyn Random) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    // Valid since yesterday, because the clocks of devices are often slow.
    let yesterday = now.unix_milliseconds().saturating_sub(DAY.as_secs() * 1000);
    let (year, month, day) = date(Timestamp::from_unix_milliseconds(yesterday));
    params.not_before = date_time_ymd(year, month, day);
    let (year, month, day) = date(now.plus(DAY * days));
    params.not_after = date_time_ymd(year, month, day);
    // Some clients refuse two certificates of one issuer with one serial number, so it is never derived from the key.
    let mut serial = [0; 16];
    random.fill(&mut serial);
    serial[0] &= 0x7f;
    params.serial_number = Some(SerialNumber::from_slice(&serial));
    params
}

/// Year, month and day (UTC) of `instant`.
pub(super) fn date(instant: Timestamp) -> (i32, u8, u8) {
    let milliseconds = i64::try_from(instant.unix_milliseconds()).unwrap_or(0);
    let day = jiff::Timestamp::from_millisecond(milliseconds)
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date();
    let part = |number: i8| u8::try_from(number).unwrap_or(1);
    (i32::from(day.year()), part(day.month()), part(day.day()))
}

/// The key in `path`, or a new one written there. A key that exists is never replaced.
pub(super) fn load_or_make_key(path: &Path) -> Result<KeyPair, DevelopmentError> {
    match pair::read(path) {
        Ok(pem) => {
            let reason = |text: String| DevelopmentError::Key { path: path.to_owned(), reason: text };
            let text = String::from_utf8(pem).map_err(|error| reason(error.to_string()))?;
            KeyPair::from_pem(&text).map_err(|error| reason(error.to_string()))
        }
        Err(CertificateError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let key = KeyPair::generate()?;
            write_whole(path, key.serialize_pem().as_bytes(), 0o600, Existing::Keep)?;
            Ok(key)
        }
        Err(error) => Err(error.into()),
    }
}

pub(super) fn write_certificate(path: &Path, certificate: &Certificate) -> Result<(), DevelopmentError> {
    write_whole(path, certificate.pem().as_bytes(), 0o644, Existing::Replace)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Existing {
    Keep,
    Replace,
}

/// Writes beside the place and moves there, so that a reader sees all of it or nothing.
fn write_whole(path: &Path, octets: &[u8], mode: u32, existing: Existing) -> Result<(), DevelopmentError> {
    let write = || -> io::Result<()> {
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        file.as_file().set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(octets)?;
        file.as_file().sync_all()?;
        match existing {
            Existing::Keep => file.persist_noclobber(path).map_err(|error| error.error)?,
            Existing::Replace => file.persist(path).map_err(|error| error.error)?,
        };
        fs::File::open(directory)?.sync_all()
    };
    write().map_err(|source| DevelopmentError::Write { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::random::SeededRandom;

    fn now() -> Timestamp {
        Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap()
    }

    fn hosts(names: &[&str]) -> Vec<Domain> {
        names.iter().map(|name| Domain::parse(name).unwrap()).collect()
    }

    fn ensure(directory: &Path, names: &[&str], now: Timestamp) -> Result<DevelopmentOutcome, DevelopmentError> {
        let random = SeededRandom::new(now.unix_milliseconds());
        ensure_development_certificates(directory, &hosts(names), now, &random).map(|(_, outcome)| outcome)
    }

    fn contents(directory: &Path) -> Vec<(String, Vec<u8>)> {
        let mut files: Vec<_> = fs::read_dir(directory)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
            .collect();
        files.sort();
        files
    }

    #[test]
    fn the_second_run_changes_nothing() {
        let directory = tempfile::TempDir::new().unwrap();
        let place = directory.path().join("certs");
        let names = ["mx.contoso.example", "b\u{fc}cher.example", "[192.0.2.1]"];
        assert_eq!(ensure(&place, &names, now()).unwrap(), DevelopmentOutcome::MadeAuthority);
        let first = contents(&place);
        assert_eq!(
            first.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["ca.key", "ca.pem", "server.key", "server.pem"]
        );
        assert_eq!(ensure(&place, &names, now().plus(DAY * 300)).unwrap(), DevelopmentOutcome::Present);
        assert_eq!(contents(&place), first);
    }

    #[test]
    fn keys_are_readable_by_their_owner_only() {
        let directory = tempfile::TempDir::new().unwrap();
        ensure(directory.path(), &[], now()).unwrap();
        let mode = |name: &str| fs::metadata(directory.path().join(name)).unwrap().permissions().mode() & 0o777;
        assert_eq!([mode("ca.key"), mode("server.key")], [0o600, 0o600]);
        assert_eq!([mode("ca.pem"), mode("server.pem")], [0o644, 0o644]);
    }

    #[test]
    fn an_expiring_certificate_or_a_new_name_makes_a_new_leaf_with_the_old_keys() {
        let directory = tempfile::TempDir::new().unwrap();
        let file = |name: &str| fs::read(directory.path().join(name)).unwrap();
        ensure(directory.path(), &["a.example"], now()).unwrap();
        let (authority, key, leaf) = (file("ca.pem"), file("server.key"), file("server.pem"));
        assert_eq!(
            ensure(directory.path(), &["a.example"], now().plus(DAY * 370)).unwrap(),
            DevelopmentOutcome::MadeLeaf
        );
        assert_ne!(file("server.pem"), leaf);
        assert_eq!(ensure(directory.path(), &["b.example"], now()).unwrap(), DevelopmentOutcome::MadeLeaf);
        assert_eq!((file("ca.pem"), file("server.key")), (authority, key));
    }

    #[test]
    fn files_of_others_are_left_alone() {
        let directory = tempfile::TempDir::new().unwrap();
        let key = KeyPair::generate().unwrap();
        let foreign = CertificateParams::new(["x.example".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
        fs::write(directory.path().join("server.pem"), &foreign).unwrap();
        let before = contents(directory.path());
        assert_eq!(ensure(directory.path(), &["a.example"], now()).unwrap(), DevelopmentOutcome::Foreign);
        assert_eq!(contents(directory.path()), before);

        fs::rename(directory.path().join("server.pem"), directory.path().join("ca.pem")).unwrap();
        let before = contents(directory.path());
        let outcome = ensure(directory.path(), &["a.example"], now());
        assert!(matches!(outcome, Err(DevelopmentError::ForeignAuthority { .. })), "{outcome:?}");
        assert_eq!(contents(directory.path()), before);
    }

    #[test]
    fn what_a_crash_left_half_done_is_completed() {
        let directory = tempfile::TempDir::new().unwrap();
        ensure(directory.path(), &["a.example"], now()).unwrap();
        for missing in
            [&["ca.key", "ca.pem"][..], &["ca.pem"], &["server.pem"], &["server.key"], &["server.pem", "ca.pem"]]
        {
            for name in missing {
                fs::remove_file(directory.path().join(name)).unwrap();
            }
            let outcome = ensure(directory.path(), &["a.example"], now()).unwrap();
            assert!(matches!(outcome, DevelopmentOutcome::MadeLeaf | DevelopmentOutcome::MadeAuthority), "{missing:?}");
            let again = ensure(directory.path(), &["a.example"], now()).unwrap();
            assert_eq!(again, DevelopmentOutcome::Present, "{missing:?}");
        }
        // A new authority that did not come to sign the leaf is noticed, too.
        let other = tempfile::TempDir::new().unwrap();
        ensure(other.path(), &["a.example"], now()).unwrap();
        for name in ["ca.key", "ca.pem"] {
            fs::copy(other.path().join(name), directory.path().join(name)).unwrap();
        }
        assert_eq!(ensure(directory.path(), &["a.example"], now()).unwrap(), DevelopmentOutcome::MadeLeaf);
    }

    #[test]
    fn a_broken_key_is_named_and_kept() {
        let directory = tempfile::TempDir::new().unwrap();
        fs::write(directory.path().join("server.key"), b"precious").unwrap();
        let error = ensure(directory.path(), &["a.example"], now()).unwrap_err().to_string();
        assert!(error.contains("server.key") && error.contains("move it away"), "{error}");
        assert_eq!(fs::read(directory.path().join("server.key")).unwrap(), b"precious");
    }
}
