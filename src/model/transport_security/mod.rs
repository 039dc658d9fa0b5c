//! What a recipient's domain says about the protection of mail on its way there: MTA-STS (RFC 8461) and DANE (RFC
//! 7672); and the times of certificates, our own among them.
//!
//! What comes from strangers is read with care: each reader takes any octets, gives a value or a reason, and its work
//! is bounded by the length of what it reads.

pub mod certificate;
pub mod mta_sts;
pub mod tlsa;

pub use mta_sts::{Mode, Policy, PolicyError, PolicyId, policy_id};
pub use tlsa::{Tlsa, usable};
