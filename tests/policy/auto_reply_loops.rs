//! The law of automatic replies: mailboxes that answer never keep each other talking, whatever stands between them.

use std::collections::{BTreeMap, HashMap, VecDeque};

use franking::model::directory::{
    AcceptedDomain, AutoForwardingMode, AutoReply, AutoReplyState, Change, DomainType, Forwarding, Organisation,
    Recipient, RecipientId, RecipientType, Snapshot,
};
use franking::model::mail::{Address, AddressKey, ForwardPath, ReversePath, Timestamp};
use franking::model::policy::auto_reply::sender_key;
use franking::model::policy::settings::SrsKey;
use franking::model::policy::{
    Destination, DsnRequest, Expanded, History, Occasion, Origin, Posting, Settings, Unrecorded, admit, auto_reply,
    expand,
};
use proptest::prelude::*;

/// One drawn recipient; targets are (site, place), taken modulo what there is.
#[derive(Clone, Debug)]
struct Drawn {
    kind: RecipientType,
    answers: bool,
    replies_pass: bool,
    members: Vec<usize>,
    forward: Option<(usize, usize, bool)>,
    external: (usize, usize),
    keep: bool,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    use RecipientType::{GroupMailbox, MailContact, MailUniversalDistributionGroup, MailUser, SharedMailbox};
    let kinds = prop_oneof![
        5 => Just(SharedMailbox),
        1 => Just(MailUser),
        1 => Just(MailContact),
        2 => Just(MailUniversalDistributionGroup),
        1 => Just(GroupMailbox),
    ];
    let place = || (0..3_usize, 0..6_usize);
    let members = prop::collection::vec(0..6_usize, 0..4);
    let forward = prop::option::weighted(0.3, (0..3_usize, 0..6_usize, any::<bool>()));
    (kinds, prop::bool::weighted(0.8), any::<bool>(), members, forward, place(), any::<bool>()).prop_map(
        |(kind, answers, replies_pass, members, forward, external, keep)| Drawn {
            kind,
            answers,
            replies_pass,
            members,
            forward,
            external,
            keep,
        },
    )
}

fn sites() -> impl Strategy<Value = Vec<Vec<Drawn>>> {
    prop::collection::vec(prop::collection::vec(drawn(), 1..6), 1..4)
}

fn name(site: usize, place: usize) -> Address {
    Address::parse(&format!("r{place}@site{site}.example")).unwrap()
}

/// A system with its organisation, and what its mailboxes remember.
struct Site {
    snapshot: Snapshot,
    settings: Settings,
    answered: HashMap<(RecipientId, AddressKey), u32>,
}

fn site(number: usize, all: &[Vec<Drawn>]) -> Site {
    let drawn = &all[number];
    let id = |place: usize| RecipientId((place % drawn.len()) as u64 + 1);
    let elsewhere = |(site, place): (usize, usize)| {
        let site = site % all.len();
        name(site, place % all[site].len())
    };
    let domain = format!("site{number}.example").parse().unwrap();
    let domain = AcceptedDomain::new(domain, DomainType::Authoritative).as_default();
    let organisation = Organisation {
        auto_forwarding_mode: AutoForwardingMode::On,
        auto_reply_only_when_named: false,
        ..Organisation::default()
    };
    let bare = |(place, one): (usize, &Drawn)| {
        let mut recipient = Recipient::new(id(place), one.kind, format!("r{place}"), name(number, place));
        recipient.external_address = one.kind.is_external().then(|| elsewhere(one.external).into());
        recipient.restrictions.get_or_insert_default().require_sender_authentication = Some(false);
        if one.kind == RecipientType::SharedMailbox && one.answers {
            let (internal_message, external_message) = ("In.".into(), "Out.".into());
            let state = AutoReplyState::Enabled;
            recipient.auto_reply =
                Some(Box::new(AutoReply { state, internal_message, external_message, ..AutoReply::default() }));
        }
        recipient
    };
    let whole = |(place, one): (usize, &Drawn)| {
        let mut recipient = bare((place, one));
        if let Some(group) = &mut recipient.group {
            group.set_members(one.members.iter().map(|member| id(*member)).collect());
            group.send_oof_message_to_originator = one.replies_pass;
        }
        if let Some((site, to, by_address)) = one.forward.filter(|_| one.kind.is_mailbox()) {
            recipient.forwarding = Some(Box::new(Forwarding {
                forwarding_address: (!by_address).then(|| id(to)),
                forwarding_smtp_address: by_address.then(|| elsewhere((site, to))),
                deliver_to_mailbox_and_forward: one.keep,
            }));
        }
        recipient
    };
    let put = |recipient: Recipient| Change::PutRecipient(Box::new(recipient));
    let mut changes = vec![Change::PutDomain(domain), Change::PutOrganisation(organisation)];
    changes.extend(drawn.iter().enumerate().map(bare).map(put));
    changes.extend(drawn.iter().enumerate().map(whole).map(put));
    let settings = Settings { srs_keys: vec![SrsKey([number as u8; 32])], ..Settings::default() };
    Site { snapshot: Snapshot::default().apply(&changes).unwrap(), settings, answered: HashMap::new() }
}

