//! The Sender Rewriting Scheme: forwarded mail leaves under an address of ours, and reports find their way back.
//!
//! The form is the cloud's (spec section 5.3): `<local>+SRS=<hash>=<day>=<domain>=<local of the sender>@<our domain>`.
//! The hash is an HMAC-SHA-256 over day, domain and local part, so nobody can use us to send reports to strangers; the
//! day stamp makes an old address worthless. Only the envelope is rewritten, never the header.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::settings::SrsKey;
use crate::model::mail::address::LOCAL_PART_BYTES_MAX;
use crate::model::mail::{Address, Domain, LocalPart, ReversePath, Timestamp};

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Days are counted modulo 1024, in two characters.
const DAY_CYCLE: u64 = 1024;
/// Five base-32 characters make 25 bits: guessing one address takes 30 million attempts at RCPT.
const HASH_CHARACTERS: usize = 5;
/// How long a rewritten address is accepted: longer than any sane server keeps a message in its queue.
pub const DAYS_VALID: u64 = 21;

/// Rewrites the reverse-path of a message that `forwarder` passes on to the outside.
///
/// The null path, a missing key and a sender in the forwarder's own domain stay as they are. When the result would
/// exceed 64 octets before the `@`, the sender cannot be carried along and the forwarder itself takes the reports.
pub fn rewrite(keys: &[SrsKey], forwarder: &Address, sender: &ReversePath, now: Timestamp) -> ReversePath {
    let (Some(key), ReversePath::Mailbox(original)) = (keys.first(), sender) else {
        return sender.clone();
    };
    if original.domain() == forwarder.domain() {
        return sender.clone();
    }
    let day = day_stamp(day_of(now));
    let domain = original.domain().to_string();
    let local = original.local().as_str();
    let hash = hash(key, &day, &domain, local);
    let rewritten = format!("{}+SRS={hash}={day}={domain}={local}", forwarder.local().as_str());
    let parsed = if rewritten.len() <= LOCAL_PART_BYTES_MAX { LocalPart::parse(&rewritten).ok() } else { None };
    ReversePath::Mailbox(
        parsed.map_or_else(|| forwarder.clone(), |local| Address::new(local, forwarder.domain().clone())),
    )
}

/// Takes the original sender out of a rewritten address; `None` for any other address and for a forged one.
///
/// The day stamp is not judged here, since resolving has no clock: see [`is_current`].
pub fn reverse(keys: &[SrsKey], address: &Address) -> Option<Address> {
    let parts = Parts::of(address.local().as_str())?;
    let genuine = keys.iter().any(|key| {
        let expected = hash(key, parts.day, parts.domain, parts.local);
        // Letter case may have been lost on the way; BASE32 has no case of its own.
        let shown = parts.hash.to_ascii_uppercase();
        bool::from(subtle::ConstantTimeEq::ct_eq(expected.as_bytes(), shown.as_bytes()))
    });
    if !genuine {
        return None;
    }
    // A local part that needed quotes was written without them.
    let quoted = format!("\"{}\"", parts.local.replace('\\', "\\\\").replace('"', "\\\""));
    Some(Address::new(LocalPart::parse(&quoted).ok()?, Domain::parse(parts.domain).ok()?))
}

/// Whether a rewritten address was made within the last [`DAYS_VALID`] days; true for addresses that are not rewritten.
pub fn is_current(address: &Address, now: Timestamp) -> bool {
    let Some(parts) = Parts::of(address.local().as_str()) else {
        return true;
    };
    let Some(made) = read_day_stamp(parts.day) else {
        return false;
    };
    let age = (day_of(now) + DAY_CYCLE - made) % DAY_CYCLE;
    age <= DAYS_VALID
}

struct Parts<'address> {
    hash: &'address str,
    day: &'address str,
    domain: &'address str,
    local: &'address str,
}

