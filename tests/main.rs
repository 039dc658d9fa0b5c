//! One program for all integration tests, a module per subject: it links once.

mod directory;
mod import;
