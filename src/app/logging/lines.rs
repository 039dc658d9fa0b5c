//! Lines of the log as `tracing_subscriber` writes them, octet for octet, for a fraction of the work.
//!
//! Every message leaves two lines in the log, which were a twelfth of all that a message costs. Here a line is put
//! together in one buffer that each thread keeps, what is said of a span is made once and copied into each of its
//! lines, and the date is worked out once a second. Lines leave whole, by way of the [outlet](super::outlet).

use core::cell::RefCell;
use core::marker::PhantomData;

use tracing::field::Visit;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_log::NormalizeEvent as _;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::model::mail::Timestamp;

/// The largest buffer that a thread keeps for its next line, in octets.
const KEPT_BYTES_MAX: usize = 16 * 1024;

/// How a line looks.
pub(super) trait Form: 'static {
    /// What is known of a span, ready to be copied into lines.
    type Span: Default + Send + Sync + 'static;

    /// Writes the line of an event, its end included. `time` is in ISO 8601.
    fn write<S>(octets: &mut Vec<u8>, time: &str, metadata: &Metadata<'_>, event: &Event<'_>, spans: &Spans<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>;

    /// Learns the fields that `record` shows, of the span called `name`.
    fn learn(span: &mut Self::Span, name: &str, record: impl FnOnce(&mut dyn Visit));
}

/// The layer. `now` says how many microseconds have passed since 1970; `write` takes whole lines with their ends, how
/// grave each is, and when it was said.
pub(super) struct Lines<F, W> {
    form: PhantomData<fn() -> F>,
    now: fn() -> u64,
    write: W,
}

impl<F: Form, W: Fn(Level, u64, &[u8])> Lines<F, W> {
    pub(super) const fn new(now: fn() -> u64, write: W) -> Self {
        Self { form: PhantomData, now, write }
    }

    fn write<S>(&self, line: &mut Line, event: &Event<'_>, context: &Context<'_, S>)
    where
        S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    {
        // What libraries say by way of the `log` crate has its true target in its fields.
        let normalised = event.normalized_metadata();
        let metadata = normalised.as_ref().unwrap_or_else(|| event.metadata());
        let spans = Spans { innermost: context.lookup_current() };
        // A value that panicked has left half a line.
        line.octets.clear();
        let now = (self.now)();
        F::write(&mut line.octets, line.time.of(now), metadata, event, &spans);
        (self.write)(*metadata.level(), now, &line.octets);
        line.octets.clear();
        line.octets.shrink_to(KEPT_BYTES_MAX);
    }
}

impl<S, F, W> Layer<S> for Lines<F, W>
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    F: Form,
    W: Fn(Level, u64, &[u8]) + 'static,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut known = F::Span::default();
        F::learn(&mut known, span.name(), |visit| attributes.record(visit));
        span.extensions_mut().insert(known);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(known) = span.extensions_mut().get_mut::<F::Span>() {
            F::learn(known, span.name(), |visit| values.record(visit));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        with_line(|line| self.write(line, event, &context));
    }
}

/// Lends the line that this thread keeps.
pub(super) fn with_line(write: impl FnOnce(&mut Line)) {
    thread_local! {
        static LINE: RefCell<Line> = const { RefCell::new(Line::new()) };
    }
    LINE.with(|line| match line.try_borrow_mut() {
        Ok(mut line) => write(&mut line),
        // A value that logs something while it is written down: that is a line of its own, before this one.
        Err(_) => write(&mut Line::new()),
    });
}

/// What a thread keeps from one line to the next.
pub(super) struct Line {
    pub(super) octets: Vec<u8>,
    time: Time,
}

impl Line {
    const fn new() -> Self {
        Self { octets: Vec::new(), time: Time::new() }
    }
}

/// A point in time as text, whose date and time of day are worked out once a second.
pub(super) struct Time {
    /// Since 1970.
    second: u64,
    /// Empty before the first time.
    text: String,
}

impl Time {
    pub(super) const fn new() -> Self {
        Self { second: 0, text: String::new() }
    }

    /// `microseconds` since 1970 in ISO 8601: `2026-01-05T09:00:00.000000Z`.
    pub(super) fn of(&mut self, microseconds: u64) -> &str {
        /// What stays within a second: up to and with the point.
        const UNTIL_SECOND: usize = "2026-01-05T09:00:00.".len();
        let (second, mut rest) = (microseconds / 1_000_000, microseconds % 1_000_000);
        if self.second != second || self.text.is_empty() {
            self.second = second;
            self.text = Timestamp::from_unix_milliseconds(second.saturating_mul(1_000)).to_string();
        }
        let mut digits = *b"000000Z";
        for digit in digits.iter_mut().take(6).rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        self.text.truncate(UNTIL_SECOND);
        self.text.push_str(str::from_utf8(&digits).unwrap_or_default());
        &self.text
    }
}

/// The spans around an event.
pub(super) struct Spans<'a, S: LookupSpan<'a>> {
    innermost: Option<SpanRef<'a, S>>,
}

impl<'a, S: LookupSpan<'a>> Spans<'a, S> {
    pub(super) const fn innermost(&self) -> Option<&SpanRef<'a, S>> {
        self.innermost.as_ref()
    }

    /// Shows each, from the outermost in.
    pub(super) fn each(&self, mut show: impl FnMut(&SpanRef<'a, S>)) {
        let Some(innermost) = &self.innermost else { return };
        // Nearly always it is the only one.
        if innermost.parent().is_none() {
            return show(innermost);
        }
        innermost.scope().from_root().for_each(|span| show(&span));
    }
}
