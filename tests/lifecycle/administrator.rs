//! What administrators, the other system and the clock do in a walk.

use std::time::Duration;

use franking::model::directory::lifecycle::hold::{AfterLast, Hold, HoldKind, OrganisationRetention, Origin};
use franking::model::directory::lifecycle::life::Said;
use franking::model::directory::lifecycle::machine::{State, Trigger};
use franking::model::directory::provisioning::ExchangeGuid;
use franking::model::directory::{Licensing, Recipient, RecipientId, RecipientType};
use franking::model::mail::{Address, Timestamp};

use super::books::{self, days};
use super::walk::World;

const TYPES: [RecipientType; 4] = [
    RecipientType::UserMailbox,
    RecipientType::SharedMailbox,
    RecipientType::RoomMailbox,
    RecipientType::EquipmentMailbox,
];

impl World {
    pub(super) fn act(&mut self) {
        let id = self.any();
        match self.below(40) {
            0..=2 => self.licence(id, true),
            3..=5 => self.licence(id, false),
            6..=11 => self.command(id),
            12 => self.remove_mailbox(id),
            13 => self.delete_user(id),
            14 | 15 => self.restore_user(id),
            16 => self.recover(id),
            17 => self.copy(id),
            18 => self.convert(id),
            19..=21 => self.place(id),
            22 | 23 => self.lift(id),
            24 => self.policy(),
            25 => self.exclude(id),
            26 => self.synchronise(id),
            27 => self.settings(),
            28 => self.newcomer(),
            29 => self.crash(),
            30..=33 => self.deliver(id),
            _ => self.let_time_pass(),
        }
    }

    fn said(&self, id: RecipientId) -> Said {
        Said {
            beyond_unlicensed: self.chance(8),
            conflicts: self.is_taken(id, self.objects[&id].primary()),
            cleanup_fails: self.chance(4),
            legacy_dn_differs: self.chance(3),
            becomes: None,
        }
    }

    /// Whether a live object other than this has the address.
    fn is_taken(&self, id: RecipientId, address: &Address) -> bool {
        self.objects
            .values()
            .any(|other| other.id != id && other.primary().key() == address.key() && !user_is_deleted(other))
    }

    fn edit(&mut self, id: RecipientId, edit: impl FnOnce(&mut Recipient)) {
        let mut recipient = self.objects[&id].clone();
        edit(&mut recipient);
        if recipient.provisioning.as_deref().is_some_and(|own| own.is_empty()) {
            recipient.provisioning = None;
        }
        self.write(recipient);
    }

    fn licence(&mut self, id: RecipientId, assign: bool) {
        if user_is_deleted(&self.objects[&id]) || self.objects[&id].account.is_none() {
            return;
        }
        self.note(format!("object {id}: licence {}", if assign { "assigned" } else { "taken" }));
        self.edit(id, |recipient| {
            let account = recipient.account.as_mut().unwrap();
            account.licences = if assign { vec!["ExchangeOnlinePlan1".into()].into() } else { Vec::new().into() };
        });
    }

    /// A cmdlet that needs nothing else.
    fn command(&mut self, id: RecipientId) {
        let trigger = self.pick(&[
            Trigger::Disable,
            Trigger::Disable,
            Trigger::DisablePermanently,
            Trigger::Enable,
            Trigger::Enable,
            Trigger::RemovePermanently,
            Trigger::ClearPreviousInfo,
            Trigger::DelicensingDue,
            Trigger::SameGuidLicensed,
            Trigger::MigrationCompleted,
            Trigger::HoldsEnded,
            Trigger::PeriodOver,
        ]);
        // Nobody but the reconciler says that a period is over; it is asked of what is not due to see it refused.
        if trigger == Trigger::PeriodOver {
            return;
        }
        let said = self.said(id);
        self.take(id, trigger, said);
    }

    fn remove_mailbox(&mut self, id: RecipientId) {
        let said = self.said(id);
        self.take(id, Trigger::Remove, said);
    }

    fn delete_user(&mut self, id: RecipientId) {
        let has_mailbox =
            matches!(self.objects[&id].state(), State::Active | State::ActiveWithError | State::Disconnected);
        let said = self.said(id);
        if has_mailbox && !self.take(id, Trigger::Remove, said) {
            return;
        }
        if self.objects[&id].state() == State::AwaitingMigration {
            self.take(id, Trigger::Remove, said);
        }
        let now = self.now;
        self.note(format!("object {id}: user deleted"));
        self.edit(id, |recipient| {
            let own = recipient.provisioning.get_or_insert_default();
            own.user_deleted = own.user_deleted.or(Some(now));
        });
    }

