//! Arguments of a benchmark, which cargo and whoever measures give.

use std::env::args;

/// What the command line says.
pub(crate) struct Arguments(Vec<String>);

impl Arguments {
    /// The arguments of this process.
    pub(crate) fn given() -> Self {
        Self(args().skip(1).collect())
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|argument| argument == name)
    }

    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        let place = self.0.iter().position(|argument| argument == name)?;
        Some(self.0.get(place + 1).unwrap_or_else(|| panic!("{name} needs a value")))
    }

    pub(crate) fn number(&self, name: &str, usual: usize) -> usize {
        self.value(name).map_or(usual, |text| text.parse().unwrap())
    }
}
