//! The header of a message, field by field, as it stands in the octets (RFC 5322 section 2.2).
//!
//! Nothing is interpreted that a mail client would not interpret the same way: what looks like a field but breaks the
//! syntax (`Fr om:`, a blank before the colon) is kept as malformed, so that policy can refuse instead of guess.

use super::address::{Address, Domain, LocalPart};

/// One field with its place in the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field<'header> {
    /// The name before the colon, as written; empty for a line that is no field.
    pub name: &'header [u8],
    /// Everything after the colon, folding and final CRLF included.
    pub value: &'header [u8],
    /// The whole field with its final CRLF.
    pub raw: &'header [u8],
    /// Whether name and colon follow the grammar.
    pub well_formed: bool,
}

impl Field<'_> {
    /// Whether the field has this name, letter case aside.
    pub const fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Whether a lenient reader could take the field for `name`: blanks and controls inside the name are passed over.
    pub fn resembles(&self, name: &str) -> bool {
        let squeezed = self.name.iter().filter(|byte| byte.is_ascii_graphic()).map(u8::to_ascii_lowercase);
        squeezed.eq(name.bytes().map(|byte| byte.to_ascii_lowercase()))
    }

    /// The value unfolded and trimmed, octets that are no UTF-8 replaced.
    pub fn text(&self) -> String {
        let text = String::from_utf8_lossy(self.value);
        text.replace(['\r', '\n'], "").trim().to_owned()
    }
}

/// Splits a header (without the empty line that ends it) into its fields, in order. Total: any octets give some fields.
pub fn fields(header: &[u8]) -> Vec<Field<'_>> {
    let mut found = Vec::new();
    let mut rest = header;
    while !rest.is_empty() {
        let (raw, after) = rest.split_at(field_length(rest));
        found.push(field(raw));
        rest = after;
    }
    found
}

/// The length of the first field: up to the first line end that no blank follows.
fn field_length(rest: &[u8]) -> usize {
    let mut from = 0;
    while let Some(end) = memchr::memchr(b'\n', &rest[from..]).map(|offset| from + offset + 1) {
        if !matches!(rest.get(end), Some(b' ' | b'\t')) {
            return end;
        }
        from = end;
    }
    rest.len()
}

fn field(raw: &[u8]) -> Field<'_> {
    let Some(colon) = memchr::memchr(b':', raw) else {
        return Field { name: b"", value: raw, raw, well_formed: false };
    };
    let name = &raw[..colon];
    // RFC 5322 section 2.2: printable ASCII without colon; a blank before the colon is obsolete and ambiguous.
    let well_formed = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    Field { name, value: &raw[colon + 1..], raw, well_formed }
}

/// How the addresses of a From or Sender field read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mailboxes {
    /// The addresses, in order. Never empty.
    List(Vec<Address>),
    /// The field holds something else: nothing, a group, or a syntax that readers differ about.
    Unreadable,
}

/// Reads a mailbox list (RFC 5322 section 3.4) strictly: comments and quoted strings are understood, groups, routes and
/// anything after an address that is not a comment are not.
pub fn mailboxes(value: &[u8]) -> Mailboxes {
    let Ok(text) = core::str::from_utf8(value) else {
        return Mailboxes::Unreadable;
    };
    match (Reader { rest: text, depth: 0 }).list() {
        Some(list) if !list.is_empty() => Mailboxes::List(list),
        _ => Mailboxes::Unreadable,
    }
}

/// More mailboxes in one field than any honest author list has.
const MAILBOXES_MAX: usize = 100;
/// Comments nested deeper than this are an attack on recursive readers.
const COMMENT_DEPTH_MAX: usize = 16;

struct Reader<'text> {
    rest: &'text str,
    depth: usize,
}

enum Token<'text> {
    Word(&'text str),
    Quoted(String),
    Special(char),
}

impl<'text> Reader<'text> {
    fn list(mut self) -> Option<Vec<Address>> {
        let mut found = Vec::new();
        loop {
            found.push(self.mailbox()?);
            match self.token()? {
                Some(Token::Special(',')) if found.len() < MAILBOXES_MAX => {}
                None => return Some(found),
                Some(_) => return None,
            }
        }
    }

