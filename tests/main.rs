//! One program for all integration tests, a module per subject: it links once.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up has failed")]

mod directory;
mod import;
