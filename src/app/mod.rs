//! Puts everything together, in sight and in order; decides nothing.

pub mod data;
pub mod demo;
mod intake;
mod logging;
pub mod serve;
mod signals;
pub mod stores;

use tokio::runtime::{Builder, Runtime};

/// The runtime that everything asynchronous runs on.
fn runtime() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().enable_all().thread_name("franking").build()
}
