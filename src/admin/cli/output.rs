//! Text for terminals: aligned columns, and nothing that a name could use to write on the screen.

/// The text with everything escaped that would not show as itself: line breaks, escape sequences, and marks that turn
/// the direction of writing.
pub fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    shown
}

/// JSON text with what could disturb a terminal written as `\u`: serde leaves C1 controls and direction marks as they
/// are. They occur within strings only, where the escape means the same.
pub(super) fn printable_json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        let plain = character == '\n' || matches!(character, ' '..='~') || {
            // What Rust would not print as itself is not printed as itself.
            let mut escaped = character.escape_debug();
            escaped.len() == 1 && escaped.next() == Some(character)
        };
        if plain {
            shown.push(character);
        } else {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                shown.push_str(&format!("\\u{unit:04x}"));
            }
        }
    }
    shown
}

/// Rows with their columns aligned, under a heading. Cells are made visible; the last column is not padded.
pub fn table(heading: &[&str], rows: &[Vec<String>]) -> String {
    let shown: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| visible(cell)).collect()).collect();
    let width = |column: usize| {
        let cells = shown.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        cells.chain(heading.get(column).map(|cell| cell.chars().count())).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..heading.len()).map(width).collect();
    let mut text = String::new();
    let heading: Vec<String> = heading.iter().map(|cell| (*cell).to_owned()).collect();
    for row in core::iter::once(&heading).chain(&shown) {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            line.push_str(&format!("{cell:<width$}  "));
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// A number of octets as people read it.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [(&str, u32); 4] = [("TB", 40), ("GB", 30), ("MB", 20), ("KB", 10)];
    let unit = UNITS.into_iter().find(|(_, shift)| bytes >> shift > 0);
    match unit {
        Some((name, shift)) => {
            let tenths = (u128::from(bytes) * 10) >> shift;
            format!("{}.{} {name}", tenths / 10, tenths % 10)
        }
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_can_move_the_cursor_or_break_a_line() {
        let hostile = "a\r\nb\u{1b}[2Jc\u{9b}31m\u{202e}d\0e";
        let shown = visible(hostile);
        assert!(shown.chars().all(|character| !character.is_control() && character != '\u{202e}'), "{shown}");
        let table = table(&["NAME", "TYPE"], &[vec![hostile.to_owned(), "x".to_owned()]]);
        assert_eq!(table.lines().count(), 2);
        let json = printable_json(&serde_json::to_string(hostile).unwrap());
        assert!(json.chars().all(|character| !character.is_control() && character != '\u{202e}'), "{json}");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), hostile);
        assert_eq!(visible("Zoë \"quoted\""), "Zoë \"quoted\"");
    }

    #[test]
    fn columns_are_aligned() {
        let rows = vec![vec!["a".to_owned(), "1".to_owned()], vec!["long".to_owned(), String::new()]];
        assert_eq!(table(&["N", "V"], &rows), "N     V\na     1\nlong\n");
    }

    #[test]
    fn sizes_are_rounded_down_to_a_tenth() {
        let shown = [size(0), size(1023), size(1536), size(50 << 30), size(u64::MAX)];
        assert_eq!(shown, ["0 B", "1023 B", "1.5 KB", "50.0 GB", "16777215.9 TB"]);
    }
}
