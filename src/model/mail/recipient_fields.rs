//! The header of mail that leaves by a service which delivers to whom To, Cc and Bcc name, and to nobody else.
//!
//! SMTP tells recipients apart from what the header says of them: others may have their copies already, or get them
//! another way. Such a service knows no envelope. So every recipient must stand in the header, in Bcc who does not
//! stand there otherwise; and nobody else may, or would get the message twice. Who else is named there is either a
//! reason to refuse the message, or is taken out, which its readers cannot tell from never having been there: the
//! operator's word decides.

use serde::Deserialize;

use super::address::{Address, AddressKey};
use super::header::{Element, Field, each_field, elements};

/// What to do about addresses in To and Cc that are no recipients of this copy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OtherRecipients {
    /// The message cannot go this way.
    #[default]
    Refuse,
    /// They are taken out.
    Hide,
}

/// Why a message cannot go this way.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAddressable {
    /// It would be delivered to somebody else again.
    #[error("it names {0}, too, who would get it a second time: this way knows no recipients but those of the header")]
    Others(Address),
    /// To or Cc is no list of addresses.
    #[error("its recipients in To or Cc cannot be read, so nobody can tell who would get it")]
    Unreadable,
}

/// The header `head`, with the empty line that ends it, by which `recipients` get the message and nobody else does.
///
/// # Errors
/// [`NotAddressable`].
pub fn addressed_to(head: &[u8], recipients: &[&Address], others: OtherRecipients) -> Result<Vec<u8>, NotAddressable> {
    let keys: Vec<AddressKey> = recipients.iter().map(|recipient| recipient.key()).collect();
    let mut named = vec![false; keys.len()];
    let (mut lines, mut end) = (Vec::with_capacity(head.len() + 64), Vec::new());
    for field in each_field(head) {
        if matches!(field.raw, b"\r\n" | b"\n") {
            end.extend_from_slice(field.raw);
        } else if field.resembles("To") || field.resembles("Cc") {
            lines.extend(trimmed(&field, &keys, &mut named, others)?);
        } else if !["Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"].iter().any(|name| field.resembles(name)) {
            lines.extend_from_slice(field.raw);
        }
    }
    let unnamed: Vec<String> =
        recipients.iter().zip(&named).filter(|(_, named)| !**named).map(|(own, _)| format!("<{own}>")).collect();
    if !unnamed.is_empty() {
        lines.extend_from_slice(format!("Bcc: {}\r\n", unnamed.join(",\r\n ")).as_bytes());
    }
    lines.extend(end);
    Ok(lines)
}

/// A field with recipients of this copy alone; nothing without any.
fn trimmed(
    field: &Field<'_>,
    keys: &[AddressKey],
    named: &mut [bool],
    others: OtherRecipients,
) -> Result<Vec<u8>, NotAddressable> {
    let Some(list) = elements(field.value) else {
        // `undisclosed-recipients:;` names nobody.
        let names_nobody = !field.value.contains(&b'@') && field.value.trim_ascii().ends_with(b":;");
        return if names_nobody || field.value.trim_ascii().is_empty() {
            Ok(Vec::new())
        } else {
            Err(NotAddressable::Unreadable)
        };
    };
    let place = |element: &Element<'_>| keys.iter().position(|key| element.address.has_key(key));
    let mut own: Vec<&[u8]> = Vec::new();
    for element in &list {
        match (place(element), others) {
            (Some(place), _) => {
                own.push(element.raw);
                if let Some(named) = named.get_mut(place) {
                    *named = true;
                }
            }
            (None, OtherRecipients::Hide) => {}
            (None, OtherRecipients::Refuse) => return Err(NotAddressable::Others(element.address.clone())),
        }
    }
    if own.len() == list.len() {
        return Ok(field.raw.to_vec());
    }
    if own.is_empty() {
        return Ok(Vec::new());
    }
    let value = own.join(&b","[..]);
    Ok([field.name, b":", value.trim_ascii_end(), b"\r\n"].concat())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(head: &str, to: &[&str], others: OtherRecipients) -> Result<String, NotAddressable> {
        let to: Vec<Address> = to.iter().map(|to| Address::parse(to).unwrap()).collect();
        let head = addressed_to(head.as_bytes(), &to.iter().collect::<Vec<_>>(), others)?;
        Ok(String::from_utf8(head).unwrap())
    }

    #[test]
    fn a_header_that_names_the_recipients_stays_as_it_is() {
        let head = "From: a@contoso.example\r\nTo: B <b@x.example>\r\nCC: c@x.example\r\nSubject: s\r\n\r\n";
        assert_eq!(of(head, &["C@x.example", "b@X.example"], OtherRecipients::Refuse).unwrap(), head);
    }

    #[test]
    fn who_is_not_named_stands_in_bcc_and_nobody_else_does() {
        let head = "To: undisclosed-recipients:;\r\nBcc: eve@x.example\r\nSubject: s\r\n\r\n";
        let two = of(head, &["b@x.example", "c@x.example"], OtherRecipients::Refuse).unwrap();
        assert_eq!(two, "Subject: s\r\nBcc: <b@x.example>,\r\n <c@x.example>\r\n\r\n");
        let resent = "Resent-To: eve@x.example\r\nTo: b@x.example\r\n\r\n";
        assert_eq!(of(resent, &["b@x.example"], OtherRecipients::Refuse).unwrap(), "To: b@x.example\r\n\r\n");
    }

    #[test]
    fn others_are_a_reason_to_refuse_or_are_taken_out() {
        let head = "To: b@x.example, \"D, E\" <d@y.example>\r\nCc: f@y.example\r\n\r\n";
        let other = NotAddressable::Others(Address::parse("d@y.example").unwrap());
        assert_eq!(of(head, &["b@x.example"], OtherRecipients::Refuse), Err(other));
        assert_eq!(of(head, &["b@x.example"], OtherRecipients::Hide).unwrap(), "To: b@x.example\r\n\r\n");
        let later = of(head, &["d@y.example"], OtherRecipients::Hide).unwrap();
        assert_eq!(later, "To: \"D, E\" <d@y.example>\r\n\r\n");
        for unreadable in ["To: team: b@x.example;\r\n\r\n", "To: b@x.example c@x.example\r\n\r\n"] {
            let said = of(unreadable, &["b@x.example"], OtherRecipients::Hide);
            assert_eq!(said, Err(NotAddressable::Unreadable), "{unreadable}");
        }
    }

    proptest! {
        #[test]
        fn whatever_the_header_the_recipients_are_named_and_nobody_else(
            lines in proptest::collection::vec("(To|Cc|Bcc|to |Subject)?:?( [a-d]@(x|y).example,?){0,3}", 0..6),
            hide in any::<bool>(),
        ) {
            let head = lines.iter().map(|line| format!("{line}\r\n")).collect::<String>() + "\r\n";
            let others = if hide { OtherRecipients::Hide } else { OtherRecipients::Refuse };
            let Ok(head) = of(&head, &["a@x.example", "b@y.example"], others) else { return Ok(()) };
            let mut found = Vec::new();
            for field in each_field(head.as_bytes()) {
                if ["To", "Cc", "Bcc"].iter().any(|name| field.resembles(name)) {
                    found.extend(elements(field.value).unwrap().into_iter().map(|one| one.address.to_string()));
                }
            }
            found.sort();
            found.dedup();
            prop_assert_eq!(found, ["a@x.example", "b@y.example"]);
        }
    }
}
