//! A long life in a small organisation: administrators, clocks that jump, purges that fail, and crashes.
//!
//! A seed decides everything. `FRANKING_SEED=7` takes one walk, `FRANKING_SEEDS=10000` or `FRANKING_SEEDS=5..60` many.
//! The driver here is a reconciler of the plainest kind: it takes what [`due`] says, writes the object into the list of
//! what is durable, then carries the effects out. A crash loses everything but that list and what is on the disk.
//!
//! **The laws**, kept by [`Books`](super::books::Books), which only watch: contents on hold are never deleted, what is
//! purged never comes back, nothing else is lost; nothing is purged for its time before somebody has seen that time
//! pass; an address belongs to one live object; what is kept is purged, restored or held when its time is over; every
//! trigger has an answer, and a refusal alters nothing; what is due leads on, to a rest within a few steps; a licensed
//! user has a mailbox or waits for one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use franking::model::directory::lifecycle::calendar::{Calendar, UNSEEN_MAX};
use franking::model::directory::lifecycle::life::{Periods, Said, Surroundings, due};
use franking::model::directory::lifecycle::machine::{State, Trigger};
use franking::model::directory::provisioning::{ExchangeGuid, Provisioning};
use franking::model::directory::{Licensing, Organisation, Recipient, RecipientId, RecipientType};
use franking::model::mail::{Address, Timestamp};
use franking::world::random::{Random as _, SeededRandom};

use super::books::Books;

/// Walks that are taken everywhere, and steps of each.
const SEEDS: u64 = 60;
const STEPS: u64 = 250;
/// An object is at rest after so many steps at one time.
const STEPS_AT_ONCE_MAX: u32 = 5;
const OBJECTS_MAX: usize = 24;

/// What survives a crash beside the disk.
#[derive(Clone, Debug)]
enum Durable {
    Object(Box<Recipient>),
    Organisation(Box<Organisation>),
}