    /// `name-addr` or `addr-spec`, up to the comma or the end.
    fn mailbox(&mut self) -> Option<Address> {
        let mut local = String::new();
        let mut only_quoted = false;
        loop {
            let before = self.rest;
            match self.token()? {
                Some(Token::Special('<')) => return self.angle(),
                Some(Token::Special('@')) => return self.domain(&local, only_quoted),
                Some(Token::Special('.')) => local.push('.'),
                Some(Token::Word(word)) => {
                    only_quoted = false;
                    local.push_str(word);
                }
                Some(Token::Quoted(content)) => {
                    only_quoted = local.is_empty();
                    local.push_str(&content);
                }
                // A colon would begin a group, a comma an empty element.
                Some(Token::Special(_)) | None => return None,
            }
            // An addr-spec is one run; a phrase has blanks between its words and ends in an angle bracket.
            let blank_follows = self.rest.starts_with([' ', '\t', '\r', '\n']) || before.starts_with([' ', '\t']);
            if blank_follows && !self.angle_comes_before_at() {
                self.skip_blanks()?;
                if !self.rest.starts_with('@') && !self.rest.starts_with('<') {
                    return None;
                }
            }
        }
    }

    /// Whether what follows can still be a phrase: an angle bracket comes before any `@` outside quotes.
    fn angle_comes_before_at(&self) -> bool {
        let mut quoted = false;
        for character in self.rest.chars() {
            match character {
                '"' => quoted = !quoted,
                '<' if !quoted => return true,
                '@' | ',' if !quoted => return false,
                _ => {}
            }
        }
        false
    }

    fn angle(&mut self) -> Option<Address> {
        let end = self.closing_angle()?;
        let inside = self.rest[..end].trim();
        self.rest = &self.rest[end + 1..];
        Address::parse(inside).ok()
    }

    fn closing_angle(&self) -> Option<usize> {
        let (mut quoted, mut escaped) = (false, false);
        for (index, character) in self.rest.char_indices() {
            match character {
                _ if escaped => escaped = false,
                '\\' if quoted => escaped = true,
                '"' => quoted = !quoted,
                '>' if !quoted => return Some(index),
                '<' if !quoted => return None,
                _ => {}
            }
        }
        None
    }

    fn domain(&mut self, local: &str, quoted: bool) -> Option<Address> {
        let end = self.rest.find([',', ' ', '\t', '\r', '\n', '(', '<', '>', ';', '"']).unwrap_or(self.rest.len());
        let domain = Domain::parse(&self.rest[..end]).ok()?;
        self.rest = &self.rest[end..];
        let local = if quoted {
            LocalPart::parse(&format!("\"{}\"", local.replace('\\', "\\\\").replace('"', "\\\"")))
        } else {
            LocalPart::parse(local)
        };
        Some(Address::new(local.ok()?, domain))
    }

