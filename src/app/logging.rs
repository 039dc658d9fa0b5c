//! Where the log goes: for people on a terminal, as one JSON object a line otherwise, always on standard error.

use std::io::{IsTerminal as _, Stderr};
use std::sync::{Arc, OnceLock};

use tracing::Level;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::prelude::*;

use self::json::Json;
use self::lines::{Form, Lines};
use self::outlet::Outlet;
use self::text::Text;
use crate::config::{LogConfig, LogFormat, LogLevel};
use crate::world::clock::SystemClock;

mod json;
mod lines;
mod outlet;
mod text;

/// Where this process's lines leave, once there are any.
static OUTLET: OnceLock<Arc<Outlet<Stderr>>> = OnceLock::new();

/// Kept by who may log something: with its end, all that was logged is written.
pub(super) struct Logged;

impl Drop for Logged {
    fn drop(&mut self) {
        if let Some(outlet) = OUTLET.get() {
            outlet.flush();
        }
    }
}

/// Starts logging for the whole process. A second call does nothing. `format` unset means: text on a terminal, JSON
/// otherwise.
pub(super) fn start(log: LogConfig, format: Option<LogFormat>) {
    let level = match log.level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let terminal = std::io::stderr().is_terminal();
    let format = format.unwrap_or(if terminal { LogFormat::Text } else { LogFormat::Json });
    // Libraries speak up only when something is wrong; their chatter at this server's level would drown it.
    let filter = tracing_subscriber::filter::Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target("franking", level);
    let registry = tracing_subscriber::registry().with(filter);
    let started = match (format, terminal) {
        // In colours, and in no hurry: nobody reads that fast.
        (LogFormat::Text, true) => {
            registry.with(tracing_subscriber::fmt::layer().compact().with_writer(std::io::stderr)).try_init()
        }
        (LogFormat::Text, false) => registry.with(to_stderr::<Text>()).try_init(),
        (LogFormat::Json, _) => registry.with(to_stderr::<Json>()).try_init(),
    };
    // Someone embedding this library may have a subscriber of their own: theirs stays.
    let _ = started;
}

fn to_stderr<F: Form>() -> Lines<F, impl Fn(Level, u64, &[u8]) + 'static> {
    let outlet = Arc::clone(OUTLET.get_or_init(|| Outlet::attended(std::io::stderr())));
    Lines::new(SystemClock::unix_microseconds, move |level: Level, now: u64, line: &[u8]| outlet.say(level, now, line))
}

#[cfg(test)]
mod tests;