impl<'address> Parts<'address> {
    fn of(local_part: &'address str) -> Option<Self> {
        let (_, tag) = local_part.split_once('+')?;
        // Peers may fold the case of a local part.
        let tag = tag.get(..4).filter(|mark| mark.eq_ignore_ascii_case("SRS=")).and_then(|_| tag.get(4..))?;
        let mut parts = tag.splitn(4, '=');
        Some(Self { hash: parts.next()?, day: parts.next()?, domain: parts.next()?, local: parts.next()? })
    }
}

const fn day_of(now: Timestamp) -> u64 {
    (now.unix_seconds() / 86_400) % DAY_CYCLE
}

fn day_stamp(day: u64) -> String {
    let digit = |value: u64| char::from(BASE32[usize::try_from(value % 32).unwrap_or(0)]);
    [digit(day / 32), digit(day)].iter().collect()
}

fn read_day_stamp(text: &str) -> Option<u64> {
    let digit = |byte: u8| BASE32.iter().position(|letter| *letter == byte.to_ascii_uppercase());
    match text.as_bytes() {
        [high, low] => u64::try_from(digit(*high)? * 32 + digit(*low)?).ok(),
        _ => None,
    }
}

fn hash(key: &SrsKey, day: &str, domain: &str, local: &str) -> String {
    // HMAC takes a key of any length, so this never fails; an empty hash would match nothing that is written.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key.0) else {
        return String::new();
    };
    for part in [day, domain, local] {
        mac.update(part.to_ascii_lowercase().as_bytes());
        mac.update(b"=");
    }
    let digest = mac.finalize().into_bytes();
    digest.iter().take(HASH_CHARACTERS).map(|byte| char::from(BASE32[usize::from(*byte % 32)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).unwrap()
    }

    fn key(byte: u8) -> SrsKey {
        SrsKey([byte; 32])
    }

    fn rewritten(keys: &[SrsKey], now: Timestamp) -> Address {
        let sender = ReversePath::Mailbox(address("bob@fabrikam.example"));
        match rewrite(keys, &address("john.work@contoso.example"), &sender, now) {
            ReversePath::Mailbox(address) => address,
            ReversePath::Null => panic!("a mailbox stays a mailbox"),
        }
    }

    #[test]
    fn a_rewritten_sender_is_found_again_with_any_of_the_keys() {
        let now = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
        let old = rewritten(&[key(1)], now);
        assert!(old.to_string().starts_with("john.work+SRS="), "{old}");
        assert!(old.to_string().ends_with("=fabrikam.example=bob@contoso.example"), "{old}");
        assert_eq!(reverse(&[key(2), key(1)], &old), Some(address("bob@fabrikam.example")));
        assert_eq!(reverse(&[key(2)], &old), None);
        let lower = address(&old.to_string().to_lowercase());
        assert_eq!(reverse(&[key(1)], &lower), Some(address("bob@fabrikam.example")));
    }

    #[test]
    fn a_forged_domain_does_not_verify() {
        let now = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
        let forged = rewritten(&[key(1)], now).to_string().replace("fabrikam", "fabricam");
        assert_eq!(reverse(&[key(1)], &address(&forged)), None);
    }

    #[test]
    fn an_address_expires_after_its_days() {
        let now = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
        let made = rewritten(&[key(1)], now);
        let day = core::time::Duration::from_secs(86_400);
        assert!(is_current(&made, now.plus(day * 21)));
        assert!(!is_current(&made, now.plus(day * 22)));
    }

    #[test]
    fn null_own_and_overlong_senders_are_special() {
        let now = Timestamp::EPOCH;
        let forwarder = address("carol@contoso.example");
        let keys = [key(1)];
        assert_eq!(rewrite(&keys, &forwarder, &ReversePath::Null, now), ReversePath::Null);
        let own = ReversePath::Mailbox(address("bob@contoso.example"));
        assert_eq!(rewrite(&keys, &forwarder, &own, now), own);
        let long = ReversePath::Mailbox(address(&format!("{}@fabrikam.example", "x".repeat(60))));
        assert_eq!(rewrite(&keys, &forwarder, &long, now), ReversePath::Mailbox(forwarder));
    }
}