/// A message on its way into a site. Other systems lose header fields: only the envelope can be relied on.
struct Message {
    site: usize,
    origin: Origin,
    reverse_path: ReversePath,
    to: Address,
    is_reply: bool,
}

/// Carries messages and their replies until nothing is left; gives how many copies were delivered.
fn run(sites: &mut [Site], first: Vec<Message>) -> usize {
    let mut waiting = VecDeque::from(first);
    let mut carried = 0_usize;
    while let Some(message) = waiting.pop_front() {
        carried += 1;
        assert!(carried < 20_000, "the sites never fall silent");
        let number = message.site;
        let Site { snapshot, settings, answered } = &mut sites[number];
        let path = ForwardPath::Mailbox(message.to.clone());
        let permit = admit(snapshot, settings, &Posting::own(), path.clone(), DsnRequest::default(), &mut Unrecorded);
        let (Ok(permit), now) = (permit, Timestamp::EPOCH) else { continue };
        let reverse_path = &message.reverse_path;
        let posting = Posting::received(snapshot, message.origin, reverse_path, b"", 1);
        let found = expand(snapshot, settings, &posting, &[permit], now, &mut Unrecorded);
        for end in found {
            let Expanded::Deliver(copy) = end else { continue };
            match &copy.to {
                Destination::Relay { address, .. } => {
                    waiting.extend(onward(address, &copy.reverse_path, message.is_reply))
                }
                Destination::PostmasterMailbox => {}
                Destination::Mailbox(id) => {
                    let mailbox = snapshot.recipient(*id).unwrap();
                    let occasion = Occasion {
                        origin: message.origin,
                        reverse_path,
                        head: b"",
                        path: &path,
                        passed_by_groups: copy.automatic_replies,
                    };
                    let judge =
                        |history| auto_reply(snapshot, settings, mailbox, &occasion, history, now, &mut Unrecorded);
                    let Ok(due) = judge(History::New) else { continue };
                    assert!(!message.is_reply, "a reply is answered");
                    let count = answered.entry((*id, sender_key(snapshot, due.to))).or_default();
                    let history = if *count == 0 { History::New } else { History::Answered };
                    let Ok(due) = judge(history) else { continue };
                    *count += 1;
                    waiting.push_back(Message {
                        site: number,
                        origin: Origin::System,
                        reverse_path: ReversePath::Null,
                        to: due.to.clone(),
                        is_reply: true,
                    });
                }
            }
        }
    }
    carried
}

/// A copy that leaves for another site, if there is one of that name.
fn onward(address: &Address, reverse_path: &ReversePath, is_reply: bool) -> Option<Message> {
    let site = address.domain().to_string().strip_prefix("site")?.strip_suffix(".example")?.parse().ok()?;
    let (to, reverse_path) = (address.clone(), reverse_path.clone());
    Some(Message { site, origin: Origin::Anonymous, reverse_path, to, is_reply })
}

