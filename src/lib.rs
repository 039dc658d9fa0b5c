//! Franking: an SMTP submission and delivery server that enforces Exchange's recipient semantics.
//!
//! # The map
//!
//! Rings, outermost first; each may import only what stands below it (`tests/tidy.rs` holds this as a test):
//!
//! ```text
//! main → app                       wires everything, decides nothing
//!   server   delivery   admin      never each other: they meet in store
//!         store      config        what must survive a crash; what the operator wrote
//!         world                    clock, random, disk, network, resolver, TLS
//!         model                    the law: pure functions over values, no I/O, no clock, no async
//! ```
//!
//! Inside `model`: `mail ← directory ← policy ← smtp`; `mail, directory, policy ← queue ← report`; `transport_security`
//! stands beside them and uses nothing but `mail`.
//!
//! # The laws
//!
//! 1. Policy is pure: total functions over an immutable [`Snapshot`](model::directory::Snapshot) plus `now`.
//! 2. A forgotten check does not compile: only `policy` makes a permit, only permits enter an envelope, only an
//!    envelope can be queued.
//! 3. One refusal, one reason, one reply: every refusal is a row of one table, printed in `fixtures/replies.txt`.
//! 4. The session is sans-IO: bytes and verdicts in, actions out.
//! 5. `250` after a message is sent in one place, after body and envelope are durable.
//! 6. The journal is the truth, the database is an index that can be deleted.
//! 7. Every effect can be repeated: delivering again after a crash changes nothing.
//! 8. The engine is a trait with laws; one law suite runs on every engine.
//!
//! # Words
//!
//! A *recipient* is a directory entry, a *mailbox* is storage, an *account* is what signs in. A *proxy address* is any
//! address of a recipient. A *connector* knows clients that do not sign in. The *reverse-path* is the argument of MAIL
//! FROM, a *forward-path* that of RCPT TO.

pub mod admin;
pub mod app;
pub mod config;
pub mod delivery;
pub mod model;
pub mod server;
pub mod store;
pub mod world;
