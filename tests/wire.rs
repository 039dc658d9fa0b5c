//! The server on real sockets: loopback, ports of the kernel's choice, every wait bounded.
//!
//! What is said is proved by the dialogues; here is proved what only a socket can show: TLS, time, memory, many clients
//! at once, clients that vanish, and the end of the server. Time limits are scaled down to fractions of a second.

mod bombs;
mod client;
mod counted;
mod dialogue;
mod ending;
mod hostile;
mod injection;
mod late;
mod log;
mod openssl;
mod proxied;
mod rig;
mod signing_in;
mod smuggling;
