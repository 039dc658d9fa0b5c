//! The import law: which ring may use which, what of the standard library, and which crates.
//!
//! The tables below are the law; the head of `src/lib.rs` draws the same picture. What a rule refuses is named with
//! file, line and law. Tests inside the tree obey the law between modules too, but outside `model` they may use the
//! file system and the environment directly.

use std::collections::BTreeSet;

use super::mentions::{self, Mention};
use super::sources::{self, RustFile};
use super::{Breach, assert_none};

/// Each ring and the rings below it that it may use. `app` and `main` wire everything.
const RINGS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("world", &["model"]),
    ("config", &["world", "model"]),
    ("store", &["world", "model"]),
    ("server", &["config", "store", "world", "model"]),
    ("delivery", &["config", "store", "world", "model"]),
    ("admin", &["config", "store", "world", "model"]),
    ("app", &["admin", "delivery", "server", "config", "store", "world", "model"]),
    ("main", &["app", "admin", "delivery", "server", "config", "store", "world", "model"]),
];

/// The rooms of `model` and the rooms each may use; `smtp` and `queue` do not know each other.
const ROOMS: &[(&str, &[&str])] = &[
    ("mail", &[]),
    ("directory", &["mail"]),
    ("policy", &["directory", "mail"]),
    ("faults", &["policy", "directory", "mail"]),
    ("smtp", &["faults", "policy", "directory", "mail"]),
    ("queue", &["policy", "directory", "mail"]),
    ("report", &["queue", "policy", "directory", "mail"]),
    ("transport_security", &["mail"]),
];

/// Paths of the standard library that a ring may not use, each with the reason.
const STANDARD: &[(&[&str], &[&str], &str)] = &[
    (&["model"], &["std::fs", "std::env", "std::thread", "std::process", "std::os"], "model does no input or output"),
    (&["model"], &["std::io::stdin", "std::io::stdout", "std::io::stderr"], "model does no input or output"),
    (&["model"], &["std::time::SystemTime", "std::time::Instant"], "model is given the time, it has no clock"),
    (&["model", "store"], &["std::net"], "sockets belong to world and server; address types alone are free"),
    (&["store", "server", "delivery"], &["std::fs"], "disk comes from world, so that tests can let it fail"),
    (&["store", "server", "delivery"], &["std::env", "std::process"], "settings are handed in, not looked up"),
];

/// Types of `std::net` that are values, not sockets.
const ADDRESS_TYPES: &[&str] =
    &["IpAddr", "Ipv4Addr", "Ipv6Addr", "SocketAddr", "SocketAddrV4", "SocketAddrV6", "AddrParseError"];

/// The crates `model` may use, in its tests as well.
const MODEL_CRATES: &[&str] = &[
    "mail_parser",
    "mail_builder",
    "serde",
    "thiserror",
    "rpds",
    "idna",
    "unicode_normalization",
    "zeroize",
    "base64",
    "memchr",
    "hmac",
    "sha2",
    "subtle",
    "postcard",
    "lz4_flex",
    "stringprep",
];

/// What the tests inside `model` may use besides.
const MODEL_TEST_CRATES: &[&str] = &["proptest", "serde_json", "toml"];

/// Crates that are named in one place only, so that replacing one is the change of one place.
const HOMES: &[(&str, &[&str], &str)] = &[
    ("sled", &["src/store/engine/embedded.rs"], "the embedded engine alone knows which database it is"),
    ("hickory_resolver", &["src/world/"], "the resolver comes from world"),
    ("getrandom", &["src/world/"], "randomness comes from world, so that tests can choose the seed"),
    ("ring", &["src/world/"], "signatures and key derivation come from world"),
    ("rustix", &["src/world/", "src/store/engine/embedded.rs"], "disk comes from world"),
    ("clap", &["src/admin/", "src/app/", "src/main.rs"], "the command line belongs to admin and main"),
];

/// Where a crate is free for `model` that is not on its list.
const MODEL_HOMES: &[(&str, &str)] = &[("jiff", "src/model/mail/time.rs")];

/// Code that stands outside the standard library's bans: it locks and syncs what sled keeps to itself.
const ENGINE: &str = "src/store/engine/embedded.rs";

