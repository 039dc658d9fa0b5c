//! SMTP as values and state machines: bytes in, actions out, no sockets.

pub mod client;
