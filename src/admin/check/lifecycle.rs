//! Would mailboxes lose something by the configuration as it is written now?

use std::path::Path;

use super::{CheckReport, Verdict};
use crate::admin::cli::Premises;
use crate::admin::office::{Cause, DoubtView, LifeQuestion, Request, Response, Supposed, counted, handle};
use crate::admin::socket;
use crate::config::Config;
use crate::model::directory::Licensing;

/// Looks at who would be disconnected or deleted at once. A running server may have been started with another
/// configuration, so it is asked what would be with this one.
pub(super) fn lifecycle(
    path: &Path,
    config: &Config,
    at: &Path,
    running: bool,
    premises: &dyn Premises,
    report: &mut CheckReport,
) {
    let licences_count = config.settings.licensing() == Licensing::Counts;
    let supposed = Supposed { licences_count, periods: config.settings.periods };
    let question = Request::LifeQuestion(LifeQuestion::Doubts { supposed: Some(supposed) });
    let answer = if running {
        socket::ask(at, question, &mut |_| {}).ok()
    } else {
        // Why it cannot be opened is said by whoever looks at the directory.
        premises.open(config, Some(path)).ok().map(|office| handle(&office, "check", question, &mut |_| {}))
    };
    let Some(Response::Doubts { doubts, unseen_days }) = answer else { return };
    if unseen_days > 0 {
        let days = counted(usize::try_from(unseen_days).unwrap_or(usize::MAX), "day");
        let detail = format!("{days} passed unseen lately and do not count for what mailboxes are kept for");
        report.put("lifecycle", Verdict::Warn, detail, "look at the clock; or franking lifecycle confirm time");
    }
    if doubts.is_empty() {
        return report.put("lifecycle", Verdict::Ok, "no mailbox is lost by this configuration", "");
    }
    doubts.iter().for_each(|doubt| self::doubt(doubt, report));
}

fn doubt(doubt: &DoubtView, report: &mut CheckReport) {
    let (when, confirm) = if doubt.waits {
        (", which waits for a confirmation", format!("; or franking lifecycle confirm {}", doubt.cause.name()))
    } else {
        (" at once", String::new())
    };
    let (detail, cure) = match doubt.cause {
        Cause::Disconnections => (
            format!("{} without licence: disconnected{when}", counted(doubt.objects, "user mailbox")),
            format!(
                "franking licence assign --unlicensed; or profile = \"exchange-server\", where licences do not \
                 count{confirm}"
            ),
        ),
        Cause::Deletions => (
            format!(
                "the time of {} was over long ago: deleted for good{when}",
                counted(doubt.objects, "mailbox or deleted user")
            ),
            format!("franking lifecycle preview; longer periods under [lifecycle]{confirm}"),
        ),
    };
    report.put("lifecycle", Verdict::Warn, detail, cure);
}

#[cfg(test)]
mod tests {
    use super::super::Finding;
    use super::*;
    use crate::admin::cli::tests::InMemory;

    fn findings(profile: &str, premises: &InMemory, place: &Path) -> Vec<Finding> {
        let text = format!("hostname = \"localhost\"\ndata = \".\"\nprofile = \"{profile}\"\n");
        let path = place.join("franking.toml");
        let config = Config::parse(&text, &path).unwrap();
        let mut report = CheckReport::default();
        lifecycle(&path, &config, &place.join("admin.sock"), false, premises, &mut report);
        report.findings
    }

    #[test]
    fn mailboxes_that_the_configuration_would_disconnect_are_counted_with_the_cure() {
        let place = tempfile::tempdir().unwrap();
        let premises = InMemory::default();
        let sound = findings("exchange-online", &premises, place.path());
        assert_eq!((sound.len(), sound[0].verdict), (1, Verdict::Ok));
        let config = Config::parse("hostname = \"localhost\"\n", Path::new("franking.toml")).unwrap();
        let office = premises.open(&config, None).unwrap();
        let users = (0..20).map(|number| {
            format!("[[recipient]]\ntype = \"UserMailbox\"\naddress = \"user{number}@contoso.example\"\n")
        });
        let text = format!("[[domain]]\ndomain = \"contoso.example\"\n{}", users.collect::<String>());
        let (name, form) = ("contoso.toml".to_owned(), "TOML".to_owned());
        let import = Request::Import { name, form, text, licence: None, all_or_nothing: true, dry_run: false };
        assert!(matches!(handle(&office, "root", import, &mut |_| {}), Response::Imported(_)));
        let found = findings("exchange-online", &premises, place.path());
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].verdict, Verdict::Warn);
        let detail = "20 user mailboxes without licence: disconnected, which waits for a confirmation";
        assert_eq!(found[0].detail, detail);
        assert!(found[0].cure.starts_with("franking licence assign --unlicensed; or profile = \"exchange-server\""));
        assert!(found[0].cure.ends_with("; or franking lifecycle confirm disconnections"), "{}", found[0].cure);
        // Where licences do not count, nobody loses anything.
        assert_eq!(findings("exchange-server", &premises, place.path())[0].verdict, Verdict::Ok);
    }
}
