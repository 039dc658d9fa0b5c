//! A line as plain text, for people and for journals that keep a time of their own.
//!
//! It has the time, the level, the names of the spans around it, the target, the message, the event's fields as
//! `name=value`, and those of the spans: `2026-01-05T09:00:00.000000Z  INFO session: franking::server: accepted bytes=7
//! id=00C0FFEE`.

use core::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::registry::LookupSpan;

use super::lines::{Form, Spans};

/// Plain text, without colours.
pub(super) struct Text;

impl Form for Text {
    type Span = Known;

    fn write<S>(octets: &mut Vec<u8>, time: &str, metadata: &Metadata<'_>, event: &Event<'_>, spans: &Spans<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        octets.extend_from_slice(time.as_bytes());
        let level = metadata.level().as_str();
        // All end in the same column.
        octets.extend_from_slice(if level.len() < 5 { b"  " } else { b" " });
        octets.extend_from_slice(level.as_bytes());
        octets.push(b' ');
        spans.each(|span| {
            octets.extend_from_slice(span.name().as_bytes());
            octets.push(b':');
        });
        if spans.innermost().is_some() {
            octets.push(b' ');
        }
        octets.extend_from_slice(metadata.target().as_bytes());
        octets.extend_from_slice(b": ");
        event.record(&mut Fields { octets, started: false });
        spans.each(|span| {
            if let Some(Known(fields)) = span.extensions().get::<Known>()
                && !fields.is_empty()
            {
                octets.push(b' ');
                octets.extend_from_slice(fields);
            }
        });
        octets.push(b'\n');
    }

    /// What is given later stands behind what was known before.
    fn learn(span: &mut Known, _: &str, record: impl FnOnce(&mut dyn Visit)) {
        let Known(octets) = span;
        if !octets.is_empty() {
            octets.push(b' ');
        }
        record(&mut Fields { octets, started: false });
    }
}

/// The fields of a span.
#[derive(Default)]
pub(super) struct Known(Vec<u8>);

/// Writes fields one behind the other.
struct Fields<'a> {
    octets: &'a mut Vec<u8>,
    /// Whether one has been written, so that a space follows.
    started: bool,
}

impl Visit for Fields<'_> {
    /// Texts are shown in quotes, the message is not.
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.record_debug(field, &format_args!("{value}")),
            _ => self.record_debug(field, &value),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let name = field.name();
        // What the `log` crate says of itself stands in the target.
        if name.starts_with("log.") {
            return;
        }
        if self.started {
            self.octets.push(b' ');
        }
        self.started = true;
        // A value that cannot be shown is shown as far as it got.
        if name == "message" {
            let _ = write!(Guarded(self.octets), "{value:?}");
            return;
        }
        self.octets.extend_from_slice(name.strip_prefix("r#").unwrap_or(name).as_bytes());
        self.octets.push(b'=');
        let _ = write!(Plain(self.octets), "{value:?}");
    }
}

/// Writes texts as they are. Values that clients gave are made fit for a log where they are logged.
struct Plain<'a>(&'a mut Vec<u8>);

impl fmt::Write for Plain<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

/// Escapes the control characters by which a terminal is told what to do.
struct Guarded<'a>(&'a mut Vec<u8>);

impl fmt::Write for Guarded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // Those above ASCII all begin with the octet C2. One look at all octets costs less than one at each.
        let is_special = |octet: u8| matches!(octet, 0x07 | 0x08 | 0x0c | 0x1b | 0x7f | 0xc2);
        if !text.bytes().fold(false, |found, octet| found | is_special(octet)) {
            return Plain(self.0).write_str(text);
        }
        for character in text.chars() {
            match character {
                '\x07' | '\x08' | '\x0c' | '\x1b' | '\x7f' => write!(Plain(self.0), "\\x{:02x}", u32::from(character))?,
                '\u{80}'..='\u{9f}' => write!(Plain(self.0), "\\u{{{:x}}}", u32::from(character))?,
                _ => Plain(self.0).write_char(character)?,
            }
        }
        Ok(())
    }
}
