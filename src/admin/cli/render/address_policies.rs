//! Email address policies as text.

use super::Page;
use crate::admin::cli::output::table;
use crate::admin::office::{AddressPolicyView, AlteredAddresses, AppliedPolicies};

/// One policy in full, several as a table.
pub(super) fn list(page: &mut Page, policies: &[AddressPolicyView], notes: &[String]) {
    let text = |text: Option<&str>| text.unwrap_or_default().to_owned();
    let priority = |own: &AddressPolicyView| own.entry.priority.map(|own| own.to_string()).unwrap_or_default();
    if let [AddressPolicyView { entry, recipients: Some(count) }] = policies {
        page.block(&super::fields(entry));
        page.line(&format!("recipients that follow it: {count}"));
    } else if policies.is_empty() {
        page.line("There is no email address policy.");
    } else {
        let row = |own: &AddressPolicyView| {
            let filter = own.entry.recipient_filter.as_deref().unwrap_or("all recipients");
            let templates = own.entry.templates.as_deref().unwrap_or_default().join(" ");
            vec![priority(own), own.entry.name.to_string(), templates, text(Some(filter))]
        };
        let rows: Vec<Vec<String>> = policies.iter().map(row).collect();
        page.block(&table(&["PRIORITY", "NAME", "TEMPLATES", "FOR"], &rows));
    }
    notes.iter().for_each(|note| page.line(&format!("note: {note}")));
}

/// What applying them did.
pub(super) fn applied(page: &mut Page, report: &AppliedPolicies) {
    let AppliedPolicies { governed, altered, refused, .. } = report;
    let verb = if report.preview { "would be given other addresses" } else { "given other addresses" };
    page.line(&format!("follow email address policies: {governed}; {verb}: {altered}; refused: {refused}"));
    if !report.rows.is_empty() {
        let row = |own: &AlteredAddresses| {
            vec![own.former.clone(), own.primary.clone(), own.added.join(" "), own.policy.clone()]
        };
        let rows: Vec<Vec<String>> = report.rows.iter().map(row).collect();
        page.line("");
        page.block(&table(&["PRIMARY BEFORE", "PRIMARY AFTER", "NEW SECONDARY ADDRESSES", "POLICY"], &rows));
        if report.rows.len() < *altered {
            page.line(&format!("{} of {altered} are shown; --limit 0 shows all.", report.rows.len()));
        }
    }
    for (address, reason) in &report.refusals {
        page.line(&format!("  refused: {address}: {reason}"));
    }
    if report.preview && *altered > 0 {
        page.line("Nothing was changed. Do it: franking address-policy apply");
    }
}