    fn restore_user(&mut self, id: RecipientId) {
        let said = self.said(id);
        let deleted = matches!(self.objects[&id].state(), State::SoftDeleted | State::Inactive);
        if deleted {
            self.take(id, Trigger::Undo, said);
        } else if user_is_deleted(&self.objects[&id]) && !said.conflicts {
            self.note(format!("object {id}: user restored"));
            self.edit(id, |recipient| recipient.provisioning.as_mut().unwrap().user_deleted = None);
        }
    }

    fn recover(&mut self, id: RecipientId) {
        if self.objects[&id].state() != State::Inactive {
            return;
        }
        let former = self.objects[&id].clone();
        let address: Address = format!("recovered{}x{}@contoso.example", id, self.below(1 << 40)).parse().unwrap();
        let (organisation, calendar) = (self.organisation.clone(), self.calendar());
        let mut renamed = former;
        renamed.addresses = franking::model::directory::ProxyAddresses::new(address);
        let Ok(advanced) = renamed.advance(Trigger::Recover, self.around(&organisation, &calendar), Said::default())
        else {
            return;
        };
        self.note(format!("object {id}: recovered as {}", advanced.recipient.primary()));
        let now = self.now;
        let unseen = self.books.unseen;
        let entry = self.books.entry(id);
        entry.holds.retain(|hold| !matches!(hold.kind, HoldKind::LitigationHold | HoldKind::RecoveryHold));
        entry.holds.push(books::Said {
            kind: HoldKind::RecoveryHold,
            name: String::new(),
            since: now,
            unseen,
            days: None,
        });
        self.write(advanced.recipient);
    }

    fn copy(&mut self, id: RecipientId) {
        let target = self.any();
        let said = self.said(id);
        if target != id && self.take(id, Trigger::CopyContents, said) {
            self.copies.push((id, target));
        }
    }

    fn convert(&mut self, id: RecipientId) {
        let becomes = Some(self.pick(&TYPES));
        let said = Said { becomes, ..self.said(id) };
        self.take(id, Trigger::Convert, said);
    }

    fn place(&mut self, id: RecipientId) {
        let kind = self.pick(&[HoldKind::LitigationHold, HoldKind::EDiscoveryHold, HoldKind::RetentionPolicy]);
        let name = if kind.is_named() { format!("mbx{}", self.below(2)) } else { String::new() };
        let number = self.pick(&[None, Some(1), Some(40), Some(400), Some(u32::MAX)]);
        let hold = Hold { kind, name: name.as_str().into(), since: self.now, days: number };
        let mut recipient = self.objects[&id].clone();
        let holds = &mut recipient.provisioning.get_or_insert_default().holds;
        if holds.place(hold, Origin::Command).is_err() {
            return;
        }
        self.note(format!("object {id}: {kind} {name} for {number:?} days"));
        let now = self.now;
        let unseen = self.books.unseen;
        self.books.entry(id).holds.push(books::Said { kind, name, since: now, unseen, days: number });
        self.write(recipient);
    }

    fn lift(&mut self, id: RecipientId) {
        let held = self.books.entry(id).holds.clone();
        if held.is_empty() {
            return;
        }
        let hold = self.pick(&held);
        let after = self.pick(&[AfterLast::DelayHold, AfterLast::Nothing]);
        let now = self.now;
        let mut recipient = self.objects[&id].clone();
        let holds = &mut recipient.provisioning.get_or_insert_default().holds;
        if let Err(error) = holds.lift(hold.kind, &hold.name, after, now) {
            self.fail(&format!("object {id}: {hold:?} was placed: {error}"));
        }
        self.note(format!("object {id}: {} {} lifted, then {after:?}", hold.kind, hold.name));
        self.books.entry(id).holds.retain(|other| (other.kind, &other.name) != (hold.kind, &hold.name));
        let others = self.books.entry(id).holds.iter().any(|other| !other.kind.is_consequence());
        if !hold.kind.is_consequence() && !others && after == AfterLast::DelayHold {
            let unseen = self.books.unseen;
            let holds = &mut self.books.entry(id).holds;
            holds.retain(|other| other.kind != HoldKind::DelayHold);
            holds.push(books::Said { kind: HoldKind::DelayHold, name: String::new(), since: now, unseen, days: None });
        }
        if recipient.provisioning.as_deref().is_some_and(|own| own.is_empty()) {
            recipient.provisioning = None;
        }
        self.write(recipient);
    }

