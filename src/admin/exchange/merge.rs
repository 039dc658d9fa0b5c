//! Brings the rows of several files together, one entry for each recipient.

use std::collections::{HashMap, HashSet};

use super::identity::{Holder, Index, Names};
use super::recipients::{self, Draft};
use super::references::Pending;
use super::table::Table;
use super::{Import, Options};
use crate::model::directory::document::RecipientEntry;
use crate::model::directory::{ChangeError, MailNickname, RecipientType, Snapshot};
use crate::model::mail::{Address, AddressKey};

/// Where an entry comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) file: Box<str>,
    pub(super) row: u64,
}

/// One recipient while its rows are gathered.
#[derive(Debug)]
struct Slot {
    draft: Draft,
    origin: Origin,
    /// A later step found that it cannot go in.
    refused: bool,
}

/// Every recipient of an import, by primary address.
#[derive(Debug, Default)]
pub(super) struct Merge {
    slots: Vec<Slot>,
    places: HashMap<AddressKey, usize>,
}

impl Merge {
    /// Takes the recipients of one file.
    pub(super) fn take_recipients(&mut self, import: &mut Import, file: &str, table: &Table, options: &Options) {
        for row in table.rows() {
            if recipients::is_no_recipient(&row) {
                import.skipped += 1;
                continue;
            }
            match recipients::draft(&row, options) {
                Ok(draft) => self.take(import, draft, Origin { file: file.into(), row: row.number() }),
                Err(reason) => {
                    let identity = row.first_text(&["PrimarySmtpAddress", "Identity", "Name", "DisplayName"]);
                    import.refuse(file, row.number(), identity.unwrap_or_default(), reason);
                }
            }
        }
    }

    fn take(&mut self, import: &mut Import, mut draft: Draft, origin: Origin) {
        for note in core::mem::take(&mut draft.notes) {
            import.note(&origin.file, origin.row, &draft.entry.address, note);
        }
        // Whoever has its address is another.
        if draft.is_user_deleted() {
            self.slots.push(Slot { draft, origin, refused: false });
            return;
        }
        let key = draft.primary.key();
        match self.places.get(&key).and_then(|place| self.slots.get_mut(*place)) {
            // One command lists an object once: these are two objects with one address.
            Some(slot) if slot.origin.file == origin.file => {
                let name = slot.draft.entry.name.clone();
                let holder = name.unwrap_or_else(|| slot.draft.primary.local().as_str().into());
                let error = ChangeError::ProxyAddressInUse { address: draft.primary.clone(), holder };
                import.refuse(&origin.file, origin.row, &draft.entry.address, error.to_string());
            }
            Some(slot) => slot.draft.overlay(draft),
            None => {
                self.places.insert(key, self.slots.len());
                self.slots.push(Slot { draft, origin, refused: false });
            }
        }
    }

    /// Everybody a row can mean: the directory's recipients, and the import's in place of those they update.
    pub(super) fn index(&self, snapshot: &Snapshot) -> Index {
        let mut index = Index::default();
        let known = snapshot.recipients().filter(|found| !found.is_user_deleted());
        for recipient in known.filter(|found| !self.places.contains_key(&found.primary().key())) {
            let names = Names {
                addresses: recipient.addresses.smtp().map(Address::key).collect(),
                login: recipient.account.as_ref().map(|account| account.login.key()),
                name: &recipient.name,
                alias: recipient
                    .mail_nickname
                    .as_deref()
                    .map(MailNickname::as_str)
                    .or_else(|| Some(recipient.primary().local().as_str())),
                display_name: recipient.display_name.as_deref(),
                identifiers: Vec::new(),
            };
            index.add(Holder::existing(recipient), names);
        }
        for slot in self.slots.iter().filter(|slot| !slot.draft.is_user_deleted()) {
            slot.draft.join(&mut index, snapshot);
        }
        index
    }

