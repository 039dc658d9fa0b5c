//! The header of a message, field by field, as it stands in the octets (RFC 5322 section 2.2).
//!
//! Nothing is interpreted that a mail client would not interpret the same way: what looks like a field but breaks the
//! syntax (`Fr om:`, a blank before the colon) is kept as malformed, so that policy can refuse instead of guess.

use super::address::Address;

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
        // There is nothing to pass over in most names.
        self.is(name)
            || !self.well_formed && self.squeezed_name().eq(name.bytes().map(|byte| byte.to_ascii_lowercase()))
    }

    /// Whether a lenient reader could take the field for one whose name begins so, as `List-` does.
    pub fn resembles_start(&self, start: &str) -> bool {
        self.squeezed_name().take(start.len()).eq(start.bytes().map(|byte| byte.to_ascii_lowercase()))
    }

    fn squeezed_name(&self) -> impl Iterator<Item = u8> {
        self.name.iter().filter(|byte| byte.is_ascii_graphic()).map(u8::to_ascii_lowercase)
    }

    /// Whether this is a line that continues a field which is not there: put below another, it would become a part of
    /// that one. Only the first field of a header can be.
    pub fn is_adrift(&self) -> bool {
        matches!(self.raw, [b' ' | b'\t', ..])
    }

    /// The value unfolded and trimmed, octets that are no UTF-8 replaced.
    pub fn text(&self) -> String {
        let text = String::from_utf8_lossy(self.value);
        let text = text.trim();
        if memchr::memchr2(b'\r', b'\n', text.as_bytes()).is_none() {
            return text.to_owned();
        }
        text.replace(['\r', '\n'], "")
    }

    /// The value up to its first blank, comma, parameter or comment; comments before it are passed over. Empty when
    /// nothing else is there, and behind a comment without end.
    pub fn first_word(&self) -> String {
        let text = self.text();
        let word = skip_blanks(&text).unwrap_or_default();
        word.split([';', ',', ' ', '\t', '(']).next().unwrap_or_default().to_owned()
    }

    /// The addresses in the value of a field that names readers: those of a mailbox list, and of what is none, such as
    /// a group or a list of hundreds, every word that is an address, display names among them.
    pub fn addressees(&self) -> Vec<Address> {
        if let Mailboxes::List(list) = mailboxes(self.value) {
            return list;
        }
        let text = self.text();
        let words = text.split(AROUND_ADDRESSES).map(|word| word.trim_matches(['.', '\'']));
        words.filter(|word| word.contains('@')).filter_map(|word| word.parse().ok()).collect()
    }
}

/// What stands around an address where no list of mailboxes can be read.
const AROUND_ADDRESSES: &[char] = &['<', '>', ',', ';', ':', '(', ')', '"', ' ', '\t'];

/// Splits a header (without the empty line that ends it) into its fields, in order. Total: any octets give some fields.
pub fn fields(header: &[u8]) -> Vec<Field<'_>> {
    each_field(header).collect()
}

/// The same, one after the other, for those who look at each once.
pub fn each_field(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    let mut rest = header;
    core::iter::from_fn(move || {
        let length = (!rest.is_empty()).then(|| field_length(rest))?;
        let (raw, after) = rest.split_at(length);
        rest = after;
        Some(field(raw))
    })
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
/// anything after an address that is not a comment are not. Takes time in proportion to the length.
pub fn mailboxes(value: &[u8]) -> Mailboxes {
    match elements(value) {
        Some(list) => Mailboxes::List(list.into_iter().map(|element| element.address).collect()),
        None => Mailboxes::Unreadable,
    }
}

/// One mailbox of a list, and the octets that it was read from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Element<'value> {
    /// What stands between the commas, comments and folding included.
    pub raw: &'value [u8],
    /// The display name as it stands, up to the angle bracket; none for a bare address.
    pub phrase: Option<&'value [u8]>,
    /// The address as it is written, without what stands around it.
    pub spec: String,
    /// The address.
    pub address: Address,
}

