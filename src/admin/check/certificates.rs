//! The certificates that are shown: can they be used, for how long, for which names, and will clients follow them?

use std::path::Path;

use super::names::resolve;
use super::{CheckReport, Verdict};
use crate::config::{AcmeConfig, Config, ListenerTls};
use crate::model::mail::Timestamp;
use crate::model::transport_security::certificate::{Standing, covers, standing};
use crate::store::acme::certificate_paths;
use crate::world::secret::SecretSource;
use crate::world::tls::{CertificateInfo, CertificateStore, Chain, Roots, chain, verified};

const SUBJECT: &str = "certificate";
const ACME: &str = "ACME";

/// What is shown at our listeners.
pub(super) fn certificates(config: &Config, now: Timestamp, report: &mut CheckReport) {
    if config.listeners.iter().all(|listener| listener.tls == ListenerTls::None) {
        return report.put(SUBJECT, Verdict::Warn, "no listener speaks TLS", "set tls = \"starttls\" on the listeners");
    }
    let mut names = Vec::new();
    for paths in &config.certificates {
        match CertificateStore::open(core::slice::from_ref(paths)) {
            Ok(store) => store.inventory(now).iter().for_each(|info| {
                certificate(info, now, report);
                names.extend(info.names.iter().cloned());
            }),
            Err(error) => report.put(SUBJECT, Verdict::Fail, error.to_string(), ""),
        }
    }
    match &config.acme {
        Some(acme) => names.extend(by_acme(acme, &config.data, now, report)),
        None if config.certificates.is_empty() => {
            let cure = "give certificate and key under [tls], or have one made by [acme], before clients from outside \
                        connect";
            return report.put(SUBJECT, Verdict::Warn, "none configured: a development certificate is made", cure);
        }
        None => {}
    }
    let host = config.hostname.to_string();
    if !names.is_empty() && !names.iter().any(|name| covers(name, &host)) {
        let detail = format!("no certificate is for {host}");
        report.put(SUBJECT, Verdict::Warn, detail, "get one for that name, or set hostname to a name it has");
    }
}

/// One certificate from files: its dates, its key file, its chain.
pub(super) fn certificate(info: &CertificateInfo, now: Timestamp, report: &mut CheckReport) {
    dates(
        info,
        now,
        ("renew it; the server notices the new files by itself", "renew it now: clients refuse it"),
        report,
    );
    let file = info.paths.certificate.display();
    match chain(&info.paths, &Roots::System) {
        // The other findings say it.
        Ok(Chain::Whole) | Err(_) => {}
        Ok(Chain::Disordered(place)) => {
            let detail = format!("{file}: certificate {place} did not sign the one before it");
            let cure = "put the server's certificate first, then each certificate that signed the one before it";
            report.put(SUBJECT, Verdict::Warn, detail, cure);
        }
        Ok(Chain::Cut { issuer }) => {
            let detail = format!(
                "{file} is signed by {issuer}, which this system does not know, and no certificate \
                                  of it follows: the chain is incomplete"
            );
            let cure = "name the file with the whole chain (fullchain.pem); if it is an authority of your own, every \
                        client has to know it, this system too";
            report.put(SUBJECT, Verdict::Warn, detail, cure);
        }
    }
}

/// Dates and key of a certificate; the cures are those of one that ends soon and of one that has.
fn dates(info: &CertificateInfo, now: Timestamp, (ending, ended): (&str, &str), report: &mut CheckReport) {
    let file = info.paths.certificate.display();
    let (verdict, cure) = match standing(info.not_after, now) {
        Standing::Ended => (Verdict::Fail, ended),
        Standing::Ending => (Verdict::Warn, ending),
        Standing::Good if now < info.not_before => (Verdict::Fail, "check the system clock: clients refuse it still"),
        Standing::Good => (Verdict::Ok, ""),
    };
    let left = match info.days_left {
        days if days < 0 => format!("expired on {}", info.not_after),
        days => format!("{days} days left"),
    };
    let detail = format!("{file} for {}, {left}, from {}", info.names.join(", "), info.issuer);
    report.put(SUBJECT, verdict, detail, cure);
    if info.key_is_open {
        let key = info.paths.key.display();
        let detail = format!("{key} can be read by others than its owner");
        report.put(SUBJECT, Verdict::Warn, detail, format!("chmod 600 {key}"));
    }
}

