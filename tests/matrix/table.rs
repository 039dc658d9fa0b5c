//! Decision tables as text, and the plainest interpreter there is: the first row that fits gives the answer.
//!
//! A cell is `*` (anything), a word, or several words with `/` between them. The last column is the answer.

/// A table that was taken apart.
pub(super) struct Table {
    columns: Vec<&'static str>,
    rows: Vec<Vec<&'static str>>,
}

impl Table {
    /// Takes the text apart. The first line names the columns; an empty line is passed over.
    pub(super) fn read(text: &'static str) -> Self {
        let mut lines = text
            .lines()
            .filter(|line| !line.trim().is_empty())
            .map(|line| line.split('|').map(str::trim).collect::<Vec<_>>());
        let columns = lines.next().unwrap();
        let rows: Vec<_> = lines.collect();
        for row in &rows {
            assert_eq!(row.len(), columns.len(), "a row with another number of columns: {row:?}");
        }
        Self { columns, rows }
    }

    /// The answer for these facts, each a pair of column and word.
    pub(super) fn answer(&self, facts: &[(&str, &str)]) -> &'static str {
        let answers = self.answers(facts);
        assert_eq!(answers.len(), 1, "a column without a fact: {facts:?}");
        answers[0]
    }

    /// The answers: all columns for which there is no fact, of which there are as many as facts are missing.
    pub(super) fn answers(&self, facts: &[(&str, &str)]) -> &[&'static str] {
        let inputs = facts.iter().filter(|(name, _)| self.columns.contains(name)).count();
        assert!(inputs < self.columns.len(), "no column is left for the answer: {facts:?}");
        let words: Vec<&str> = self.columns[..inputs]
            .iter()
            .map(|column| facts.iter().find(|(name, _)| name == column).expect("a fact for each column").1)
            .collect();
        let fits = |row: &&Vec<&'static str>| row[..inputs].iter().zip(&words).all(|(cell, word)| covers(cell, word));
        &self.rows.iter().find(fits).unwrap_or_else(|| panic!("no row for {facts:?}"))[inputs..]
    }
}

fn covers(cell: &str, word: &str) -> bool {
    cell == "*" || cell == word || (cell.contains('/') && cell.split('/').any(|one| one.trim() == word))
}