impl Element<'_> {
    /// Whether a quoted local part stands without angle brackets, `"alice"@contoso.example`. RFC 5322 permits it, and
    /// there are readers that take what is quoted for a name: it is passed on in another form.
    pub fn is_bare_quoted(&self) -> bool {
        self.phrase.is_none() && self.spec.starts_with('"')
    }
}

/// Reads a mailbox list as [`mailboxes`] does, with the text of each; `None` for what is unreadable.
///
/// A display name may be in an old character set, as devices write it: a name is not the address. Then each mailbox
/// stands in angle brackets, and no name holds what a reader of any character set could take for an address.
pub fn elements(value: &[u8]) -> Option<Vec<Element<'_>>> {
    // A reader that takes the field for GBK or Shift-JIS joins these two to one character, and a quoted string would
    // end elsewhere for it.
    if value.windows(2).any(|pair| matches!(pair, [128..=255, b'\\'])) {
        return None;
    }
    match core::str::from_utf8(value) {
        Ok(text) => elements_of(value, text),
        Err(_) => {
            let masked: String =
                value.iter().map(|octet| if octet.is_ascii() { char::from(*octet) } else { MASK }).collect();
            elements_of(value, &masked).filter(|list| list.iter().all(names_nobody_else))
        }
    }
}

/// Stands for an octet of an unknown character set where a value is taken apart. A letter of one octet, so that places
/// stay; whatever comes of it in an address is refused.
const MASK: char = 'x';

/// Whether only the display name of a mailbox is in another character set than ASCII, and shows no address.
fn names_nobody_else(element: &Element<'_>) -> bool {
    let Some((phrase, rest)) = element.phrase.and_then(|phrase| Some((phrase, element.raw.get(phrase.len()..)?)))
    else {
        return false;
    };
    rest.is_ascii() && memchr::memchr3(b'@', b'<', b'\\', phrase).is_none()
}

/// Takes `value` apart as `text` says, whose octets stand at the same places.
fn elements_of<'value>(value: &'value [u8], text: &str) -> Option<Vec<Element<'value>>> {
    let tokens = tokens(text)?;
    if tokens.last().is_none_or(|last| matches!(last.kind, Kind::Comma)) {
        return None;
    }
    let mut list = Vec::new();
    let mut from = 0;
    for part in tokens.split_inclusive(|token| matches!(token.kind, Kind::Comma)) {
        let (element, to) = match part.split_last() {
            Some((Token { kind: Kind::Comma, at, .. }, element)) => (element, *at),
            Some(_) | None => (part, text.len()),
        };
        let angle = element.last().filter(|token| matches!(token.kind, Kind::Angle(_)));
        let phrase = angle.and_then(|angle| value.get(from..angle.at));
        let spec = spec(element)?;
        let address = Address::parse(&spec).ok()?;
        list.push(Element { raw: value.get(from..to)?, phrase, spec, address });
        if list.len() > MAILBOXES_MAX {
            return None;
        }
        from = to.saturating_add(1);
    }
    Some(list)
}

/// More mailboxes in one field than any honest author list has.
const MAILBOXES_MAX: usize = 100;
/// Comments nested deeper than this are an attack on recursive readers.
const COMMENT_DEPTH_MAX: usize = 16;

struct Token<'text> {
    kind: Kind<'text>,
    /// A blank or a comment stands before it.
    apart: bool,
    /// Where it begins, in octets from the beginning of the value.
    at: usize,
}

