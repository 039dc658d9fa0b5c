//! Rows of `Get-RecipientPermission` and `Get-MailboxPermission`. They add to what is granted already.

use super::Import;
use super::identity::{Holder, Index};
use super::merge::{Merge, Origin};
use super::table::{Cell, Row, Table};
use crate::model::directory::document::RecipientEntry;
use crate::model::directory::{ChangeError, Recipient, RecipientType, Right, Snapshot};

/// What one row comes to.
enum Verdict<'a> {
    /// It says nothing here.
    Skip,
    Refuse(String),
    Grant {
        owner: &'a Holder,
        trustee: &'a Holder,
        rights: Vec<Right>,
        deny: bool,
    },
}

pub(super) fn take(
    import: &mut Import,
    merge: &mut Merge,
    index: &Index,
    snapshot: &Snapshot,
    file: &str,
    table: &Table,
) {
    for row in table.rows() {
        match judge(&row, index) {
            Verdict::Skip => import.skipped += 1,
            Verdict::Refuse(reason) => {
                import.refuse(file, row.number(), row.text("Identity").unwrap_or_default(), reason);
            }
            Verdict::Grant { owner, trustee, rights, deny } => {
                let origin = Origin { file: file.into(), row: row.number() };
                let existing = snapshot.find_by_address(&owner.primary);
                let entry = merge.entry_of(owner, origin);
                let trustee: Box<str> = trustee.primary.to_string().into();
                for right in rights {
                    let list = list(entry, right, deny);
                    let list =
                        list.get_or_insert_with(|| granted(existing.map(|found| &**found), snapshot, right, deny));
                    if !list.contains(&trustee) {
                        list.push(trustee.clone());
                    }
                }
            }
        }
    }
}

fn judge<'a>(row: &Row<'_>, index: &'a Index) -> Verdict<'a> {
    let inherited = match row.flag("IsInherited") {
        Ok(flag) => flag == Some(true),
        Err(reason) => return Verdict::Refuse(reason),
    };
    let trustee = row.first_text(&["Trustee", "User"]).unwrap_or_default();
    if inherited || is_foreign_principal(trustee) {
        return Verdict::Skip;
    }
    let rights = rights(row);
    if rights.is_empty() {
        return Verdict::Skip;
    }
    let deny = match (row.text("AccessControlType"), row.flag("Deny")) {
        (_, Err(reason)) => return Verdict::Refuse(reason),
        // 1 is how JSON of Windows PowerShell writes Deny.
        (Some(kind), Ok(_)) if kind.eq_ignore_ascii_case("Deny") || kind == "1" => true,
        (_, Ok(flag)) => flag == Some(true),
    };
    let identity = row.text("Identity").unwrap_or_default();
    let owner = match index.find(identity) {
        Ok(owner) => owner,
        Err(error) => return Verdict::Refuse(error.to_string()),
    };
    let trustee = match index.find(trustee) {
        Ok(found) if !found.is_trustee() => {
            return Verdict::Refuse(ChangeError::NotATrustee { trustee: found.name.clone() }.to_string());
        }
        Ok(found) => found,
        Err(error) => {
            return Verdict::Refuse(format!(
                "trustee \"{}\": {error}",
                crate::model::directory::document::printable(trustee)
            ));
        }
    };
    let is_mailbox = owner.recipient_type.is_none_or(RecipientType::is_mailbox);
    if rights.contains(&Right::FullAccess) && !is_mailbox {
        let kind = owner.recipient_type.map_or("recipient", RecipientType::name);
        return Verdict::Refuse(ChangeError::NotForThisType { kind, what: "FullAccess permissions" }.to_string());
    }
    Verdict::Grant { owner, trustee, rights, deny }
}

/// The owner itself, built-in principals, and security ids of accounts that are gone.
fn is_foreign_principal(trustee: &str) -> bool {
    let folded = trustee.to_ascii_uppercase();
    folded.starts_with("NT AUTHORITY\\")
        || folded.starts_with("NT-AUTORIT")
        || folded.starts_with("S-1-5-")
        || folded == "SELF"
}

/// The rights of a row that exist here; `ReadPermission` and its like do not.
fn rights(row: &Row<'_>) -> Vec<Right> {
    let texts: Vec<&str> = match row.cell("AccessRights") {
        None => Vec::new(),
        Some(Cell::Text(text)) => vec![text],
        Some(Cell::Many(many)) => many.iter().map(|text| &**text).collect(),
    };
    let words = texts.into_iter().flat_map(|text| text.split([',', ';', ' ', '{', '}', '|']));
    let mut rights: Vec<Right> = words.filter_map(|word| word.parse().ok()).collect();
    rights.sort_unstable();
    rights.dedup();
    rights
}

fn list(entry: &mut RecipientEntry, right: Right, deny: bool) -> &mut Option<Vec<Box<str>>> {
    match (right, deny) {
        (Right::SendAs, false) => &mut entry.send_as,
        (Right::SendOnBehalf, false) => &mut entry.send_on_behalf,
        (Right::FullAccess, false) => &mut entry.full_access,
        (Right::SendAs, true) => &mut entry.deny_send_as,
        (Right::SendOnBehalf, true) => &mut entry.deny_send_on_behalf,
        (Right::FullAccess, true) => &mut entry.deny_full_access,
    }
}

/// Who holds a right on an existing recipient already.
fn granted(existing: Option<&Recipient>, snapshot: &Snapshot, right: Right, deny: bool) -> Vec<Box<str>> {
    let trustees = existing.into_iter().flat_map(|recipient| recipient.trustees(right, deny));
    let found = trustees.filter_map(|id| snapshot.recipient(id));
    found.map(|trustee| trustee.primary().to_string().into()).collect()
}