    /// The next token after blanks and comments; `Some(None)` at the end, `None` for broken syntax.
    #[expect(clippy::option_option, reason = "the end of the field and broken syntax are two different things")]
    fn token(&mut self) -> Option<Option<Token<'text>>> {
        self.skip_blanks()?;
        let Some(first) = self.rest.chars().next() else {
            return Some(None);
        };
        if first == '"' {
            return self.quoted().map(|content| Some(Token::Quoted(content)));
        }
        if "<>@,:;.[]".contains(first) {
            self.rest = &self.rest[first.len_utf8()..];
            return Some(Some(Token::Special(first)));
        }
        let end = self.rest.find(|character: char| " \t\r\n<>@,:;.[]\"()".contains(character));
        let (word, rest) = self.rest.split_at(end.unwrap_or(self.rest.len()));
        self.rest = rest;
        (!word.is_empty() && !word.chars().any(char::is_control)).then_some(Some(Token::Word(word)))
    }

    fn quoted(&mut self) -> Option<String> {
        let mut content = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((index, character)) = characters.next() {
            match character {
                '"' => {
                    self.rest = &self.rest[index + 1..];
                    return Some(content);
                }
                '\\' => content.push(characters.next()?.1),
                // Folding inside a quoted string leaves the blank that follows it.
                '\r' | '\n' => {}
                other if other.is_control() && other != '\t' => return None,
                other => content.push(other),
            }
        }
        None
    }

    fn skip_blanks(&mut self) -> Option<()> {
        loop {
            self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
            if !self.rest.starts_with('(') {
                return Some(());
            }
            self.comment()?;
        }
    }

    fn comment(&mut self) -> Option<()> {
        let mut characters = self.rest.char_indices();
        while let Some((index, character)) = characters.next() {
            match character {
                '(' => self.depth += 1,
                ')' => self.depth -= 1,
                '\\' => {
                    characters.next()?;
                }
                _ => {}
            }
            if self.depth > COMMENT_DEPTH_MAX {
                return None;
            }
            if self.depth == 0 {
                self.rest = &self.rest[index + 1..];
                return Some(());
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(value: &str) -> Option<Vec<String>> {
        match mailboxes(value.as_bytes()) {
            Mailboxes::List(list) => Some(list.iter().map(ToString::to_string).collect()),
            Mailboxes::Unreadable => None,
        }
    }

    #[test]
    fn honest_forms_are_read() {
        for (value, expected) in [
            (" alice@contoso.example\r\n", vec!["alice@contoso.example"]),
            ("Alice <alice@contoso.example>", vec!["alice@contoso.example"]),
            ("Alice Liddell <alice@contoso.example>", vec!["alice@contoso.example"]),
            ("\"Liddell, Alice\" <alice@contoso.example> (home)", vec!["alice@contoso.example"]),
            ("(x) alice@contoso.example (y (z))", vec!["alice@contoso.example"]),
            ("\"alice@fabrikam.example\" <alice@contoso.example>", vec!["alice@contoso.example"]),
            ("=?utf-8?q?Al=C3=ADce?= <alice@contoso.example>", vec!["alice@contoso.example"]),
            ("Alice\r\n <alice@contoso.example>", vec!["alice@contoso.example"]),
            ("Dr. A. Liddell <alice@contoso.example>", vec!["alice@contoso.example"]),
            ("a@x.example, B <b@y.example>", vec!["a@x.example", "b@y.example"]),
            ("\"a b\"@x.example", vec!["\"a b\"@x.example"]),
            ("a.b@x.example", vec!["a.b@x.example"]),
            ("m\u{fc}ller@x.example", vec!["m\u{fc}ller@x.example"]),
        ] {
            assert_eq!(read(value), Some(expected.iter().map(ToString::to_string).collect()), "{value:?}");
        }
    }

    #[test]
    fn what_readers_differ_about_is_unreadable() {
        for value in [
            "",
            "Alice",
            "group: a@x.example;",
            "<@relay.example:a@x.example>",
            "a@x.example b@y.example",
            "a@x.example <b@y.example>",
            "Alice <a@x.example> <b@y.example>",
            "<a@x.example",
            "a@x.example,",
            ",a@x.example",
            "\"a@x.example",
            "(a@x.example",
            "a b@x.example",
            "<>",
            "a@x.example\0",
            "a@",
        ] {
            assert_eq!(read(value), None, "{value:?}");
        }
        assert_eq!(read(&format!("{}a@x.example", "(".repeat(10_000))), None);
    }

    #[test]
    fn fields_keep_their_octets_and_their_faults() {
        let header = b"From: a\r\n b\r\nFr om: c\r\nTo : d\r\nbroken\r\nX:\r\n";
        let found = fields(header);
        let all: Vec<u8> = found.iter().flat_map(|field| field.raw.to_vec()).collect();
        assert_eq!(all, header);
        assert_eq!(found.len(), 5);
        assert_eq!(found[0].text(), "a b");
        assert!(found[0].is("from") && found[0].well_formed);
        assert!(!found[1].well_formed && found[1].resembles("From"));
        assert!(!found[2].well_formed && found[2].resembles("to"));
        assert!(!found[3].well_formed && found[4].well_formed);
    }
}
