//! The lines are those of `tracing_subscriber`'s own layers, whatever is logged; also within spans.

use core::cell::Cell;
use core::fmt;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use tracing::{Level, debug, error, error_span, event, info, info_span, trace, warn};
use tracing_log::log;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};

use super::lines::{Time, with_line};
use super::*;

/// A log in memory.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl Memory {
    fn append(&self, octets: &[u8]) {
        self.0.lock().unwrap().extend_from_slice(octets);
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl std::io::Write for Memory {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.append(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Memory {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The one moment at which everything is logged here.
const NOW: &str = "2026-01-05T09:00:00.001002Z";

fn now() -> u64 {
    u64::try_from(NOW.parse::<jiff::Timestamp>().unwrap().as_microsecond()).unwrap()
}

/// The same for the layers that ours are compared with.
struct Now;

impl FormatTime for Now {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        writer.write_str(NOW)
    }
}

/// What was logged, in each form by both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Logs {
    json: String,
    text: String,
}

/// What our layers and theirs write while `happening` runs once.
fn written(happening: impl FnOnce()) -> (Logs, Logs) {
    let logs: [Memory; 4] = core::array::from_fn(|_| Memory::default());
    let [json, text, golden_json, golden_text] = logs.clone();
    let all = tracing_subscriber::registry()
        .with(tracing_subscriber::fmt::layer().with_timer(Now).json().flatten_event(true).with_writer(golden_json))
        .with(tracing_subscriber::fmt::layer().with_timer(Now).with_ansi(false).compact().with_writer(golden_text))
        .with(Lines::<Json, _>::new(now, move |_, _, line| json.append(line)))
        .with(Lines::<Text, _>::new(now, move |_, _, line| text.append(line)));
    tracing::subscriber::with_default(all, happening);
    let [json, text, golden_json, golden_text] = logs.map(|log| log.text());
    (Logs { json, text }, Logs { json: golden_json, text: golden_text })
}

/// Texts with all that could break a line, and all that could come of mending it twice.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ -~]{0,40}",
        "[\\x00-\\x20\"\\\\\x7f\u{80}-\u{c2}\u{2028}\u{feff}\u{10ffff}]{0,12}",
        Just("\\u0022\\n".to_owned()),
    ]
}

#[derive(Clone, Debug)]
struct Values {
    text: String,
    other: String,
    signed: i64,
    unsigned: u64,
    flag: bool,
    fraction: f64,
    given: bool,
}

fn values() -> impl Strategy<Value = Values> {
    let numbers = (any::<i64>(), any::<u64>(), any::<bool>(), any::<f64>(), any::<bool>());
    (text(), text(), numbers).prop_map(|(text, other, (signed, unsigned, flag, fraction, given))| Values {
        text,
        other,
        signed,
        unsigned,
        flag,
        fraction,
        given,
    })
}

/// Logs `values` in one of the forms that events have.
fn log_as(form: u8, values: &Values) {
    let Values { text, other, signed, unsigned, flag, fraction, given } = values;
    let (present, failure) = (given.then_some(text), std::io::Error::other(text.clone()));
    match form % 7 {
        0 => info!(text, %other, "message accepted"),
        1 => warn!(?text, signed, unsigned, "{other}"),
        2 => error!(error = %failure, flag, fraction, "it failed: {text:?}"),
        3 => debug!(absent = Option::<u64>::None, count = given.then_some(*signed), flag),
        4 => trace!(wide = u128::from(*unsigned), present = present.map(tracing::field::display), "{flag}"),
        5 => event!(target: "a \"target\"", Level::INFO, { "a \"name\"" = text, dotted.name = other }, "said"),
        _ => info!(many = ?[text, other], pair = ?(signed, flag), none = tracing::field::Empty, "{text}{other}"),
    }
}

/// As a library does it that knows nothing of events.
fn log_by_record(values: &Values) {
    let Values { text, other, flag, given, .. } = values;
    let level = if *flag { log::Level::Warn } else { log::Level::Error };
    let mut record = log::Record::builder();
    record.level(level).target(other).line(given.then_some(7)).file(given.then_some("far.rs"));
    let record = record.module_path(given.then_some("far::away"));
    tracing_log::format_trace(&record.args(format_args!("{text}")).build()).unwrap();
}

