//! Laws of scripts.

use proptest::prelude::*;

use super::*;

fn rule(step: Step) -> Rule {
    Rule {
        name: "rule".into(),
        step,
        when: Conditions::default(),
        skip: 0,
        every: 1,
        times: None,
        delay: Duration::ZERO,
        trickle: None,
        deed: Deed::Close,
    }
}

fn occasion(step: Step, session: u64) -> Occasion<'static> {
    let visit = Visit { session, client: [127, 0, 0, 1].into(), port: 2587, door: Door::Submission };
    Occasion { step, visit: Some(visit), message: 1, login: None, sender: None, recipients: &[], octets: (0, 0) }
}

fn strikes(faults: &mut Faults, occasion: &Occasion<'_>) -> Option<String> {
    faults.judge(Timestamp::EPOCH, occasion).map(|rule| rule.name.to_string())
}

#[test]
fn the_first_rule_that_is_due_strikes_and_is_counted() {
    let mut faults = Faults::default();
    let named = |name: &str, rule: Rule| Rule { name: name.into(), ..rule };
    faults.set(vec![
        named("twice", Rule { times: Some(2), ..rule(Step::Mail) }),
        named("third", Rule { skip: 1, every: 2, ..rule(Step::Mail) }),
    ]);
    let struck: Vec<_> = (0..7).map(|_| strikes(&mut faults, &occasion(Step::Mail, 1))).collect();
    let expected = [Some("twice"), Some("twice"), None, Some("third"), None, Some("third"), None];
    assert_eq!(struck, expected.map(|name| name.map(str::to_owned)));
    assert_eq!(strikes(&mut faults, &occasion(Step::Rcpt, 1)), None);
    let counts: Vec<_> = faults.rules().map(|(_, count)| (count.matched, count.struck)).collect();
    assert_eq!(counts, [(7, 2), (5, 2)]);
    assert_eq!((faults.strikes(), faults.log().len()), (4, 4));
}

#[test]
fn sessions_are_counted_from_when_the_script_was_set() {
    let mut faults = Faults::default();
    let before = faults.begin_session();
    faults.set(vec![
        Rule {
            name: "second".into(),
            when: Conditions { session: Some(2), ..Conditions::default() },
            ..rule(Step::Ehlo)
        },
        Rule {
            name: "third".into(),
            when: Conditions { every_session: Some(3), ..Conditions::default() },
            ..rule(Step::Ehlo)
        },
    ]);
    let mut visit = || {
        let session = faults.begin_session();
        strikes(&mut faults, &occasion(Step::Ehlo, session))
    };
    let struck: Vec<_> = (0..7).map(|_| visit()).collect();
    let expected = [None, Some("second"), Some("third"), None, None, Some("third"), None];
    assert_eq!(struck, expected.map(|name| name.map(str::to_owned)));
    assert_eq!(strikes(&mut faults, &occasion(Step::Ehlo, before)), None, "whoever was there before has no number");
}

#[test]
fn conditions_compare_addresses_and_places() {
    let holds = |when: Conditions| {
        let recipients = ["Bob@Contoso.example".to_owned(), "carol@fabrikam.example".to_owned()];
        let found = Occasion {
            login: Some("alice@contoso.example"),
            sender: Some("<>"),
            recipients: &recipients,
            ..occasion(Step::Data, 5)
        };
        when.hold(&found, 5)
    };
    let pattern = |text: &str| Pattern::parse(text);
    assert!(holds(Conditions::default()));
    assert!(holds(Conditions { sender: pattern("<>"), recipient: pattern("bob@*"), ..Conditions::default() }));
    assert!(holds(Conditions { recipient: pattern("*FABRIKAM*"), login: pattern("alic?@*"), ..Conditions::default() }));
    assert!(!holds(Conditions { recipient: pattern("*@contoso"), ..Conditions::default() }));
    assert!(!holds(Conditions { sender: pattern("?"), ..Conditions::default() }));
    let network = |text: &str| text.parse::<Network>().ok();
    assert!(holds(Conditions { client: network("127.0.0.0/8"), port: Some(2587), ..Conditions::default() }));
    assert!(!holds(Conditions { client: network("10.0.0.0/8"), ..Conditions::default() }));
    assert!(!holds(Conditions { listener: Some(Door::Inbound), ..Conditions::default() }));
    assert!(!holds(Conditions { message: Some(2), ..Conditions::default() }));
    let at_delivery = Occasion { visit: None, ..occasion(Step::Delivery, 0) };
    assert!(Conditions::default().hold(&at_delivery, 0));
    assert!(!Conditions { port: Some(25), ..Conditions::default() }.hold(&at_delivery, 0));
}

