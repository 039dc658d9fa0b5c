//! The Sender Rewriting Scheme: forwarded mail leaves under an address of ours, and reports find their way back.
//!
//! The form is the cloud's (spec section 5.3): `<local>+SRS=<hash>=<day>=<domain>=<local of the sender>@<our domain>`.
//! The hash is an HMAC-SHA-256 over day, domain and local part, so nobody can use us to send reports to strangers; the
//! day stamp makes an old address worthless. Only the envelope is rewritten, never the header.
//!
//! What goes to a remote mailbox, or to one that waits for its migration where it still is, is not rewritten: the other
//! system is the organisation's own, which takes mail from here whoever the sender is, and its filters and reports are
//! to see the sender. Spec section 5.3 calls it likely for mail bound for on-premises; decision D4 names rewriting for
//! mail users and contacts alone, and forwarding to such a mailbox counts as inside, too.

use hmac::{Hmac, Mac as _};
use sha2::Sha256;

use super::envelope::Origin;
use super::settings::SrsKey;
use crate::model::directory::Snapshot;
use crate::model::mail::address::LOCAL_PART_BYTES_MAX;
use crate::model::mail::{Address, Domain, LocalPart, ReversePath, Timestamp};

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
/// Days are counted modulo 1024, in two characters.
const DAY_CYCLE: u64 = 1024;
/// Five base-32 characters make 25 bits: guessing one address takes 30 million attempts at RCPT.
const HASH_CHARACTERS: usize = 5;
/// How long a rewritten address is accepted: longer than any sane server keeps a message in its queue.
pub const DAYS_VALID: u64 = 21;

/// What stands before the mark where a sender is too long to be carried along.
const BOUNCES: &str = "bounces";
const MARK: &str = "+SRS=";

/// Rewrites the reverse-path of a message that `forwarder` passes on to the outside.
///
/// The null path, a missing key and a sender in the forwarder's own domain stay as they are. When the result would
/// exceed 64 octets before the `@`, the sender cannot be carried along: it becomes `bounces+SRS=<hash>=<day>` in the
/// `default` domain, to which reports go that nobody but the postmaster can be shown.
pub fn rewrite(
    keys: &[SrsKey],
    forwarder: &Address,
    default: Option<&Domain>,
    sender: &ReversePath,
    now: Timestamp,
) -> ReversePath {
    let (Some(key), ReversePath::Mailbox(original)) = (keys.first(), sender) else {
        return sender.clone();
    };
    if original.domain() == forwarder.domain() {
        return sender.clone();
    }
    let day = day_stamp(day_of(now));
    let domain = original.domain().to_string();
    let local = original.local().as_str();
    let hash = hash(key, &[&day, &domain, local]);
    let whole = format!("{}{MARK}{hash}={day}={domain}={local}", forwarder.local().as_str());
    let rewritten = if whole.len() <= LOCAL_PART_BYTES_MAX {
        quoted(&whole).map(|local| Address::new(local, forwarder.domain().clone()))
    } else {
        let bounces = format!("{BOUNCES}{MARK}{}={day}", self::hash(key, &[&day, BOUNCES]));
        quoted(&bounces).map(|local| Address::new(local, default.unwrap_or_else(|| forwarder.domain()).clone()))
    };
    ReversePath::Mailbox(rewritten.unwrap_or_else(|| forwarder.clone()))
}

/// As whom this server passes on what a client of a connector hands in under somebody else's address, to anybody
/// outside (spec section 5.3: mail relayed for a server of the organisation's own).
pub fn relayer(snapshot: &Snapshot, origin: Origin) -> Option<Address> {
    match origin {
        Origin::Connector { .. } => Address::parse(&format!("{BOUNCES}@{}", snapshot.default_domain()?)).ok(),
        Origin::Account(_) | Origin::Anonymous | Origin::System => None,
    }
}

/// A local part of this content, whatever characters are in it.
fn quoted(content: &str) -> Option<LocalPart> {
    LocalPart::parse(&format!("\"{}\"", content.replace('\\', "\\\\").replace('"', "\\\""))).ok()
}

/// What a rewritten address stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Original {
    /// The sender of the message that was passed on.
    Sender(Address),
    /// A sender that was too long to be carried along.
    Lost,
}

