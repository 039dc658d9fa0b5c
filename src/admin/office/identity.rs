//! Finds the recipient that an administrator means: by any address, by login, by name, or by local part alone.
//!
//! Exchange's `-Identity` takes many forms; these are the ones people type. An address is tried first, so a name that
//! looks like one can never hide it. Nothing is guessed: what is merely similar is suggested, not taken.

use std::sync::Arc;

use super::failure::Failure;
use crate::admin::explain::Query;
use crate::model::directory::{MailNickname, ProxyAddress, Recipient, RecipientId, Snapshot};
use crate::model::mail::Address;

/// How many similar names are suggested.
const SUGGESTIONS_MAX: usize = 3;
/// How many recipients are compared for suggestions: a typing error in a directory of a million must not cost seconds.
const COMPARED_MAX: usize = 50_000;
/// Longer texts are no misspelt names.
const IDENTITY_CHARACTERS_MAX: usize = 320;

/// The recipient that `text` names.
///
/// # Errors
/// `NotFound`, with the nearest names there are.
pub fn find<'snapshot>(snapshot: &'snapshot Snapshot, text: &str) -> Result<&'snapshot Arc<Recipient>, Failure> {
    let text = text.trim();
    let address = Address::parse(text).ok();
    let by_address = address.as_ref().and_then(|address| snapshot.find_by_address(address));
    let found = by_address
        .or_else(|| address.as_ref().and_then(|address| snapshot.find_by_login(address)))
        .or_else(|| snapshot.find_by_name(text))
        .or_else(|| in_default_domain(snapshot, text));
    if let Some(found) = found {
        return Ok(found);
    }
    // What a deleted user was called means it as long as nobody else is called so.
    match the_deleted(snapshot, text) {
        Some(found) => found,
        None => Err(unknown(snapshot, text)),
    }
}

/// The object whose user was deleted that `text` names: by an address, its login or name, its `ExchangeGuid` or its
/// identity (`#17`). Others that are called so by now do not matter.
///
/// # Errors
/// `NotFound`; `Refused` when several deleted ones were called so.
pub fn find_deleted<'snapshot>(
    snapshot: &'snapshot Snapshot,
    text: &str,
) -> Result<&'snapshot Arc<Recipient>, Failure> {
    the_deleted(snapshot, text).unwrap_or_else(|| {
        let message = format!("There is no deleted user with the address, login or name \"{}\".", shortened(text));
        Err(Failure::not_found(message))
    })
}

/// The same, and where no deleted user was called so, whom [`find`] finds.
///
/// # Errors
/// `NotFound`.
pub(super) fn find_deleted_first<'snapshot>(
    snapshot: &'snapshot Snapshot,
    text: &str,
) -> Result<&'snapshot Arc<Recipient>, Failure> {
    find_deleted(snapshot, text).or_else(|_| find(snapshot, text))
}

fn the_deleted<'snapshot>(
    snapshot: &'snapshot Snapshot,
    text: &str,
) -> Option<Result<&'snapshot Arc<Recipient>, Failure>> {
    let mut all: Vec<_> = snapshot.find_deleted(text).take(SUGGESTIONS_MAX + 1).collect();
    if let Some(domain) = snapshot.default_domain().filter(|_| all.is_empty()) {
        all = snapshot.find_deleted(&format!("{}@{domain}", text.trim())).take(SUGGESTIONS_MAX + 1).collect();
    }
    let first = *all.first()?;
    if all.len() == 1 {
        return Some(Ok(first));
    }
    let message = format!("Several deleted users were called \"{}\"; name one by its ExchangeGuid.", shortened(text));
    let failure = Failure::refused(message);
    let cure = |found: &Arc<Recipient>| format!("{} is {}, #{}", found.exchange_guid(), found.primary(), found.id);
    Some(Err(all.into_iter().fold(failure, |failure, found| failure.cured_by(cure(found)))))
}

/// The same for a whole list, in order.
///
/// # Errors
/// The first that is not found.
pub fn find_all(snapshot: &Snapshot, texts: &[String]) -> Result<Vec<RecipientId>, Failure> {
    texts.iter().map(|text| find(snapshot, text).map(|recipient| recipient.id)).collect()
}

/// An address that an administrator typed, or the failure that says which option held it.
///
/// # Errors
/// `Refused`, with what is wrong with the text.
pub fn address(what: &str, text: &str) -> Result<Address, Failure> {
    Address::parse(text.trim())
        .map_err(|error| Failure::refused(format!("{what}: \"{}\" is no address: {error}", shortened(text))))
}

/// The same for any proxy address, such as `X500:/o=Contoso/cn=Recipients/cn=alice`.
///
/// # Errors
/// `Refused`, with what is wrong with the text.
pub(super) fn proxy(what: &str, text: &str) -> Result<ProxyAddress, Failure> {
    ProxyAddress::parse(text.trim())
        .map_err(|error| Failure::refused(format!("{what}: \"{}\" is no address: {error}", shortened(text))))
}