fn allowed<'law>(table: &[(&str, &'law [&'law str])], name: &str) -> Option<&'law [&'law str]> {
    table.iter().find(|(own, _)| *own == name).map(|(_, below)| *below)
}

/// Every breach of the import law in `file`; `crates` are the names of all dependencies.
fn breaches(file: &RustFile, crates: &BTreeSet<String>) -> Vec<Breach> {
    let module = file.module();
    let ring = match (file.path.as_str(), module.first()) {
        // The root declares the rings and may name anything.
        ("src/lib.rs", _) => return Vec::new(),
        (_, Some(first)) => first.as_str(),
        (_, None) => "main",
    };
    let mut laws = Vec::new();
    if allowed(RINGS, ring).is_none() {
        laws.push((1, format!("`{ring}` is not a ring: give it a place in tests/tidy/rings.rs and src/lib.rs")));
    }
    if let (true, Some(room)) = (ring == "model", module.get(1))
        && allowed(ROOMS, room).is_none()
    {
        laws.push((1, format!("`{room}` is not a room of model: give it a place in tests/tidy/rings.rs")));
    }
    for mention in mentions::of(file) {
        let first = mention.path.first().map_or("", String::as_str);
        let law = match first {
            "crate" => ring_law(ring, &module, &mention.path),
            "std" | "core" | "alloc" => standard_law(ring, file, &mention),
            name if crates.contains(name) => crate_law(ring, file, &mention),
            _ => None,
        };
        laws.extend(law.map(|law| (mention.line, format!("{} ({law})", mention.path.join("::")))));
    }
    if ring == "model" {
        laws.extend(impure_words(file));
    }
    laws.into_iter().map(|(line, law)| Breach::new(&file.path, line, &law)).collect()
}

fn ring_law(ring: &str, module: &[String], path: &[String]) -> Option<String> {
    let target = path.get(1).map_or("*", String::as_str);
    if target == ring {
        return room_law(module, path);
    }
    if allowed(RINGS, target).is_none() {
        return Some("name what you use by its ring".to_owned());
    }
    let below = allowed(RINGS, ring).unwrap_or(&[]);
    (!below.contains(&target)).then(|| format!("{ring} may use only: {}", spelled(below)))
}

fn room_law(module: &[String], path: &[String]) -> Option<String> {
    let (true, Some(room)) = (module.first().is_some_and(|ring| ring == "model"), module.get(1)) else { return None };
    let target = path.get(2).map_or("*", String::as_str);
    let below = allowed(ROOMS, room).unwrap_or(&[]);
    let free = target == room || below.contains(&target);
    (!free).then(|| format!("in model, {room} may use only: {}", spelled(below)))
}

fn spelled(names: &[&str]) -> String {
    if names.is_empty() { "nothing outside itself".to_owned() } else { names.join(", ") }
}

fn standard_law(ring: &str, file: &RustFile, mention: &Mention) -> Option<String> {
    if ring != "model" && (mention.tested || file.path == ENGINE) {
        return None;
    }
    let mut path = mention.path.clone();
    path[0] = "std".to_owned();
    if path[..] == ["std", "*"] {
        return Some("name what you use of the standard library".to_owned());
    }
    if path[1..].first().is_some_and(|room| room == "net")
        && path.get(2).is_some_and(|name| ADDRESS_TYPES.contains(&name.as_str()))
    {
        return None;
    }
    let written = path.join("::");
    STANDARD
        .iter()
        .filter(|(rings, _, _)| rings.contains(&ring))
        .find(|(_, banned, _)| banned.iter().any(|ban| written == *ban || written.starts_with(&format!("{ban}::"))))
        .map(|(_, _, reason)| (*reason).to_owned())
}

fn crate_law(ring: &str, file: &RustFile, mention: &Mention) -> Option<String> {
    let name = mention.path[0].as_str();
    if let Some((_, homes, reason)) = HOMES.iter().find(|(own, _, _)| *own == name)
        && !homes.iter().any(|home| file.path.starts_with(home))
    {
        return Some((*reason).to_owned());
    }
    let socket = ring == "store" && mention.path.starts_with(&["tokio".to_owned(), "net".to_owned()]);
    if socket && !mention.tested {
        return Some("sockets belong to world and server".to_owned());
    }
    let at_home = MODEL_HOMES.iter().any(|(own, home)| *own == name && file.path == *home);
    let for_tests = mention.tested && MODEL_TEST_CRATES.contains(&name);
    let free = ring != "model" || at_home || for_tests || MODEL_CRATES.contains(&name);
    (!free).then(|| "not one of the crates the model may use".to_owned())
}

/// Words that make a function wait or talk, which nothing in `model` does.
fn impure_words(file: &RustFile) -> Vec<(usize, String)> {
    let printing = ["println", "eprintln", "print", "eprint"];
    file.tokens
        .windows(2)
        .filter_map(|pair| {
            let waits = ["async", "await"].iter().find(|word| pair[0].is_word(word));
            let prints = printing.iter().find(|word| pair[0].is_word(word) && pair[1].is_mark('!'));
            let word = waits.or_else(|| prints.filter(|_| !pair[0].tested))?;
            Some((pair[0].line, format!("{word} (model is pure: it neither waits nor prints)")))
        })
        .collect()
}

/// Attributes and macros by which a file could stand in another place than its path says.
fn disguises(file: &RustFile) -> Vec<Breach> {
    file.tokens
        .windows(3)
        .filter(|run| {
            let moved = run[0].is_mark('[') && run[1].is_word("path") && run[2].is_mark('=');
            let pasted = run[0].is_word("include") && run[1].is_mark('!');
            moved || pasted
        })
        .map(|run| Breach::new(&file.path, run[0].line, "a module stands where its path says"))
        .collect()
}

/// Names of all dependencies, as code spells them.
fn crates_of(manifest: &str) -> BTreeSet<String> {
    let manifest: toml::Table = manifest.parse().unwrap_or_else(|error| panic!("Cargo.toml: {error}"));
    ["dependencies", "dev-dependencies", "build-dependencies"]
        .iter()
        .filter_map(|section| manifest.get(*section)?.as_table())
        .flat_map(|section| section.keys().map(|name| name.replace('-', "_")))
        .collect()
}

fn laws_broken_by(path: &str, text: &str) -> usize {
    let crates = crates_of(include_str!("../../Cargo.toml"));
    breaches(&RustFile::new(path, text), &crates).len()
}

#[test]
fn every_module_uses_only_what_stands_below_it() {
    let crates = crates_of(include_str!("../../Cargo.toml"));
    assert_none(sources::rust().iter().flat_map(|file| breaches(file, &crates)));
}

#[test]
fn a_file_stands_where_its_path_says() {
    assert_none(sources::rust().iter().flat_map(disguises));
    assert_eq!(disguises(&RustFile::new("src/a.rs", "#[path = \"../b.rs\"] mod b; include!(\"c\");")).len(), 2);
}

#[test]
fn rings_that_stand_higher_are_refused() {
    assert_eq!(laws_broken_by("src/store/queue.rs", "use crate::{model::mail::Reply, server::listener};"), 1);
    assert_eq!(laws_broken_by("src/server/listener.rs", "fn f() { crate::delivery::worker::run() }"), 1);
    assert_eq!(laws_broken_by("src/admin/cli.rs", "use super::super::server::connection;"), 1);
    assert_eq!(laws_broken_by("src/world/disk.rs", "#[cfg(test)] mod tests { use crate::store::journal; }"), 1);
    assert_eq!(laws_broken_by("src/extra/mod.rs", "use crate::*;"), 2);
    assert_eq!(laws_broken_by("src/app.rs", "use crate::{admin, delivery, server, store, world, model};"), 0);
    assert_eq!(laws_broken_by("src/main.rs", "fn main() { franking::app::run() }"), 0);
}

#[test]
fn rooms_of_the_model_keep_their_order() {
    assert_eq!(laws_broken_by("src/model/mail/path.rs", "use crate::model::directory::Snapshot;"), 1);
    assert_eq!(laws_broken_by("src/model/smtp/session.rs", "use super::super::queue::Entry;"), 1);
    assert_eq!(laws_broken_by("src/model/queue/entry.rs", "use crate::model::smtp;"), 1);
    assert_eq!(laws_broken_by("src/model/policy/admit.rs", "use crate::model::*;"), 1);
    assert_eq!(laws_broken_by("src/model/attic.rs", ""), 1);
    assert_eq!(laws_broken_by("src/model/report.rs", "use super::queue::Outcome; use super::mail::Reply;"), 0);
}

#[test]
fn the_standard_library_is_free_as_far_as_the_ring_allows() {
    assert_eq!(laws_broken_by("src/model/mail/a.rs", "use std::{fs, net::{IpAddr, TcpStream}, fmt};"), 2);
    assert_eq!(laws_broken_by("src/model/mail/a.rs", "fn f() { let t = core::time::Duration::ZERO; }"), 0);
    assert_eq!(laws_broken_by("src/model/mail/a.rs", "#[cfg(test)] mod tests { use std::env; }"), 1);
    assert_eq!(laws_broken_by("src/model/mail/a.rs", "use std::time::SystemTime; use std::net;"), 2);
    assert_eq!(laws_broken_by("src/model/mail/a.rs", "async fn f() { g().await; println!(); }"), 3);
    assert_eq!(laws_broken_by("src/store/journal.rs", "use std::fs::File;"), 1);
    assert_eq!(laws_broken_by("src/store/journal.rs", "#[cfg(test)] mod tests { use std::fs; }"), 0);
    assert_eq!(laws_broken_by("src/world/disk.rs", "use std::fs::File;"), 0);
}

#[test]
fn crates_stay_in_their_homes() {
    assert_eq!(laws_broken_by("src/store/queue.rs", "fn f(db: &sled::Db) {}"), 1);
    assert_eq!(laws_broken_by("src/store/queue.rs", "use sled as database;"), 1);
    assert_eq!(laws_broken_by("src/store/engine/embedded.rs", "use sled::Db;"), 0);
    assert_eq!(laws_broken_by("src/model/mail/a.rs", "use tokio::sync::mpsc; use jiff::Timestamp;"), 2);
    assert_eq!(laws_broken_by("src/model/mail/time.rs", "use jiff::Timestamp;"), 0);
    assert_eq!(laws_broken_by("src/model/mail/a.rs", "use proptest::prelude::*;"), 1);
    assert_eq!(laws_broken_by("src/model/mail/a.rs", "#[cfg(test)] mod tests { use proptest::prelude::*; }"), 0);
    assert_eq!(laws_broken_by("src/store/queue.rs", "use tokio::net::TcpStream;"), 1);
}
