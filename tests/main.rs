//! Every test that looks at the product from outside: one program, a module per subject.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod abuse;
mod acme;
mod addresses;
mod admin;
mod audit;
mod authors;
mod auto_replies;
mod clients;
mod contents;
mod crash;
mod dialogues;
mod directory;
mod disk;
mod engine_laws;
mod fuzzing;
mod import;
mod journal_crash;
mod lifecycle;
mod matrix;
mod policy;
mod power_cut;
mod processors;
mod properties;
mod queue;
mod rehearsal;
mod relaying;
mod reports;
mod shared_mailbox;
mod sign_ins;
mod simulation;
mod srs;
mod support;
mod tidy;
mod tokens;
mod trace;
mod transport;
mod uplink;
mod walks;
mod wire;
