//! What administrators do: bring directories in and out, look, and change.

pub mod exchange;
pub mod transfer;
