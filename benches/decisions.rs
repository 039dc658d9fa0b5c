//! CPU time of each decision, at directories of growing size: `cargo bench --bench decisions`.
//!
//! What counts is the ratio between the columns: a decision should cost the same at ten recipients and at a million.
//! CPU time of the process is used, since wall time on a shared machine measures the neighbours. What a message to a
//! group of a million takes: `cargo bench --bench decisions group`.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot be set up has failed")]

use franking::model::directory::{
    AcceptedDomain, Account, Change, DomainType, Forwarding, Recipient, RecipientId, RecipientType, Snapshot,
};
use franking::model::mail::{Address, ForwardPath, ReversePath, Timestamp};
use franking::model::policy::ways_out::{Place, page};
use franking::model::policy::{
    DsnRequest, Evidence, Posting, Proof, Sender, Settings, Unrecorded, admit, author, expand, resolve, sign_in,
    submit_as,
};
use franking::model::queue::Target;
use rustix::time::{ClockId, clock_gettime};
use std::hint::black_box;
use std::sync::Arc;

#[path = "instructions/organisation.rs"]
mod organisation;

use organisation::{address, directory, user};

const SIZES: [u64; 3] = [10, 10_000, 1_000_000];

fn main() {
    // `cargo bench` passes this; without it one small round shows that everything runs.
    let smoke = !std::env::args().any(|argument| argument == "--bench");
    let memory_only = std::env::args().any(|argument| argument == "memory");
    let sizes: &[u64] = if smoke { &SIZES[..1] } else { &SIZES };
    let count = if smoke { 1_000 } else { SIZES[2] };
    // In a process of its own: what was freed before would be taken for nothing.
    if smoke || std::env::args().any(|argument| argument == "group") {
        print_group(count, smoke);
        if !smoke {
            return;
        }
    }
    print_memory(count, smoke);
    print_audit(count);
    if memory_only {
        return;
    }
    let mut rows: Vec<(&str, Vec<f64>)> = Vec::new();
    for size in sizes {
        let snapshot = directory(*size);
        for (name, nanoseconds) in measure(&snapshot, *size, smoke) {
            match rows.iter_mut().find(|(row, _)| *row == name) {
                Some((_, columns)) => columns.push(nanoseconds),
                None => rows.push((name, vec![nanoseconds])),
            }
        }
    }
    print!("{:44}", "CPU nanoseconds per decision, recipients:");
    sizes.iter().for_each(|size| print!("{size:>12}"));
    println!("{:>12}", "last/first");
    for (name, columns) in rows {
        print!("{name:44}");
        columns.iter().for_each(|nanoseconds| print!("{nanoseconds:>12.0}"));
        let ratio = columns.last().zip(columns.first()).map_or(1.0, |(last, first)| last / first);
        println!("{ratio:>12.2}");
    }
}

fn cpu_nanoseconds() -> f64 {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    now.tv_sec as f64 * 1e9 + now.tv_nsec as f64
}

/// The median of several rounds, per call.
fn time(smoke: bool, mut call: impl FnMut(u64)) -> f64 {
    let (rounds, calls) = if smoke { (1, 10) } else { (9, 20_000) };
    let mut medians: Vec<f64> = (0..rounds)
        .map(|round| {
            let begun = cpu_nanoseconds();
            (0..calls).for_each(|number| call(round * calls + number));
            (cpu_nanoseconds() - begun) / calls as f64
        })
        .collect();
    medians.sort_by(f64::total_cmp);
    medians[medians.len() / 2]
}

fn print_memory(count: u64, smoke: bool) {
    // The users stay until the directory is measured: what they gave back, it would take for nothing.
    let (alone, users) = objects(count);
    let bytes = memory(count);
    drop(black_box(users));
    println!("{bytes:.0} octets of memory per user mailbox with two proxy addresses, measured at {count}");
    // A new field of every recipient shows here; what few recipients have belongs into a box.
    assert!(smoke || bytes < 600.0, "a recipient has grown");
    println!("  {:>4} the recipient itself, without what it points to", size_of::<Recipient>());
    println!("  {:>4} its account, likewise", size_of::<Account>());
    println!("  {:>4} an address, likewise; it has three", size_of::<Address>());
    println!("  {alone:>4.0} with all that it points to, in no directory and sharing nothing");
}