    /// Turns references into addresses.
    pub(super) fn resolve_references(&mut self, import: &mut Import, index: &Index) {
        for slot in &mut self.slots {
            let Origin { file, row } = &slot.origin;
            for pending in core::mem::take(&mut slot.draft.references) {
                let resolved = pending.resolve(index);
                let column = pending.field.column();
                for missing in &resolved.missing {
                    if pending.field.fails_open() {
                        let reason = format!("{column}: {missing}");
                        import.refuse(file, *row, &slot.draft.entry.address, reason);
                        slot.refused = true;
                    } else {
                        let reason = format!("{column} is imported without {missing}");
                        import.note(file, *row, &slot.draft.entry.address, reason);
                    }
                }
                if resolved.missing.is_empty() || !resolved.addresses.is_empty() {
                    pending.field.put(&mut slot.draft.entry, resolved.addresses);
                }
            }
        }
    }

    /// The entry of a recipient; one that only the directory knows gets an entry that changes nothing yet.
    pub(super) fn entry_of(&mut self, holder: &Holder, origin: Origin) -> &mut RecipientEntry {
        let next = self.slots.len();
        let place = *self.places.entry(holder.primary.key()).or_insert(next);
        if place == next {
            let entry = RecipientEntry { address: holder.primary.to_string().into(), ..RecipientEntry::default() };
            let primary = holder.primary.clone();
            let draft = Draft {
                entry,
                primary,
                alias: None,
                references: Vec::new(),
                identifiers: Vec::new(),
                notes: Vec::new(),
            };
            self.slots.push(Slot { draft, origin, refused: false });
        }
        // In range: slots never go away, and a new place was filled just now.
        &mut self.slots[place].draft.entry
    }

    /// Hands over what can go on to be judged by the directory.
    pub(super) fn finish(self, import: &mut Import, snapshot: &Snapshot, options: &Options) {
        for mut slot in self.slots {
            let is_new = snapshot.find_by_address(&slot.draft.primary).is_none();
            let entry = &mut slot.draft.entry;
            // No file spoke of a licence, and Exchange calls nobody without one a user mailbox.
            if is_new && entry.recipient_type == Some(RecipientType::UserMailbox) && entry.licences.is_none() {
                entry.licences = options.licence.clone().map(|label| vec![label]);
            }
            if slot.refused {
                import.withheld.insert(slot.draft.primary.key());
            } else {
                import.document.recipients.push(slot.draft.entry);
                import.origins.push(slot.origin);
            }
        }
    }
}

impl Draft {
    /// Makes the recipient known to those who refer to it.
    fn join(&self, index: &mut Index, snapshot: &Snapshot) {
        let entry = &self.entry;
        let existing = snapshot.find_by_address(&self.primary).map(|found| Holder::existing(found));
        let local = self.primary.local().as_str();
        let holder = Holder {
            primary: self.primary.clone(),
            name: entry.name.clone().unwrap_or_else(|| local.into()),
            recipient_type: entry.recipient_type.or_else(|| existing.as_ref()?.recipient_type),
            has_account: entry.recipient_type.is_some_and(RecipientType::may_have_account)
                || existing.as_ref().is_some_and(|existing| existing.has_account),
        };
        let aliases = entry.aliases.iter().flatten().filter_map(|text| Address::parse(text).ok());
        let names = Names {
            addresses: aliases.chain([self.primary.clone()]).map(|address| address.key()).collect(),
            login: entry.login.as_ref().and_then(|login| Address::parse(login).ok()).map(|login| login.key()),
            name: entry.name.as_deref().unwrap_or(local),
            alias: Some(self.alias.as_deref().unwrap_or(local)),
            display_name: entry.display_name.as_deref(),
            identifiers: self.identifiers.iter().map(|identifier| &**identifier).collect(),
        };
        index.add(holder, names);
    }