/// The same for an `Alias`.
///
/// # Errors
/// `Refused`, with what is wrong with the text.
pub(super) fn nickname(what: &str, text: &str) -> Result<MailNickname, Failure> {
    MailNickname::parse(text)
        .map_err(|error| Failure::refused(format!("{what}: \"{}\" is no alias: {error}", shortened(text))))
}

/// The address of a new recipient: as typed, or made of an alias and the default domain (spec section 4.5).
///
/// # Errors
/// `Refused`, with what is wrong with the text.
pub(super) fn new_address(snapshot: &Snapshot, text: &str) -> Result<(Address, Option<MailNickname>), Failure> {
    let text = text.trim();
    let Some(domain) = snapshot.default_domain().filter(|_| !text.contains('@')) else {
        return Ok((address("the address", text)?, None));
    };
    let nickname = nickname("the alias", text)?;
    let local = nickname
        .to_local_part()
        .ok_or_else(|| Failure::refused(format!("\"{}\" is too long for an address in ASCII.", shortened(text))))?;
    let made = Address::new(local, domain.clone());
    // What the address says already need not be kept twice.
    let kept = Some(nickname).filter(|nickname| nickname.as_str() != made.local().as_str());
    Ok((made, kept))
}

/// `query` with whole addresses where a name or a local part was typed, as every other command takes them. What holds
/// an @ is left as it is, since it may be wrong on purpose; so are the null path and `postmaster` (RFC 5321 section
/// 4.5.1).
///
/// # Errors
/// `NotFound` for a name that nobody has.
pub(super) fn complete(snapshot: &Snapshot, mut query: Query) -> Result<Query, Failure> {
    for text in query.from.iter_mut().chain(&mut query.header_from).chain(&mut query.to) {
        let name = text.trim();
        if !name.is_empty() && !name.contains('@') && !name.eq_ignore_ascii_case("postmaster") {
            *text = find(snapshot, name)?.primary().to_string();
        }
    }
    Ok(query)
}

fn in_default_domain<'snapshot>(snapshot: &'snapshot Snapshot, text: &str) -> Option<&'snapshot Arc<Recipient>> {
    // CONTOSO\alice and alice both mean alice in the default domain, as at sign-in.
    let local = text.rsplit_once('\\').map_or(text, |(_, local)| local);
    let domain = snapshot.default_domain()?;
    snapshot.find_by_address(&Address::parse(&format!("{local}@{domain}")).ok()?)
}

fn unknown(snapshot: &Snapshot, text: &str) -> Failure {
    let shown = shortened(text);
    let failure = Failure::not_found(format!("There is no recipient with the address, login or name \"{shown}\"."));
    let near = nearest(snapshot, text);
    if near.is_empty() {
        return failure.cured_by("franking recipient list");
    }
    near.into_iter().fold(failure, |failure, address| failure.cured_by(format!("did you mean {address}?")))
}

fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

/// Addresses and names that differ from `text` by little, the nearest first.
fn nearest(snapshot: &Snapshot, text: &str) -> Vec<String> {
    let wanted: Vec<char> = text.to_lowercase().chars().take(IDENTITY_CHARACTERS_MAX).collect();
    let local: Vec<char> = wanted.iter().copied().take_while(|character| *character != '@').collect();
    let bound = (local.len() / 3).clamp(1, 4);
    let mut found: Vec<(usize, String)> = Vec::new();
    let known = snapshot.recipients().filter(|found| !found.is_user_deleted());
    for recipient in known.take(COMPARED_MAX) {
        let primary = recipient.primary().to_string();
        let own: Vec<char> = recipient.primary().local().as_str().to_lowercase().chars().collect();
        let name: Vec<char> = recipient.name.to_lowercase().chars().collect();
        let whole: Vec<char> = primary.to_lowercase().chars().collect();
        let steps = distance(&wanted, &whole, bound)
            .or_else(|| distance(&local, &own, bound))
            .or_else(|| distance(&wanted, &name, bound));
        if let Some(steps) = steps {
            found.push((steps, primary));
        }
    }
    found.sort_unstable();
    found.into_iter().take(SUGGESTIONS_MAX).map(|(_, address)| address).collect()
}

/// How many slips of the hand are between two words, letter case aside; `None` when more than `bound`.
pub(super) fn slips(left: &str, right: &str, bound: usize) -> Option<usize> {
    let letters = |text: &str| text.to_lowercase().chars().take(IDENTITY_CHARACTERS_MAX).collect::<Vec<_>>();
    distance(&letters(left), &letters(right), bound)
}