pub(super) struct World {
    seed: u64,
    step: u64,
    dice: SeededRandom,
    pub(super) now: Timestamp,
    /// When somebody was there to see time pass. It is durable, as everything else that counts.
    calendar: Calendar,
    pub(super) licensing: Licensing,
    log: Vec<Durable>,
    pub(super) organisation: Organisation,
    pub(super) objects: BTreeMap<RecipientId, Recipient>,
    /// What is in the mailboxes, on the disk.
    pub(super) disk: BTreeMap<RecipientId, BTreeSet<u64>>,
    /// Copies that were asked for and are not finished, durable as well.
    pub(super) copies: Vec<(RecipientId, RecipientId)>,
    pub(super) books: Books,
    pub(super) purges_fail: bool,
    /// Transitions that were taken.
    taken: BTreeSet<&'static str>,
    journal: Vec<String>,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut world = Self {
            seed,
            step: 0,
            dice: SeededRandom::new(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x1F),
            now: Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap(),
            calendar: Calendar::default(),
            licensing: Licensing::Counts,
            log: Vec::new(),
            organisation: Organisation { name: "contoso.onmicrosoft.com".into(), ..Organisation::default() },
            objects: BTreeMap::new(),
            disk: BTreeMap::new(),
            copies: Vec::new(),
            books: Books::default(),
            purges_fail: false,
            taken: BTreeSet::new(),
            journal: Vec::new(),
        };
        world.calendar.start(world.now);
        world.set_organisation(world.organisation.clone());
        for kind in [
            RecipientType::UserMailbox,
            RecipientType::UserMailbox,
            RecipientType::UserMailbox,
            RecipientType::SharedMailbox,
            RecipientType::RoomMailbox,
            RecipientType::MailUser,
            RecipientType::GroupMailbox,
            RecipientType::MailContact,
        ] {
            let address = world.fresh_address();
            world.create(kind, address, false);
        }
        for kind in [RecipientType::UserMailbox, RecipientType::SharedMailbox, RecipientType::MailUser] {
            let address = world.fresh_address();
            world.create(kind, address, true);
        }
        world
    }

    pub(super) fn below(&self, bound: u64) -> u64 {
        self.dice.below(bound)
    }

    /// True once in `of` times.
    pub(super) fn chance(&self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub(super) fn pick<T: Clone>(&self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()].clone()
    }

    pub(super) fn any(&self) -> RecipientId {
        let ids: Vec<RecipientId> = self.objects.keys().copied().collect();
        self.pick(&ids)
    }

    pub(super) fn fresh_address(&self) -> Address {
        format!("user{}@contoso.example", self.objects.len() + 1).parse().unwrap()
    }

    pub(super) fn has_room(&self) -> bool {
        self.objects.len() < OBJECTS_MAX
    }

    pub(super) fn create(&mut self, kind: RecipientType, address: Address, synchronised: bool) {
        let id = RecipientId(self.objects.len() as u64 + 1);
        let mut recipient = Recipient::new(id, kind, format!("Object {id}"), address);
        if kind.is_external() {
            recipient.external_address = Some(Box::new("away@fabrikam.example".parse().unwrap()));
        }
        if let Some(account) = recipient.account.as_mut().filter(|_| kind == RecipientType::UserMailbox) {
            account.licences = vec!["ExchangeOnlinePlan1".into()].into();
        }
        if synchronised {
            let exchange_guid = self.chance(2).then(|| ExchangeGuid(u128::from(self.below(u64::MAX))));
            let provisioning = Provisioning { synchronised, exchange_guid, ..Provisioning::default() };
            recipient.provisioning = Some(Box::new(provisioning));
        }
        self.books.open(id, recipient.state(), kind.is_mailbox(), self.now);
        self.write(recipient);
    }

    pub(super) fn note(&mut self, line: String) {
        self.journal.push(format!("{:>4} {}  {line}", self.step, self.now));
    }

    pub(super) fn fail(&self, what: &str) -> ! {
        let from = self.journal.len().saturating_sub(60);
        panic!("seed {} step {}: {what}\n{}", self.seed, self.step, self.journal[from..].join("\n"));
    }

    pub(super) fn around<'a>(&self, organisation: &'a Organisation, calendar: &'a Calendar) -> Surroundings<'a> {
        let (licensing, periods, now) = (self.licensing, Periods::default(), self.now);
        Surroundings { organisation, licensing, periods, home: "mx1.contoso.example", now, calendar }
    }

    pub(super) fn calendar(&self) -> Calendar {
        self.calendar.clone()
    }

    /// Time passes while somebody is there.
    pub(super) fn pass(&mut self, length: Duration) {
        self.now = self.now.plus(length);
        self.calendar.look(self.now, length);
        self.books.seen += length;
    }

    /// The clock says something else all at once: it was set, or nobody was there.
    pub(super) fn jump(&mut self, now: Timestamp) {
        let ahead = now.since(self.now);
        self.now = now;
        if self.chance(2) {
            self.calendar.look(now, Duration::ZERO);
        } else {
            self.calendar.start(now);
        }
        self.books.unseen += ahead;
        self.books.pardoned += ahead.min(UNSEEN_MAX);
    }

    pub(super) fn set_organisation(&mut self, organisation: Organisation) {
        self.log.push(Durable::Organisation(Box::new(organisation.clone())));
        self.organisation = organisation;
    }

    /// Makes a change durable, and lets the books see it.
    pub(super) fn write(&mut self, recipient: Recipient) {
        let (id, state) = (recipient.id, recipient.state());
        let deleted = |recipient: &Recipient| recipient.provisioning.as_ref().and_then(|own| own.user_deleted);
        let newly = deleted(&recipient).is_some() && self.objects.get(&id).and_then(deleted).is_none();
        self.log.push(Durable::Object(Box::new(recipient.clone())));
        let contents = self.disk.get(&id).cloned().unwrap_or_default();
        let seen = self.books.see(id, state, recipient.recipient_type.is_mailbox(), &contents, self.now);
        if newly {
            self.books.user_deleted(id, self.now);
        }
        self.objects.insert(id, recipient);
        if let Err(wrong) = seen {
            self.fail(&format!("object {id}: {wrong}"));
        }
    }

    /// Everything but the disk and the list of changes is lost.
    pub(super) fn crash(&mut self) {
        self.note("crash".to_owned());
        self.objects.clear();
        for durable in &self.log {
            match durable {
                Durable::Object(recipient) => {
                    self.objects.insert(recipient.id, Recipient::clone(recipient));
                }
                Durable::Organisation(organisation) => self.organisation = Organisation::clone(organisation),
            }
        }
    }

    /// Takes a step because somebody said so.
    pub(super) fn take(&mut self, id: RecipientId, trigger: Trigger, said: Said) -> bool {
        let (organisation, calendar) = (self.organisation.clone(), self.calendar());
        match self.objects[&id].advance(trigger, self.around(&organisation, &calendar), said) {
            Ok(advanced) => {
                let step = advanced.step;
                self.taken.insert(step.id);
                self.note(format!("object {id}: {trigger:?}, {} to {:?}", step.id, step.to));
                self.write(advanced.recipient);
                true
            }
            Err(error) => {
                self.note(format!("object {id}: {trigger:?} refused, {error}"));
                false
            }
        }
    }

    /// Does what is due. False when it was interrupted.
    fn reconcile(&mut self) -> bool {
        let ids: Vec<RecipientId> = self.objects.keys().copied().collect();
        for id in ids {
            if !self.reconcile_one(id) {
                return false;
            }
        }
        while let Some((source, target)) = self.copies.pop() {
            self.carry_over(source, target);
        }
        true
    }

    fn reconcile_one(&mut self, id: RecipientId) -> bool {
        for taken in 0.. {
            let (organisation, object) = (self.organisation.clone(), self.objects[&id].clone());
            let calendar = self.calendar();
            let around = self.around(&organisation, &calendar);
            let Some((_, trigger)) = due(&object, around).filter(|(at, _)| *at <= self.now) else { return true };
            if taken == STEPS_AT_ONCE_MAX {
                self.fail(&format!("object {id} comes to no rest: {trigger:?} is due again"));
            }
            if trigger == Trigger::ContentsGone && !self.empty(id) {
                return !self.interrupted(4);
            }
            if self.interrupted(60) {
                return false;
            }
            if let Err(wrong) = self.books.may_be_over(id, trigger) {
                self.fail(&format!("object {id}: {wrong}"));
            }
            let said = Said { cleanup_fails: self.chance(4), ..Said::default() };
            match object.advance(trigger, around, said) {
                Err(error) => self.fail(&format!("object {id}: {trigger:?} is due and refused: {error}")),
                Ok(advanced) if advanced.recipient == object => {
                    self.fail(&format!("object {id}: {trigger:?} is due and alters nothing"));
                }
                Ok(advanced) => {
                    self.taken.insert(advanced.step.id);
                    self.note(format!(
                        "object {id}: {trigger:?} was due, {} to {:?}",
                        advanced.step.id, advanced.step.to
                    ));
                    self.write(advanced.recipient);
                }
            }
            if self.interrupted(60) {
                return false;
            }
        }
        true
    }

    fn interrupted(&mut self, of: u64) -> bool {
        let interrupted = self.chance(of);
        if interrupted {
            self.crash();
        }
        interrupted
    }

    /// Deletes what is in a mailbox, message by message. False when it fails on the way.
    fn empty(&mut self, id: RecipientId) -> bool {
        if self.objects[&id].state() != State::Purging {
            self.fail(&format!("object {id} is emptied and not being purged"));
        }
        let fails = self.purges_fail && self.chance(2);
        let contents = self.disk.entry(id).or_default();
        if fails {
            let half: Vec<u64> = contents.iter().copied().step_by(2).collect();
            contents.retain(|message| !half.contains(message));
            return false;
        }
        contents.clear();
        self.books.entry(id).mail.clear();
        true
    }

    /// A copy is repeated after a crash; what is there already is not copied again.
    fn carry_over(&mut self, source: RecipientId, target: RecipientId) {
        let kept = matches!(self.objects[&source].state(), State::SoftDeleted | State::Inactive);
        let open = self.objects[&target].state() == State::Active;
        if !(kept && open) {
            return;
        }
        let contents = self.disk.get(&source).cloned().unwrap_or_default();
        let entry = self.books.entry(target);
        entry.mail.extend(&contents);
        let half = contents.len() / 2;
        self.disk.entry(target).or_default().extend(contents.iter().take(half));
        self.disk.entry(target).or_default().extend(&contents);
    }

    /// The laws that hold at every moment.
    fn judge(&self) {
        let mut holders = BTreeMap::new();
        for (id, object) in &self.objects {
            let contents = self.disk.get(id).cloned().unwrap_or_default();
            if let Err(wrong) = self.books.balance(*id, &contents) {
                self.fail(&format!("object {id}: {wrong}"));
            }
            let deleted = object.provisioning.as_ref().is_some_and(|own| own.user_deleted.is_some());
            let other = if deleted { None } else { holders.insert(object.primary().key(), id) };
            if let Some(other) = other {
                self.fail(&format!("objects {id} and {other} both have {}", object.primary()));
            }
            if deleted && matches!(object.state(), State::Active | State::ActiveWithError | State::Disconnected) {
                self.fail(&format!("object {id} is {:?} and its user deleted", object.state()));
            }
        }
    }

    /// The laws that hold when everything that is due was done.
    fn judge_at_rest(&self) {
        for (id, object) in &self.objects {
            if let Some(late) = self.books.overdue(*id, self.now) {
                self.fail(&format!("object {id}: {late}"));
            }
            let own = object.provisioning.as_deref().cloned().unwrap_or_default();
            let user = object.recipient_type == RecipientType::UserMailbox && self.licensing == Licensing::Counts;
            let has = matches!(object.state(), State::Active | State::AwaitingMigration | State::Purging);
            if user && object.has_licences() && own.user_deleted.is_none() && !has {
                self.fail(&format!("object {id} is licensed and {:?}", object.state()));
            }
            let open = object.has_open_mailbox(self.licensing) || own.synchronised;
            if object.state() == State::ActiveWithError && !open || user && object.state() == State::Active && !open {
                self.fail(&format!("object {id} is {:?} and cannot be opened", object.state()));
            }
        }
    }

    /// Every trigger has an answer, and asking alters nothing.
    fn ask_everything(&self) {
        let (organisation, calendar) = (self.organisation.clone(), self.calendar());
        let bits = self.below(32);
        let bit = |position: u64| bits & (1 << position) != 0;
        let said = Said {
            beyond_unlicensed: bit(0),
            conflicts: bit(1),
            cleanup_fails: bit(2),
            legacy_dn_differs: bit(3),
            becomes: bit(4).then(|| self.pick(&RecipientType::ALL)),
        };
        for object in self.objects.values() {
            for trigger in Trigger::ALL {
                if let Ok(advanced) = object.advance(trigger, self.around(&organisation, &calendar), said) {
                    let reached = advanced.recipient.state();
                    if reached != advanced.step.to {
                        self.fail(&format!("{trigger:?} leads to {:?} and gives {reached:?}", advanced.step.to));
                    }
                }
            }
        }
    }

    fn walk(mut self, steps: u64) -> BTreeSet<&'static str> {
        for step in 0..steps {
            self.step = step;
            self.act();
            self.judge();
            // Sometimes several commands come before anybody looks.
            if self.chance(4) {
                continue;
            }
            while !self.reconcile() {}
            self.judge();
            self.judge_at_rest();
            if self.chance(10) {
                self.ask_everything();
            }
        }
        // Whatever happened, everything comes to an end.
        self.purges_fail = false;
        for _ in 0..3 {
            self.pass(super::books::days(31));
            while !self.reconcile() {}
            self.judge();
            self.judge_at_rest();
        }
        for (id, object) in &self.objects {
            if matches!(object.state(), State::Purging) {
                self.fail(&format!("object {id} is still being purged"));
            }
        }
        self.taken
    }
}

fn seeds() -> Range<u64> {
    let text = |name| std::env::var_os(name).map(|text| text.into_string().unwrap());
    if let Some(seed) = text("FRANKING_SEED") {
        let seed: u64 = seed.parse().unwrap();
        return seed..seed + 1;
    }
    let Some(text) = text("FRANKING_SEEDS") else { return 0..SEEDS };
    let (first, end) = text.split_once("..").unwrap_or(("0", &text));
    first.parse().unwrap()..end.parse().unwrap()
}

#[test]
fn whatever_administrators_clocks_and_crashes_do_no_mailbox_is_lost_or_kept_for_ever() {
    let (mut taken, mut walks) = (BTreeSet::new(), 0);
    for seed in seeds() {
        taken.extend(World::new(seed).walk(STEPS));
        walks += 1;
    }
    // T15 is told by the administrator, who renames the object first.
    let all = (1..=25).filter(|number| *number != 15).map(|number| format!("T{number}"));
    let never: Vec<String> = all.filter(|id| !taken.contains(id.as_str())).collect();
    assert!(walks < SEEDS || never.is_empty(), "no walk came by {never:?}");
}
