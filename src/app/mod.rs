//! Puts everything together, in sight and in order; decides nothing.

pub mod data;
mod logging;
mod signals;