#[test]
fn content_is_counted_in_octets() {
    let asked = |when: &Conditions, octets| when.hold(&Occasion { octets, ..occasion(Step::Content, 1) }, 1);
    let pieces = [(0, 10), (10, 25), (25, 26), (26, 60)];
    let held = |when: Conditions| pieces.map(|octets| asked(&when, octets));
    assert_eq!(held(Conditions::default()), [true, false, false, false]);
    assert_eq!(held(Conditions { octets: Some(26), ..Conditions::default() }), [false, false, true, false]);
    assert_eq!(held(Conditions { every_octets: Some(20), ..Conditions::default() }), [false, true, false, true]);
}

/// The plain meaning of a pattern, by trying everything.
fn fits(pattern: &[char], text: &[char]) -> bool {
    match pattern.split_first() {
        None => text.is_empty(),
        Some(('*', rest)) => (0..=text.len()).any(|at| fits(rest, &text[at..])),
        Some((wanted, rest)) => {
            text.split_first().is_some_and(|(first, others)| (*wanted == '?' || wanted == first) && fits(rest, others))
        }
    }
}

proptest! {
    #[test]
    fn a_pattern_means_what_trying_everything_finds(pattern in "[ab*?]{1,8}", text in "[ab]{0,10}") {
        let (all, of) = (pattern.chars().collect::<Vec<_>>(), text.chars().collect::<Vec<_>>());
        prop_assert_eq!(Pattern::parse(&pattern).unwrap().matches(&text), fits(&all, &of));
    }

    #[test]
    fn memory_is_bounded_and_counts_add_up_whatever_happens(
        rules in prop::collection::vec((0_usize..14, 0_u64..4, 0_u64..4, prop::option::of(0_u64..5)), 0..10),
        asked in prop::collection::vec((0_usize..14, 0_u64..9), 0..200),
    ) {
        let mut faults = Faults::default();
        let rules = rules.into_iter().map(|(step, skip, every, times)| Rule { skip, every, times, ..rule(STEPS[step]) });
        faults.set(rules.collect());
        let mut struck = 0;
        for (step, session) in asked {
            struck += u64::from(faults.judge(Timestamp::EPOCH, &occasion(STEPS[step], session)).is_some());
        }
        prop_assert_eq!(faults.strikes(), struck);
        prop_assert_eq!(faults.rules().map(|(_, count)| count.struck).sum::<u64>(), struck);
        prop_assert!(faults.rules().all(|(rule, count)| rule.times.is_none_or(|times| count.struck <= times)));
        prop_assert!(faults.log().len() <= LOG_MAX);
    }
}

#[test]
fn names_are_unique_and_each_stands_at_a_step_that_knows_it() {
    for (index, named) in NAMED.iter().enumerate() {
        assert!(NAMED.iter().skip(index + 1).all(|other| !other.name.eq_ignore_ascii_case(named.name)), "{named:?}");
        assert!(Deed::Reply(Words::Named(named)).fits(named.step), "{named:?}");
        let nobody = Circumstances { login: None, sender: None, recipient: None, client: None };
        let settings = crate::model::policy::Settings::default();
        let worded = named_reply(named, &settings, &nobody, None);
        assert!((400..600).contains(&worded.reply.code()), "{named:?} says yes");
    }
}
