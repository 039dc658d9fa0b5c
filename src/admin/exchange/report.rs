//! What became of an import, row by row.

use core::fmt;

use super::Import;
use crate::model::directory::Change;
use crate::model::directory::document::{Counts, Entry, Plan, printable};

/// One row that was refused, or a part of one that was left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The file.
    pub file: Box<str>,
    /// The line of a CSV file, or the place in a JSON array; from 1, and 0 when the whole file is meant.
    pub row: u64,
    /// What the row calls its recipient, fit for printing.
    pub identity: Box<str>,
    /// Why, fit for printing.
    pub reason: Box<str>,
}

impl Finding {
    pub(super) fn new(file: &str, row: u64, identity: &str, reason: &str) -> Self {
        let reason = reason.chars().flat_map(|character| {
            // Reasons quote foreign texts; quotes and backslashes may stay, controls may not.
            let escaped = character.is_control().then(|| character.escape_debug());
            escaped.into_iter().flatten().chain((!character.is_control()).then_some(character))
        });
        Self { file: file.into(), row, identity: printable(identity), reason: reason.collect() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.file)?;
        if self.row > 0 {
            write!(formatter, ", row {}", self.row)?;
        }
        if !self.identity.is_empty() {
            write!(formatter, ", {}", self.identity)?;
        }
        write!(formatter, ": {}", self.reason)
    }
}

/// What an import comes to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The changes of every row that can go in.
    pub changes: Vec<Change>,
    /// Rows that cannot, in order of file and row.
    pub refused: Vec<Finding>,
    /// Parts of rows that were left out.
    pub notes: Vec<Finding>,
    /// Recipients created, updated and left as they are.
    pub counts: Counts,
    /// Rows that say nothing here.
    pub skipped: usize,
}

impl Report {
    pub(super) fn new(import: Import, plan: Plan) -> Self {
        let Import { mut refused, notes, skipped, origins, .. } = import;
        for rejected in &plan.rejected {
            let (file, row) = match rejected.entry {
                Entry::Recipient(place) => {
                    origins.get(place).map_or(("recipients", 0), |origin| (&*origin.file, origin.row))
                }
                Entry::Organisation => ("organisation", 0),
                Entry::AuthenticationPolicy(_) => ("authentication policies", 0),
                Entry::Domain(_) => ("accepted domains", 0),
                Entry::RemoteDomain(_) => ("remote domains", 0),
                Entry::AddressPolicy(_) => ("email address policies", 0),
            };
            refused.push(Finding::new(file, row, &rejected.address, &rejected.reason.to_string()));
        }
        refused.sort_by(|one, other| (&one.file, one.row).cmp(&(&other.file, other.row)));
        Self { changes: plan.changes, refused, notes, counts: plan.counts, skipped }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.refused {
            writeln!(formatter, "refused  {finding}")?;
        }
        for finding in &self.notes {
            writeln!(formatter, "note     {finding}")?;
        }
        let Counts { created, updated, unchanged } = self.counts;
        let (refused, skipped) = (self.refused.len(), self.skipped);
        writeln!(
            formatter,
            "{created} created, {updated} updated, {unchanged} unchanged, {refused} rows refused, {skipped} rows \
             skipped"
        )
    }
}
