//! Where the log goes: for people on a terminal, as one JSON object a line otherwise, always on standard error.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::prelude::*;

use super::log_lines::LogLines;
use crate::config::{LogConfig, LogFormat, LogLevel};

/// What gathers lines, once logging has started so.
static GATHERING: OnceLock<LogLines> = OnceLock::new();

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
    // A person sees each line at once.
    let gathering = if terminal { None } else { LogLines::start().ok() };
    let writer = match &gathering {
        Some(lines) => BoxMakeWriter::new(lines.clone()),
        None => BoxMakeWriter::new(std::io::stderr),
    };
    let registry = tracing_subscriber::registry().with(filter);
    let started = match format {
        LogFormat::Text => {
            registry.with(tracing_subscriber::fmt::layer().compact().with_ansi(terminal).with_writer(writer)).try_init()
        }
        LogFormat::Json => {
            registry.with(tracing_subscriber::fmt::layer().json().flatten_event(true).with_writer(writer)).try_init()
        }
    };
    // Someone embedding this library may have a subscriber of their own: theirs stays.
    if let (Ok(()), Some(lines)) = (started, gathering) {
        let _ = GATHERING.set(lines);
    }
}

/// Writes what has gathered, before the process ends.
pub(super) fn flush() {
    if let Some(lines) = GATHERING.get() {
        lines.flush();
    }
}
