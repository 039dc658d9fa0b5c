//! Who a header says it is from, read strictly: either every reader finds the same, or the message is refused.

use std::borrow::Cow;

use super::super::refusal::Refusal;
use super::super::trail::Trail;
use crate::model::mail::Address;
use crate::model::mail::header::{Element, Field, elements, fields};
use crate::model::mail::second_reader;

/// What a header claims.
pub(super) struct Claims {
    /// The addresses in From, in their order. Never empty.
    pub(super) authors: Vec<Address>,
    /// Set when there are several authors: the one in Sender who answers for them.
    pub(super) sender: Option<Address>,
    /// Who passed the message on: one for each Resent-From, in their order.
    pub(super) resent: Vec<Address>,
}

/// The fields that name an author.
const NAMES: [&str; 4] = ["From", "Sender", "Resent-From", "Resent-Sender"];

/// Whether a field names an author, or some reader could find one in it that others do not, or miss one below it.
///
/// In what is no field (a line without colon, a blank in the name) each line is looked at: there are readers that pass
/// over the first and take the continuation, ` From: …`, for a field of its own; that pass over colons where a name
/// should begin; that end the header at a line of blanks.
pub(super) fn concerns_authors(field: &Field<'_>) -> bool {
    if field.well_formed {
        return names_an_author(field);
    }
    let lines = || field.raw.split_inclusive(|octet| *octet == b'\n');
    names_an_author(field)
        || lines().flat_map(|line| fields(from_the_name_on(line))).any(|line| names_an_author(&line))
        || lines().any(|line| line.trim_ascii().is_empty())
}

/// A line without what stands before a name.
fn from_the_name_on(line: &[u8]) -> &[u8] {
    let begin = line.iter().position(|octet| octet.is_ascii_graphic() && *octet != b':').unwrap_or(line.len());
    line.get(begin..).unwrap_or_default()
}

fn names_an_author(field: &Field<'_>) -> bool {
    NAMES.iter().any(|name| field.resembles(name))
}

/// More people who passed a message on, one after the other, than any honest message has.
const RESENT_MAX: usize = 100;

impl Claims {
    /// Reads the claims of a header.
    ///
    /// # Errors
    /// `FromNotCompliant` when there is no From, or what readers could take in two ways; `MultipleFromAddresses` for a
    /// second From, several authors without one Sender, and several who resend.
    pub(super) fn of(fields: &[Field<'_>], trail: &mut impl Trail) -> Result<Self, Refusal> {
        let named = |name: &'static str| fields.iter().filter(move |field| field.resembles(name));
        let malformed = fields.iter().any(|field| !field.well_formed && concerns_authors(field));
        let froms: Vec<_> = named("From").collect();
        trail.note("there is exactly one well-formed From", froms.len() == 1 && !malformed, || froms.len().to_string());
        let adrift = fields.first().is_some_and(Field::is_adrift);
        if malformed || trail.asks("the first line continues a field that is not there", adrift) {
            return Err(Refusal::FromNotCompliant);
        }
        let &[from] = froms.as_slice() else {
            return Err(if froms.is_empty() { Refusal::FromNotCompliant } else { Refusal::MultipleFromAddresses });
        };
        let authors = addresses(from)?;
        if named("Resent-From").count() > RESENT_MAX {
            return Err(Refusal::FromNotCompliant);
        }
        let resent = named("Resent-From").map(|field| one(addresses(field)?)).collect::<Result<_, _>>()?;
        if authors.len() == 1 {
            return Ok(Self { authors, sender: None, resent });
        }
        let senders: Vec<_> = named("Sender").collect();
        let sender = match senders.as_slice() {
            [sender] => addresses(sender).and_then(one).ok(),
            _ => None,
        };
        trail.note("several authors name one Sender", sender.is_some(), || authors.len().to_string());
        let sender = Some(sender.ok_or(Refusal::MultipleFromAddresses)?);
        Ok(Self { authors, sender, resent })
    }
}

/// The addresses of a field on which a strict and a lenient reader agree, as it is passed on; never none.
fn addresses(field: &Field<'_>) -> Result<Vec<Address>, Refusal> {
    let list = elements(field.value).ok_or(Refusal::FromNotCompliant)?;
    let passed_on: Cow<'_, [u8]> = match list.iter().any(Element::is_bare_quoted) {
        false => Cow::Borrowed(field.value),
        true => {
            let text = |element: &Element<'_>| match element.is_bare_quoted() {
                true => bare_text(&element.address).into_bytes(),
                false => element.raw.to_vec(),
            };
            Cow::Owned(list.iter().map(text).collect::<Vec<_>>().join(&b','))
        }
    };
    if !second_reader::agrees(&passed_on, &list) {
        return Err(Refusal::FromNotCompliant);
    }
    Ok(list.into_iter().map(|element| element.address).collect())
}

/// An address that stands for itself in a list: in angle brackets where it needs quotes, as there are readers that take
/// what is quoted outside of them for a name.
pub(super) fn bare_text(address: &Address) -> String {
    let text = address.to_string();
    if text.starts_with('"') { format!(" <{text}>") } else { format!(" {text}") }
}

fn one(addresses: Vec<Address>) -> Result<Address, Refusal> {
    <[Address; 1]>::try_from(addresses).map(|[only]| only).map_err(|_| Refusal::MultipleFromAddresses)
}