/// What `franking audit forwarding` takes in a directory of so many, every tenth of whom forwards outside: CPU time of
/// the whole list and of its longest page, and the memory that the largest page needs.
fn print_audit(count: u64) {
    let forwards = |number: u64| {
        let mut user = user(number);
        let target = Some(format!("out{number}@fabrikam.example").parse().unwrap());
        user.forwarding = Some(Box::new(Forwarding { forwarding_smtp_address: target, ..Forwarding::default() }));
        Change::PutRecipient(Box::new(user))
    };
    let changes: Vec<Change> = (0..count).step_by(10).map(forwards).collect();
    let snapshot = directory(count).apply(&changes).unwrap();
    drop(changes);
    let settings = Settings::default();
    let (before, begun) = (resident_bytes(), cpu_nanoseconds());
    let (mut ways, mut pages, mut longest, mut next) = (0, 0, 0_f64, Some(Place::default()));
    while let Some(place) = next {
        let at = cpu_nanoseconds();
        let page = black_box(page(&snapshot, &settings, place));
        longest = longest.max(cpu_nanoseconds() - at);
        (ways, pages, next) = (ways + page.ways.len(), pages + 1, page.next);
    }
    let (all, grown) = ((cpu_nanoseconds() - begun) / 1e6, (resident_bytes() - before) / 1024.0);
    println!(
        "audit forwarding at {count} recipients: {ways} ways in {pages} pages, {all:.0} ms, {:.1} ms for the longest \
         page, {grown:.0} KiB of memory",
        longest / 1e6
    );
}

/// What one message to a group of so many takes, from the decision to the recipients of the queue: memory that stays,
/// and CPU time, for each member.
fn print_group(members: u64, smoke: bool) {
    let snapshot = group_of(members);
    let settings = Settings { large_group_limits: false, ..Settings::default() };
    let path = ForwardPath::Mailbox(Address::parse("staff@contoso.example").unwrap());
    let permit = admit(&snapshot, &settings, &Posting::own(), path, DsnRequest::default(), &mut Unrecorded).unwrap();
    let posting = Posting::own();
    let (before, begun) = (resident_bytes(), cpu_nanoseconds());
    let found = expand(&snapshot, &settings, &posting, &[permit], Timestamp::EPOCH, &mut Unrecorded);
    let targets: Vec<Target> =
        found.into_iter().map(|one| Target::of(one, &snapshot, &settings, Timestamp::EPOCH)).collect();
    let (bytes, nanoseconds) = (resident_bytes() - before, cpu_nanoseconds() - begun);
    assert_eq!(black_box(&targets).len() as u64, members);
    let each = |total: f64| total / members as f64;
    println!("{:.0} octets and {:.0} ns for each of {members} members of a group", each(bytes), each(nanoseconds));
    assert!(smoke || each(bytes) < 400.0, "a recipient of the queue has grown");
}

/// A group of all users of a directory.
fn group_of(members: u64) -> Snapshot {
    let domain = AcceptedDomain::new("contoso.example".parse().unwrap(), DomainType::Authoritative).as_default();
    let name = Address::parse("staff@contoso.example").unwrap();
    let id = RecipientId(members + 1);
    let mut group = Recipient::new(id, RecipientType::MailUniversalDistributionGroup, "staff", name);
    group.group.get_or_insert_default().set_members((1..=members).map(RecipientId).collect());
    let mut snapshot = Snapshot::default().apply(&[Change::PutDomain(domain)]).unwrap();
    for portion in (0..members).collect::<Vec<_>>().chunks(1_000) {
        let put = |number: &u64| Change::PutRecipient(Box::new(user(*number)));
        snapshot = snapshot.apply(&portion.iter().map(put).collect::<Vec<_>>()).unwrap();
    }
    snapshot.apply(&[Change::PutRecipient(Box::new(group))]).unwrap()
}

