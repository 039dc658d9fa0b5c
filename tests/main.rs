//! One test program with a module per subject: it links once.

mod engine_laws;
mod journal_crash;
