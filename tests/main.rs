//! Every test that looks at the product from outside: one program, a module per subject.

mod admin;
mod dialogues;
mod directory;
mod engine_laws;
mod import;
mod journal_crash;
mod policy;
mod properties;
mod queue;
mod reports;
mod tidy;
mod wire;