/// Takes the original sender out of a rewritten address; `None` for any other address and for a forged one.
///
/// The day stamp is not judged here, since resolving has no clock: see [`is_current`].
pub fn reverse(keys: &[SrsKey], address: &Address) -> Option<Original> {
    let parts = genuine_parts(keys, address)?;
    match parts.sender {
        // A local part that needed quotes was written without them.
        Some((domain, local)) => Some(Original::Sender(Address::new(quoted(local)?, Domain::parse(domain).ok()?))),
        None => Some(Original::Lost),
    }
}

/// Whether an address that [`reverse`] recognises was made within the last [`DAYS_VALID`] days; true for addresses that
/// are not rewritten. One of tomorrow was made shortly before the clock was set back over midnight.
pub fn is_current(keys: &[SrsKey], address: &Address, now: Timestamp) -> bool {
    let Some(parts) = genuine_parts(keys, address) else {
        return true;
    };
    let tomorrow = day_of(now) + DAY_CYCLE + 1;
    read_day_stamp(parts.day).is_some_and(|made| (tomorrow - made) % DAY_CYCLE <= DAYS_VALID + 1)
}

/// The parts of an address that one of these keys has signed.
fn genuine_parts<'address>(keys: &[SrsKey], address: &'address Address) -> Option<Parts<'address>> {
    // Most addresses have no mark at all.
    memchr::memchr(b'+', address.local().as_bytes())?;
    Parts::all_of(address.local().as_str()).find(|parts| parts.are_genuine(keys))
}

struct Parts<'address> {
    forwarder: &'address str,
    hash: &'address str,
    day: &'address str,
    /// Domain and local part; none where they were too long.
    sender: Option<(&'address str, &'address str)>,
}

impl<'address> Parts<'address> {
    fn are_genuine(&self, keys: &[SrsKey]) -> bool {
        let hashed: &[&str] = match self.sender {
            Some((domain, local)) => &[self.day, domain, local],
            None if self.forwarder.eq_ignore_ascii_case(BOUNCES) => &[self.day, BOUNCES],
            None => return false,
        };
        // Letter case may have been lost on the way; BASE32 has no case of its own.
        let shown = self.hash.to_ascii_uppercase();
        keys.iter().any(|key| is_same(&hash(key, hashed), &shown))
    }

    /// Every way to read a local part as a rewritten one: forwarder and sender may have a `+` or the mark themselves.
    fn all_of(local_part: &'address str) -> impl Iterator<Item = Self> {
        let marks = local_part.match_indices('+').filter_map(move |(place, _)| {
            let (forwarder, rest) = local_part.split_at(place);
            // Peers may fold the case of a local part.
            let mark = rest.get(..MARK.len()).filter(|mark| mark.eq_ignore_ascii_case(MARK))?;
            Some((forwarder, rest.get(mark.len()..)?))
        });
        marks.filter_map(|(forwarder, tag)| {
            let mut parts = tag.splitn(4, '=');
            let (hash, day) = (parts.next()?, parts.next()?);
            let sender = match (parts.next(), parts.next()) {
                (None, _) => None,
                (Some(domain), local) => Some((domain, local?)),
            };
            Some(Self { forwarder, hash, day, sender })
        })
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

/// Compares hashes in a time that tells nothing; an empty one is never right.
pub(super) fn is_same(hash: &str, shown: &str) -> bool {
    !hash.is_empty() && bool::from(subtle::ConstantTimeEq::ct_eq(hash.as_bytes(), shown.as_bytes()))
}

fn hash(key: &SrsKey, parts: &[&str]) -> String {
    keyed(key, parts, HASH_CHARACTERS)
}

/// An HMAC-SHA-256 over texts, letter case aside, in so many base-32 characters, at most 32.
pub(super) fn keyed(key: &SrsKey, parts: &[&str], characters: usize) -> String {
    // HMAC takes a key of any length, so this never fails; an empty hash would match nothing that is written.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key.0) else {
        return String::new();
    };
    for part in parts {
        mac.update(part.to_ascii_lowercase().as_bytes());
        mac.update(b"=");
    }
    let digest = mac.finalize().into_bytes();
    digest.iter().take(characters).map(|byte| char::from(BASE32[usize::from(*byte % 32)])).collect()
}

#[cfg(test)]
mod tests;
