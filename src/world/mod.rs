//! The outside world behind small traits: clock, randomness, disk, network, resolver, TLS. Tests put their own here.
//!
//! Nothing in this ring decides about mail. It promises that whatever comes from outside (a file, an answer of a name
//! server, a certificate) arrives either as a parsed value or as an error that names what was at fault and its cure.

pub mod acme;
pub mod clock;
pub mod disk;
pub mod https;
pub mod jws;
pub mod network;
pub mod offload;
pub mod password;
pub mod processors;
pub mod proxy_protocol;
pub mod random;
pub mod resolver;
pub mod scram;
pub mod secret;
pub mod tls;

pub use clock::{Clock, ManualClock, SystemClock};
pub use offload::offload;
pub use random::{Random, SeededRandom, SystemRandom};
pub use resolver::{FixedResolver, MxAnswer, Resolver, SystemResolver};
