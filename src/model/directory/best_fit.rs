//! Characters of names in ASCII, as addresses are made of them.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

/// A character in ASCII by best fit: letters lose their marks, ligatures are written out, typographic quotes and dashes
/// become plain ones. `None` where nothing fits, as with the letters of other scripts.
///
/// Exchange says only that it maps what ASCII lacks; that `ä` is `a` and not `ae` is the best fit of its tables of
/// code pages, in which one character stands for one.
pub(super) fn ascii(character: char) -> Option<Cow<'static, str>> {
    let written_out = match character {
        '\u{df}' => "ss",
        '\u{1e9e}' => "SS",
        '\u{c6}' => "AE",
        '\u{e6}' => "ae",
        '\u{152}' => "OE",
        '\u{153}' => "oe",
        '\u{d8}' => "O",
        '\u{f8}' => "o",
        '\u{d0}' | '\u{110}' => "D",
        '\u{f0}' | '\u{111}' => "d",
        '\u{de}' => "Th",
        '\u{fe}' => "th",
        '\u{126}' => "H",
        '\u{127}' => "h",
        '\u{131}' => "i",
        '\u{141}' => "L",
        '\u{142}' => "l",
        '\u{166}' => "T",
        '\u{167}' => "t",
        '\u{2018}' | '\u{2019}' => "'",
        '\u{2010}'..='\u{2014}' => "-",
        _ => "",
    };
    if !written_out.is_empty() {
        return Some(Cow::Borrowed(written_out));
    }
    let plain: String = core::iter::once(character).nfd().filter(char::is_ascii).collect();
    (!plain.is_empty()).then_some(Cow::Owned(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_lose_their_marks_and_other_scripts_are_nothing() {
        let all = |text: &str| text.chars().filter_map(ascii).collect::<String>();
        assert_eq!(all("J\u{fc}rgen \u{141}\u{f3}d\u{17a} O\u{2019}Neil"), "Jurgen Lodz O'Neil");
        assert_eq!(all("Stra\u{df}e \u{c6}gir \u{152}uvre"), "Strasse AEgir OEuvre");
        assert_eq!(all("\u{410}\u{43b}\u{438}\u{441}\u{430} \u{674e}"), " ");
        assert!((0..=char::MAX as u32).filter_map(char::from_u32).filter_map(ascii).all(|text| text.is_ascii()));
    }
}
