//! The certificates we show: chosen by the name a client asks for, replaced while sessions go on.
//!
//! A reload replaces each pair of files on its own, and only by one that is whole: it parses, the key belongs to the
//! certificate, today lies within its dates. Anything else keeps what was there and is reported with file and cure.

use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

pub use super::pair::{CertificateError, CertificatePaths, PairFacts, inspect};
use super::pair::{Pair, RawPair};
use crate::model::mail::Timestamp;
use crate::model::transport_security::certificate::{covers, days_left};

/// One or more certificates with their keys. The first is shown when a client names no host, or none of ours.
#[derive(Debug)]
pub struct CertificateStore {
    pairs: ArcSwap<Vec<Arc<Pair>>>,
    /// Whoever replaces some of them.
    turn: Mutex<()>,
}

/// What a reload did.
#[derive(Debug, Default)]
pub struct ReloadReport {
    /// Certificate files whose new content is shown from now on.
    pub replaced: Vec<PathBuf>,
    /// Problems; each of these pairs shows what it showed before.
    pub kept: Vec<CertificateError>,
}

/// What an operator wants to know about one certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateInfo {
    /// The files.
    pub paths: CertificatePaths,
    /// The host names and addresses it is for.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// Its first instant.
    pub not_before: Timestamp,
    /// Its last instant.
    pub not_after: Timestamp,
    /// Whole days until then; negative once it is past.
    pub days_left: i64,
    /// Whether somebody other than the key file's owner may read it, which deserves a warning.
    pub key_is_open: bool,
}

impl CertificateStore {
    /// Reads all pairs. Dates are not judged here: a server that restarts on the day its certificate ran out must still
    /// take mail from peers that do not verify; [`Self::inventory`] tells the operator.
    ///
    /// # Errors
    /// The first problem found, or `NonePresent` for an empty list.
    pub fn open(paths: &[CertificatePaths]) -> Result<Self, CertificateError> {
        if paths.is_empty() {
            return Err(CertificateError::NonePresent);
        }
        let pairs = paths.iter().map(|paths| RawPair::read(paths)?.parse(paths).map(Arc::new));
        Ok(Self { pairs: ArcSwap::from_pointee(pairs.collect::<Result<Vec<_>, _>>()?), turn: Mutex::default() })
    }

    /// Reads the files again and shows what changed, from the next handshake on. Reads files: not for an async task.
    pub fn reload(&self, now: Timestamp) -> ReloadReport {
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let mut report = ReloadReport::default();
        let current = self.pairs.load_full();
        let mut next = Vec::with_capacity(current.len());
        for pair in current.iter() {
            next.push(match renewed(pair, now) {
                Ok(None) => Arc::clone(pair),
                Ok(Some(fresh)) => {
                    report.replaced.push(fresh.paths.certificate.clone());
                    Arc::new(fresh)
                }
                Err(error) => {
                    report.kept.push(error);
                    Arc::clone(pair)
                }
            });
        }
        if !report.replaced.is_empty() {
            self.pairs.store(Arc::new(next));
        }
        report
    }

    /// Shows the pair in `paths` from the next handshake on, whatever its dates: in the place of what those files held,
    /// else as the last, and instead of `stand_in` where that is shown. Reads files: not for an async task.
    ///
    /// # Errors
    /// What is wrong with the files; then everything stays as it was.
    pub fn adopt(&self, paths: &CertificatePaths, stand_in: Option<&CertificatePaths>) -> Result<(), CertificateError> {
        let fresh = Arc::new(RawPair::read(paths)?.parse(paths)?);
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.pairs.load_full();
        let others = current.iter().filter(|pair| Some(&pair.paths) != stand_in);
        let mut next: Vec<Arc<Pair>> = others.cloned().collect();
        match next.iter_mut().find(|pair| pair.paths == *paths) {
            Some(place) => *place = fresh,
            None => next.push(fresh),
        }
        self.pairs.store(Arc::new(next));
        Ok(())
    }

    /// Every certificate that is shown, with its dates, for `check` and for warnings at start.
    pub fn inventory(&self, now: Timestamp) -> Vec<CertificateInfo> {
        self.pairs.load().iter().map(|pair| info(pair, now)).collect()
    }

