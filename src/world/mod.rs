//! The outside world behind small traits: clock, randomness, disk, network, resolver, TLS. Tests put their own here.

pub mod disk;
