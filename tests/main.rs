//! Every test that looks at the product from outside: one program, a module per subject.

mod admin;
mod directory;
mod engine_laws;
mod import;
mod journal_crash;
mod tidy;
