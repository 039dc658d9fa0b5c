//! What the benchmarks of the whole program share: a server as an operator runs it, a load to put on it, and what it
//! costs, read from outside.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

pub(crate) mod arguments;
pub(crate) mod load;
pub(crate) mod measure;
pub(crate) mod meter;
pub(crate) mod smtp;
pub(crate) mod subject;
pub(crate) mod trusting;
