//! The law: what Exchange's recipient rules say, as values and total functions. No I/O, clock, randomness or async.

#![deny(clippy::wildcard_enum_match_arm)]

pub mod directory;
pub mod faults;
pub mod mail;
pub mod policy;
pub mod queue;
pub mod report;
pub mod smtp;
pub mod transport_security;
