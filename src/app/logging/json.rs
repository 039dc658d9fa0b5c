//! A line as one JSON object.
//!
//! It has `timestamp`, `level`, the event's fields in the order in which they were given, `target`, and within spans
//! `span`, the innermost, and `spans`, all from the outermost in. The fields of a span are in the order of their names,
//! and its own `name` comes last.

use core::fmt::{self, Write as _};
use std::io::Write as _;

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use super::lines::{Form, Spans};

/// One JSON object a line.
pub(super) struct Json;

impl Form for Json {
    type Span = Known;

    fn write<S>(octets: &mut Vec<u8>, time: &str, metadata: &Metadata<'_>, event: &Event<'_>, spans: &Spans<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        octets.extend_from_slice(b"{\"timestamp\":\"");
        octets.extend_from_slice(time.as_bytes());
        octets.extend_from_slice(b"\",\"level\":\"");
        octets.extend_from_slice(metadata.level().as_str().as_bytes());
        octets.push(b'"');
        event.record(&mut Fields(&mut *octets));
        octets.extend_from_slice(b",\"target\":");
        quoted(octets, metadata.target());
        if let Some(innermost) = spans.innermost() {
            octets.extend_from_slice(b",\"span\":");
            copy(innermost, octets);
            octets.extend_from_slice(b",\"spans\":[");
            spans.each(|span| {
                if octets.last() != Some(&b'[') {
                    octets.push(b',');
                }
                copy(span, octets);
            });
            octets.push(b']');
        }
        octets.extend_from_slice(b"}\n");
    }

    fn learn(span: &mut Known, name: &str, record: impl FnOnce(&mut dyn Visit)) {
        record(&mut Fields(&mut *span));
        let Known { sorted, object } = span;
        object.clear();
        object.push(b'{');
        for (field, value) in sorted {
            quoted(object, field);
            object.push(b':');
            object.extend_from_slice(value);
            object.push(b',');
        }
        object.extend_from_slice(b"\"name\":");
        quoted(object, name);
        object.push(b'}');
    }
}

fn copy<'a, S: LookupSpan<'a>>(span: &SpanRef<'a, S>, octets: &mut Vec<u8>) {
    match span.extensions().get::<Known>() {
        Some(known) => octets.extend_from_slice(&known.object),
        // It began before the log did.
        None => octets.extend_from_slice(b"{}"),
    }
}

/// What is known of a span.
#[derive(Default)]
pub(super) struct Known {
    /// Values in JSON, in the order of their names.
    sorted: Vec<(&'static str, Vec<u8>)>,
    /// All of it as an object.
    object: Vec<u8>,
}

/// Where the values of fields go.
trait Place {
    /// Makes room for the value of the field `name`.
    fn value(&mut self, name: &'static str) -> &mut Vec<u8>;
}

/// A line, whose object has begun.
impl Place for Vec<u8> {
    fn value(&mut self, name: &'static str) -> &mut Vec<u8> {
        self.push(b',');
        quoted(self, name);
        self.push(b':');
        self
    }
}

impl Place for Known {
    /// A value that is given again takes the place of the earlier one.
    fn value(&mut self, name: &'static str) -> &mut Vec<u8> {
        let place = self.sorted.binary_search_by_key(&name, |(name, _)| name).unwrap_or_else(|place| {
            self.sorted.insert(place, (name, Vec::new()));
            place
        });
        let (_, value) = &mut self.sorted[place];
        value.clear();
        value
    }
}

/// Puts fields where they belong.
struct Fields<'a, P>(&'a mut P);

impl<P: Place> Visit for Fields<'_, P> {
    fn record_str(&mut self, field: &Field, value: &str) {
        quoted(self.0.value(field.name()), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        plain(self.0.value(field.name()), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        plain(self.0.value(field.name()), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        plain(self.0.value(field.name()), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        plain(self.0.value(field.name()), value);
    }

    /// Whatever else there is, errors and what is shown by `%` included.
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let octets = self.0.value(field.name());
        octets.push(b'"');
        // A value that cannot be shown is shown as far as it got.
        let _ = write!(Escaping(octets), "{value:?}");
        octets.push(b'"');
    }
}

/// A number or a truth value; what JSON has no number for is `null`.
fn plain(octets: &mut Vec<u8>, value: impl Serialize) {
    // Into memory, nothing of the kind fails.
    let _ = serde_json::to_writer(octets, &value);
}

/// A text in quotes.
fn quoted(octets: &mut Vec<u8>, text: &str) {
    octets.push(b'"');
    escape(octets, text);
    octets.push(b'"');
}

/// Escapes what is written through it for the inside of a text.
struct Escaping<'a>(&'a mut Vec<u8>);

impl fmt::Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        escape(self.0, text);
        Ok(())
    }
}

/// Quotation marks, backslashes and control characters are escaped, as briefly as may be; all else stays as it is
/// (RFC 8259 section 7).
fn escape(octets: &mut Vec<u8>, text: &str) {
    // Nearly every text has none of them, and one look at all of it costs less than one at each.
    if !text.bytes().fold(false, |found, octet| found | is_special(octet)) {
        return octets.extend_from_slice(text.as_bytes());
    }
    for octet in text.bytes() {
        match octet {
            b'"' | b'\\' => octets.extend_from_slice(&[b'\\', octet]),
            b'\n' => octets.extend_from_slice(b"\\n"),
            b'\r' => octets.extend_from_slice(b"\\r"),
            b'\t' => octets.extend_from_slice(b"\\t"),
            0x08 => octets.extend_from_slice(b"\\b"),
            0x0c => octets.extend_from_slice(b"\\f"),
            0..b' ' => drop(write!(octets, "\\u{octet:04x}")),
            _ => octets.push(octet),
        }
    }
}

const fn is_special(octet: u8) -> bool {
    octet < b' ' || octet == b'"' || octet == b'\\'
}
