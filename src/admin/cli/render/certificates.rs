//! The server's own certificates and keys as text.

use super::{Page, mailbox};
use crate::admin::cli::output::table;
use crate::admin::office::{AcmeView, CertificateView, CertificatesView, Response};

/// An answer about them.
pub(super) fn answer(page: &mut Page, response: &Response) {
    match response {
        Response::Certificates(view) => list(page, view),
        Response::SrsKeys(view) => mailbox::srs_keys(page, view),
        _ => {}
    }
}

/// Everything that is shown.
fn list(page: &mut Page, view: &CertificatesView) {
    if view.certificates.is_empty() {
        page.line("There is no certificate; a server that starts makes a development one.");
    } else {
        let row = |own: &CertificateView| {
            let day = own.not_after.split('T').next().unwrap_or(&own.not_after);
            let left = if own.expired { "expired".to_owned() } else { own.days_left.to_string() };
            let names = own.names.join(" ");
            vec![
                names,
                own.used_for.clone(),
                day.to_owned(),
                left,
                own.source.clone(),
                own.issuer.clone(),
                own.file.clone(),
            ]
        };
        let rows: Vec<Vec<String>> = view.certificates.iter().map(row).collect();
        page.block(&table(&["NAMES", "SHOWN BY", "NOT AFTER", "DAYS LEFT", "SOURCE", "ISSUER", "FILE"], &rows));
    }
    view.notes.iter().for_each(|note| page.line(&format!("note: {note}")));
    if let Some(acme) = &view.acme {
        by_acme(page, acme);
    }
}

fn by_acme(page: &mut Page, acme: &AcmeView) {
    page.line(&format!("ACME: {} from {}, by {}", acme.names.join(", "), acme.directory, acme.challenge));
    if !acme.lacking.is_empty() {
        page.line(&format!("the certificate is to be renewed: {}", acme.lacking));
    }
    if acme.failures > 0 {
        page.line(&format!("failed since the last success: {}, because {}", acme.failures, acme.trouble));
    }
    match &acme.next_attempt {
        Some(next) => page.line(&format!("the authority is asked next: {next}")),
        None => page.line("the authority is asked by a running server; none runs"),
    }
}
