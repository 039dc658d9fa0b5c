//! The table that is printed: medians, with the extremes where a measurement was repeated.

use super::support::measure::Figures;

const NAME_WIDTH: usize = 40;
/// Heading and width of each column after the name.
const COLUMNS: [(&str, usize); 10] = [
    ("accepted/s", 18),
    ("delivered/s", 18),
    ("CPU ms each", 18),
    ("calls", 8),
    ("fsyncs", 8),
    ("peak MiB", 10),
    ("p50 ms", 9),
    ("p99 ms", 9),
    ("CPU/first", 11),
    ("rate/first", 11),
];

/// Prints rows and remembers the first, which the others are compared with.
#[derive(Debug, Default)]
pub(super) struct Table {
    /// Processor time and rate.
    first: Option<(f64, f64)>,
}

impl Table {
    /// Prints the heading.
    pub(super) fn begin() -> Self {
        print!("{:NAME_WIDTH$}", "");
        COLUMNS.iter().for_each(|(heading, width)| print!("{heading:>width$}"));
        println!();
        Self::default()
    }

    /// Prints what repeated measurements of one thing gave.
    pub(super) fn row(&mut self, name: &str, rounds: &[&Figures]) {
        let processor = median(rounds, |round| Some(round.processor_milliseconds)).unwrap_or(0.0);
        let rate = median(rounds, |round| Some(round.accepted)).unwrap_or(0.0);
        let (processor_first, rate_first) = *self.first.get_or_insert((processor, rate));
        let cells = [
            spread(rounds, 0, |round| Some(round.accepted)),
            spread(rounds, 0, |round| round.delivered),
            spread(rounds, 2, |round| Some(round.processor_milliseconds)),
            one(median(rounds, |round| round.calls.map(|calls| calls.all)), 1),
            one(median(rounds, |round| round.calls.map(|calls| calls.synchronizing)), 2),
            one(median(rounds, |round| Some(round.peak_mebibytes)), 1),
            one(median(rounds, |round| Some(round.p50)), 2),
            one(median(rounds, |round| Some(round.p99)), 2),
            one(Some(processor / processor_first), 2),
            one(Some(rate / rate_first), 2),
        ];
        print!("{name:NAME_WIDTH$}");
        cells.iter().zip(COLUMNS).for_each(|(cell, (_, width))| print!("{cell:>width$}"));
        println!();
    }
}

fn one(figure: Option<f64>, digits: usize) -> String {
    figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.digits$}"))
}

fn sorted(rounds: &[&Figures], figure: impl Fn(&Figures) -> Option<f64>) -> Vec<f64> {
    let mut figures: Vec<f64> = rounds.iter().copied().filter_map(figure).collect();
    figures.sort_by(f64::total_cmp);
    figures
}

fn median(rounds: &[&Figures], figure: impl Fn(&Figures) -> Option<f64>) -> Option<f64> {
    let figures = sorted(rounds, figure);
    figures.get(figures.len() / 2).copied()
}

/// The median, then the extremes.
fn spread(rounds: &[&Figures], digits: usize, figure: impl Fn(&Figures) -> Option<f64>) -> String {
    let figures = sorted(rounds, figure);
    let middle = one(figures.get(figures.len() / 2).copied(), digits);
    match figures.as_slice() {
        [least, .., most] => format!("{middle} ({least:.digits$}-{most:.digits$})"),
        [] | [_] => middle,
    }
}
