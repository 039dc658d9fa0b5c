//! Brings in what an Exchange administrator exports: `Get-Recipient`, `Get-Mailbox`, `Get-CASMailbox`, `Get-User`,
//! `Get-RecipientPermission`, `Get-MailboxPermission`, `Get-MailboxAutoReplyConfiguration`, `Get-AcceptedDomain`,
//! `Get-RemoteDomain`, `Get-AuthenticationPolicy` and `Get-EmailAddressPolicy`, by `Export-Csv` or `ConvertTo-Json`.
//!
//! Files are read into one [`Document`]; several files may speak of one recipient. Rows refer to recipients as Exchange
//! does: by name, alias, display name, login, any address, distinguished name, canonical name or `DOMAIN\user`. Every
//! row that cannot go in is reported with file, row, identity and reason, and the others do go in. What would *open*
//! something if it were left out (a list of accepted senders) refuses its row; what only grants less is left out with
//! a note.

mod address_policies;
mod domains;
mod identity;
mod lifecycle;
mod merge;
mod permissions;
mod recipients;
mod references;
mod replies;
mod report;
mod table;
mod time;

pub use report::{Finding, Report};

use std::collections::HashSet;

use crate::model::directory::document::{Hasher, Reason};
use crate::model::directory::{Document, Snapshot};
use crate::model::mail::{Address, AddressKey, Timestamp};
use crate::model::policy::Settings;
use merge::Origin;
use table::Table;

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `Get-Recipient`, `Get-Mailbox`, `Get-CASMailbox`, `Get-User` and the like: a recipient in each row.
    Recipients,
    /// `Get-RecipientPermission`: who may send as whom.
    RecipientPermissions,
    /// `Get-MailboxPermission`: who may open which mailbox.
    MailboxPermissions,
    /// `Get-AcceptedDomain`.
    AcceptedDomains,
    /// `Get-RemoteDomain`: what domains outside are sent.
    RemoteDomains,
    /// `Get-AuthenticationPolicy`.
    AuthenticationPolicies,
    /// `Get-EmailAddressPolicy`.
    AddressPolicies,
    /// `Get-MailboxAutoReplyConfiguration`: what mailboxes answer by themselves.
    AutoReplies,
}

/// One file.
#[derive(Clone, Debug)]
pub struct Source<'a> {
    /// Its name, for reports.
    pub name: &'a str,
    /// Its contents.
    pub bytes: &'a [u8],
    /// What it holds; `None` tells it by its columns.
    pub kind: Option<Kind>,
}

/// How to fill what exports do not say.
#[derive(Clone, Debug)]
pub struct Options {
    /// The licence of user mailboxes whose rows name none. Exchange shows an unlicensed user as no mailbox, so a row
    /// of a user mailbox means that there was one. `None` leaves them without.
    pub licence: Option<Box<str>>,
    /// Accept every domain that a mailbox or group has an address in.
    pub add_domains: bool,
    /// How many recipients a message may have here. Exchange shows a mailbox that follows its organisation with the
    /// organisation's number, so a mailbox with this one follows as well.
    pub recipients_max: usize,
    /// When what has no time in an export is taken to have happened.
    pub now: Timestamp,
}

impl Default for Options {
    fn default() -> Self {
        let recipients_max = Settings::default().recipients_max;
        Self { licence: Some("ExchangeOnlinePlan1".into()), add_domains: false, recipients_max, now: Timestamp::EPOCH }
    }
}

/// What the files came to, before the directory has judged it.
#[derive(Clone, Debug, Default)]
pub struct Import {
    /// The recipients, with references as addresses.
    pub document: Document,
    /// Rows that cannot go in.
    pub refused: Vec<Finding>,
    /// Parts of rows that were left out.
    pub notes: Vec<Finding>,
    /// Rows that say nothing here: inherited permissions, a mailbox's permission on itself, foreign security ids.
    pub skipped: usize,
    origins: Vec<Origin>,
    /// Recipients whose rows were refused already.
    withheld: HashSet<AddressKey>,
}