/// The certificate that an authority gives by itself, and what it takes to get it. The names it has.
fn by_acme(acme: &AcmeConfig, data: &Path, now: Timestamp, report: &mut CheckReport) -> Vec<String> {
    let wanted: Vec<String> = acme.names.iter().map(ToString::to_string).collect();
    let detail = format!("{} from {}, by {}", wanted.join(", "), acme.directory, acme.challenge.name());
    report.put(ACME, Verdict::Ok, detail, "");
    let roots = acme.authorities.clone().map_or(Roots::System, Roots::File);
    if let Err(error) = verified(&roots) {
        report.put(ACME, Verdict::Fail, error.to_string(), "");
    }
    if let Some(external) = &acme.external_account
        && let Err(error) = external.key.read()
    {
        let seen = matches!(external.key, SecretSource::File(_));
        let verdict = if seen { Verdict::Fail } else { Verdict::Warn };
        let cure = "put the key there that the authority gave; the environment and credentials of the service are not \
                    those of this shell";
        report.put(ACME, verdict, error.to_string(), cure);
    }
    let port = acme.challenge.port();
    if let Some(other) = acme.listen.iter().find(|address| address.port() != port) {
        let detail = format!("the authority comes to port {port}: it must be handed on to {other}");
        report.put(ACME, Verdict::Ok, detail, "");
    }
    let asked = acme.directory.address().is_none().then(|| acme.directory.host());
    for (host, answer) in wanted.iter().chain(&asked).zip(resolve(wanted.iter().chain(&asked).cloned().collect())) {
        if let Err(problem) = answer {
            let cure = "the authority looks the name up, and so does this server: set its A or AAAA record";
            report.put(ACME, Verdict::Warn, format!("{host}: {problem}"), cure);
        }
    }
    let paths = certificate_paths(data);
    if !paths.certificate.exists() {
        let cure = "the running server gets it: its log and franking certificate show say how far it is";
        report.put(ACME, Verdict::Warn, "there is no certificate yet; a development one stands in", cure);
        return Vec::new();
    }
    match CertificateStore::open(&[paths]) {
        Ok(store) => {
            let all = store.inventory(now);
            let cures = (ENDING, "franking certificate renew, and its log: clients refuse this one");
            all.iter().for_each(|info| dates(info, now, cures, report));
            let names: Vec<String> = all.into_iter().flat_map(|info| info.names).collect();
            for lacking in wanted.iter().filter(|name| !names.contains(name)) {
                report.put(ACME, Verdict::Warn, format!("the certificate is not for {lacking} yet"), ENDING);
            }
            names
        }
        Err(error) => {
            report.put(ACME, Verdict::Fail, error.to_string(), "move it away, and the running server gets a new one");
            Vec::new()
        }
    }
}

const ENDING: &str = "the running server renews it by itself: its log says why it did not; franking certificate renew";

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    const NOW: &str = "2026-01-05T09:00:00Z";

    fn report(config: &str, place: &Path, days: u32) -> Vec<(Verdict, String, String)> {
        let path = place.join("franking.toml");
        let config =
            Config::parse(&format!("hostname = \"mx.contoso.example\"\ndata = \".\"\n{config}"), &path).unwrap();
        let mut report = CheckReport::default();
        let now = Timestamp::parse_iso8601(NOW).unwrap().plus(Duration::from_secs(86_400) * days);
        certificates(&config, now, &mut report);
        report.findings.into_iter().map(|finding| (finding.verdict, finding.detail, finding.cure)).collect()
    }

    /// A certificate until 1 March 2026, and its key.
    fn write(place: &Path, stem: &str, name: &str) -> (String, String) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_after = date_time_ymd(2026, 3, 1);
        let key = KeyPair::generate().unwrap();
        let (pem, key) = (params.self_signed(&key).unwrap().pem(), key.serialize_pem());
        for (ending, content) in [("pem", &pem), ("key", &key)] {
            let path = place.join(format!("{stem}.{ending}"));
            std::fs::write(&path, content).unwrap();
            std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        }
        (pem, key)
    }

    const FILES: &str = "[tls]\ncertificate = [\"a.pem\"]\nkey = [\"a.key\"]\n";
    const BY_ACME: &str = "[acme]\nagree_to_terms = true\ndirectory_url = \"https://127.0.0.1:1/d\"\n";

    #[test]
    fn a_certificate_is_told_of_from_the_twenty_first_day_on() {
        let place = tempfile::tempdir().unwrap();
        write(place.path(), "a", "mx.contoso.example");
        // The last day is the 54th after.
        for (days, verdict, left) in [
            (33, Verdict::Ok, "21 days left"),
            (34, Verdict::Warn, "20 days left"),
            (55, Verdict::Fail, "expired on 2026"),
        ] {
            let found = report(FILES, place.path(), days);
            assert!(found.len() == 1 && found[0].0 == verdict && found[0].1.contains(left), "{days}: {found:?}");
        }
    }

    #[test]
    fn a_key_of_another_and_a_name_that_is_not_ours_are_told() {
        let place = tempfile::tempdir().unwrap();
        write(place.path(), "a", "other.contoso.example");
        let found = report(FILES, place.path(), 0);
        assert!(found[1].0 == Verdict::Warn && found[1].1 == "no certificate is for mx.contoso.example", "{found:?}");
        let (pem, _) = write(place.path(), "a", "mx.contoso.example");
        write(place.path(), "a", "mx.contoso.example");
        std::fs::write(place.path().join("a.pem"), pem).unwrap();
        let found = report(FILES, place.path(), 0);
        assert!(found[0].0 == Verdict::Fail && found[0].1.contains("does not belong"), "{found:?}");
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn what_an_authority_gives_is_looked_at_and_missed() {
        let place = tempfile::tempdir().unwrap();
        let found = report(BY_ACME, place.path(), 0);
        let missed = (Verdict::Warn, "there is no certificate yet; a development one stands in".to_owned());
        assert!(found.iter().any(|(verdict, detail, _)| (*verdict, detail.clone()) == missed), "{found:?}");
        let (pem, key) = write(place.path(), "a", "mx.contoso.example");
        std::fs::create_dir(place.path().join("acme")).unwrap();
        std::fs::write(certificate_paths(place.path()).certificate, key + &pem).unwrap();
        let found = report(BY_ACME, place.path(), 40);
        assert!(found.iter().any(|own| own.0 == Verdict::Warn && own.1.contains("14 days left")), "{found:?}");
        let names = "names = [\"mx.contoso.example\", \"smtp.contoso.example\"]\nexternal_account_id = \"a\"\n\
                     external_account_key_file = \"none\"\nlisten = [\"127.0.0.1:8080\"]\n";
        let found = report(&format!("{BY_ACME}{names}"), place.path(), 0);
        for words in ["not for smtp.contoso.example yet", "none: ", "handed on to 127.0.0.1:8080"] {
            assert!(found.iter().any(|(_, detail, _)| detail.contains(words)), "{words}: {found:?}");
        }
    }
}
