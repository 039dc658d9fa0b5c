//! A second reader of address fields, of another make: what two readers understand in two ways, mail clients do, too.
//!
//! The strict reading of [`header`](super::header) decides what a field says. This one may only object. It is the
//! parser library as mail programs use it, which decodes before it divides and forgives what the grammar does not.

use mail_parser::{Addr, HeaderName, HeaderValue, MessageParser};

use super::address::Address;
use super::header::Element;

/// Whether the second reader finds the same addresses in the same order in the value of an address field, and no
/// control character in a decoded display name (by which some programs cut a name, and show what stands before).
pub fn agrees(value: &[u8], list: &[Element<'_>]) -> bool {
    let field = [b"From:".as_slice(), value.trim_ascii_end(), b"\r\n\r\n"].concat();
    let Some(message) = MessageParser::default().parse_headers(&field) else {
        return false;
    };
    let [header] = message.headers() else {
        return false;
    };
    let (HeaderName::From, HeaderValue::Address(mail_parser::Address::List(found))) = (&header.name, &header.value)
    else {
        return false;
    };
    found.len() == list.len() && found.iter().zip(list).all(|(found, strict)| is(found, &strict.address))
}

fn is(found: &Addr<'_>, strict: &Address) -> bool {
    let address = found.address.as_deref().and_then(|text| Address::parse(text).ok());
    let hidden = |name: &str| name.chars().any(|character| character.is_control() && character != '\t');
    address.is_some_and(|address| address.key() == strict.key()) && !found.name.as_deref().is_some_and(hidden)
}

#[cfg(test)]
mod tests {
    use super::super::header::elements;
    use super::*;

    fn judged(value: &str) -> Option<bool> {
        elements(value.as_bytes()).map(|list| agrees(value.as_bytes(), &list))
    }

    #[test]
    fn honest_forms_are_read_alike() {
        for value in [
            " alice@contoso.example\r\n",
            " a.b@x.example,\r\n c.d@y.example\r\n",
            "Alice Liddell <alice@contoso.example>",
            "\"Liddell, Alice\" <alice@contoso.example> (home)",
            "(x) alice@contoso.example (y (z))",
            "\"alice@fabrikam.example\" <alice@contoso.example>",
            "=?utf-8?q?Al=C3=ADce?= <alice@contoso.example>",
            "Alice\r\n <alice@contoso.example>",
            "\"Alice\r\n Liddell\" <alice@contoso.example>",
            "Dr. A. Liddell <alice@contoso.example>",
            "a@x.example, B <b@y.example>",
            "<alice@contoso.example>",
            "m\u{fc}ller@x.example",
            "\"Alice \\\"the scanner\\\" Liddell\" <alice@contoso.example>",
            "\"a;b:c\" <alice@contoso.example>",
            "Alice (Room 1) <alice@contoso.example>",
            "'Alice' <alice@contoso.example>",
            "Alice - Contoso & Co. <alice@contoso.example>",
        ] {
            assert_eq!(judged(value), Some(true), "{value:?}");
        }
    }

    #[test]
    fn a_name_that_some_programs_would_cut_is_objected_to() {
        for value in [
            "=?utf-8?b?Ym9iQGNvbnRvc28uZXhhbXBsZQA=?= <alice@contoso.example>",
            "=?utf-8?q?bob=40contoso.example=0A?= <alice@contoso.example>",
        ] {
            assert_eq!(judged(value), Some(false), "{value:?}");
        }
    }
}
