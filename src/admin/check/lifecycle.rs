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
