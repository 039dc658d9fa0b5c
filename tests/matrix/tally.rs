//! What a sweep over cells found: how many cells, which answers, and where the two models differ.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use franking::admin::explain::{Query, explain};
use franking::model::mail::Timestamp;

use super::asked::Asked;
use super::plain::address_of;

/// The longest list of differences that a failure prints, one cell for each pair of answers.
const SHOWN_MAX: usize = 12;

#[derive(Default)]
pub(super) struct Tally {
    cells: usize,
    answers: BTreeMap<String, usize>,
    /// For each pair of answers that differ: how many cells, and the first of them in full.
    differences: BTreeMap<(String, String), (usize, String)>,
}

/// A question that a person can ask, too.
#[derive(Clone, Copy)]
pub(super) struct Question<'a> {
    pub(super) account: Option<&'a str>,
    pub(super) mail_from: Option<&'a str>,
    pub(super) header_from: Option<&'a str>,
    pub(super) to: &'a [String],
    pub(super) octets: u64,
}

impl Question<'_> {
    pub(super) const fn sign_in(account: &str) -> Question<'_> {
        Question { account: Some(account), mail_from: None, header_from: None, to: &[], octets: 0 }
    }
}

impl Tally {
    pub(super) fn of(sweep: impl FnOnce(&mut Self)) -> Self {
        let mut tally = Self::default();
        sweep(&mut tally);
        tally
    }

    /// Compares the two answers of one cell. `question` is its sentence, `asks` what `franking explain` is asked.
    pub(super) fn cell(
        &mut self,
        asked: &Asked<'_>,
        (expected, actual): (&str, &str),
        question: impl FnOnce() -> String,
        asks: Question<'_>,
    ) {
        self.cells += 1;
        match self.answers.get_mut(actual) {
            Some(count) => *count += 1,
            None => drop(self.answers.insert(actual.to_owned(), 1)),
        }
        if expected == actual {
            return;
        }
        let pair = (expected.to_owned(), actual.to_owned());
        let (count, shown) = self.differences.entry(pair).or_default();
        *count += 1;
        if shown.is_empty() {
            let world = asked.world.sentence();
            *shown = format!(
                "{}\n{world}\n  The second model says: {expected}\n  The product says: {actual}\n{}",
                question(),
                trail(asked, asks)
            );
        }
    }

    /// The names of the refusals among the answers.
    pub(super) fn refusals(&self) -> impl Iterator<Item = &str> {
        let words = self.answers.keys().flat_map(|answer| answer.split([' ', ',', ';', '\n']));
        words.filter(|word| word.chars().next().is_some_and(char::is_uppercase))
    }

    /// Fails with the cells that differ, so that a person can check them against the specification.
    pub(super) fn agrees(&self) {
        let cells: usize = self.differences.values().map(|(count, _)| count).sum();
        let mut shown: Vec<&(usize, String)> = self.differences.values().collect();
        shown.sort_by_key(|(count, _)| core::cmp::Reverse(*count));
        let shown: Vec<String> =
            shown.iter().take(SHOWN_MAX).map(|(count, text)| format!("({count} cells like this) {text}")).collect();
        assert!(
            cells == 0,
            "{cells} of {} cells differ, in {} ways:\n\n{}",
            self.cells,
            self.differences.len(),
            shown.join("\n")
        );
    }
}

/// The steps of `franking explain`, as it prints them in essence.
fn trail(asked: &Asked<'_>, question: Question<'_>) -> String {
    let query = Query {
        login: question.account.map(address_of),
        from: question.mail_from.map(str::to_owned),
        header_from: question.header_from.map(str::to_owned),
        to: question.to.to_vec(),
        port: if question.account.is_some() { 587 } else { 25 },
        bytes: question.octets,
        ..Query::default()
    };
    let mut text = String::new();
    for step in explain(&asked.snapshot, &asked.settings, &query, Timestamp::EPOCH).steps {
        let _ = writeln!(text, "    {}: {}", step.command, step.reply.unwrap_or_default());
        for rule in step.rules {
            let _ =
                writeln!(text, "        {} {} {}", if rule.held { "yes" } else { "no " }, rule.question, rule.detail);
        }
        for line in step.outcome {
            let _ = writeln!(text, "        {line}");
        }
    }
    text
}
