//! What nobody meant to send, read by everything that reads what comes from outside: the targets of `fuzz/` as ordinary
//! tests, on the corpus that is kept there and on thousands of variations of it.
//!
//! The variations are a function of the seed, so a failure comes again. `FRANKING_LONG=1` makes millions of them. An
//! input that was found to break something is added to `fuzz/corpus/<target>/`.

mod corpus;
mod mutation;
mod seeds;
mod targets;

use mutation::Mutator;

/// A function that must take anything.
type Target = fn(&[u8]);

/// The targets by name, and how many variations of their inputs the gate tries.
const TARGETS: [(&str, Target, u32); 10] = [
    ("line", targets::line, 8_000),
    ("grammar", targets::grammar, 20_000),
    ("address", targets::address, 20_000),
    ("sasl", targets::sasl, 3_000),
    ("session", targets::session, 1_500),
    ("proxy", targets::proxy, 20_000),
    ("journal", targets::journal, 1_000),
    ("configuration", targets::configuration, 1_500),
    ("directory", targets::directory, 800),
    ("header", targets::header, 8_000),
];

/// With `FRANKING_LONG` so many times as many.
const LONG: u32 = 200;

fn fuzz(name: &str) {
    let (_, target, tries) = TARGETS.into_iter().find(|(own, ..)| *own == name).expect("a target of this name");
    let seeds = corpus::of(name);
    assert!(!seeds.is_empty(), "fuzz/corpus/{name} has no files");
    seeds.iter().for_each(|seed| target(seed));
    let tries = if std::env::var_os("FRANKING_LONG").is_some() { tries.saturating_mul(LONG) } else { tries };
    let mut mutator = Mutator::new(name);
    for number in 0..tries {
        let input = mutator.vary(&seeds);
        let outcome = std::panic::catch_unwind(|| target(&input));
        assert!(outcome.is_ok(), "{name} fails on variation {number}, keep it: {:?}", String::from_utf8_lossy(&input));
    }
}

#[test]
fn lines_are_the_same_however_they_are_cut() {
    fuzz("line");
}

#[test]
fn every_line_is_a_command_or_none() {
    fuzz("grammar");
}

#[test]
fn an_address_is_read_as_it_is_written() {
    fuzz("address");
}

#[test]
fn no_response_to_auth_breaks_a_session() {
    fuzz("sasl");
}

#[test]
fn no_octets_break_a_session() {
    fuzz("session");
}

#[test]
fn a_proxy_header_is_read_from_its_own_octets_alone() {
    fuzz("proxy");
}

#[test]
fn no_octets_of_a_journal_break_its_reader() {
    fuzz("journal");
}

#[test]
fn every_text_is_a_configuration_or_has_its_faults_named() {
    fuzz("configuration");
}

#[test]
fn every_document_is_planned_or_refused() {
    fuzz("directory");
}

#[test]
fn a_header_is_its_fields_and_nothing_else() {
    fuzz("header");
}

/// Whoever adds a target adds its corpus, its program under `fuzz/`, and the other way round.
#[test]
fn every_target_has_its_program_and_its_corpus() {
    let mut named: Vec<&str> = TARGETS.iter().map(|(name, ..)| *name).collect();
    named.sort_unstable();
    assert_eq!(corpus::programs(), named);
    assert_eq!(corpus::directories(), named);
    let manifest = corpus::manifest();
    for name in named {
        assert!(manifest.contains(&format!("name = \"{name}\"")), "fuzz/Cargo.toml has no [[bin]] {name}");
    }
}

/// The variations are those of every other run, or a failure could not be looked for again.
#[test]
fn variations_are_a_function_of_their_target() {
    let seeds = corpus::of("grammar");
    let run = |name| {
        let mut mutator = Mutator::new(name);
        (0..50).map(|_| mutator.vary(&seeds)).collect::<Vec<_>>()
    };
    assert_eq!(run("grammar"), run("grammar"));
    assert_ne!(run("grammar"), run("line"));
}
