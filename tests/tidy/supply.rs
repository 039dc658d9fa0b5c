//! What Franking is built from, judged by `.deny.toml`: licences, banned crates, and where they come from.
//!
//! cargo-deny reads the same file and looks closer; this holds the gate where it is not installed. Licences are those
//! of the crates this machine builds, since cargo fetches no others.

use std::collections::BTreeSet;
use std::process::Command;

use super::{Breach, assert_none};

const POLICY: &str = include_str!("../../.deny.toml");
const LOCK: &str = include_str!("../../Cargo.lock");
/// The default registry, as a lock file names it.
const DEFAULT_REGISTRY: &str = concat!("registry+https://github.com/rust-lang/crates", ".io-index");

fn table(name: &str, text: &str) -> toml::Table {
    text.parse().unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The strings of the list `section.key`.
fn listed(policy: &toml::Table, section: &str, key: &str) -> BTreeSet<String> {
    let entries = policy.get(section).and_then(|section| section.get(key)?.as_array());
    let name = |entry: &toml::Value| entry.as_str().or_else(|| entry.get("crate")?.as_str()).map(str::to_owned);
    entries.into_iter().flatten().filter_map(name).collect()
}

/// Whether a licence expression (SPDX, or the old `A/B` for either) can be met with licences of `allowed` alone.
fn is_permitted(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    // What cannot be read to its end is not permitted.
    either(&mut rest, allowed) == Some(true) && rest.is_empty()
}

fn either(rest: &mut &[&str], allowed: &BTreeSet<String>) -> Option<bool> {
    let mut met = both(rest, allowed)?;
    while let ["OR", after @ ..] = rest {
        *rest = after;
        met |= both(rest, allowed)?;
    }
    Some(met)
}

fn both(rest: &mut &[&str], allowed: &BTreeSet<String>) -> Option<bool> {
    let mut met = single(rest, allowed)?;
    while let ["AND", after @ ..] = rest {
        *rest = after;
        met &= single(rest, allowed)?;
    }
    Some(met)
}

fn single(rest: &mut &[&str], allowed: &BTreeSet<String>) -> Option<bool> {
    match *rest {
        ["(", after @ ..] => {
            *rest = after;
            let met = either(rest, allowed)?;
            *rest = rest.strip_prefix(&[")"])?;
            Some(met)
        }
        [licence, "WITH", exception, after @ ..] => {
            *rest = after;
            Some(allowed.contains(&format!("{licence} WITH {exception}")))
        }
        [licence, after @ ..] => {
            *rest = after;
            Some(allowed.contains(*licence))
        }
        [] => None,
    }
}

/// What cargo says about every crate built on this machine.
fn metadata() -> serde_json::Value {
    let cargo = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO")).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
        let output = output.unwrap_or_else(|error| panic!("cargo cannot be started: {error}"));
        assert!(output.status.success(), "cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let version = cargo(&["--version", "--verbose"]);
    let version = String::from_utf8_lossy(&version).into_owned();
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    let host = host.unwrap_or_else(|| panic!("cargo does not name its host: {version}"));
    let read = ["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host];
    serde_json::from_slice(&cargo(&read)).unwrap_or_else(|error| panic!("cargo metadata: {error}"))
}

fn unlicensed(metadata: &serde_json::Value, allowed: &BTreeSet<String>) -> Vec<Breach> {
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let judged = packages.map(|package| {
        let name = package["name"].as_str().unwrap_or("a crate without a name");
        (name, package["license"].as_str().unwrap_or("no licence"))
    });
    judged
        .filter(|(_, licence)| !is_permitted(licence, allowed))
        .map(|(name, licence)| Breach::new("Cargo.lock", 1, &format!("{name}: {licence} is not allowed by .deny.toml")))
        .collect()
}

fn unwanted(lock: &toml::Table, banned: &BTreeSet<String>) -> Vec<Breach> {
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    let mut breaches = Vec::new();
    for package in packages {
        let said = |key: &str| package.get(key).and_then(toml::Value::as_str);
        let name = said("name").unwrap_or_default();
        if banned.contains(name) {
            breaches.push(Breach::new("Cargo.lock", 1, &format!("{name} is banned by .deny.toml")));
        }
        if said("source").is_some_and(|source| source != DEFAULT_REGISTRY) {
            breaches.push(Breach::new("Cargo.lock", 1, &format!("{name} does not come from the default registry")));
        }
    }
    breaches
}

#[test]
fn every_licence_is_permissive() {
    let allowed = listed(&table(".deny.toml", POLICY), "licenses", "allow");
    let metadata = metadata();
    assert!(metadata["packages"].as_array().is_some_and(|packages| packages.len() > 1), "cargo lists no crates");
    assert_none(unlicensed(&metadata, &allowed));
}

#[test]
fn no_banned_crate_and_no_foreign_source_is_locked() {
    let banned = listed(&table(".deny.toml", POLICY), "bans", "deny");
    assert_none(unwanted(&table("Cargo.lock", LOCK), &banned));
}

#[test]
fn licence_expressions_are_judged_as_they_read() {
    let allowed: BTreeSet<String> = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"].map(str::to_owned).into();
    for permitted in ["MIT", "GPL-3.0/MIT", "(MIT OR GPL-3.0) AND ISC", "Apache-2.0 WITH LLVM-exception OR GPL-2.0"] {
        assert!(is_permitted(permitted, &allowed), "{permitted}");
    }
    for refused in ["GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "(MIT", "MIT)", "", "MIT OR", "no licence"] {
        assert!(!is_permitted(refused, &allowed), "{refused}");
    }
}

#[test]
fn breaches_of_the_supply_rules_are_found() {
    let crates = serde_json::json!({ "packages": [{ "name": "a", "license": "AGPL-3.0" }, { "name": "b" }] });
    assert_eq!(unlicensed(&crates, &BTreeSet::from(["MIT".to_owned()])).len(), 2);
    let lock = "[[package]]\nname = \"openssl-sys\"\nsource = \"git+https://example.org/openssl\"\n";
    let banned = listed(&table(".deny.toml", POLICY), "bans", "deny");
    assert_eq!(unwanted(&table("lock", lock), &banned).len(), 2);
}
