//! One test program with a module per subject: it links once.

mod journal_crash;
