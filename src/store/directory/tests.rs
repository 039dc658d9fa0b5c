//! What the directory promises over restarts, with a simulated disk and an engine that survives them or not.

mod loading;

use std::path::Path;
use std::sync::Arc;

use super::{DirectoryError, DirectoryStore, IndexState, OpenError, log_options};
use crate::model::directory::membership::{MEMBERS_MAX, OWNERS_MAX, REQUESTS_MAX};
use crate::model::directory::{
    AcceptedDomain, AddressPolicy, AllowedOofType, AutoForwardingMode, Change, ChangeError, DomainType, Limit,
    Priority, Recipient, RecipientId, RecipientType, RemoteDomain, Snapshot,
};
use crate::model::mail::{Address, Timestamp};
use crate::store::engine::{Batch, CommitTicket, Engine, EngineError, Hear, KeyRange, MemoryEngine, Tree};
use crate::store::journal::Journal;
use crate::world::clock::ManualClock;
use crate::world::disk::{Disk, SimulatedDisk};

/// An engine that several openings share, as a directory on disk would be.
#[derive(Clone, Debug)]
struct Kept(Arc<MemoryEngine>);

impl Engine for Kept {
    fn read(&self, tree: Tree, key: &[u8]) -> Result<Option<Vec<u8>>, EngineError> {
        self.0.read(tree, key)
    }
    fn walk(&self, tree: Tree, range: KeyRange<'_>, hear: Hear<'_>) -> Result<(), EngineError> {
        self.0.walk(tree, range, hear)
    }
    fn commit(&self, batch: Batch) -> CommitTicket {
        self.0.commit(batch)
    }
}

fn kept() -> Kept {
    Kept(Arc::new(MemoryEngine::new()))
}

fn open(disk: &SimulatedDisk, engine: &Kept) -> (DirectoryStore, IndexState) {
    try_open(disk, engine).unwrap()
}

fn try_open(disk: &SimulatedDisk, engine: &Kept) -> Result<(DirectoryStore, IndexState), OpenError> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
    let engine = engine.clone();
    DirectoryStore::open(disk, Path::new("/directory"), &move |_| Ok(Box::new(engine.clone())), clock, 7)
}

fn domain() -> Change {
    Change::PutDomain(AcceptedDomain::new("contoso.example".parse().unwrap(), DomainType::Authoritative).as_default())
}

fn mailbox(id: RecipientId, name: &str) -> Change {
    let address = Address::parse(&format!("{name}@contoso.example")).unwrap();
    Change::PutRecipient(Box::new(Recipient::new(id, RecipientType::SharedMailbox, name, address)))
}

fn add(store: &DirectoryStore, name: &str) -> Result<Arc<Snapshot>, DirectoryError> {
    store.change("test", &mut |snapshot| Ok(vec![domain(), mailbox(snapshot.next_id(), name)]))
}

#[test]
fn a_log_from_before_there_were_limits_is_read() {
    use super::log::{Entry as LogEntry, Replay};
    // As it was written then: no limits, a quota in plain numbers, and a switch in the place of a mode.
    let record = r#"{"version":1,"at":1767603600000,"actor":"root","changes":[
        {"put_organisation":{"name":"Contoso","auto_forwarding_enabled":true}},
        {"put_domain":{"domain":"contoso.example","domain_type":"Authoritative","match_subdomains":false,"default":true}},
        {"put_recipient":{"id":1,"type":"SharedMailbox","name":"info","addresses":RECORDED,
         "quota":{"prohibit_send":53150220288}}}]}"#;
    let now =
        Recipient::new(RecipientId(1), RecipientType::SharedMailbox, "info", "info@contoso.example".parse().unwrap());
    let addresses = serde_json::to_string(&now.addresses).unwrap();
    let record = record.replace("RECORDED", &addresses);
    let mut replay = Replay::from(Snapshot::default());
    replay.take(record.as_bytes(), 1);
    let (snapshot, applied) = replay.finish().unwrap();
    assert_eq!(applied, 1);
    let info = snapshot.recipient(RecipientId(1)).unwrap();
    assert!(info.limits.is_none() && info.auto_reply.is_none());
    assert_eq!(info.quota.as_deref().unwrap().prohibit_send, Some(Limit::Bytes(53_150_220_288)));
    assert_eq!(snapshot.organisation().auto_forwarding_mode, AutoForwardingMode::On);
    // What was read is written with the same meaning.
    let changes = vec![Change::PutRecipient(Box::new(Recipient::clone(info)))];
    let entry = LogEntry { version: 2, at: Timestamp::EPOCH, actor: "test".to_owned(), changes };
    assert_eq!(LogEntry::decode(&entry.encode().unwrap(), 2).unwrap(), entry);
}

