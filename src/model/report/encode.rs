//! How text from anywhere becomes harmless text in a message: cleaned, encoded, bounded.

use core::fmt;

use base64::Engine as _;

use crate::model::queue::QueueId;

/// RFC 2045 section 6.7: at most 76 characters a line.
const QUOTED_LINE_MAX: usize = 76;
/// RFC 2047 section 2: at most 75 characters a word; 45 octets of text make 60, with room for the frame.
const ENCODED_WORD_OCTETS: usize = 45;

/// A boundary that does not occur in what it encloses.
#[derive(Clone, Debug)]
pub(super) struct Boundary(String);

impl Boundary {
    /// Finds one by counting up, from the message's id and the content alone.
    pub(super) fn outside(message: QueueId, name: &str, content: &[u8]) -> Self {
        let mut number = 0_u32;
        loop {
            let text = format!("=_{message}{name}{number}");
            // What is encoded as quoted-printable has no "=_".
            if memchr::memmem::find(content, text.as_bytes()).is_none() {
                return Self(text);
            }
            number = number.wrapping_add(1);
        }
    }
}

impl fmt::Display for Boundary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// One line of text for people: controls become blanks, invisible and direction-changing characters go, and it ends
/// after `characters_max`.
pub(super) fn one_line(text: &str, characters_max: usize) -> String {
    let visible = text.chars().filter(|character| !is_invisible(*character));
    let clean = visible.map(|character| if character.is_control() { ' ' } else { character });
    clean.take(characters_max).collect::<String>().trim().to_owned()
}

const fn is_invisible(character: char) -> bool {
    matches!(character, '\u{00AD}' | '\u{061C}' | '\u{180E}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}' | '\u{FEFF}' | '\u{FFF9}'..='\u{FFFB}' | '\u{E0000}'..='\u{E007F}')
}

/// One line of printable ASCII, for fields that programs read.
pub(super) fn ascii_line(text: &str, characters_max: usize) -> String {
    let printable = |character: char| if matches!(character, ' '..='~') { character } else { '?' };
    text.chars().take(characters_max).map(printable).collect::<String>().trim().to_owned()
}

/// Markup made harmless.
pub(super) fn escape_html(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// An unstructured header value: as it is when plain, else as encoded words (RFC 2047), folded.
pub(super) fn header_text(text: &str) -> String {
    if text.is_ascii() && !text.contains("=?") {
        return text.to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let mut piece = String::new();
    for character in text.chars() {
        if piece.len() + character.len_utf8() > ENCODED_WORD_OCTETS {
            words.push(encoded_word(&piece));
            piece.clear();
        }
        piece.push(character);
    }
    words.push(encoded_word(&piece));
    words.join("\r\n ")
}

/// A display name before an address (RFC 5322 section 3.2.5): a quoted string, or encoded words where it is not ASCII.
/// `text` is one line.
pub(super) fn phrase(text: &str) -> String {
    if text.is_ascii() && !text.contains("=?") {
        return format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
    }
    header_text(text)
}

fn encoded_word(text: &str) -> String {
    format!("=?utf-8?B?{}?=", base64::engine::general_purpose::STANDARD.encode(text))
}

/// Appends `text`, whose lines end with LF, as quoted-printable with CRLF line ends.
pub(super) fn quoted_printable(text: &str, output: &mut Vec<u8>) {
    for line in text.lines() {
        let bytes = line.as_bytes();
        let mut column = 0;
        for (index, byte) in bytes.iter().enumerate() {
            let last = index + 1 == bytes.len();
            let blank = matches!(byte, b' ' | b'\t');
            let literal = matches!(byte, b'!'..=b'<' | b'>'..=b'~') || (blank && !last);
            let width = if literal { 1 } else { 3 };
            // One column is kept for the sign of a soft line break.
            if column + width >= QUOTED_LINE_MAX {
                output.extend_from_slice(b"=\r\n");
                column = 0;
            }
            column += width;
            if literal {
                output.push(*byte);
            } else {
                output.extend_from_slice(format!("={byte:02X}").as_bytes());
            }
        }
        output.extend_from_slice(b"\r\n");
    }
}

/// Appends `content` with CRLF for every line end, be it CRLF, LF or CR, and without NUL.
pub(super) fn crlf_lines(content: &[u8], output: &mut Vec<u8>) {
    let mut bytes = content.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' => {
                bytes.next_if_eq(&b'\n');
                output.extend_from_slice(b"\r\n");
            }
            b'\n' => output.extend_from_slice(b"\r\n"),
            0 => output.push(b'?'),
            other => output.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn encoded_words_stay_within_75_characters_and_never_split_a_character() {
        let text = "\u{e9}\u{4e2d}\u{1f600}".repeat(40);
        for word in header_text(&text).split("\r\n ") {
            assert!(word.len() <= 75, "{word}");
            let inner = word.strip_prefix("=?utf-8?B?").and_then(|rest| rest.strip_suffix("?=")).unwrap();
            let bytes = base64::engine::general_purpose::STANDARD.decode(inner).unwrap();
            assert!(String::from_utf8(bytes).is_ok());
        }
        assert_eq!(header_text("plain =?utf-8?Q?x?="), "=?utf-8?B?cGxhaW4gPT91dGYtOD9RP3g/PQ==?=");
    }

    proptest! {
        #[test]
        fn quoted_printable_is_ascii_in_short_lines_and_can_be_read_back(text in "(\\PC|[\t\n=. ]){0,300}") {
            let mut output = Vec::new();
            quoted_printable(&text, &mut output);
            let encoded = String::from_utf8(output).unwrap();
            prop_assert!(encoded.is_ascii());
            for line in encoded.split("\r\n") {
                prop_assert!(line.len() <= QUOTED_LINE_MAX && !line.ends_with([' ', '\t']));
            }
            let joined = encoded.replace("=\r\n", "").replace("\r\n", "\n");
            let mut decoded = Vec::new();
            let mut rest = joined.as_bytes();
            while let Some((first, tail)) = rest.split_first() {
                if *first == b'=' {
                    let digits = core::str::from_utf8(&tail[..2]).unwrap();
                    decoded.push(u8::from_str_radix(digits, 16).unwrap());
                    rest = &tail[2..];
                } else {
                    decoded.push(*first);
                    rest = tail;
                }
            }
            let expected: String = text.lines().map(|line| format!("{line}\n")).collect();
            prop_assert_eq!(String::from_utf8(decoded).unwrap(), expected);
        }

        #[test]
        fn line_ends_are_crlf_only(content in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut output = Vec::new();
            crlf_lines(&content, &mut output);
            let bare = |pair: &[u8]| (pair[0] == b'\r') != (pair[1] == b'\n');
            let framed: Vec<u8> = [b"x".as_slice(), &output, b"x"].concat();
            prop_assert!(!framed.windows(2).any(|pair| bare(pair) && (pair[0] == b'\r' || pair[1] == b'\n')));
            prop_assert!(!output.contains(&0));
        }
    }
}
