//! The encoding of ENVID, ORCPT and AUTH= (RFC 3461 section 4).

/// Decodes xtext; `None` unless every octet, decoded, is printable ASCII.
pub(super) fn decode(text: &str) -> Option<String> {
    // Mostly nothing is encoded.
    let is_plain = |byte: u8| matches!(byte, b'!'..=b'~') & (byte != b'+') & (byte != b'=');
    if text.bytes().fold(true, |all, byte| all & is_plain(byte)) {
        return Some(text.to_owned());
    }
    let mut decoded = String::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let plain = match byte {
            b'+' => 16 * upper_hex(bytes.next()?)? + upper_hex(bytes.next()?)?,
            b'=' => return None,
            b'!'..=b'~' => byte,
            _ => return None,
        };
        // A CR LF in disguise would be a line of its own in a report's header.
        if !matches!(plain, b' '..=b'~') {
            return None;
        }
        decoded.push(char::from(plain));
    }
    Some(decoded)
}

const fn upper_hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}