proptest! {
    #![proptest_config(ProptestConfig { max_global_rejects: 20_000, ..ProptestConfig::with_cases(400) })]

    /// Two, or three in a ring, through groups, forwarding, rewritten reverse-paths, mail users and contacts: every
    /// sender is answered at most once by each mailbox, and a reply by nobody. What is carried between sites can circle
    /// only as far as plain forwarding between them does, which their hop limits end; such draws are left out.
    #[test]
    fn mailboxes_that_answer_never_keep_each_other_talking(
        drawn in sites(), sent in prop::collection::vec((0..3_usize, 0..6_usize, 0..3_usize, 0..6_usize, any::<bool>()), 1..6),
    ) {
        let mut sites: Vec<Site> = (0..drawn.len()).map(|number| site(number, &drawn)).collect();
        prop_assume!(!forwards_in_a_ring(&drawn));
        let messages: Vec<Message> = sent.iter().map(|(from_site, from, to_site, to, signed_in)| {
            let (from_site, to_site) = (from_site % drawn.len(), to_site % drawn.len());
            let (from, to) = (from % drawn[from_site].len(), to % drawn[to_site].len());
            // Whoever signed in hands the message to its own site, which passes it on.
            let site = if *signed_in { from_site } else { to_site };
            let origin = if *signed_in { Origin::Account(RecipientId(from as u64 + 1)) } else { Origin::Anonymous };
            let reverse_path = ReversePath::Mailbox(name(from_site, from));
            Message { site, origin, reverse_path, to: name(to_site, to), is_reply: false }
        }).collect();
        run(&mut sites, messages);
        for site in &sites {
            prop_assert!(site.answered.values().all(|count| *count == 1));
        }
    }
}

/// Whether mail can go round between sites without any reply: by forwarding to an address or external addresses.
fn forwards_in_a_ring(all: &[Vec<Drawn>]) -> bool {
    let mut edges: BTreeMap<(usize, usize), Vec<(usize, usize)>> = BTreeMap::new();
    for (site, drawn) in all.iter().enumerate() {
        for (place, one) in drawn.iter().enumerate() {
            let clip = |(site, place): (usize, usize)| (site % all.len(), place % all[site % all.len()].len());
            let mut to = Vec::new();
            if one.kind.is_external() {
                to.push(clip(one.external));
            }
            if let Some((other, target, by_address)) = one.forward.filter(|_| one.kind.is_mailbox()) {
                to.push(clip((if by_address { other } else { site }, target)));
            }
            if one.kind.is_group() {
                to.extend(one.members.iter().map(|member| clip((site, *member))));
            }
            edges.insert((site, place), to);
        }
    }
    let reaches_itself = |start: &(usize, usize)| {
        let (mut seen, mut pending) = (std::collections::HashSet::new(), edges[start].clone());
        while let Some(next) = pending.pop() {
            if next == *start {
                return true;
            }
            if seen.insert(next) {
                pending.extend(edges[&next].iter().copied());
            }
        }
        false
    };
    edges.keys().any(reaches_itself)
}

#[test]
fn two_that_answer_exchange_one_message_each_way() {
    let both = |kind| Drawn {
        kind,
        answers: true,
        replies_pass: true,
        members: Vec::new(),
        forward: None,
        external: (0, 0),
        keep: true,
    };
    let drawn = vec![vec![both(RecipientType::SharedMailbox)], vec![both(RecipientType::SharedMailbox)]];
    let mut sites: Vec<Site> = (0..2).map(|number| site(number, &drawn)).collect();
    let message = || Message {
        site: 1,
        origin: Origin::Anonymous,
        reverse_path: ReversePath::Mailbox(name(0, 0)),
        to: name(1, 0),
        is_reply: false,
    };
    // The message, the reply on its way out, and the reply coming in; the second message earns none.
    assert_eq!(run(&mut sites, vec![message()]), 3);
    assert_eq!(run(&mut sites, vec![message()]), 1);
    let answered: Vec<usize> = sites.iter().map(|site| site.answered.len()).collect();
    assert_eq!(answered, [0, 1]);
}

/// An old program at the other end answers everything, with a reverse-path and without saying that it is a machine.
#[test]
fn a_machine_that_answers_everything_is_answered_once() {
    let one = Drawn {
        kind: RecipientType::SharedMailbox,
        answers: true,
        replies_pass: true,
        members: Vec::new(),
        forward: None,
        external: (0, 0),
        keep: true,
    };
    let mut sites = vec![site(0, &[vec![one]])];
    let carried: usize = (0..100)
        .map(|_| {
            run(
                &mut sites,
                vec![Message {
                    site: 0,
                    origin: Origin::Anonymous,
                    reverse_path: ReversePath::Mailbox(Address::parse("machine@fabrikam.example").unwrap()),
                    to: name(0, 0),
                    is_reply: false,
                }],
            )
        })
        .sum();
    assert_eq!(carried, 101);
}