/// Writes lists of changes as they would stand in the log of a version that had other rules.
fn record(disk: &SimulatedDisk, lists: Vec<Vec<Change>>) {
    use super::log::{Entry as LogEntry, KIND};
    let place = Path::new("/directory/log");
    let (log, _) = Journal::open(Arc::new(disk.clone()), place, log_options(7), |_, _| {}).unwrap();
    for (version, changes) in (1..).zip(lists) {
        let entry = LogEntry { version, at: Timestamp::EPOCH, actor: "test".to_owned(), changes };
        log.append_blocking(KIND, entry.encode().unwrap()).unwrap().wait().unwrap();
    }
}

#[test]
fn a_group_of_more_members_than_one_may_have_opens_after_a_restart_and_may_shrink() {
    let (disk, engine) = (SimulatedDisk::new(10), kept());
    let count = MEMBERS_MAX as u64 + 1;
    let (staff, members) = (RecipientId(count + 1), (1..=count).map(RecipientId));
    let address = |name: &str| Address::parse(&format!("{name}@contoso.example")).unwrap();
    let kind = RecipientType::MailUniversalDistributionGroup;
    let mut group = Recipient::new(staff, kind, "staff", address("staff"));
    // Some of them as they were when it was made, the others added; more owners than today, and more who wait.
    let half = group.group.get_or_insert_default();
    half.add_members(&members.clone().take(MEMBERS_MAX - 5).collect::<Vec<_>>());
    half.managed_by = (1..=OWNERS_MAX as u64 + 1).map(RecipientId).collect();
    half.membership.requests = (1..=REQUESTS_MAX as u64 + 1).map(RecipientId).collect();
    let people: Vec<RecipientId> = members.collect();
    let put = |id: &RecipientId| {
        let name = format!("u{}", id.0);
        let mut contact = Recipient::new(*id, RecipientType::MailContact, name.as_str(), address(&name));
        contact.set_external(Some(address(&name)));
        Change::PutRecipient(Box::new(contact))
    };
    let mut lists = vec![vec![domain()]];
    lists.extend(people.chunks(10_000).map(|some| some.iter().map(put).collect()));
    lists.push(vec![Change::PutRecipient(Box::new(group))]);
    lists.push(vec![Change::AddMembers { group: staff, members: people[MEMBERS_MAX - 5..].to_vec() }]);
    lists.push(vec![Change::RemoveMembers { group: staff, members: vec![RecipientId(2)] }]);
    lists.push(vec![Change::AddMembers { group: staff, members: vec![RecipientId(2)] }]);
    record(&disk, lists);

    let size = |store: &DirectoryStore| {
        let snapshot = store.snapshot();
        snapshot.recipient(staff).unwrap().group.as_deref().unwrap().members().len()
    };
    let (store, state) = open(&disk, &engine);
    assert_eq!((size(&store), state), (MEMBERS_MAX + 1, IndexState::Rebuilt { set_aside: None }));
    let change = |change: Change| store.change("test", &mut |_| Ok(vec![change.clone()])).map(drop);
    let joins = |member| Change::AddMembers { group: staff, members: vec![member] };
    let refused = change(joins(staff));
    assert!(matches!(refused, Err(DirectoryError::Refused(ChangeError::TooManyMembers { .. }))), "{refused:?}");
    change(Change::RemoveMembers { group: staff, members: vec![RecipientId(1)] }).unwrap();
    drop(store);
    let (store, state) = open(&disk, &engine);
    assert_eq!((size(&store), state), (MEMBERS_MAX, IndexState::Current { behind: 0 }));
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    let mut names: Vec<String> = snapshot.recipients().map(|recipient| recipient.name.to_string()).collect();
    names.sort_unstable();
    names
}

#[test]
fn changes_survive_with_the_index_and_without_it() {
    let (disk, engine) = (SimulatedDisk::new(1), kept());
    let (store, state) = open(&disk, &engine);
    assert_eq!(state, IndexState::Current { behind: 0 });
    add(&store, "info").unwrap();
    add(&store, "sales").unwrap();
    let before = store.snapshot();
    drop(store);
    let (store, state) = open(&disk, &engine);
    assert_eq!(state, IndexState::Current { behind: 0 });
    assert_eq!(names(&store.snapshot()), ["info", "sales"]);
    assert_eq!(store.snapshot().version(), before.version());
    drop(store);
    // The index is gone: the log alone gives the same directory.
    let empty = kept();
    let (store, state) = open(&disk, &empty);
    assert_eq!(state, IndexState::Rebuilt { set_aside: None });
    assert_eq!(names(&store.snapshot()), ["info", "sales"]);
    assert!(store.snapshot().accepted_domain(&"contoso.example".parse().unwrap()).is_some());
    drop(store);
    let (_, state) = open(&disk, &empty);
    assert_eq!(state, IndexState::Current { behind: 0 });
}