    /// A retention policy for everybody comes or goes; none stays for long, or nothing would ever be purged.
    fn policy(&mut self) {
        let mut organisation = self.organisation.clone();
        if organisation.retention_policies.is_empty() {
            let number = self.pick(&[None, Some(3), Some(60)]);
            organisation.retention_policies = vec![OrganisationRetention { name: "Everybody".into(), days: number }];
            self.books.policies = vec![("Everybody".to_owned(), number)];
        } else {
            organisation.retention_policies.clear();
            self.books.policies.clear();
        }
        self.note(format!("policies {:?}", self.books.policies));
        self.set_organisation(organisation);
    }

    fn exclude(&mut self, id: RecipientId) {
        let mut recipient = self.objects[&id].clone();
        let holds = &mut recipient.provisioning.get_or_insert_default().holds;
        let done = if self.chance(2) {
            let done = holds.exclude("Everybody", &self.organisation.retention_policies).is_ok();
            if done {
                self.books.entry(id).excluded.insert("Everybody".to_owned());
            }
            done
        } else {
            let done = holds.include("Everybody").is_ok();
            assert_eq!(done, self.books.entry(id).excluded.remove("Everybody"));
            done
        };
        if done {
            let excluded = format!("{:?}", self.books.entry(id).excluded);
            self.note(format!("object {id}: excluded from {excluded}"));
            self.write(recipient);
        }
    }

    /// The other system takes an object over, lets it go, or gives it a GUID.
    fn synchronise(&mut self, id: RecipientId) {
        let (synchronised, guid) = (self.chance(2), ExchangeGuid(u128::from(self.below(u64::MAX))));
        let exchange_guid = self.chance(2).then_some(guid);
        self.note(format!("object {id}: synchronised {synchronised}, with GUID {}", exchange_guid.is_some()));
        self.edit(id, |recipient| {
            let own = recipient.provisioning.get_or_insert_default();
            (own.synchronised, own.exchange_guid) = (synchronised, exchange_guid);
            own.has_shards = synchronised && exchange_guid.is_some();
        });
    }

    fn settings(&mut self) {
        match self.below(6) {
            0 => self.purges_fail = !self.purges_fail,
            1 => {
                // On premises licences do not count; what was frozen for one stays as it is.
                let counts = self.licensing == Licensing::Counts;
                self.licensing = if counts { Licensing::Ignored } else { Licensing::Counts };
            }
            _ => {
                let mut organisation = self.organisation.clone();
                organisation.delayed_delicensing_enabled = !organisation.delayed_delicensing_enabled;
                self.set_organisation(organisation);
            }
        }
        let (delayed, licensing) = (self.organisation.delayed_delicensing_enabled, self.licensing);
        self.note(format!("delayed {delayed}, licensing {licensing:?}, purges fail {}", self.purges_fail));
    }

    /// Somebody new, most of the time with an address that is free because its user is deleted.
    fn newcomer(&mut self) {
        if !self.has_room() {
            return;
        }
        let free: Vec<Address> = self
            .objects
            .values()
            .filter(|object| user_is_deleted(object) && !self.is_taken(object.id, object.primary()))
            .map(|object| object.primary().clone())
            .collect();
        let address = if free.is_empty() { self.fresh_address() } else { self.pick(&free) };
        let kind = self.pick(&[RecipientType::UserMailbox, RecipientType::SharedMailbox]);
        self.note(format!("a new {kind}: {address}"));
        self.create(kind, address, false);
    }

    fn deliver(&mut self, id: RecipientId) {
        if self.objects[&id].has_open_mailbox(self.licensing) {
            let message = self.below(u64::MAX);
            self.books.entry(id).mail.insert(message);
            self.disk.entry(id).or_default().insert(message);
        }
    }

    fn let_time_pass(&mut self) {
        let millisecond = self.now.unix_milliseconds();
        let day = 24 * 3600 * 1000;
        let moved = |by: u64, ahead: bool| {
            let moved = if ahead { millisecond.saturating_add(by) } else { millisecond.saturating_sub(by) };
            Timestamp::from_unix_milliseconds(moved)
        };
        match self.below(60) {
            0 => self.jump(Timestamp::from_unix_milliseconds(u64::MAX)),
            1 => self.jump(Timestamp::EPOCH),
            2..=4 => self.jump(self.now.plus(days(u32::try_from(self.below(4_000)).unwrap()))),
            5..=14 => self.jump(moved(self.below(40 * day), false)),
            15..=24 => self.jump(moved(self.below(40 * day), true)),
            25..=40 => self.pass(Duration::from_millis(self.below(40 * day))),
            _ => self.pass(days(1)),
        }
        self.note("time passes".to_owned());
    }
}

fn user_is_deleted(recipient: &Recipient) -> bool {
    recipient.provisioning.as_ref().is_some_and(|own| own.user_deleted.is_some())
}