/// How many characters must be added, removed, changed or swapped with their neighbour; `None` when more than `bound`.
fn distance(left: &[char], right: &[char], bound: usize) -> Option<usize> {
    if left.len().abs_diff(right.len()) > bound {
        return None;
    }
    let at = |row: &[usize], column: usize| row.get(column).copied().unwrap_or(usize::MAX / 2);
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (line, own) in left.iter().enumerate() {
        let mut next = vec![line + 1];
        for (column, other) in right.iter().enumerate() {
            let changed = at(&row, column) + usize::from(own != other);
            let mut steps = changed.min(at(&row, column + 1) + 1).min(at(&next, column) + 1);
            // The commonest slip of all: alcie for alice.
            let pair = |text: &[char], place: usize| Some((*text.get(place.checked_sub(1)?)?, *text.get(place)?));
            if pair(left, line).zip(pair(right, column)).is_some_and(|((a, b), (c, d))| (a, b) == (d, c)) {
                steps = steps.min(at(&before, column.saturating_sub(1)) + 1);
            }
            next.push(steps);
        }
        if next.iter().min().is_none_or(|least| *least > bound) {
            return None;
        }
        before = core::mem::replace(&mut row, next);
    }
    row.last().copied().filter(|steps| *steps <= bound)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::office::tests::contoso;

    #[test]
    fn a_recipient_is_found_by_every_name_people_type() {
        let snapshot = contoso();
        for text in ["info@contoso.example", "INFO@CONTOSO.EXAMPLE", " info ", "CONTOSO\\info", "Info"] {
            assert_eq!(find(&snapshot, text).unwrap().primary().to_string(), "info@contoso.example", "{text}");
        }
    }

    #[test]
    fn a_deleted_user_is_found_until_another_is_called_so_and_then_among_the_deleted() {
        let snapshot = contoso();
        let mut alice = Recipient::clone(find(&snapshot, "alice").unwrap());
        let mut namesake = Recipient::new(snapshot.next_id(), alice.recipient_type, "alice", alice.primary().clone());
        alice.provisioning.get_or_insert_default().user_deleted = Some(crate::model::mail::Timestamp::EPOCH);
        let put = |one: &Recipient| crate::model::directory::Change::PutRecipient(Box::new(one.clone()));
        let snapshot = snapshot.apply(&[put(&alice)]).unwrap();
        assert_eq!(find(&snapshot, "alice@contoso.example").unwrap().id, alice.id);
        let snapshot = snapshot.apply(&[put(&namesake)]).unwrap();
        assert_eq!(find(&snapshot, "alice").unwrap().id, namesake.id);
        assert_eq!(find_deleted(&snapshot, "alice").unwrap().id, alice.id);
        assert!(find_deleted(&snapshot, "bob").unwrap_err().message.contains("no deleted user"));
        namesake.provisioning.clone_from(&alice.provisioning);
        let snapshot = snapshot.apply(&[put(&namesake)]).unwrap();
        let several = find_deleted(&snapshot, "alice").unwrap_err();
        assert_eq!(several.cures.len(), 2, "{several:?}");
        assert_eq!(find_deleted(&snapshot, &alice.exchange_guid().to_string()).unwrap().id, alice.id);
    }

    #[test]
    fn a_misspelt_name_is_suggested_and_never_taken() {
        let snapshot = contoso();
        let failure = find(&snapshot, "alcie@contoso.example").unwrap_err();
        assert_eq!(failure.kind, crate::admin::office::FailureKind::NotFound);
        assert_eq!(failure.cures, ["did you mean alice@contoso.example?"]);
        let far = find(&snapshot, "zzzzzzzzzz").unwrap_err();
        assert_eq!(far.cures, ["franking recipient list"]);
    }

    #[test]
    fn explanations_take_the_names_that_other_commands_take() {
        let typed = Query {
            from: Some("info".to_owned()),
            to: ["bob", "postmaster", "no one@here", ""].map(str::to_owned).to_vec(),
            ..Query::default()
        };
        let query = complete(&contoso(), typed).unwrap();
        assert_eq!(query.from.as_deref(), Some("info@contoso.example"));
        assert_eq!(query.to, ["bob@contoso.example", "postmaster", "no one@here", ""]);
        let failure = complete(&contoso(), Query { to: vec!["bbo".to_owned()], ..Query::default() }).unwrap_err();
        assert_eq!(failure.cures, ["did you mean bob@contoso.example?"]);
    }

    #[test]
    fn the_distance_is_symmetric_and_bounded() {
        let chars = |text: &str| text.chars().collect::<Vec<char>>();
        assert_eq!(distance(&chars("alice"), &chars("alcie"), 2), Some(1));
        assert_eq!(distance(&chars("alcie"), &chars("alice"), 2), Some(1));
        assert_eq!(distance(&chars("alice"), &chars("malicia"), 3), Some(3));
        assert_eq!(distance(&chars(""), &chars("ab"), 2), Some(2));
        assert_eq!(distance(&chars("alice"), &chars("bob"), 2), None);
    }
}
