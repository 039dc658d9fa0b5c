//! Access tokens: can their secrets be read, and are they given?

use super::super::cli::Premises;
use super::names::resolve;
use super::{CheckReport, Verdict};
use crate::config::{Config, TokenConfig, TokenFlow};
use crate::world::secret::SecretSource;

const SUBJECT: &str = "token";

/// A line for each token, and one for whatever is wrong with it. They are asked for where `online` says with what.
pub(super) fn tokens(config: &Config, online: Option<&dyn Premises>, report: &mut CheckReport) {
    for token in &config.tokens {
        let flow = match &token.flow {
            TokenFlow::ClientCredentials => "client credentials",
            TokenFlow::RefreshToken(_) => "a refresh token",
        };
        report.put(SUBJECT, Verdict::Ok, format!("{} from {}, with {flow}", token.name, token.url), "");
        let refresh_token = match &token.flow {
            TokenFlow::ClientCredentials => None,
            TokenFlow::RefreshToken(source) => Some(source),
        };
        let unread =
            token.client_secret.iter().chain(refresh_token).filter(|source| !secret(SUBJECT, source, report)).count();
        match online {
            None => endpoint(token, report),
            // It would only fail for the same reason.
            Some(_) if unread > 0 => {}
            Some(premises) => ask(config, token, premises, report),
        }
    }
}

/// Whether a secret can be read.
pub(super) fn secret(subject: &str, source: &SecretSource, report: &mut CheckReport) -> bool {
    let Err(error) = source.read() else { return true };
    let (verdict, cure) = match source {
        SecretSource::File(_) => {
            (Verdict::Fail, "write the secret into the first line of this file, readable by the server's user")
        }
        SecretSource::Environment(_) => {
            (Verdict::Warn, "set it in the unit of the service; here it is seen only if this shell has it, too")
        }
        SecretSource::Credential(_) => {
            (Verdict::Warn, "name it with LoadCredential= in the unit; only the service itself sees it")
        }
    };
    report.put(subject, verdict, error.to_string(), cure);
    false
}

/// Whether the endpoint can be found.
fn endpoint(token: &TokenConfig, report: &mut CheckReport) {
    if token.url.address().is_some() {
        return;
    }
    for answer in resolve(vec![token.url.host()]) {
        if let Err(problem) = answer {
            let cure = "mail by this token waits until the name is found; correct token_url";
            report.put(SUBJECT, Verdict::Warn, format!("{}: {problem}", token.url.host()), cure);
        }
    }
}

fn ask(config: &Config, token: &TokenConfig, premises: &dyn Premises, report: &mut CheckReport) {
    match premises.try_token(config, token) {
        Ok(()) => report.put(SUBJECT, Verdict::Ok, format!("{} was given", token.name), ""),
        Err(reason) => {
            let cure = cure(&reason);
            report.put(SUBJECT, Verdict::Fail, format!("{} was not given: {reason}", token.name), cure);
        }
    }
}

/// What to do about the errors of RFC 6749 section 5.2.
fn cure(reason: &str) -> &'static str {
    let cures = [
        (
            "invalid_client",
            "check client_id and the secret: its value is needed, not its id, and it may have run out; then make a new \
             one",
        ),
        ("invalid_grant", "sign in anew and write the new refresh token where the configuration says"),
        ("unauthorized_client", "allow the application this flow at the provider, and let an administrator consent"),
        ("invalid_scope", "set scope as the provider words it, for Exchange Online with /.default at its end"),
        ("invalid_request", "check token_url, with the tenant in it, client_id and scope"),
    ];
    let found = cures.iter().find(|(error, _)| reason.contains(error));
    found.map_or("mail by this token waits until it is given", |(_, cure)| cure)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::admin::cli::tests::InMemory;

    fn report(more: &str, place: &Path) -> Vec<(Verdict, String)> {
        let text = format!(
            "[[token]]\nname = \"uplink\"\nflow = \"client-credentials\"\n\
             token_url = \"https://127.0.0.1/token\"\nclient_id = \"a\"\n{more}\n"
        );
        let config = Config::parse(&text, &place.join("franking.toml")).unwrap();
        let mut report = CheckReport::default();
        tokens(&config, Some(&InMemory::default()), &mut report);
        report.findings.into_iter().map(|finding| (finding.verdict, finding.detail)).collect()
    }

    #[test]
    fn a_token_is_asked_for_when_its_secret_can_be_read() {
        let place = tempfile::tempdir().unwrap();
        std::fs::write(place.path().join("secret"), "hush-hush").unwrap();
        let found = report("client_secret_file = \"secret\"", place.path());
        let named = (Verdict::Ok, "uplink from https://127.0.0.1/token, with client credentials".to_owned());
        let failed = (Verdict::Fail, "uplink was not given: nothing is asked in memory".to_owned());
        assert_eq!(found, [named, failed]);
    }

    #[test]
    fn a_missing_secret_is_named_and_nothing_is_asked() {
        let place = tempfile::tempdir().unwrap();
        for (key, verdict) in [
            ("client_secret_file", Verdict::Fail),
            ("client_secret_env", Verdict::Warn),
            ("client_secret_credential", Verdict::Warn),
        ] {
            let found = report(&format!("{key} = \"FRANKING_NO_SUCH_SECRET\""), place.path());
            assert!(found.len() == 2 && found[1].0 == verdict, "{found:?}");
            assert!(found[1].1.contains("FRANKING_NO_SUCH_SECRET"), "{found:?}");
        }
    }

    #[test]
    fn the_errors_of_an_endpoint_have_their_cures() {
        assert!(cure("it answered 401, invalid_client: AADSTS7000215").contains("its value is needed, not its id"));
        assert!(cure("no answer in time").contains("waits"));
    }
}
