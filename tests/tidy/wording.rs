//! What is never written down: unfinished work, switched-off tests, hosts of package registries, private keys.
//!
//! The forbidden words are put together from halves here, so that this file obeys its own rules.

use super::lexer::{self, Token};
use super::sources::{self, TextFile};
use super::{Breach, assert_none};

const UNFINISHED_WORDS: [&str; 3] = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("X", "XX")];
const UNFINISHED_MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];
const REGISTRY_HOSTS: [&str; 8] = [
    concat!("crates", ".io"),
    concat!("docs", ".rs/"),
    concat!("pypi", ".org"),
    concat!("python", "hosted"),
    concat!("npm", "js"),
    concat!("proxy.", "golang"),
    concat!("ruby", "gems"),
    concat!("deb.", "debian"),
];
const KEY_OPENS: &str = concat!("-----BEG", "IN ");
const KEY_CLOSES: &str = concat!("PRIVATE ", "KEY-----");

fn lines_with(file: &TextFile, law: &str, broken: impl Fn(&str) -> bool) -> Vec<Breach> {
    let lines = file.text.lines().enumerate().filter(|(_, line)| broken(line));
    lines.map(|(index, _)| Breach::new(&file.path, index + 1, law)).collect()
}

/// Whether `word` stands in `line` with no letter, digit or underscore beside it.
fn has_word(line: &str, word: &str) -> bool {
    line.split(|character: char| character != '_' && !character.is_alphanumeric()).any(|own| own == word)
}

fn unfinished(file: &TextFile) -> Vec<Breach> {
    // The lock file and licences are not ours to word; goldens hold what others sent.
    if file.path == "Cargo.lock" || file.path.starts_with("LICENSE") || file.path.starts_with("fixtures/messages/") {
        return Vec::new();
    }
    let law = "no notes to self: finish it, or open an issue";
    let mut breaches = lines_with(file, law, |line| UNFINISHED_WORDS.iter().any(|word| has_word(line, word)));
    let tokens = if file.is_rust() { lexer::lex(&file.text) } else { Vec::new() };
    let calls = tokens
        .windows(2)
        .filter(|pair| UNFINISHED_MACROS.iter().any(|name| pair[0].is_word(name)) && pair[1].is_mark('!'));
    breaches.extend(calls.map(|pair| Breach::new(&file.path, pair[0].line, law)));
    breaches
}

fn switched_off(file: &TextFile) -> Vec<Breach> {
    if !file.is_rust() {
        return Vec::new();
    }
    let lines: Vec<&str> = file.text.lines().collect();
    let is_ignore = |run: &[Token]| run[0].is_mark('#') && run[1].is_mark('[') && run[2].is_word("ignore");
    let explained = |line: usize| line >= 2 && lines.get(line - 2).is_some_and(|above| above.trim().starts_with("// "));
    let tokens = lexer::lex(&file.text);
    let ignored = tokens.windows(3).filter(|run| is_ignore(run) && !explained(run[0].line));
    ignored.map(|run| Breach::new(&file.path, run[0].line, "an ignored test says why in the line above")).collect()
}

fn registry_hosts(file: &TextFile) -> Vec<Breach> {
    if file.path == "Cargo.lock" {
        return Vec::new();
    }
    lines_with(file, "no host of a package registry is named", |line| {
        let line = line.to_lowercase();
        REGISTRY_HOSTS.iter().any(|host| line.contains(host))
    })
}

fn private_keys(file: &TextFile) -> Vec<Breach> {
    let law = "private keys are never committed";
    let mut breaches = lines_with(file, law, |line| {
        let line = line.trim();
        line.starts_with(KEY_OPENS) && line.ends_with(KEY_CLOSES)
    });
    if file.path.ends_with(".key") {
        breaches.push(Breach::new(&file.path, 1, law));
    }
    breaches
}

#[test]
fn nothing_is_left_as_a_note_to_self() {
    assert_none(sources::all().iter().flat_map(unfinished));
    let note = format!("// {}: later\nfn f() {{ {}!() }}\n", UNFINISHED_WORDS[0], UNFINISHED_MACROS[0]);
    assert_eq!(unfinished(&TextFile::new("src/a.rs", &note)).len(), 2);
    assert!(unfinished(&TextFile::new("src/a.rs", "let todo = 1; // todos\n")).is_empty());
}

#[test]
fn no_test_is_switched_off_without_a_reason() {
    assert_none(sources::all().iter().flat_map(switched_off));
    assert_eq!(switched_off(&TextFile::new("tests/a.rs", "#[test]\n#[ignore]\nfn a() {}")).len(), 1);
    assert!(switched_off(&TextFile::new("tests/a.rs", "// Needs a day.\n#[ignore]\nfn a() {}")).is_empty());
}

#[test]
fn no_host_of_a_package_registry_is_named() {
    assert_none(sources::all().iter().flat_map(registry_hosts));
    let link = format!("See https://{}/crates/x\n", REGISTRY_HOSTS[0].to_uppercase());
    assert_eq!(registry_hosts(&TextFile::new("README.md", &link)).len(), 1);
}

#[test]
fn private_keys_are_never_committed() {
    assert_none(sources::all().iter().flat_map(private_keys));
    let key = format!("{KEY_OPENS}EC {KEY_CLOSES}\nMHc=\n");
    assert_eq!(private_keys(&TextFile::new("fixtures/a.txt", &key)).len(), 1);
    assert_eq!(private_keys(&TextFile::new("certs/leaf.key", "")).len(), 1);
}
