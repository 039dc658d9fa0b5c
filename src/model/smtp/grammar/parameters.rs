//! The parameters of MAIL and RCPT: SIZE, BODY, SMTPUTF8, RET, ENVID, AUTH, NOTIFY, ORCPT. Each may be given once.

use super::xtext;
use crate::model::policy::{BodyKind, DsnRequest, MessageParameters, Notify, Refusal, Ret};

/// RFC 3461 section 4.4, in decoded octets.
const ENVELOPE_ID_BYTES_MAX: usize = 100;
/// RFC 3461 section 4.2, in octets.
const ORIGINAL_RECIPIENT_BYTES_MAX: usize = 500;

/// The parameters of MAIL: the octets announced (0 without SIZE), and what travels with the message.
pub(super) fn of_mail(words: &str) -> Result<(u64, MessageParameters), Refusal> {
    let mut declared_bytes = 0;
    let mut parameters = MessageParameters::default();
    each(words, |keyword, value| {
        match (keyword, value) {
            ("SIZE", Some(digits)) if is_number(digits) => declared_bytes = digits.parse().unwrap_or(u64::MAX),
            ("BODY", Some(kind)) => parameters.body = body(kind)?,
            ("SMTPUTF8", None) => parameters.smtputf8 = true,
            ("RET", Some(ret)) => parameters.ret = Some(self::ret(ret)?),
            ("ENVID", Some(id)) => parameters.envelope_id = Some(envelope_id(id)?),
            // Who wrote the message first is a claim that nothing here relies on (RFC 4954 section 5).
            ("AUTH", Some(mailbox)) if mailbox == "<>" || xtext::decode(mailbox).is_some() => {}
            ("SIZE" | "BODY" | "SMTPUTF8" | "RET" | "ENVID" | "AUTH", _) => return Err(Refusal::InvalidArguments),
            _ => return Err(Refusal::UnsupportedParameter),
        }
        Ok(())
    })?;
    Ok((declared_bytes, parameters))
}

/// The parameters of RCPT.
pub(super) fn of_rcpt(words: &str) -> Result<DsnRequest, Refusal> {
    let mut dsn = DsnRequest::default();
    each(words, |keyword, value| {
        match (keyword, value) {
            ("NOTIFY", Some(list)) => dsn.notify = notify(list)?,
            ("ORCPT", Some(original)) => dsn.original_recipient = Some(original_recipient(original)?),
            ("NOTIFY" | "ORCPT", None) => return Err(Refusal::InvalidArguments),
            _ => return Err(Refusal::UnsupportedParameter),
        }
        Ok(())
    })?;
    Ok(dsn)
}

/// Whether a text is a number of up to 20 digits (RFC 1870 section 3, RFC 3030 section 2).
pub(super) fn is_number(digits: &str) -> bool {
    matches!(digits.len(), 1..=20) && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// Calls `take` for each word as upper-case keyword and value, in order.
fn each(words: &str, mut take: impl FnMut(&str, Option<&str>) -> Result<(), Refusal>) -> Result<(), Refusal> {
    let mut seen: Vec<String> = Vec::new();
    for word in words.split(' ').filter(|word| !word.is_empty()) {
        let (keyword, value) = word.split_once('=').map_or((word, None), |(keyword, value)| (keyword, Some(value)));
        if !is_keyword(keyword) || value.is_some_and(|value| value.is_empty() || value.chars().any(char::is_control)) {
            return Err(Refusal::InvalidArguments);
        }
        let keyword = keyword.to_ascii_uppercase();
        if seen.contains(&keyword) {
            return Err(Refusal::InvalidArguments);
        }
        take(&keyword, value)?;
        seen.push(keyword);
    }
    Ok(())
}

fn is_keyword(text: &str) -> bool {
    !text.starts_with('-') && !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

fn body(kind: &str) -> Result<BodyKind, Refusal> {
    let named = |name: &str| kind.eq_ignore_ascii_case(name);
    if named("7BIT") {
        Ok(BodyKind::SevenBit)
    } else if named("8BITMIME") {
        Ok(BodyKind::EightBitMime)
    } else if named("BINARYMIME") {
        Ok(BodyKind::BinaryMime)
    } else {
        Err(Refusal::InvalidArguments)
    }
}

fn ret(what: &str) -> Result<Ret, Refusal> {
    if what.eq_ignore_ascii_case("FULL") {
        Ok(Ret::Full)
    } else if what.eq_ignore_ascii_case("HDRS") {
        Ok(Ret::Headers)
    } else {
        Err(Refusal::InvalidArguments)
    }
}

fn envelope_id(text: &str) -> Result<Box<str>, Refusal> {
    let decoded = xtext::decode(text).filter(|decoded| decoded.len() <= ENVELOPE_ID_BYTES_MAX);
    decoded.map(Into::into).ok_or(Refusal::InvalidArguments)
}

fn notify(list: &str) -> Result<Notify, Refusal> {
    if list.eq_ignore_ascii_case("NEVER") {
        return Ok(Notify::Never);
    }
    let (mut success, mut failure, mut delay) = (false, false, false);
    for word in list.split(',') {
        let flag = if word.eq_ignore_ascii_case("SUCCESS") {
            &mut success
        } else if word.eq_ignore_ascii_case("FAILURE") {
            &mut failure
        } else if word.eq_ignore_ascii_case("DELAY") {
            &mut delay
        } else {
            return Err(Refusal::InvalidArguments);
        };
        if core::mem::replace(flag, true) {
            return Err(Refusal::InvalidArguments);
        }
    }
    Ok(Notify::On { success, failure, delay })
}

/// `rfc822;alice@contoso.example`: an address type and an address.
fn original_recipient(text: &str) -> Result<(Box<str>, Box<str>), Refusal> {
    let (kind, address) = text.split_once(';').ok_or(Refusal::InvalidArguments)?;
    if text.len() > ORIGINAL_RECIPIENT_BYTES_MAX || !is_keyword(kind) {
        return Err(Refusal::InvalidArguments);
    }
    // RFC 6533 section 3: the type utf-8 may stand as it is. Control characters are refused for every parameter.
    let as_is = kind.eq_ignore_ascii_case("utf-8") && !address.is_ascii();
    let decoded = if as_is { Some(address.to_owned()) } else { xtext::decode(address) };
    let decoded = decoded.filter(|decoded| !decoded.trim().is_empty()).ok_or(Refusal::InvalidArguments)?;
    Ok((kind.to_ascii_lowercase().into(), decoded.into()))
}
