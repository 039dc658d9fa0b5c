//! Does a running server go by the configuration that is checked?

use super::{CheckReport, Verdict};
use crate::admin::office::ConfigurationView;
use crate::config::Config;

const SUBJECT: &str = "configuration";

/// One line: whether `config` is what the running server goes by, which is `own`.
pub(super) fn in_force(config: &Config, own: &ConfigurationView, report: &mut CheckReport) {
    let ConfigurationView { checksum, since, after_restart, refused } = own;
    let (verdict, detail, cure) = match refused {
        Some(reason) => (
            Verdict::Warn,
            format!("the running server goes by what it read at {since}; it did not take what it read last: {reason}"),
            "correct that, and send it SIGHUP again",
        ),
        None if *checksum != config.checksum => (
            Verdict::Warn,
            format!("the running server goes by what it read at {since}; the file was changed since"),
            "send it SIGHUP, which puts in force what needs no restart, and says what does",
        ),
        None if !after_restart.is_empty() => (
            Verdict::Warn,
            format!("in force since {since}, but for what was changed of {}", after_restart.join(", ")),
            "restart the server when it suits you",
        ),
        None => (Verdict::Ok, format!("in force in the running server since {since}"), ""),
    };
    report.put(SUBJECT, verdict, detail, cure);
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn it_is_said_which_configuration_counts_and_what_it_waits_for() {
        let config = Config::parse("", Path::new("/franking.toml")).unwrap();
        let since = "2026-01-05T09:00:00.000Z".to_owned();
        let own = ConfigurationView { checksum: config.checksum, since, ..ConfigurationView::default() };
        let said = |own: &ConfigurationView| {
            let mut report = CheckReport::default();
            in_force(&config, own, &mut report);
            report.findings.remove(0)
        };
        assert_eq!(said(&own).verdict, Verdict::Ok);
        let restart =
            ConfigurationView { after_restart: vec!["[queue]".to_owned(), "[log]".to_owned()], ..own.clone() };
        assert!(said(&restart).verdict == Verdict::Warn && said(&restart).detail.ends_with("of [queue], [log]"));
        let former = ConfigurationView { checksum: config.checksum ^ 1, ..own.clone() };
        assert!(said(&former).verdict == Verdict::Warn && said(&former).cure.contains("SIGHUP"));
        let refused = ConfigurationView { refused: Some("line 3: hots: unknown".to_owned()), ..own };
        assert!(said(&refused).verdict == Verdict::Warn && said(&refused).detail.contains("line 3: hots"));
    }
}
