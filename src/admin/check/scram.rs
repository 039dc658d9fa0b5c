//! Who would be locked out by the offer of SCRAM-SHA-256?

use std::path::Path;

use super::{CheckReport, Verdict};
use crate::admin::cli::Premises;
use crate::admin::office::{Request, Response, counted, handle};
use crate::admin::socket;
use crate::config::Config;
use crate::model::policy::settings::Scram;

const SUBJECT: &str = "scram";

/// Counts secrets without keys where SCRAM is offered or prepared for: clients that see it prefer it, and then try
/// nothing else.
pub(super) fn scram(
    path: &Path,
    config: &Config,
    at: &Path,
    running: bool,
    premises: &dyn Premises,
    report: &mut CheckReport,
) {
    if config.settings.scram == Scram::Off {
        return;
    }
    let answer = if running {
        socket::ask(at, Request::ScramUnready, &mut |_| {}).ok()
    } else {
        // Why it cannot be opened is said by whoever looks at the directory.
        premises
            .open(config, Some(path))
            .ok()
            .map(|office| handle(&office, "check", Request::ScramUnready, &mut |_| {}))
    };
    let Some(Response::ScramUnready { total, .. }) = answer else { return };
    let secrets = counted(total, "secret");
    let cure = "franking account scram names them; franking account password, or device renew, makes their keys";
    match (config.settings.scram, total) {
        (Scram::Off, _) => {}
        (Scram::Prepare, 0) => {
            let cure = "set scram_sha_256 = \"on\" under [policy]";
            report.put(SUBJECT, Verdict::Ok, "every secret is ready for SCRAM-SHA-256", cure);
        }
        (Scram::Prepare, _) => {
            report.put(SUBJECT, Verdict::Ok, format!("{secrets} not ready yet for SCRAM-SHA-256"), cure);
        }
        (Scram::On, 0) => report.put(SUBJECT, Verdict::Ok, "every secret can be used with SCRAM-SHA-256", ""),
        (Scram::On, _) => {
            let detail = format!("{secrets} without keys for SCRAM-SHA-256, which clients prefer where they see it");
            report.put(SUBJECT, Verdict::Warn, detail, cure);
        }
    }
}
