//! Commands as octets. A parameter appears only if its extension was offered.

use core::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::extensions::Extensions;
use super::{OutboundMessage, OutboundRecipient};
use crate::model::policy::{BodyKind, Notify, Ret};

/// RFC 3461 sections 4.2 and 4.4, encoded; what is longer is left out rather than cut.
const ORIGINAL_RECIPIENT_BYTES_MAX: usize = 500;
const ENVELOPE_ID_BYTES_MAX: usize = 100;

/// MAIL FROM with its parameters. `smtputf8` asks for that parameter.
pub(super) fn mail(message: &OutboundMessage, offered: &Extensions, smtputf8: bool) -> String {
    let mut line = format!("MAIL FROM:<{}>", message.reverse_path);
    if offered.size {
        let _ = write!(line, " SIZE={}", message.bytes);
    }
    match message.body {
        BodyKind::EightBitMime if offered.eight_bit_mime => line.push_str(" BODY=8BITMIME"),
        BodyKind::BinaryMime => line.push_str(" BODY=BINARYMIME"),
        BodyKind::SevenBit | BodyKind::EightBitMime => {}
    }
    if smtputf8 {
        line.push_str(" SMTPUTF8");
    }
    if offered.dsn {
        match message.ret {
            Some(Ret::Full) => line.push_str(" RET=FULL"),
            Some(Ret::Headers) => line.push_str(" RET=HDRS"),
            None => {}
        }
        let envelope_id = message.envelope_id.as_deref().map(xtext);
        if let Some(id) = envelope_id.filter(|id| !id.is_empty() && id.len() <= ENVELOPE_ID_BYTES_MAX) {
            let _ = write!(line, " ENVID={id}");
        }
    }
    line.push_str("\r\n");
    line
}

/// RCPT TO with its parameters.
pub(super) fn rcpt(recipient: &OutboundRecipient, offered: &Extensions) -> String {
    let mut line = format!("RCPT TO:<{}>", recipient.path);
    if offered.dsn {
        match recipient.dsn.notify {
            Notify::Unspecified => {}
            Notify::Never => line.push_str(" NOTIFY=NEVER"),
            Notify::On { success, failure, delay } => {
                let asked = [(success, "SUCCESS"), (failure, "FAILURE"), (delay, "DELAY")];
                let words: Vec<&str> = asked.iter().filter(|(asked, _)| *asked).map(|(_, word)| *word).collect();
                // Asking for nothing is what NEVER means.
                let _ = write!(line, " NOTIFY={}", if words.is_empty() { "NEVER".to_owned() } else { words.join(",") });
            }
        }
        if let Some(original) = recipient.dsn.original_recipient.as_ref().and_then(original_recipient) {
            let _ = write!(line, " ORCPT={original}");
        }
    }
    line.push_str("\r\n");
    line
}

/// A response in the AUTH LOGIN dialogue.
pub(super) fn auth_response(text: &str) -> String {
    format!("{}\r\n", STANDARD.encode(text))
}

/// `type;address`, encoded; `None` when it cannot be sent.
fn original_recipient((kind, address): &(Box<str>, Box<str>)) -> Option<String> {
    let is_atom = !kind.is_empty() && kind.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-');
    // What came escaped stays so.
    let utf8 = kind.eq_ignore_ascii_case("utf-8") && !address.is_ascii();
    let address = if utf8 { utf8_xtext(address) } else { xtext(address) };
    let text = format!("{kind};{address}");
    (is_atom && !address.is_empty() && text.len() <= ORIGINAL_RECIPIENT_BYTES_MAX).then_some(text)
}

/// RFC 3461 section 4: everything but printable ASCII, and `+` and `=`, becomes `+` and two digits.
fn xtext(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'+' | b'=' => drop(write!(encoded, "+{octet:02X}")),
            0x21..=0x7e => encoded.push(char::from(octet)),
            _ => drop(write!(encoded, "+{octet:02X}")),
        }
    }
    encoded
}

/// RFC 6533 section 3 (`utf-8-addr-xtext`): the same for characters, as `\x{…}`.
fn utf8_xtext(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '+' | '=' | '\\' => drop(write!(encoded, "\\x{{{:02X}}}", u32::from(character))),
            '\u{21}'..='\u{7e}' => encoded.push(character),
            _ => drop(write!(encoded, "\\x{{{:02X}}}", u32::from(character))),
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mail::{Address, ForwardPath, ReversePath};
    use crate::model::policy::DsnRequest;

    const ALL: Extensions = Extensions {
        starttls: true,
        pipelining: true,
        chunking: true,
        eight_bit_mime: true,
        binary_mime: true,
        smtputf8: true,
        dsn: true,
        size: true,
        size_max: None,
        auth_plain: true,
        auth_login: true,
        auth_xoauth2: true,
        auth_oauthbearer: true,
    };

    fn message() -> OutboundMessage {
        OutboundMessage {
            reverse_path: ReversePath::Mailbox(Address::parse("alice@contoso.example").unwrap()),
            bytes: 1234,
            body: BodyKind::EightBitMime,
            smtputf8: false,
            ret: Some(Ret::Headers),
            envelope_id: Some("a+b c".into()),
            recipients: Vec::new(),
        }
    }

    fn recipient(original: Option<(&str, &str)>, notify: Notify) -> OutboundRecipient {
        OutboundRecipient {
            path: ForwardPath::Mailbox(Address::parse("\"b o\"@fabrikam.example").unwrap()),
            dsn: DsnRequest { notify, original_recipient: original.map(|(kind, text)| (kind.into(), text.into())) },
        }
    }

    #[test]
    fn parameters_follow_what_was_offered() {
        assert_eq!(
            mail(&message(), &ALL, true),
            "MAIL FROM:<alice@contoso.example> SIZE=1234 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=a+2Bb+20c\r\n"
        );
        let bare = OutboundMessage { reverse_path: ReversePath::Null, body: BodyKind::SevenBit, ..message() };
        assert_eq!(mail(&bare, &Extensions::default(), false), "MAIL FROM:<>\r\n");
    }

    #[test]
    fn report_requests_are_handed_on_encoded() {
        let notify = Notify::On { success: true, failure: false, delay: true };
        assert_eq!(
            rcpt(&recipient(Some(("rfc822", "bob=x@fabrikam.example")), notify), &ALL),
            "RCPT TO:<\"b o\"@fabrikam.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;bob+3Dx@fabrikam.example\r\n"
        );
        let utf8 = recipient(Some(("utf-8", "b\u{f6}b@fabrikam.example")), Notify::Never);
        assert!(rcpt(&utf8, &ALL).ends_with(" NOTIFY=NEVER ORCPT=utf-8;b\\x{F6}b@fabrikam.example\r\n"));
        assert_eq!(rcpt(&utf8, &Extensions::default()), "RCPT TO:<\"b o\"@fabrikam.example>\r\n");
    }

    #[test]
    fn what_cannot_be_sent_is_left_out() {
        for (kind, text) in [("", "x"), ("a b", "x"), ("rfc822", ""), ("rfc822", "x".repeat(500).as_str())] {
            let line = rcpt(&recipient(Some((kind, text)), Notify::Unspecified), &ALL);
            assert!(!line.contains("ORCPT"), "{line}");
        }
        let hostile = rcpt(&recipient(Some(("rfc822", "a\r\nQUIT")), Notify::Unspecified), &ALL);
        assert!(hostile.ends_with(" ORCPT=rfc822;a+0D+0AQUIT\r\n"), "{hostile}");
    }
}