proptest! {
    #[test]
    fn a_line_is_that_of_the_layer_it_replaces(form in any::<u8>(), values in values()) {
        let (ours, theirs) = written(|| log_as(form, &values));
        prop_assert_eq!(&ours, &theirs);
        prop_assert_eq!(ours.json.matches('\n').count(), 1);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&ours.json).is_ok());
    }

    #[test]
    fn a_record_of_a_library_is_the_line_of_the_layer_it_replaces(values in values()) {
        let (ours, theirs) = written(|| log_by_record(&values));
        prop_assert_eq!(&ours, &theirs);
    }

    #[test]
    fn a_line_within_spans_is_that_of_the_layer_it_replaces(form in any::<u8>(), values in values(), depth in 0..3) {
        let Values { text, other, signed, unsigned, flag, .. } = &values;
        let (ours, theirs) = written(|| {
            let outer = info_span!("session", id = %text, peer = tracing::field::Empty, port = unsigned, flag);
            let _outer = outer.clone().entered();
            log_as(form, &values);
            outer.record("peer", tracing::field::display(other));
            log_as(form, &values);
            outer.record("peer", text.as_str());
            let _inner = (depth > 0).then(|| error_span!("a \"relay\"", zone = ?other, at = signed).entered());
            log_as(form, &values);
            let _innermost = (depth > 1).then(|| info_span!("bare").entered());
            log_as(form, &values);
        });
        prop_assert_eq!(ours, theirs);
    }

    #[test]
    fn the_time_is_written_to_the_microsecond(times in prop::collection::vec(0..253_402_207_200_000_000_u64, 1..4)) {
        let mut time = Time::new();
        // The second and third time, the date may be known.
        for instant in times.iter().flat_map(|instant| [*instant, *instant - *instant % 1_000_000, *instant]) {
            let calendar = jiff::Timestamp::from_microsecond(i64::try_from(instant).unwrap()).unwrap();
            prop_assert_eq!(time.of(instant), format!("{calendar:.6}"));
        }
    }
}

#[test]
fn the_time_looks_as_theirs_and_no_clock_is_too_far_gone() {
    let mut theirs = String::new();
    SystemTime.format_time(&mut Writer::new(&mut theirs)).unwrap();
    let instant = theirs.parse::<jiff::Timestamp>().unwrap().as_microsecond();
    assert_eq!(Time::new().of(u64::try_from(instant).unwrap()), theirs);
    assert_eq!(Time::new().of(0), "1970-01-01T00:00:00.000000Z");
    assert_eq!(Time::new().of(u64::MAX), "9999-12-30T22:00:00.551615Z");
}

#[test]
fn a_line_within_a_line_is_one_of_its_own() {
    let written = Cell::new(false);
    with_line(|around| {
        around.octets.extend_from_slice(b"around");
        with_line(|within| written.set(within.octets.is_empty()));
        assert_eq!(around.octets, b"around");
    });
    assert!(written.get());
}

/// A value that panics the first time that it is written down.
struct Shy(Cell<bool>);

impl fmt::Display for Shy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        assert!(self.0.replace(true), "the first time");
        formatter.write_str("done")
    }
}

#[test]
fn what_is_left_of_a_line_that_panicked_spoils_no_other() {
    let memory = Memory::default();
    let own = memory.clone();
    let layer = tracing_subscriber::registry().with(Lines::<Json, _>::new(now, move |_, _, line| own.append(line)));
    tracing::subscriber::with_default(layer, || {
        let value = Shy(Cell::new(false));
        let log = std::panic::AssertUnwindSafe(|| info!(%value, "said"));
        std::panic::catch_unwind(log).unwrap_err();
        info!(%value, "said");
    });
    let head = format!("{{\"timestamp\":\"{NOW}\",\"level\":\"INFO\"");
    let expected = format!("{head},\"message\":\"said\",\"value\":\"done\",\"target\":\"{}\"}}\n", module_path!());
    assert_eq!(memory.text(), expected);
}