enum Kind<'text> {
    Word(&'text str),
    /// A quoted string, as it stands, quotes included.
    Quoted(&'text str),
    /// What stands between angle brackets.
    Angle(&'text str),
    /// A domain literal, brackets included.
    Literal(&'text str),
    Dot,
    At,
    Comma,
}

/// The address in one element of a list, `name-addr` or `addr-spec`.
fn spec(element: &[Token<'_>]) -> Option<String> {
    if let Some((Token { kind: Kind::Angle(inside), .. }, phrase)) = element.split_last() {
        // A phrase: words, quoted strings, and the dots of obsolete ones (`A. Liddell`).
        let is_phrase = |token: &Token<'_>| matches!(token.kind, Kind::Word(_) | Kind::Quoted(_) | Kind::Dot);
        return phrase.iter().all(is_phrase).then(|| inside.trim().to_owned());
    }
    // An addr-spec is one run of octets: readers differ about blanks inside it.
    if element.iter().skip(1).any(|token| token.apart) {
        return None;
    }
    let mut text = String::new();
    for token in element {
        match token.kind {
            Kind::Word(part) | Kind::Quoted(part) | Kind::Literal(part) => text.push_str(part),
            Kind::Dot => text.push('.'),
            Kind::At => text.push('@'),
            Kind::Angle(_) | Kind::Comma => return None,
        }
    }
    Some(text)
}

/// Takes a field's value apart; `None` for what is no list of mailboxes whatever stands around it.
fn tokens(text: &str) -> Option<Vec<Token<'_>>> {
    let mut found = Vec::new();
    let mut rest = text;
    loop {
        let before = rest.len();
        rest = skip_blanks(rest)?;
        let apart = rest.len() != before;
        let Some(first) = rest.chars().next() else {
            return Some(found);
        };
        let length = match first {
            '"' => closing(rest, '"')?,
            '<' => closing(rest, '>')?,
            '[' => rest.find(']')? + 1,
            ',' | '.' | '@' => 1,
            ':' | ';' | '>' | ']' | ')' | '\\' => return None,
            _ => rest.find(|character: char| " \t\r\n<>@,:;.[]\"()\\".contains(character)).unwrap_or(rest.len()),
        };
        let (raw, after) = rest.split_at(length);
        let kind = match first {
            '"' => Kind::Quoted(raw),
            '<' => Kind::Angle(raw.strip_prefix('<')?.strip_suffix('>')?),
            '[' => Kind::Literal(raw),
            ',' => Kind::Comma,
            '.' => Kind::Dot,
            '@' => Kind::At,
            _ if raw.chars().any(char::is_control) => return None,
            _ => Kind::Word(raw),
        };
        found.push(Token { kind, apart, at: text.len() - rest.len() });
        rest = after;
    }
}

/// The length up to and including `end`, which quotes and backslashes hide; `None` when it is not there, and for
/// another opening bracket or a control inside.
fn closing(rest: &str, end: char) -> Option<usize> {
    let (mut quoted, mut escaped) = (end == '"', false);
    for (index, character) in rest.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' if quoted && end == '"' => return Some(index + 1),
            '"' => quoted = !quoted,
            '>' if end == '>' && !quoted => return Some(index + 1),
            '<' if end == '>' && !quoted => return None,
            // Folding inside a quoted string leaves the blank that follows it.
            other if other.is_control() && !matches!(other, '\t' | '\r' | '\n') => return None,
            _ => {}
        }
    }
    None
}

fn skip_blanks(mut rest: &str) -> Option<&str> {
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n']);
        if !rest.starts_with('(') {
            return Some(rest);
        }
        rest = skip_comment(rest)?;
    }
}

fn skip_comment(rest: &str) -> Option<&str> {
    let mut depth = 0_usize;
    let mut characters = rest.char_indices();
    while let Some((index, character)) = characters.next() {
        match character {
            '(' => depth += 1,
            ')' => depth -= 1,
            '\\' => {
                characters.next()?;
            }
            _ => {}
        }
        if depth > COMMENT_DEPTH_MAX {
            return None;
        }
        if depth == 0 {
            return rest.get(index + 1..);
        }
    }
    None
}

#[cfg(test)]
mod tests;