    /// Adds what another file says of the same recipient; where both speak, the later file is heard.
    fn overlay(&mut self, later: Self) {
        macro_rules! overlay {
            ($($field:ident),* $(,)?) => {
                $(if later.entry.$field.is_some() { self.entry.$field = later.entry.$field; })*
            };
        }
        overlay!(
            recipient_type,
            name,
            display_name,
            mail_nickname,
            external,
            login,
            licences,
            enabled,
            authentication_policy,
            hidden_from_address_lists,
            email_address_policy_enabled,
            forward_to_smtp,
            keep_copy,
            require_sender_authentication,
            moderation_enabled,
            bypass_nested_moderation,
            moderation_notifications,
            receive_bytes_max,
            send_bytes_max,
            recipient_filter,
            report_to_manager,
            report_to_originator,
            send_oof_message_to_originator,
            bcc_blocked,
            member_join_restriction,
            member_depart_restriction,
            hidden_group_membership,
            auto_subscribe_new_members,
            client_access,
            quota,
            limits,
            sent_items,
            custom_attributes,
            lifecycle,
            since,
        );
        match (&mut self.entry.provisioning, later.entry.provisioning) {
            (Some(own), Some(later)) => own.overlay(*later),
            (own, later) => *own = own.take().or(later),
        }
        // Get-Mailbox knows of the office only, Get-User of all.
        match (&mut self.entry.address_book, later.entry.address_book) {
            (Some(own), Some(later)) => own.extend(later),
            (own, later) => *own = own.take().or(later),
        }
        match (&mut self.entry.auto_reply, later.entry.auto_reply) {
            (Some(own), Some(later)) => own.overlay(*later),
            (own, later) => *own = own.take().or(later),
        }
        // A file that lists fewer addresses takes none away: old ones keep replies to old mail working.
        match (&mut self.entry.aliases, later.entry.aliases) {
            (Some(aliases), Some(later)) => {
                let known: HashSet<Box<str>> = aliases.iter().cloned().collect();
                aliases.extend(later.into_iter().filter(|alias| !known.contains(alias)));
            }
            (aliases, later) => *aliases = aliases.take().or(later),
        }
        self.alias = later.alias.or_else(|| self.alias.take());
        let known: HashSet<Box<str>> = self.identifiers.iter().cloned().collect();
        self.identifiers.extend(later.identifiers.into_iter().filter(|identifier| !known.contains(identifier)));
        let again = |pending: &Pending| later.references.iter().any(|later| later.field == pending.field);
        self.references.retain(|pending| !again(pending));
        self.references.extend(later.references);
    }
}

/// Takes recipients that are not coming out of what others grant them or send on to them.
pub(super) fn drop_refused(import: &mut Import, refused: &HashSet<AddressKey>) {
    let is_refused = |text: &str| Address::parse(text).is_ok_and(|address| refused.contains(&address.key()));
    let mut notes = Vec::new();
    for (entry, origin) in import.document.recipients.iter_mut().zip(&import.origins) {
        let mut dropped: Vec<Box<str>> = Vec::new();
        let lists = [
            &mut entry.send_as,
            &mut entry.send_on_behalf,
            &mut entry.full_access,
            &mut entry.deny_send_as,
            &mut entry.deny_send_on_behalf,
            &mut entry.deny_full_access,
            &mut entry.owners,
            &mut entry.moderated_by,
            &mut entry.bypass_moderation_from,
            &mut entry.members,
        ];
        for list in lists.into_iter().flatten() {
            let (gone, kept): (Vec<_>, Vec<_>) = core::mem::take(list).into_iter().partition(|text| is_refused(text));
            *list = kept;
            dropped.extend(gone);
        }
        if entry.forward_to.as_deref().is_some_and(is_refused) {
            dropped.extend(entry.forward_to.take());
        }
        notes.extend(dropped.into_iter().map(|gone| (entry.address.clone(), origin.clone(), gone)));
    }
    for (address, origin, gone) in notes {
        import.note(&origin.file, origin.row, &address, format!("imported without {gone}, which was refused"));
    }
}
