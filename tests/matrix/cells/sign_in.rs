//! Who may sign in: decision D2 in full.

use super::super::asked::Asked;
use super::super::oracle;
use super::super::plain::{KINDS, Thing, World};
use super::super::tally::{Question, Tally};
use super::{BOTH, PROFILES, states_of};

pub(in super::super) fn all(tally: &mut Tally) {
    objects(tally);
    switches(tally);
}

/// Every kind in every state, with and without licence, in every condition of its account.
fn objects(tally: &mut Tally) {
    for kind in KINDS {
        let usual = Thing::new("alice", kind);
        let accounts: &[&str] = if usual.account == "none" {
            &["none"]
        } else {
            &["none", "enabled", "disabled", "blocked", "disabled and blocked"]
        };
        for (state, licensed, account) in product(states_of(kind), &BOTH, accounts) {
            for (profile, shared, step) in product(&PROFILES, &["licensed", "unblocked"], &["auth", "mail-from"]) {
                let thing = usual.clone().with(|thing| {
                    thing.state = state;
                    thing.licensed = licensed;
                    thing.account = account;
                });
                let world = World::new(profile, vec![thing]).with(|world| {
                    world.shared_sign_in = shared;
                    world.no_mailbox_step = step;
                });
                ask(tally, &Asked::new(&world), "password");
            }
        }
    }
}

/// Every setting of every switch, for the accounts that differ in what they have to open.
fn switches(tally: &mut Tally) {
    let accounts = [("UserMailbox", true), ("UserMailbox", false), ("SharedMailbox", false), ("MailUser", false)];
    for ((kind, licensed), switch, policy) in
        product(&accounts, &["unset", "true", "false"], &["unset", "allows", "forbids"])
    {
        for (profile, defaults, tenant) in product(&PROFILES, &BOTH, &BOTH) {
            for (passwords, step, account) in product(&BOTH, &["auth", "mail-from"], &["enabled", "blocked"]) {
                let thing = Thing::new("alice", kind).with(|thing| {
                    thing.licensed = licensed;
                    thing.switch = switch;
                    thing.policy = policy;
                    thing.account = account;
                });
                let world = World::new(profile, vec![thing]).with(|world| {
                    world.security_defaults = defaults;
                    world.tenant_disables_smtp = tenant;
                    world.tenant_allows_passwords = passwords;
                    world.no_mailbox_step = step;
                });
                let asked = Asked::new(&world);
                for proof in ["password", "token", "wrong"] {
                    ask(tally, &asked, proof);
                }
            }
        }
    }
}

fn ask(tally: &mut Tally, asked: &Asked<'_>, proof: &str) {
    let expected = oracle::sign_in(asked.world, "alice", proof).join(", then at MAIL FROM ");
    let actual = asked.sign_in("alice", proof).join(", then at MAIL FROM ");
    let question = || format!("Alice signs in; her proof is: {proof}.");
    tally.cell(asked, (&expected, &actual), question, Question::sign_in("alice"));
}

/// Every combination of three lists.
pub(in super::super) fn product<A: Copy, B: Copy, C: Copy>(a: &[A], b: &[B], c: &[C]) -> Vec<(A, B, C)> {
    let pairs = a.iter().flat_map(|first| b.iter().map(move |second| (*first, *second)));
    pairs.flat_map(|(first, second)| c.iter().map(move |third| (first, second, *third))).collect()
}
