//! Issuers of tokens: are their keys to be had, and can they verify what is accepted?

use super::super::cli::Premises;
use super::names::resolve;
use super::{CheckReport, Verdict};
use crate::admin::office::counted;
use crate::config::{Config, IssuerConfig, KeySource, ListenerRole, ListenerTls};
use crate::world::disk::read_regular;
use crate::world::https::HttpsUrl;
use crate::world::jws::{KEYS_BYTES_MAX, KeySet};

const SUBJECT: &str = "issuer";

/// A line for each issuer, and one for whatever is wrong with it. Keys are fetched where `online` says with what.
pub(super) fn issuers(config: &Config, online: Option<&dyn Premises>, report: &mut CheckReport) {
    for issuer in &config.issuers {
        let rules = &issuer.rules;
        let detail = format!("{}: tokens of {} for {}", rules.name, rules.issuer, rules.audiences.join(" or "));
        report.put(SUBJECT, Verdict::Ok, detail, "");
        match (&issuer.keys, online) {
            (KeySource::File(path), _) => {
                let read = read_regular(path, KEYS_BYTES_MAX as u64).map_err(|error| error.to_string());
                let keys = read.and_then(|octets| KeySet::read(&octets).map_err(|error| error.to_string()));
                let cure = "write the issuer's JWK set into the file, readable by the server's user";
                judge(issuer, keys.map_err(|reason| format!("{}: {reason}", path.display())), cure, report);
            }
            (KeySource::Url(_), Some(premises)) => {
                let cure = "copy jwks_uri from the issuer's /.well-known/openid-configuration; clients hear 454 until \
                            there are keys";
                judge(issuer, premises.try_issuer(config, issuer), cure, report);
            }
            (KeySource::Url(url), None) => host(url, report),
        }
    }
    let speaks_tls = |role, tls| matches!(role, ListenerRole::Submission) && !matches!(tls, ListenerTls::None);
    if !config.issuers.is_empty() && !config.listeners.iter().any(|own| speaks_tls(own.role, own.tls)) {
        let cure = "tokens are taken under TLS only: add a listener with role = \"submission\" and tls = \"starttls\"";
        report.put(SUBJECT, Verdict::Warn, "no listener takes tokens", cure);
    }
}

fn judge(issuer: &IssuerConfig, keys: Result<KeySet, String>, cure: &str, report: &mut CheckReport) {
    let rules = &issuer.rules;
    let keys = match keys {
        Ok(keys) => keys,
        Err(reason) => {
            return report.put(SUBJECT, Verdict::Fail, format!("{} has no keys: {reason}", rules.name), cure);
        }
    };
    let served: Vec<&str> =
        rules.algorithms.iter().filter(|own| keys.serves(**own)).map(|algorithm| algorithm.name()).collect();
    if served.is_empty() {
        let names: Vec<&str> = rules.algorithms.iter().map(|algorithm| algorithm.name()).collect();
        let detail =
            format!("{}: of its {} none is for {}", rules.name, counted(keys.count(), "key"), names.join(", "));
        report.put(SUBJECT, Verdict::Fail, detail, "set algorithms to what the issuer signs with");
    } else {
        let detail = format!("{} has {}, for {}", rules.name, counted(keys.count(), "key"), served.join(", "));
        report.put(SUBJECT, Verdict::Ok, detail, "");
    }
}

/// Whether who has the keys can be found.
fn host(url: &HttpsUrl, report: &mut CheckReport) {
    if url.address().is_some() {
        return;
    }
    for answer in resolve(vec![url.host()]) {
        if let Err(problem) = answer {
            let cure = "no token of this issuer can be verified until the name is found; correct jwks_url";
            report.put(SUBJECT, Verdict::Warn, format!("{}: {problem}", url.host()), cure);
        }
    }
}
