//! Rows of `Get-EmailAddressPolicy`.

use super::Import;
use super::recipients::proxy_addresses;
use super::table::{Row, Table};
use crate::model::directory::Priority;
use crate::model::directory::document::AddressPolicyEntry;

impl Import {
    /// Takes the email address policies of one file. Templates of addresses that are no mail addresses are left out.
    pub(super) fn take_address_policies(&mut self, file: &str, table: &Table) {
        for row in table.rows() {
            let name = row.first_text(&["Name", "Identity"]).unwrap_or_default();
            match entry(&row, name) {
                Ok((entry, left_out)) => {
                    self.document.address_policies.push(entry);
                    if !left_out.is_empty() {
                        let reason = format!("only templates of SMTP addresses are kept, not {}", left_out.join(", "));
                        self.note(file, row.number(), name, reason);
                    }
                }
                Err(reason) => self.refuse(file, row.number(), name, reason),
            }
        }
    }
}

fn entry(row: &Row<'_>, name: &str) -> Result<(AddressPolicyEntry, Vec<String>), String> {
    let priority = row.first_text(&["Priority"]);
    let priority: Option<Priority> =
        priority.map(str::parse).transpose().map_err(|error| format!("Priority: {error}"))?;
    let listed = row.cell("EnabledEmailAddressTemplates").map(proxy_addresses).unwrap_or_default();
    let smtp = |text: &String| text.get(..5).is_some_and(|kind| kind.eq_ignore_ascii_case("smtp:"));
    let (mut templates, others): (Vec<String>, Vec<String>) = listed.into_iter().partition(smtp);
    if let Some(primary) = row.first_text(&["EnabledPrimarySMTPAddressTemplate"]).filter(|_| templates.is_empty()) {
        templates.push(primary.to_owned());
    }
    // Exchange writes a filter even for everybody, and the default policy is for everybody here.
    let filter = row.text("RecipientFilter").filter(|_| priority != Some(Priority::Lowest));
    let entry = AddressPolicyEntry {
        name: name.into(),
        priority,
        recipient_filter: filter.map(Into::into),
        templates: Some(templates.into_iter().map(Into::into).collect()),
    };
    Ok((entry, others))
}
