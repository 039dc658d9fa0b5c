//! Every test that looks at the product from outside: one program, a module per subject.

mod directory;
mod journal_crash;
mod tidy;
//! One test program with a module per subject: it links once.

mod engine_laws;
mod journal_crash;
mod import;
