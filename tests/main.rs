//! Every test that looks at the product from outside: one program, a module per subject.

mod engine_laws;
mod journal_crash;
mod policy;
mod queue;
mod reports;
mod tidy;
