//! Certificates that an authority gives by itself (ACME), from an authority of the test's own that looks for proofs
//! over loopback and checks every signature, nonce and field.

mod authority;
mod gifts;
mod issuing;
mod jws;
mod misbehaving;
mod proofs;
mod rig;
mod running;
