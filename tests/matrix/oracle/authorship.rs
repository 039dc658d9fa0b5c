//! Who a submitted message says it is from: decision D3 and spec section 4.2.

use super::super::plain::World;
use super::{capacity, owner_of};

/// What an account hands in. Addresses are texts; an empty reverse-path is the null path.
#[derive(Clone, Debug)]
pub(in super::super) struct Letter {
    pub(in super::super) reverse_path: &'static str,
    /// The addresses of each From field; a field that cannot be read is `None`.
    pub(in super::super) from: Vec<Option<Vec<&'static str>>>,
    pub(in super::super) sender: Option<&'static str>,
    /// Whether it is a report or a read receipt.
    pub(in super::super) report: bool,
}

/// The refusal, or how the message leaves: capacity, reverse-path, From, Sender.
pub(in super::super) fn author(world: &World, account: &str, letter: &Letter) -> String {
    let denied = |address: &str| format!("SendAsDenied for {}", address.to_lowercase());
    let by_envelope =
        if letter.reverse_path.is_empty() { "null".to_owned() } else { capacity(world, account, letter.reverse_path) };
    if by_envelope == "denied" {
        return denied(letter.reverse_path);
    }
    let readable = letter.from.len() == 1 && letter.from[0].as_ref().is_some_and(|addresses| !addresses.is_empty());
    let own = primary(world, account);
    let authors: Vec<String> = match &letter.from[..] {
        [Some(addresses)] if readable => addresses.iter().map(|address| (*address).to_owned()).collect(),
        // Two From fields are several addresses, and no Sender makes up for that.
        [_, _, ..] => return "MultipleFromAddresses".to_owned(),
        // What needs repair is an ordinary message, and those have no null path.
        _ if world.repair_from && by_envelope == "null" => return "InvalidSenderAddress".to_owned(),
        _ if world.repair_from => vec![own.clone()],
        _ => return "FromNotCompliant".to_owned(),
    };
    if authors.len() > 1 && letter.sender.is_none() {
        return "MultipleFromAddresses".to_owned();
    }
    // Every author is judged, and of several the Sender as well.
    let answering = letter.sender.filter(|_| authors.len() > 1);
    let named = authors.iter().map(String::as_str).chain(answering);
    if let Some(refused) = named.into_iter().find(|address| capacity(world, account, address) == "denied") {
        return denied(refused);
    }
    if by_envelope == "null" && !letter.report {
        return "InvalidSenderAddress".to_owned();
    }
    // Whoever writes for somebody else shows in Sender, also when others sign with them.
    let behalf = authors.iter().map(|address| capacity(world, account, address));
    let behalf = behalf.into_iter().find(|how| how.starts_with("on behalf of"));
    let how = behalf.unwrap_or_else(|| capacity(world, account, answering.unwrap_or(&authors[0])));
    let from: Vec<String> = authors.iter().map(|address| shown(world, address)).collect();
    let sender = match answering {
        _ if how.starts_with("on behalf of") => own,
        Some(answering) => shown(world, answering),
        None => "absent".to_owned(),
    };
    let leaves = leaves_as(world, account, letter, &by_envelope, &how, !readable);
    format!("{how}; leaves as {leaves}; From {}; Sender {sender}", from.join(", "))
}

/// Spec section 4.2: the owner's primary for send-as, the account's own otherwise. The header says in what capacity the
/// message is sent; an account's own alias may stay where aliases are kept.
fn leaves_as(world: &World, account: &str, letter: &Letter, by_envelope: &str, how: &str, repaired: bool) -> String {
    match how.strip_prefix("as ") {
        _ if letter.reverse_path.is_empty() => "<>".to_owned(),
        Some(owner) => primary(world, owner),
        None if repaired => primary(world, account),
        None if world.sends_from_alias && how == "itself" && by_envelope == "itself" => letter.reverse_path.to_owned(),
        None => primary(world, account),
    }
}

/// The address that readers see: an alias becomes the primary address unless aliases are kept.
fn shown(world: &World, address: &str) -> String {
    match owner_of(world, address) {
        Some(owner) if !world.sends_from_alias => primary(world, owner.name),
        _ => address.to_owned(),
    }
}

fn primary(world: &World, name: &str) -> String {
    world.thing(name).map_or_else(String::new, super::super::plain::Thing::address)
}