#[test]
fn remote_domains_survive_with_the_index_and_without_it() {
    let (disk, engine) = (SimulatedDisk::new(11), kept());
    let (store, _) = open(&disk, &engine);
    let patterns = ["fabrikam.example", "*.fabrikam.example", "*"];
    for pattern in patterns {
        let mut remote = RemoteDomain::new(pattern.parse().unwrap());
        remote.allowed_oof_type = AllowedOofType::None;
        store.change("test", &mut |_| Ok(vec![Change::PutRemoteDomain(remote.clone())])).unwrap();
    }
    let gone = || Change::RemoveRemoteDomain("*.fabrikam.example".parse().unwrap());
    store.change("test", &mut |_| Ok(vec![gone()])).unwrap();
    assert!(store.change("test", &mut |_| Ok(vec![gone()])).is_err());
    let before: Vec<RemoteDomain> = store.snapshot().remote_domains().cloned().collect();
    assert_eq!(before.len(), 2);
    drop(store);
    for engine in [engine, kept()] {
        let (store, _) = open(&disk, &engine);
        assert_eq!(store.snapshot().remote_domains().cloned().collect::<Vec<_>>(), before);
    }
}

#[test]
fn a_log_that_lost_changes_is_an_error_as_long_as_the_index_knows_better() {
    let (disk, engine) = (SimulatedDisk::new(6), kept());
    let (store, _) = open(&disk, &engine);
    add(&store, "info").unwrap();
    drop(store);
    for name in disk.list(Path::new("/directory/log")).unwrap() {
        let path = Path::new("/directory/log").join(&name);
        if name.to_string_lossy().ends_with(".segment") {
            disk.remove(&path).unwrap();
        }
    }
    let failed = try_open(&disk, &engine).unwrap_err();
    assert!(failed.to_string().contains("ends with change 0, and the index beside it knows change 1"), "{failed}");
    // It is the operator's to go on with what is left.
    assert_eq!(open(&disk, &kept()).0.snapshot().recipient_count(), 0);
}

#[test]
fn identities_are_never_given_twice_even_after_a_restart() {
    let (disk, engine) = (SimulatedDisk::new(2), kept());
    let (store, _) = open(&disk, &engine);
    let id = add(&store, "info").unwrap().find_by_name("info").unwrap().id;
    store.change("test", &mut |_| Ok(vec![Change::RemoveRecipient(id)])).unwrap();
    drop(store);
    for engine in [engine, kept()] {
        let (store, _) = open(&disk, &engine);
        assert!(store.snapshot().recipient(id).is_none());
        assert!(store.snapshot().next_id() > id);
    }
}

#[test]
fn a_refused_list_leaves_nothing_of_itself() {
    let (disk, engine) = (SimulatedDisk::new(3), kept());
    let (store, _) = open(&disk, &engine);
    add(&store, "info").unwrap();
    let refused = store.change("test", &mut |snapshot| {
        let next = snapshot.next_id();
        Ok(vec![mailbox(next, "sales"), mailbox(RecipientId(next.0 + 1), "INFO")])
    });
    assert!(matches!(refused, Err(DirectoryError::Refused(_))), "{refused:?}");
    assert_eq!(names(&store.snapshot()), ["info"]);
    drop(store);
    assert_eq!(names(&open(&disk, &kept()).0.snapshot()), ["info"]);
}

#[test]
fn what_is_not_durable_is_not_in_force() {
    let (disk, engine) = (SimulatedDisk::new(4), kept());
    let (store, _) = open(&disk, &engine);
    add(&store, "info").unwrap();
    disk.set_read_only(true);
    let failed = add(&store, "sales");
    assert!(matches!(failed, Err(DirectoryError::NotDurable(_))), "{failed:?}");
    assert_eq!(names(&store.snapshot()), ["info"]);
}

#[test]
fn after_a_failing_disk_the_next_change_goes_through_and_the_refused_one_stays_away() {
    for nth in 1..=2 {
        let (disk, engine) = (SimulatedDisk::new(nth), kept());
        let (store, _) = open(&disk, &engine);
        add(&store, "first").unwrap();
        disk.fail_synchronization(1);
        assert!(matches!(add(&store, "refused"), Err(DirectoryError::NotDurable(_))));
        add(&store, "second").unwrap();
        drop(store);
        disk.crash();
        let (store, _) = open(&disk, &engine);
        assert_eq!(names(&store.snapshot()), ["first", "second"]);
    }
}