/// Reads files into one import. Permissions may come before the recipients they speak of.
pub fn read(sources: &[Source<'_>], snapshot: &Snapshot, options: &Options) -> Import {
    let mut import = Import::default();
    let mut tables = Vec::new();
    for source in sources {
        match table::read(source.bytes) {
            Ok((table, bad_rows)) => {
                import.take_table_findings(source.name, &table, bad_rows);
                match source.kind.or_else(|| detect(&table)) {
                    Some(kind) => tables.push((source.name, kind, table)),
                    None => import.refuse(source.name, 0, "", UNKNOWN_KIND),
                }
            }
            Err(error) => import.refuse(source.name, error.row, "", error.reason),
        }
    }
    let mut merge = merge::Merge::default();
    for (name, kind, table) in &tables {
        match kind {
            Kind::Recipients => merge.take_recipients(&mut import, name, table, options),
            Kind::AcceptedDomains => import.take_domains(name, table),
            Kind::RemoteDomains => import.take_remote_domains(name, table),
            Kind::AuthenticationPolicies => import.take_authentication_policies(name, table),
            Kind::AddressPolicies => import.take_address_policies(name, table),
            Kind::RecipientPermissions | Kind::MailboxPermissions | Kind::AutoReplies => {}
        }
    }
    let index = merge.index(snapshot);
    merge.resolve_references(&mut import, &index);
    for (name, kind, table) in &tables {
        match kind {
            Kind::RecipientPermissions | Kind::MailboxPermissions => {
                permissions::take(&mut import, &mut merge, &index, snapshot, name, table);
            }
            Kind::AutoReplies => replies::take(&mut import, &mut merge, &index, name, table),
            Kind::Recipients
            | Kind::AcceptedDomains
            | Kind::RemoteDomains
            | Kind::AuthenticationPolicies
            | Kind::AddressPolicies => {}
        }
    }
    merge.finish(&mut import, snapshot, options);
    if options.add_domains {
        import.add_domains();
    }
    import
}

const UNKNOWN_KIND: &str = "these columns are of none of Get-Recipient, Get-Mailbox, Get-CASMailbox, Get-User, \
     Get-RecipientPermission, Get-MailboxPermission, Get-MailboxAutoReplyConfiguration, Get-AcceptedDomain, \
     Get-RemoteDomain, Get-AuthenticationPolicy or Get-EmailAddressPolicy; export all columns";

/// What a table holds, by its columns.
fn detect(table: &Table) -> Option<Kind> {
    let has = |column: &str| table.has(column);
    if has("Trustee") && has("AccessRights") {
        return Some(Kind::RecipientPermissions);
    }
    if has("User") && has("AccessRights") {
        return Some(Kind::MailboxPermissions);
    }
    if has("DomainName") && has("DomainType") {
        return Some(Kind::AcceptedDomains);
    }
    if has("DomainName") && (has("AllowedOOFType") || has("AutoForwardEnabled")) {
        return Some(Kind::RemoteDomains);
    }
    if has("EnabledEmailAddressTemplates") || has("EnabledPrimarySMTPAddressTemplate") {
        return Some(Kind::AddressPolicies);
    }
    if has("AutoReplyState") {
        return Some(Kind::AutoReplies);
    }
    if has("AllowBasicAuthSmtp") {
        return Some(Kind::AuthenticationPolicies);
    }
    let of_users = has("UserPrincipalName") && has("WindowsEmailAddress");
    (of_users || has("PrimarySmtpAddress") || has("EmailAddresses")).then_some(Kind::Recipients)
}

impl Import {
    /// Judges the import against a directory.
    ///
    /// A recipient that is refused takes nothing else with it unless it must: it is taken out of the grants, owners,
    /// members and forwarding of others, with a note, and these are judged again.
    pub fn plan(mut self, snapshot: &Snapshot, hash: Hasher<'_>) -> Report {
        let is_new = |key: &AddressKey| snapshot.find_by_key(key).is_none();
        let withheld = core::mem::take(&mut self.withheld).into_iter().filter(is_new).collect();
        merge::drop_refused(&mut self, &withheld);
        let mut plan = self.document.plan(snapshot, hash);
        // Those that fell only because they refer to another may well stand once they no longer do.
        let fallen = plan.rejected.iter().filter(|rejected| !matches!(rejected.reason, Reason::RefusedReference(_)));
        let fallen = fallen.filter_map(|rejected| Address::parse(&rejected.address).ok()).map(|address| address.key());
        let refused: HashSet<AddressKey> = fallen.filter(is_new).collect();
        if !refused.is_empty() {
            merge::drop_refused(&mut self, &refused);
            plan = self.document.plan(snapshot, hash);
        }
        Report::new(self, plan)
    }

    fn refuse(&mut self, file: &str, row: u64, identity: &str, reason: impl AsRef<str>) {
        self.refused.push(Finding::new(file, row, identity, reason.as_ref()));
    }

    fn note(&mut self, file: &str, row: u64, identity: &str, reason: impl AsRef<str>) {
        self.notes.push(Finding::new(file, row, identity, reason.as_ref()));
    }

    fn take_table_findings(&mut self, file: &str, table: &Table, bad_rows: Vec<table::BadRow>) {
        for bad in bad_rows {
            self.refuse(file, bad.row, "", bad.reason);
        }
        for column in table.unexpanded() {
            let reason = format!(
                "column {column} holds the names of .NET types instead of values and is not read; export it with \
                 Select-Object …,@{{n='{column}';e={{$_.{column} -join ' '}}}}"
            );
            self.note(file, 0, "", reason);
        }
    }
}