    /// The certificate for `name`: one that lists it, else one whose wildcard covers it, else the first.
    fn choose(&self, name: Option<&str>) -> Option<Arc<CertifiedKey>> {
        let pairs = self.pairs.load();
        let wanted = name.map(str::to_ascii_lowercase);
        let listed = |covers: fn(&str, &str) -> bool| {
            let wanted = wanted.as_deref()?;
            pairs.iter().find(|pair| pair.facts.names.iter().any(|name| covers(name, wanted)))
        };
        let pair = listed(|name, wanted| name == wanted).or_else(|| listed(covers)).or_else(|| pairs.first());
        pair.map(|pair| Arc::clone(&pair.certified))
    }
}

impl ResolvesServerCert for CertificateStore {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.choose(hello.server_name())
    }
}

impl ResolvesClientCert for CertificateStore {
    /// The first, whichever authorities the other side asks for: the operator chose it for that host.
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.choose(None)
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn renewed(pair: &Pair, now: Timestamp) -> Result<Option<Pair>, CertificateError> {
    let raw = RawPair::read(&pair.paths)?;
    if !raw.differs_from(pair) {
        return Ok(None);
    }
    let fresh = raw.parse(&pair.paths)?;
    fresh.check_dates(now)?;
    Ok(Some(fresh))
}

fn info(pair: &Pair, now: Timestamp) -> CertificateInfo {
    let mode = std::fs::metadata(&pair.paths.key).map(|data| data.permissions().mode());
    CertificateInfo {
        paths: pair.paths.clone(),
        names: pair.facts.names.clone(),
        issuer: pair.facts.issuer.clone(),
        not_before: pair.facts.not_before,
        not_after: pair.facts.not_after,
        days_left: days_left(pair.facts.not_after, now),
        key_is_open: mode.is_ok_and(|mode| mode & 0o077 != 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};
    use tempfile::TempDir;

    const NOW: &str = "2026-01-05T09:00:00Z";

    fn now() -> Timestamp {
        Timestamp::parse_iso8601(NOW).unwrap()
    }

    fn write_until(directory: &Path, stem: &str, names: &[&str], year: i32) -> CertificatePaths {
        let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let key = KeyPair::generate().unwrap();
        let paths = CertificatePaths {
            certificate: directory.join(format!("{stem}.pem")),
            key: directory.join(format!("{stem}.key")),
        };
        fs::write(&paths.certificate, params.self_signed(&key).unwrap().pem()).unwrap();
        fs::write(&paths.key, key.serialize_pem()).unwrap();
        paths
    }

    fn write(directory: &Path, stem: &str, names: &[&str]) -> CertificatePaths {
        write_until(directory, stem, names, 2030)
    }

    fn shown(store: &CertificateStore, name: Option<&str>) -> Vec<u8> {
        store.choose(name).unwrap().cert[0].to_vec()
    }

    #[test]
    fn a_client_gets_the_certificate_of_the_name_it_asks_for() {
        let directory = TempDir::new().unwrap();
        let paths = [
            write(directory.path(), "first", &["mx.contoso.example"]),
            write(directory.path(), "wild", &["*.fabrikam.example"]),
            write(directory.path(), "exact", &["smtp.fabrikam.example"]),
        ];
        let store = CertificateStore::open(&paths).unwrap();
        let of = |index: usize| store.pairs.load()[index].certified.cert[0].to_vec();
        assert_eq!(shown(&store, Some("mx.contoso.example")), of(0));
        assert_eq!(shown(&store, Some("MX.Fabrikam.example")), of(1));
        assert_eq!(shown(&store, Some("smtp.fabrikam.example")), of(2));
        for other in [None, Some("fabrikam.example"), Some("a.b.fabrikam.example"), Some("strange"), Some("")] {
            assert_eq!(shown(&store, other), of(0), "{other:?}");
        }
    }

    #[test]
    fn a_reload_shows_what_changed_and_only_that() {
        let directory = TempDir::new().unwrap();
        let paths = [write(directory.path(), "a", &["a.example"]), write(directory.path(), "b", &["b.example"])];
        let store = CertificateStore::open(&paths).unwrap();
        let (a, b) = (shown(&store, Some("a.example")), shown(&store, Some("b.example")));
        assert!(store.reload(now()).replaced.is_empty());
        write(directory.path(), "b", &["b.example"]);
        let report = store.reload(now());
        assert_eq!(report.replaced, [paths[1].certificate.clone()]);
        assert!(report.kept.is_empty());
        assert_eq!(shown(&store, Some("a.example")), a);
        assert_ne!(shown(&store, Some("b.example")), b);
    }

    #[test]
    fn a_bad_new_certificate_keeps_the_old() {
        let directory = TempDir::new().unwrap();
        let paths = write(directory.path(), "a", &["a.example"]);
        let store = CertificateStore::open(std::slice::from_ref(&paths)).unwrap();
        let before = shown(&store, None);
        let good = fs::read(&paths.certificate).unwrap();
        let half = good.len() / 2;
        let breakages: [(&str, &dyn Fn()); 7] = [
            ("not valid before", &|| {
                write_until(directory.path(), "a", &["a.example"], 2030);
            }),
            ("expired at 2025", &|| {
                write_until(directory.path(), "a", &["a.example"], 2025);
            }),
            ("does not belong", &|| {
                write(directory.path(), "a", &["a.example"]);
                fs::write(&paths.certificate, &good).unwrap();
            }),
            ("no PEM certificate chain", &|| fs::write(&paths.certificate, &good[..half]).unwrap()),
            ("no PEM certificate chain", &|| fs::write(&paths.certificate, b"").unwrap()),
            ("cannot read", &|| fs::remove_file(&paths.certificate).unwrap()),
            ("no usable private key", &|| {
                fs::write(&paths.certificate, &good).unwrap();
                fs::write(&paths.key, b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n").unwrap();
            }),
        ];
        for (words, break_it) in breakages {
            break_it();
            let today = if words == "not valid before" { Timestamp::EPOCH } else { now() };
            let report = store.reload(today);
            let text = report.kept.iter().map(ToString::to_string).collect::<String>();
            assert!(text.contains(words) && text.contains("a."), "{words}: {text}");
            assert!(report.replaced.is_empty());
            assert_eq!(shown(&store, None), before, "{words}");
        }
    }

    #[test]
    fn the_inventory_counts_days_and_notices_open_keys() {
        let directory = TempDir::new().unwrap();
        let paths = write_until(directory.path(), "a", &["A.example", "192.0.2.1"], 2027);
        fs::set_permissions(&paths.key, fs::Permissions::from_mode(0o640)).unwrap();
        let store = CertificateStore::open(std::slice::from_ref(&paths)).unwrap();
        let info = store.inventory(now()).remove(0);
        assert_eq!(info.names, ["a.example", "192.0.2.1"]);
        assert_eq!((info.days_left, info.key_is_open), (360, true));
        assert_eq!(store.inventory(info.not_after.plus(Duration::from_millis(1))).remove(0).days_left, -1);
    }

    #[test]
    fn a_certificate_that_came_later_takes_the_place_of_its_stand_in() {
        let directory = TempDir::new().unwrap();
        let own = write(directory.path(), "own", &["own.example"]);
        let stand_in = write(directory.path(), "stand-in", &["a.example"]);
        let given = write(directory.path(), "given", &["a.example"]);
        let store = CertificateStore::open(&[own.clone(), stand_in.clone()]).unwrap();
        let before = shown(&store, Some("a.example"));
        for _ in 0..2 {
            store.adopt(&given, Some(&stand_in)).unwrap();
            let paths: Vec<_> = store.inventory(now()).into_iter().map(|info| info.paths).collect();
            assert_eq!(paths, [own.clone(), given.clone()]);
        }
        assert_ne!(shown(&store, Some("a.example")), before);
        fs::write(&given.certificate, "").unwrap();
        let shown_before = shown(&store, Some("a.example"));
        assert!(store.adopt(&given, None).is_err());
        assert_eq!(shown(&store, Some("a.example")), shown_before);
    }

    #[test]
    fn no_certificate_at_all_is_an_error() {
        assert!(matches!(CertificateStore::open(&[]), Err(CertificateError::NonePresent)));
    }
}
