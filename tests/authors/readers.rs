//! Two readers of headers that know nothing of the code that judged them: one as strict as RFC 5322, one a library that
//! mail programs use.

use mail_parser::{Address, MessageParser};

/// Who a header says it is from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) from: Vec<String>,
    pub(super) sender: Vec<String>,
    pub(super) resent_from: Vec<String>,
    pub(super) resent_sender: Vec<String>,
}

impl Reading {
    pub(super) fn all(&self) -> impl Iterator<Item = &String> {
        self.from.iter().chain(&self.sender).chain(&self.resent_from).chain(&self.resent_sender)
    }
}

/// By the letter of RFC 5322 section 3.4, written for these tests alone; none for what the letter does not permit.
pub(super) fn strict(head: &str) -> Option<Reading> {
    let mut reading = Reading::default();
    let mut fields: Vec<String> = Vec::new();
    for line in head.split_terminator("\r\n") {
        match fields.last_mut() {
            Some(last) if line.starts_with([' ', '\t']) => last.push_str(line),
            _ => fields.push(line.to_owned()),
        }
    }
    for field in fields {
        // A line that is no field names nobody; some readers take it for the end of the header.
        let Some((name, value)) = field.split_once(':') else { continue };
        // Blanks, controls and letter case are no part of a name to a careless reader.
        let name: String = name.chars().filter(char::is_ascii_graphic).collect::<String>().to_lowercase();
        let list = match name.as_str() {
            "from" => &mut reading.from,
            "sender" => &mut reading.sender,
            "resent-from" => &mut reading.resent_from,
            "resent-sender" => &mut reading.resent_sender,
            _ => continue,
        };
        for element in without_words(value)?.split(',') {
            list.push(address(element.trim())?);
        }
    }
    Some(reading)
}

/// The value with neither comments nor the content of quoted strings.
fn without_words(value: &str) -> Option<String> {
    let (mut text, mut depth, mut quoted) = (String::new(), 0_usize, false);
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => drop(characters.next()?),
            '"' if depth == 0 => {
                quoted = !quoted;
                text.push('"');
            }
            '(' if !quoted => depth += 1,
            ')' if !quoted => depth = depth.checked_sub(1)?,
            _ if quoted || depth > 0 => {}
            other => text.push(other),
        }
    }
    (!quoted && depth == 0).then_some(text)
}

fn address(element: &str) -> Option<String> {
    let inside = match element.split_once('<') {
        Some((_, rest)) => rest.strip_suffix('>')?,
        None => element,
    };
    let sound = !inside.contains(['<', '>', ':', ';', ' ', '\t', '(', ')']) && inside.matches('@').count() == 1;
    sound.then(|| inside.to_lowercase())
}

/// As the library reads the whole message.
pub(super) fn lenient(head: &[u8]) -> Option<Reading> {
    let whole = [head, b"\r\n"].concat();
    let message = MessageParser::default().parse(&whole)?;
    let mut reading = Reading::default();
    for header in message.headers() {
        let list = match header.name.as_str().to_lowercase().as_str() {
            "from" => &mut reading.from,
            "sender" => &mut reading.sender,
            "resent-from" => &mut reading.resent_from,
            "resent-sender" => &mut reading.resent_sender,
            _ => continue,
        };
        let all: Vec<_> = match header.value.as_address()? {
            Address::List(list) => list.iter().collect(),
            Address::Group(groups) => groups.iter().flat_map(|group| &group.addresses).collect(),
        };
        list.extend(all.iter().map(|one| one.address.as_deref().unwrap_or_default().to_lowercase()));
    }
    Some(reading)
}
