//! Addresses of other systems in the form of a mail address, such as
//! `IMCEAEX-_o=Contoso_cn=Recipients_cn=alice@contoso.example` (spec section 5.5, row 2a).
//!
//! Outlook writes one when it answers an old message whose sender it knows by its legacy distinguished name only. After
//! the type and a hyphen the value follows, `/` as `_` and everything but letters, digits, `=`, `-` and `.` as `+` and
//! two hexadecimal digits.

use super::address::LocalPart;

/// How every encapsulated address begins, letter case aside; the type follows.
const MARK: &str = "IMCEA";
/// Longest name of a type.
const KIND_BYTES_MAX: usize = 16;

/// A decoded address of another system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encapsulated {
    /// Its type in upper case, for example `EX`.
    pub kind: String,
    /// Its value, for example `/o=Contoso/cn=Recipients/cn=alice`.
    pub value: String,
}

impl Encapsulated {
    /// Takes an encapsulated address out of a local part; `None` when there is none, or none that can be read.
    pub fn of(local: &LocalPart) -> Option<Self> {
        // Most addresses are none, which their octets tell at once.
        local.as_bytes().first_chunk().filter(|start: &&[u8; MARK.len()]| is_mark(*start))?;
        let (kind, encoded) = divided(local.as_str())?;
        Some(Self { kind: kind.to_ascii_uppercase(), value: decode(encoded)? })
    }

    /// Whether it is a legacy distinguished name of Exchange.
    pub fn is_legacy(&self) -> bool {
        self.kind == "EX"
    }
}

/// Whether a local part has the form, so that it may be longer than others.
pub(super) fn has_form(local: &str) -> bool {
    divided(local).is_some()
}

/// Type and encoded value.
fn divided(local: &str) -> Option<(&str, &str)> {
    let (_, rest) = local.split_at_checked(MARK.len()).filter(|(start, _)| is_mark(start.as_bytes()))?;
    let (kind, value) = rest.split_once('-')?;
    let is_kind = !kind.is_empty() && kind.len() <= KIND_BYTES_MAX && kind.bytes().all(|b| b.is_ascii_alphanumeric());
    (is_kind && !value.is_empty()).then_some((kind, value))
}

fn is_mark(start: &[u8]) -> bool {
    start.eq_ignore_ascii_case(MARK.as_bytes())
}

fn decode(encoded: &str) -> Option<String> {
    let mut octets = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(octet) = rest.next() {
        octets.push(match octet {
            b'_' => b'/',
            b'+' => {
                let digit =
                    |octet: Option<u8>| char::from(octet?).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
                digit(rest.next())? * 16 + digit(rest.next())?
            }
            other => other,
        });
    }
    // What is no UTF-8, or would break a line of a log, is nothing that a proxy address could hold.
    String::from_utf8(octets).ok().filter(|value| !value.chars().any(char::is_control))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(local: &str) -> Option<(String, String)> {
        let found = Encapsulated::of(&LocalPart::parse(local).ok()?)?;
        Some((found.kind, found.value))
    }

    #[test]
    fn a_legacy_distinguished_name_is_decoded() {
        let name = "IMCEAEX-_o=Contoso_ou=Exchange+20Administrative+20Group+20+28ABC+29_cn=Recipients_cn=alice";
        let value = "/o=Contoso/ou=Exchange Administrative Group (ABC)/cn=Recipients/cn=alice";
        assert_eq!(of(name), Some(("EX".to_owned(), value.to_owned())));
        assert_eq!(of("imceafax-alice+40+2B1"), Some(("FAX".to_owned(), "alice@+1".to_owned())));
        assert_eq!(of("IMCEAEX-M+C3+BCller"), Some(("EX".to_owned(), "M\u{fc}ller".to_owned())));
    }

    #[test]
    fn what_is_no_encapsulated_address_is_none() {
        for local in
            ["alice", "IMCEA-x", "IMCEAEX", "IMCEAEX-", "IMCEAEX-+2", "IMCEAEX-+zz", "IMCEAEX-+0A", "IMCEAEX-+FF"]
        {
            assert_eq!(of(local), None, "{local}");
        }
    }

    #[test]
    fn only_encapsulated_addresses_may_be_long() {
        let long = "x".repeat(300);
        assert!(LocalPart::parse(&format!("IMCEAEX-{long}")).is_ok());
        assert!(LocalPart::parse(&long).is_err());
        assert!(LocalPart::parse(&format!("IMCEAEX-{}", "x".repeat(308))).is_err());
    }
}
