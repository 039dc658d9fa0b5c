//! Texts of a document as reports may show them.

/// A text of the document in quotes, as [`printable`].
pub(super) fn shown(text: &str) -> Box<str> {
    format!("\"{}\"", printable(text)).into()
}

/// A foreign text as reports may show it: at most 100 characters, control characters escaped.
pub fn printable(text: &str) -> Box<str> {
    const CHARACTERS_MAX: usize = 100;
    let mut plain: String = text.chars().take(CHARACTERS_MAX).flat_map(char::escape_debug).collect();
    if text.chars().nth(CHARACTERS_MAX).is_some() {
        plain.push('…');
    }
    plain.into()
}

/// How many seats are taken: "1 of 1 is taken".
pub(super) fn seats_taken(taken: u32, seats: u32) -> String {
    format!("{taken} of {seats} {} taken", if taken == 1 { "is" } else { "are" })
}
