//! What the header of a message says about automatic replies. It is read as readers of mail would, and where they
//! differ in the way that answers less: a reply that is missing is a lesser evil than one to a machine.

use super::NoReply;
use crate::model::mail::Address;
use crate::model::mail::header::{Field, fields};

/// The fields that name addressees (RFC 5230 section 4.5).
const ADDRESSEES: [&str; 6] = ["To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"];
/// What stands around an address in a list of them.
const DELIMITERS: &[char] = &['<', '>', ',', ';', ':', '(', ')', ' ', '\t', '\r', '\n'];

/// A header, field by field.
pub(super) struct Header<'a>(Vec<Field<'a>>);

impl<'a> Header<'a> {
    pub(super) fn of(head: &'a [u8]) -> Self {
        Self(fields(head))
    }

    /// Why it forbids a reply, if it does.
    pub(super) fn forbids(&self) -> Option<NoReply> {
        self.0.iter().find_map(reason)
    }

    /// The addresses in the fields that name addressees. Display names are not told apart: one that looks like an
    /// address counts as well.
    pub(super) fn addressees(&self) -> impl Iterator<Item = Address> {
        let named = self.0.iter().filter(|field| ADDRESSEES.iter().any(|name| field.resembles(name)));
        named.flat_map(|field| {
            let text = field.text();
            let words: Vec<Address> =
                text.split(DELIMITERS).filter(|word| word.contains('@')).filter_map(|word| word.parse().ok()).collect();
            words
        })
    }
}

fn reason(field: &Field<'_>) -> Option<NoReply> {
    let begins = |name: &str| field.name.get(..name.len()).is_some_and(|own| own.eq_ignore_ascii_case(name.as_bytes()));
    if begins("List-") {
        return Some(NoReply::MailingList);
    }
    if field.resembles("Auto-Submitted") {
        return (!first_word(field).eq_ignore_ascii_case("no")).then_some(NoReply::AutoSubmitted);
    }
    if field.resembles("X-Auto-Response-Suppress") {
        return suppresses(&field.text()).then_some(NoReply::Suppressed);
    }
    if field.resembles("Precedence") {
        let bulk = ["bulk", "list", "junk"].iter().any(|word| first_word(field).eq_ignore_ascii_case(word));
        return bulk.then_some(NoReply::BulkPrecedence);
    }
    if field.resembles("Content-Type") {
        return first_word(field).eq_ignore_ascii_case("multipart/report").then_some(NoReply::Report);
    }
    // Set by filters in front of this server.
    if field.resembles("X-Spam-Flag") {
        return first_word(field).eq_ignore_ascii_case("yes").then_some(NoReply::Junk);
    }
    None
}

/// The value before the first blank, parameter or comment.
fn first_word(field: &Field<'_>) -> String {
    let text = field.text();
    text.split([';', ' ', '\t', '(']).next().unwrap_or_default().to_owned()
}

/// Whether a list of MS-OXCMAIL section 2.1.3.2.20 holds a word about automatic replies. Words that it does not know,
/// and other reports' words, mean nothing here.
fn suppresses(value: &str) -> bool {
    let about_replies =
        |word: &str| ["OOF", "AutoReply", "All"].iter().any(|known| word.trim().eq_ignore_ascii_case(known));
    value.split(',').any(about_replies)
}
