//! What mailboxes hold, message by message, as text.

use super::Page;
use crate::admin::cli::audit::access;
use crate::admin::cli::output::{size, visible};
use crate::admin::office::{AccessAudit, CopyReport, RecoverableExport, RecoverableItem, RecoverableText, Response};

/// An answer about contents.
pub(super) fn answer(page: &mut Page, response: &Response) {
    match response {
        Response::Copied(report) => copied(page, report),
        Response::Recoverable(found) => found.items.iter().for_each(|item: &RecoverableItem| page.line(&item.name)),
        Response::RecoverableMessage(shown) => message(page, shown),
        Response::RecoverableExported(report) => exported(page, report),
        Response::AccessAudit(audit) => accesses(page, audit),
        _ => {}
    }
}

fn copied(page: &mut Page, report: &CopyReport) {
    let CopyReport { source, target, messages, bytes } = report;
    page.line(&match messages {
        0 => format!("All that {source} holds is in the mailbox of {target} already."),
        1 => format!("1 message, {}, is copied from {source} into the mailbox of {target}.", size(*bytes)),
        _ => format!("{messages} messages, {}, are copied from {source} into the mailbox of {target}.", size(*bytes)),
    });
}

/// Line by line, so that nothing in it moves the cursor.
fn message(page: &mut Page, shown: &RecoverableText) {
    for line in shown.text.lines() {
        page.block(&format!("{}\n", line.split('\t').map(visible).collect::<Vec<_>>().join("\t")));
    }
    if shown.is_cut {
        page.line(&format!("… It has {}; export shows all of it.", size(shown.bytes)));
    }
}

fn exported(page: &mut Page, report: &RecoverableExport) {
    let RecoverableExport { mailbox, directory, messages, bytes } = report;
    let (bytes, directory) = (size(*bytes), directory.display());
    page.line(&match messages {
        0 => format!("All that was deleted from {mailbox} and is kept is in {directory} already."),
        1 => format!("1 message, {bytes}, that was deleted from {mailbox} is written to {directory}."),
        _ => format!("{messages} messages, {bytes}, that were deleted from {mailbox} are written to {directory}."),
    });
}

fn accesses(page: &mut Page, audit: &AccessAudit) {
    audit.accesses.iter().for_each(|own| page.block(&format!("{}\n", access::line(own))));
    if audit.accesses.is_empty() {
        page.line("There is no such entry.");
    }
    if audit.older > 0 {
        page.line(&format!("{} older ones are not shown; --limit 0 shows all.", audit.older));
    }
}
