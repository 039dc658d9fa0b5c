//! The targets of growth, and whether what was measured meets them.

use crate::Row;
use crate::grown::Grown;
use crate::probe::Figures;

/// Of what a message costs in the first row of its kind.
const FLAT: f64 = 1.1;

/// Prints what is judged of all rows of a kind; nothing of a single one, since there is nothing to compare it with.
pub(crate) fn show(grown: Grown, lines: &[(&Row, &Figures)]) {
    let [(least, first), others @ ..] = lines else { return };
    let Some((row, figures)) = others.last() else { return };
    for (row, figures) in others {
        let beside = figures.beside(first);
        judge(row, "CPU of a message, of the first row's", &beside.words(2), beside.middle, FLAT);
    }
    let octets = figures.octets_each(first, row.count - least.count).map_or(0.0, |(most, _)| most);
    let seconds = |what: &str, measured: f64, bound: f64| {
        judge(row, what, &format!("{measured:.2}"), measured, bound);
    };
    match grown {
        Grown::Mailbox => return,
        Grown::Directory => {
            seconds("start, seconds", figures.start.as_secs_f64(), 5.0);
            seconds("change in force, milliseconds", figures.change_milliseconds(), 10.0);
        }
        Grown::Queue => {
            seconds("start, seconds", figures.start.as_secs_f64(), 10.0);
            seconds("start, CPU seconds", figures.start_processor.as_secs_f64(), 10.0);
        }
    }
    let bound = if matches!(grown, Grown::Queue) { 300.0 } else { 600.0 };
    judge(row, "most memory, octets each", &format!("{octets:.0}"), octets, bound);
}

fn judge(row: &Row, what: &str, shown: &str, measured: f64, bound: f64) {
    let met = if measured <= bound { "met" } else { "NOT met" };
    println!("  {:36}{what:40}{shown:>20}  \u{2264} {bound:<6} {met}", row.name());
}
