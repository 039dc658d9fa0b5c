//! Every test that looks at the product from outside: one program, a module per subject.

mod tidy;
//! One program for all integration tests, a module per subject: it links once.

mod directory;
//! One test program with a module per subject: it links once.

mod journal_crash;
