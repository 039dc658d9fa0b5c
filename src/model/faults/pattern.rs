//! Patterns over addresses: `*` stands for any text, `?` for one character; letter case does not count.

use core::fmt;

/// Characters of a pattern, and of what is compared with it: an address is never longer.
pub const PATTERN_CHARACTERS_MAX: usize = 320;

/// A pattern. Comparing takes time in proportion to the product of both lengths at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    written: Box<str>,
    characters: Box<[char]>,
}

impl Pattern {
    /// Reads a pattern; `None` when it is empty or too long.
    pub fn parse(text: &str) -> Option<Self> {
        let characters: Box<[char]> = text.to_lowercase().chars().collect();
        let fits = !characters.is_empty() && characters.len() <= PATTERN_CHARACTERS_MAX;
        fits.then(|| Self { written: text.into(), characters })
    }

    /// Whether the whole of `text` fits.
    pub fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().take(PATTERN_CHARACTERS_MAX).flat_map(char::to_lowercase).collect();
        let (mut at, mut own) = (0, 0);
        // Where the last star stood, and how far its text reached: the one place to go back to.
        let mut star: Option<(usize, usize)> = None;
        while let Some(character) = text.get(at) {
            match self.characters.get(own) {
                Some('*') => {
                    star = Some((own, at));
                    own += 1;
                }
                Some(wanted) if *wanted == '?' || wanted == character => {
                    at += 1;
                    own += 1;
                }
                _ => {
                    let Some((place, reached)) = star else { return false };
                    star = Some((place, reached + 1));
                    (own, at) = (place + 1, reached + 1);
                }
            }
        }
        self.characters.get(own..).is_some_and(|rest| rest.iter().all(|character| *character == '*'))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.written)
    }
}
