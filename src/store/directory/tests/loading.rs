//! Loading what an index holds, whoever wrote it.

use super::*;

const OBJECTS: Tree = Tree(1);

/// The key of a recipient's first and only piece.
fn key(id: u64) -> Vec<u8> {
    [b"r".as_slice(), &id.to_be_bytes(), &[0, 0]].concat()
}

/// Users 1 to `count`, and a group of all of them.
fn organisation(count: u64) -> Vec<Change> {
    let mut changes = vec![domain()];
    changes.extend((1..=count).map(|id| mailbox(RecipientId(id), &format!("user{id}"))));
    let (kind, address) = (RecipientType::MailUniversalSecurityGroup, "staff@contoso.example".parse().unwrap());
    let mut group = Recipient::new(RecipientId(count + 1), kind, "staff", address);
    group.group.get_or_insert_default().add_members(&(1..=count).map(RecipientId).collect::<Vec<_>>());
    changes.push(Change::PutRecipient(Box::new(group)));
    changes
}

/// Everything by which the two could differ.
fn assert_same(loaded: &Snapshot, before: &Snapshot, count: u64) {
    assert_eq!((loaded.version(), loaded.next_id()), (before.version(), before.next_id()));
    assert_eq!(loaded.recipient_count(), before.recipient_count());
    for id in (1..=count + 1).map(RecipientId) {
        let recipient = before.recipient(id).unwrap();
        assert_eq!(loaded.recipient(id), Some(recipient));
        assert_eq!(loaded.find_by_name(&recipient.name).map(|found| found.id), Some(id));
        assert_eq!(loaded.find_by_address(recipient.primary()).map(|found| found.id), Some(id));
        assert_eq!(loaded.referrers(id), before.referrers(id));
    }
}

#[test]
fn what_several_threads_load_is_what_was_there_whatever_its_size() {
    for count in [1, 127, 128, 129, 5_000] {
        let (disk, engine) = (SimulatedDisk::new(20), kept());
        let (store, _) = open(&disk, &engine);
        store.change("test", &mut |_| Ok(organisation(count))).unwrap();
        // Identities that are far from all others lie in the last part.
        let far = [RecipientId(1 << 40), RecipientId(u64::MAX - 1)];
        let add = |id: &RecipientId| mailbox(*id, &format!("far{id}"));
        store.change("test", &mut |_| Ok(far.iter().map(add).collect())).unwrap();
        let before = store.snapshot();
        drop(store);
        let (store, state) = open(&disk, &engine);
        assert_eq!(state, IndexState::Current { behind: 0 });
        let loaded = store.snapshot();
        assert_same(&loaded, &before, count);
        assert!(far.iter().all(|id| loaded.recipient(*id).is_some_and(|found| found.id == *id)));
    }
}

#[test]
fn an_index_from_before_there_was_a_short_form_is_loaded_and_goes_on() {
    const COUNT: u64 = 300;
    let (disk, engine) = (SimulatedDisk::new(21), kept());
    let (store, _) = open(&disk, &engine);
    store.change("test", &mut |_| Ok(organisation(COUNT))).unwrap();
    let before = store.snapshot();
    drop(store);
    // As it was written then: JSON.
    for recipient in before.recipients() {
        let old = serde_json::to_vec(&**recipient).unwrap();
        let batch = old.chunks(4096).enumerate().fold(Batch::new(), |batch, (piece, octets)| {
            let number = u16::try_from(piece).unwrap().to_be_bytes();
            batch.put(OBJECTS, &[&key(recipient.id.0)[..9], &number].concat(), octets)
        });
        engine.commit(batch).wait().unwrap();
    }
    let (store, state) = open(&disk, &engine);
    assert_eq!(state, IndexState::Current { behind: 0 });
    assert_same(&store.snapshot(), &before, COUNT);
    // A change writes its recipient anew and leaves the others.
    store.change("test", &mut |_| Ok(vec![mailbox(RecipientId(7), "seven")])).unwrap();
    let before = store.snapshot();
    drop(store);
    let first = |id| engine.read(OBJECTS, &key(id)).unwrap().unwrap()[0];
    assert_eq!((first(6), first(7), first(8)), (b'{', 1, b'{'));
    let (store, state) = open(&disk, &engine);
    assert_eq!(state, IndexState::Current { behind: 0 });
    assert_same(&store.snapshot(), &before, COUNT);
}

#[test]
fn a_recipient_that_cannot_be_read_is_named_and_the_log_gives_it_back() {
    let sound = key(40);
    for (place, value, named) in [
        (key(7), Some(b"\x01\xff".as_slice()), "recipient 7 cannot be read"),
        (key(7), Some(b"{\"id\":7}"), "recipient 7 cannot be read"),
        (key(7), Some(b"?"), "recipient 7 cannot be read"),
        // Somebody else's record.
        (key(7), None, "a recipient has another identity than its key"),
        (b"s???????".to_vec(), Some(b"{}"), "cannot be read"),
        (b"??".to_vec(), Some(b"{}"), "no identity"),
    ] {
        let (disk, damaged, fresh) = (SimulatedDisk::new(22), kept(), kept());
        let (store, _) = open(&disk, &damaged);
        store.change("test", &mut |_| Ok(organisation(50))).unwrap();
        let before = store.snapshot();
        drop(store);
        let others = damaged.read(OBJECTS, &sound).unwrap().unwrap();
        damaged.commit(Batch::new().put(OBJECTS, &place, value.unwrap_or(&others))).wait().unwrap();
        let reason = super::super::load::load(&damaged).unwrap_err().to_string();
        assert!(reason.contains(named), "{reason}");
        // A file stands for the damaged engine's directory.
        drop(disk.create_new(Path::new("/directory/index")).unwrap());
        let next = std::cell::Cell::new(Some(damaged));
        let open_engine = |_: &Path| {
            let engine = next.take().unwrap_or_else(|| fresh.clone());
            Ok(Box::new(engine) as Box<dyn Engine>)
        };
        let clock = Arc::new(ManualClock::new(Timestamp::EPOCH));
        let (store, state) =
            DirectoryStore::open(Arc::new(disk), Path::new("/directory"), &open_engine, clock, 7).unwrap();
        assert_eq!(state, IndexState::Rebuilt { set_aside: Some("/directory/index.damaged-1".into()) });
        assert_same(&store.snapshot(), &before, 50);
    }
}

#[test]
fn what_the_log_has_beyond_the_index_is_applied_whatever_its_size() {
    let (disk, engine) = (SimulatedDisk::new(23), kept());
    let (store, _) = open(&disk, &engine);
    store.change("test", &mut |_| Ok(organisation(50))).unwrap();
    drop(store);
    // Far more than the reader of the log may keep until the index is there.
    let (store, _) = open(&disk, &kept());
    for number in 0..100 {
        add(&store, &format!("later{number}")).unwrap();
    }
    let before = store.snapshot();
    drop(store);
    let (store, state) = open(&disk, &engine);
    assert_eq!(state, IndexState::Current { behind: 100 });
    assert_same(&store.snapshot(), &before, 150);
}
