//! Every test that looks at the product from outside: one program, a module per subject.

mod directory;
mod journal_crash;
mod tidy;