/// What a directory of `count` licensed users, each with two proxy addresses, adds to the memory of this process, for
/// each of them. Resident memory is what an operator sees; indexes and the allocator's own share are in it.
fn memory(count: u64) -> f64 {
    let before = resident_bytes();
    let domain = AcceptedDomain::new("contoso.example".parse().unwrap(), DomainType::Authoritative).as_default();
    let mut snapshot = Snapshot::default().apply(&[Change::PutDomain(domain)]).unwrap();
    // In portions, so that the list of changes itself does not count for much.
    for portion in (0..count).collect::<Vec<_>>().chunks(1_000) {
        let put = |number: &u64| Change::PutRecipient(Box::new(user_with_alias(*number)));
        snapshot = snapshot.apply(&portion.iter().map(put).collect::<Vec<_>>()).unwrap();
    }
    let bytes = (resident_bytes() - before) / count as f64;
    assert_eq!(black_box(&snapshot).recipient_count() as u64, count);
    bytes
}

/// A licensed user with two proxy addresses.
fn user_with_alias(number: u64) -> Recipient {
    let mut user = user(number);
    user.addresses.add(Address::parse(&format!("first.last{number}@contoso.example")).unwrap());
    user
}

/// What the same users take by themselves, and they.
fn objects(count: u64) -> (f64, Vec<Arc<Recipient>>) {
    let before = resident_bytes();
    let mut users = Vec::with_capacity(usize::try_from(count).unwrap());
    users.extend((0..count).map(|number| Arc::new(user_with_alias(number))));
    let bytes = (resident_bytes() - before) / count as f64 - size_of::<Arc<Recipient>>() as f64;
    (bytes, users)
}

/// Octets of this process that are in memory.
fn resident_bytes() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() * 1024.0
}

fn measure(snapshot: &Snapshot, size: u64, smoke: bool) -> Vec<(&'static str, f64)> {
    let settings = Settings::default();
    let right = Evidence::Right(Proof::Password);
    // A stride that is no divisor of the sizes, so that the caches of a large directory are not flattered.
    let paths: Vec<ForwardPath> =
        (0..1024).map(|number| ForwardPath::Mailbox(address(number * 7_919 % size))).collect();
    let path = |number: u64| paths[number as usize % paths.len()].clone();
    let signed_in = sign_in(snapshot, &settings, "user0@contoso.example", right, &mut Unrecorded).unwrap();
    let sender = Sender::Account(signed_in.clone());
    let reverse_path = ReversePath::Mailbox(address(0));
    let head = b"From: Info <user1@contoso.example>\r\nTo: user2@contoso.example\r\nSubject: scan\r\n";
    let dsn = DsnRequest::default;
    let posting = Posting::received(snapshot, sender.origin(), &reverse_path, head, 1);
    let permit = |path| admit(snapshot, &settings, &posting, path, dsn(), &mut Unrecorded).unwrap();
    let group = permit(ForwardPath::Mailbox(Address::parse("staff@contoso.example").unwrap()));
    let other = user(0);
    vec![
        (
            "sign_in",
            time(smoke, |_| {
                black_box(sign_in(snapshot, &settings, "user0@contoso.example", right, &mut Unrecorded)).unwrap();
            }),
        ),
        (
            "submit_as (SendAs)",
            time(smoke, |_| {
                black_box(submit_as(snapshot, &settings, RecipientId(1), &address(1), &mut Unrecorded));
            }),
        ),
        (
            "author (envelope and header)",
            time(smoke, |_| {
                black_box(author(snapshot, &settings, &signed_in, &reverse_path, head, &mut Unrecorded)).unwrap();
            }),
        ),
        (
            "resolve",
            time(smoke, |number| {
                black_box(resolve(snapshot, &settings, &path(number), &mut Unrecorded));
            }),
        ),
        (
            "admit",
            time(smoke, |number| {
                black_box(permit(path(number)));
            }),
        ),
        (
            "expand (group of 100), per member",
            time(smoke, |_| {
                let permits = core::slice::from_ref(&group);
                let now = Timestamp::EPOCH;
                black_box(expand(snapshot, &settings, &posting, permits, now, &mut Unrecorded));
            }) / 100.min(size) as f64,
        ),
        (
            "change of one recipient",
            time(smoke, |_| {
                let change = Change::PutRecipient(Box::new(other.clone()));
                black_box(snapshot.apply(core::slice::from_ref(&change))).unwrap();
            }),
        ),
    ]
}
