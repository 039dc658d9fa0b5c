//! Real mail programs on both sides of the server: they send to it, it sends to them, and they read what it stored.
//!
//! `tests/run` installs the programs. Without one of them its tests say that they are left out.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may stop at the first surprise")]

mod application;
mod dovecot;
mod imap;
mod island;
mod kills;
mod lettre;
mod misbehaving;
mod moderation;
mod old_tls;
mod openssl;
mod postfix;
mod relay;
mod senders;
mod steering;
mod swaks;
