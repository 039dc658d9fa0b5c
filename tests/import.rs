//! Directories from text and from Exchange's exports.

mod exchange;
mod hostile;
mod lifecycle;
mod settings;
mod transfer;

use franking::admin::exchange::{Kind, Options, Report, Source, read};
use franking::model::directory::{Recipient, Snapshot};

use crate::directory::{FAKE_HASH, address};

pub(crate) fn export(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/fixtures/exchange/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

pub(crate) fn import(files: &[(&str, &[u8])], snapshot: &Snapshot) -> Report {
    import_as(files, None, snapshot)
}

pub(crate) fn import_as(files: &[(&str, &[u8])], kind: Option<Kind>, snapshot: &Snapshot) -> Report {
    let sources: Vec<_> = files.iter().map(|(name, bytes)| Source { name, bytes, kind }).collect();
    let options = Options { add_domains: true, ..Options::default() };
    read(&sources, snapshot, &options).plan(snapshot, FAKE_HASH)
}

pub(crate) fn find<'a>(snapshot: &'a Snapshot, local: &str) -> &'a Recipient {
    snapshot.find_by_address(&address(&format!("{local}@contoso.example"))).unwrap()
}

/// The findings of a report, one line each.
pub(crate) fn lines(findings: &[franking::admin::exchange::Finding]) -> Vec<String> {
    findings.iter().map(ToString::to_string).collect()
}