#[test]
fn what_was_answered_survives_a_power_cut() {
    for seed in 0..50 {
        let disk = SimulatedDisk::new(seed);
        let (store, _) = open(&disk, &kept());
        for number in 0..5 {
            add(&store, &format!("box-{number}")).unwrap();
        }
        disk.crash();
        drop(store);
        let (store, _) = open(&disk, &kept());
        assert_eq!(store.snapshot().recipient_count(), 5, "seed {seed}");
    }
}

#[test]
fn a_large_object_is_kept_in_pieces() {
    let (disk, engine) = (SimulatedDisk::new(5), kept());
    let (store, _) = open(&disk, &engine);
    add(&store, "info").unwrap();
    let id = store.snapshot().find_by_name("info").unwrap().id;
    for count in [300_usize, 3] {
        store
            .change("test", &mut |snapshot| {
                let mut recipient = Recipient::clone(snapshot.recipient(id).unwrap());
                let mut addresses = crate::model::directory::ProxyAddresses::new(recipient.primary().clone());
                for number in 0..count {
                    addresses.add(Address::parse(&format!("info-{number}@contoso.example")).unwrap());
                }
                recipient.addresses = addresses;
                Ok(vec![Change::PutRecipient(Box::new(recipient))])
            })
            .unwrap();
    }
    let before = store.snapshot();
    drop(store);
    let (store, state) = open(&disk, &engine);
    assert_eq!(state, IndexState::Current { behind: 0 });
    assert_eq!(store.snapshot().recipient(id), before.recipient(id));
}

#[test]
fn a_damaged_index_is_set_aside_and_built_anew() {
    let disk = SimulatedDisk::new(8);
    let (store, _) = open(&disk, &kept());
    add(&store, "info").unwrap();
    drop(store);
    // A file stands for the damaged engine's directory.
    drop(disk.create_new(Path::new("/directory/index")).unwrap());
    let (fresh, damaged) = (kept(), std::cell::Cell::new(true));
    let open_engine = |place: &Path| {
        if damaged.replace(false) {
            return Err(EngineError::Corrupt { directory: place.to_owned(), reason: "scratched".into() });
        }
        Ok(Box::new(fresh.clone()) as Box<dyn Engine>)
    };
    let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
    let (store, state) =
        DirectoryStore::open(Arc::new(disk.clone()), Path::new("/directory"), &open_engine, clock, 7).unwrap();
    let aside = Path::new("/directory/index.damaged-1").to_owned();
    assert!(disk.exists(&aside).unwrap());
    assert_eq!(state, IndexState::Rebuilt { set_aside: Some(aside) });
    assert_eq!(names(&store.snapshot()), ["info"]);
}

#[test]
fn the_history_tells_every_change_and_who_made_it() {
    let (disk, engine) = (SimulatedDisk::new(9), kept());
    let (store, _) = open(&disk, &engine);
    add(&store, "info").unwrap();
    add(&store, "sales").unwrap();
    drop(store);
    let mut told = Vec::new();
    let disk: Arc<dyn Disk> = Arc::new(disk);
    DirectoryStore::history(disk, Path::new("/directory"), &mut |entry| {
        told.push((entry.version, entry.actor.clone(), entry.changes.len()));
    })
    .unwrap();
    assert_eq!(told, [(1, "test".to_owned(), 2), (2, "test".to_owned(), 2)]);
}

#[test]
fn email_address_policies_keep_their_order_with_the_index_and_without_it() {
    let (disk, engine) = (SimulatedDisk::new(8), kept());
    let (store, _) = open(&disk, &engine);
    add(&store, "alice").unwrap();
    let policy = |name: &str, priority| {
        let template = "%m@contoso.example".parse().unwrap();
        Change::PutAddressPolicy(Box::new(AddressPolicy { priority, ..AddressPolicy::new(name, template, Vec::new()) }))
    };
    for (name, priority) in [("z", Priority::Lowest), ("a", Priority::Number(1)), ("b", Priority::Number(1))] {
        store.change("test", &mut |_| Ok(vec![policy(name, priority)])).unwrap();
    }
    store.change("test", &mut |_| Ok(vec![Change::RemoveAddressPolicy("A".into())])).unwrap();
    store.change("test", &mut |_| Ok(vec![policy("c", Priority::Number(1))])).unwrap();
    let before = store.snapshot().address_policies().to_vec();
    let order: Vec<String> = before.iter().map(|own| format!("{} {}", own.priority, own.name)).collect();
    assert_eq!(order, ["1 c", "2 b", "Lowest z"]);
    drop(store);
    let (store, state) = open(&disk, &engine);
    assert_eq!((store.snapshot().address_policies(), state), (&*before, IndexState::Current { behind: 0 }));
    drop(store);
    let (store, _) = open(&disk, &kept());
    assert_eq!(store.snapshot().address_policies(), before);
}
