//! The header as it leaves: primary addresses for aliases, and Sender where the account speaks for others.

use super::super::submit_as::SubmitAs;
use super::claims::bare_text;
use super::outward;
use crate::model::directory::{Recipient, Snapshot};
use crate::model::mail::header::{Element, Field, each_field, elements};

/// In which capacity the account uses each address of a header, in the order of [`Claims`](super::claims::Claims).
pub(super) struct Capacities {
    /// Of the addresses in From.
    pub(super) authors: Vec<SubmitAs>,
    /// Of the Sender who answers for several authors.
    pub(super) sender: Option<SubmitAs>,
    /// Of each Resent-From.
    pub(super) resent: Vec<SubmitAs>,
}

impl Capacities {
    /// In which capacity the message is sent.
    pub(super) fn of_the_message(&self) -> SubmitAs {
        let on_behalf = self.authors.iter().find(|author| is_on_behalf(**author)).copied();
        // There is always an author.
        let answers = || self.sender.or_else(|| self.authors.first().copied()).unwrap_or(SubmitAs::Denied);
        on_behalf.unwrap_or_else(answers)
    }
}

const fn is_on_behalf(capacity: SubmitAs) -> bool {
    matches!(capacity, SubmitAs::OnBehalf(_))
}

pub(super) struct Rewriting<'world> {
    pub(super) snapshot: &'world Snapshot,
    pub(super) account: &'world Recipient,
    pub(super) capacities: Capacities,
}

impl Rewriting<'_> {
    /// The header with its authors rewritten, all else octet for octet.
    pub(super) fn head(&self, head: &[u8]) -> Vec<u8> {
        let mut rewritten = Vec::with_capacity(head.len() + 64);
        let mut resent = self.capacities.resent.iter();
        let on_behalf = is_on_behalf(self.capacities.of_the_message());
        for field in each_field(head) {
            if field.is("From") {
                self.authors(&field, "From", &self.capacities.authors, &mut rewritten);
                if on_behalf {
                    self.sender("Sender", &mut rewritten);
                }
            } else if field.is("Resent-From") {
                let capacity = resent.next().map_or(&[] as &[SubmitAs], core::slice::from_ref);
                self.authors(&field, "Resent-From", capacity, &mut rewritten);
                if capacity.iter().copied().any(is_on_behalf) {
                    self.sender("Resent-Sender", &mut rewritten);
                }
            } else if field.is("Sender") {
                // With one author it is the account itself or forged: neither says anything that From does not.
                if let Some(capacity) = self.capacities.sender.as_ref().filter(|_| !on_behalf) {
                    self.authors(&field, "Sender", core::slice::from_ref(capacity), &mut rewritten);
                }
            } else if !field.is("Resent-Sender") {
                rewritten.extend_from_slice(field.raw);
            }
        }
        rewritten
    }

    fn sender(&self, name: &str, rewritten: &mut Vec<u8>) {
        rewritten.extend_from_slice(format!("{name}: {}\r\n", mailbox_text(self.snapshot, self.account)).as_bytes());
    }

    /// An alias becomes the primary address, unless aliases may be sent from (spec section 4.5).
    fn authors(&self, field: &Field<'_>, name: &str, capacities: &[SubmitAs], rewritten: &mut Vec<u8>) {
        let list = elements(field.value).unwrap_or_default();
        let primaries: Vec<Option<Vec<u8>>> =
            list.iter().zip(capacities).map(|(element, capacity)| self.instead(element, *capacity)).collect();
        if primaries.iter().all(Option::is_none) {
            return rewritten.extend_from_slice(field.raw);
        }
        let texts =
            list.iter().zip(primaries).map(|(element, primary)| primary.unwrap_or_else(|| element.raw.to_vec()));
        let value = texts.collect::<Vec<_>>().join(&b',');
        rewritten.extend_from_slice(name.as_bytes());
        rewritten.push(b':');
        rewritten.extend_from_slice(value.trim_ascii_end());
        rewritten.extend_from_slice(b"\r\n");
    }

    /// The text that takes the place of an alias, or of another spelling than the directory's that is not ASCII: what
    /// looks like an address of ours must be it to readers who compare letters. So it is with a quoted local part that
    /// readers could take for a name. None for what stays.
    fn instead(&self, element: &Element<'_>, capacity: SubmitAs) -> Option<Vec<u8>> {
        let owner = match capacity {
            SubmitAs::As(owner) | SubmitAs::OnBehalf(owner) => self.snapshot.recipient(owner).map(|owner| &**owner),
            SubmitAs::Own | SubmitAs::Denied => Some(self.account),
        };
        let (owner, key) = (owner?, element.address.key());
        let same = owner.addresses.smtp().find(|own| own.key() == key);
        let keeps = self.snapshot.organisation().send_from_alias_enabled;
        let target = same.filter(|_| keeps).or_else(|| outward(self.snapshot, owner))?;
        let target_text = target.to_string();
        let as_it_is = element.spec.is_ascii() || element.spec == target_text;
        if key == target.key() && as_it_is && !element.is_bare_quoted() {
            return None;
        }
        // The display name stays, octet for octet: only the text between the brackets is ours to change.
        Some(match element.phrase {
            Some(phrase) => [phrase, format!("<{target_text}>").as_bytes()].concat(),
            None => bare_text(target).into_bytes(),
        })
    }
}

/// `"Display Name" <address>`, safe in a header field.
pub(super) fn mailbox_text(snapshot: &Snapshot, recipient: &Recipient) -> String {
    let address = outward(snapshot, recipient).unwrap_or_else(|| recipient.primary());
    match recipient.display_name.as_deref() {
        Some(name) if name.is_ascii() => {
            format!("\"{}\" <{}>", name.replace('\\', "\\\\").replace('"', "\\\""), address)
        }
        // A name with other letters would need an encoded word; the address alone says who it is.
        Some(_) | None => bare_text(address).trim_start().to_owned(),
    }
}
