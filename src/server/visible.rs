//! What clients sent, made fit for a log: one line, printable ASCII, bounded.

use core::fmt::{self, Write as _};

/// The most of a client's text that a log line repeats, in characters.
const SHOWN_CHARACTERS_MAX: usize = 200;

/// Shows a text with everything but printable ASCII escaped, so that no client can write a line of its own into the
/// log, colour it, or turn its letters round.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visible<'text>(pub(super) &'text str);

impl fmt::Display for Visible<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_plain = |octet: u8| matches!(octet, b' '..=b'~') && octet != b'\\';
        if self.0.len() <= SHOWN_CHARACTERS_MAX && self.0.bytes().all(is_plain) {
            return formatter.write_str(self.0);
        }
        for character in self.0.chars().take(SHOWN_CHARACTERS_MAX) {
            match character {
                // Escaped as well, so that an escape cannot be faked.
                '\\' => formatter.write_str("\\\\")?,
                ' '..='~' => formatter.write_char(character)?,
                _ => write!(formatter, "{}", character.escape_unicode())?,
            }
        }
        if self.0.chars().nth(SHOWN_CHARACTERS_MAX).is_some() { formatter.write_str("...") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn controls_and_direction_marks_show_as_what_they_are() {
        let shown = Visible("a\r\n\u{1b}[2J\u{202e}\u{e4}\\n").to_string();
        assert_eq!(shown, "a\\u{d}\\u{a}\\u{1b}[2J\\u{202e}\\u{e4}\\\\n");
        assert_eq!(Visible(&"x".repeat(1_000)).to_string().len(), SHOWN_CHARACTERS_MAX + 3);
        for plain in ["", "550 5.4.1 [Stage: ~]", &"x".repeat(SHOWN_CHARACTERS_MAX)] {
            assert_eq!(Visible(plain).to_string(), plain);
        }
    }

    proptest! {
        #[test]
        fn whatever_is_shown_is_one_bounded_line_of_printable_ascii(text in any::<String>()) {
            let shown = Visible(&text).to_string();
            prop_assert!(shown.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert!(shown.len() <= SHOWN_CHARACTERS_MAX * 10 + 3);
        }
    }
}
