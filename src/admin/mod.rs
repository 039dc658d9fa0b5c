//! What administrators do: bring directories in and out, look, and change.
//!
//! The command line turns arguments into requests; the office answers them, in the running server over a local socket
//! or in the command's own process when none runs. So a command does the same in both.

pub mod backup;
pub mod check;
pub mod cli;
pub mod exchange;
pub mod explain;
pub mod init;
pub mod office;
pub mod socket;
pub mod transfer;
