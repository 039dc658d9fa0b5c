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
            (Keyword::Size, Some(digits)) if is_number(digits) => declared_bytes = digits.parse().unwrap_or(u64::MAX),
            (Keyword::Body, Some(kind)) => parameters.body = body(kind)?,
            (Keyword::SmtpUtf8, None) => parameters.smtputf8 = true,
            (Keyword::Ret, Some(ret)) => parameters.ret = Some(self::ret(ret)?),
            (Keyword::EnvId, Some(id)) => parameters.envelope_id = Some(envelope_id(id)?),
            // Who wrote the message first is a claim that nothing here relies on (RFC 4954 section 5).
            (Keyword::Auth, Some(mailbox)) if mailbox == "<>" || xtext::decode(mailbox).is_some() => {}
            (Keyword::Size | Keyword::Body | Keyword::SmtpUtf8 | Keyword::Ret | Keyword::EnvId | Keyword::Auth, _) => {
                return Err(Refusal::InvalidArguments);
            }
            (Keyword::Notify | Keyword::ORcpt | Keyword::Other, _) => return Err(Refusal::UnsupportedParameter),
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
            (Keyword::Notify, Some(list)) => dsn.notify = notify(list)?,
            (Keyword::ORcpt, Some(original)) => dsn.original_recipient = Some(original_recipient(original)?),
            (Keyword::Notify | Keyword::ORcpt, None) => return Err(Refusal::InvalidArguments),
            (
                Keyword::Size
                | Keyword::Body
                | Keyword::SmtpUtf8
                | Keyword::Ret
                | Keyword::EnvId
                | Keyword::Auth
                | Keyword::Other,
                _,
            ) => return Err(Refusal::UnsupportedParameter),
        }
        Ok(())
    })?;
    Ok(dsn)
}

/// Whether a text is a number of up to 20 digits (RFC 1870 section 3, RFC 3030 section 2).
pub(super) fn is_number(digits: &str) -> bool {
    matches!(digits.len(), 1..=20) && digits.bytes().all(|digit| digit.is_ascii_digit())
}

/// The keywords of parameters that have a meaning here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keyword {
    Size,
    Body,
    SmtpUtf8,
    Ret,
    EnvId,
    Auth,
    Notify,
    ORcpt,
    Other,
}

impl Keyword {
    const NAMES: [(&'static str, Self); 8] = [
        ("NOTIFY", Self::Notify),
        ("ORCPT", Self::ORcpt),
        ("SIZE", Self::Size),
        ("BODY", Self::Body),
        ("SMTPUTF8", Self::SmtpUtf8),
        ("RET", Self::Ret),
        ("ENVID", Self::EnvId),
        ("AUTH", Self::Auth),
    ];

    /// Its place among those that were seen: no bit for what has no meaning, which is refused the first time.
    fn read(text: &str) -> (Self, u8) {
        let mut names = Self::NAMES.iter().enumerate();
        let found = names.find(|(_, (name, _))| text.eq_ignore_ascii_case(name));
        found.map_or((Self::Other, 0), |(place, (_, keyword))| (*keyword, 1 << place))
    }
}

/// Calls `take` for each word as keyword and value, in order.
fn each(words: &str, mut take: impl FnMut(Keyword, Option<&str>) -> Result<(), Refusal>) -> Result<(), Refusal> {
    let mut seen = 0_u8;
    let mut rest = words;
    while !rest.is_empty() {
        let word;
        (word, rest) = divided(rest, b' ').unwrap_or((rest, ""));
        if word.is_empty() {
            continue;
        }
        let (keyword, value) = divided(word, b'=').map_or((word, None), |(keyword, value)| (keyword, Some(value)));
        if !is_keyword(keyword) || value.is_some_and(|value| value.is_empty() || has_control(value)) {
            return Err(Refusal::InvalidArguments);
        }
        let (keyword, place) = Keyword::read(keyword);
        if seen & place != 0 {
            return Err(Refusal::InvalidArguments);
        }
        take(keyword, value)?;
        seen |= place;
    }
    Ok(())
}

/// What stands before the first of an octet of ASCII, and after it.
fn divided(text: &str, by: u8) -> Option<(&str, &str)> {
    let place = memchr::memchr(by, text.as_bytes())?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

fn has_control(text: &str) -> bool {
    // To the end in any case, which is quicker than to ask whether to go on.
    let in_ascii = || text.bytes().fold(false, |found, byte| found | byte.is_ascii_control());
    if text.is_ascii() { in_ascii() } else { text.chars().any(char::is_control) }
}

fn is_keyword(text: &str) -> bool {
    let bytes = text.as_bytes();
    let begins = bytes.first().is_some_and(|first| *first != b'-');
    begins && bytes.iter().fold(true, |all, byte| all & (byte.is_ascii_alphanumeric() | (*byte == b'-')))
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
    let mut rest = Some(list);
    while let Some(words) = rest {
        let (word, more) = divided(words, b',').map_or((words, None), |(word, more)| (word, Some(more)));
        rest = more;
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
    let (kind, address) = divided(text, b';').ok_or(Refusal::InvalidArguments)?;
    if text.len() > ORIGINAL_RECIPIENT_BYTES_MAX || !is_keyword(kind) {
        return Err(Refusal::InvalidArguments);
    }
    // RFC 6533 section 3: the type utf-8 may stand as it is. Control characters are refused for every parameter.
    let as_is = kind.eq_ignore_ascii_case("utf-8") && !address.is_ascii();
    let decoded = if as_is { Some(address.to_owned()) } else { xtext::decode(address) };
    let decoded = decoded.filter(|decoded| !decoded.trim_start().is_empty()).ok_or(Refusal::InvalidArguments)?;
    Ok((kind.to_ascii_lowercase().into(), decoded.into()))
}
