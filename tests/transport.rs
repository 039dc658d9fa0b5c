//! What recipients' domains demand of the way to them, on real sockets: MTA-STS and DANE, kept by hosts and broken by
//! them.
//!
//! Whatever is demanded, one thing is looked at in every case: that a host which does not meet it never hears who
//! writes to whom.

mod certificates;
mod dane;
mod log;
mod mta_sts;
mod rig;
