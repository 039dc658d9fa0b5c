//! What the header of a message says about automatic replies. It is read as readers of mail would, and where they
//! differ in the way that answers less: a reply that is missing is a lesser evil than one to a machine.

use super::NoReply;
use crate::model::mail::Address;
use crate::model::mail::header::{Field, fields};

/// The fields that name addressees (RFC 5230 section 4.5).
const ADDRESSEES: [&str; 6] = ["To", "Cc", "Bcc", "Resent-To", "Resent-Cc", "Resent-Bcc"];
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

    /// The addresses in the fields that name addressees.
    pub(super) fn addressees(&self) -> impl Iterator<Item = Address> {
        let named = self.0.iter().filter(|field| ADDRESSEES.iter().any(|name| field.resembles(name)));
        named.flat_map(Field::addressees)
    }
}

/// From this spam confidence level on Exchange puts a message into Junk.
const JUNK_LEVEL: i16 = 5;

fn reason(field: &Field<'_>) -> Option<NoReply> {
    let says = |word: &str| field.first_word().eq_ignore_ascii_case(word);
    if field.resembles_start("List-") {
        return Some(NoReply::MailingList);
    }
    if field.resembles("Auto-Submitted") {
        return (!says("no")).then_some(NoReply::AutoSubmitted);
    }
    if field.resembles("X-Auto-Response-Suppress") {
        return suppresses(&field.text()).then_some(NoReply::Suppressed);
    }
    if field.resembles("Precedence") {
        return ["bulk", "list", "junk"].into_iter().any(says).then_some(NoReply::BulkPrecedence);
    }
    if field.resembles("Content-Type") {
        return says("multipart/report").then_some(NoReply::Report);
    }
    // Set by filters in front of this server: SpamAssassin, Rspamd, and Exchange.
    if ["X-Spam-Flag", "X-Spam-Status", "X-Spam"].iter().any(|name| field.resembles(name)) {
        return says("yes").then_some(NoReply::Junk);
    }
    if field.resembles("X-MS-Exchange-Organization-SCL") {
        let level = field.first_word().parse::<i16>();
        return level.is_ok_and(|level| level >= JUNK_LEVEL).then_some(NoReply::Junk);
    }
    None
}

/// Whether a list of MS-OXCMAIL section 2.1.3.2.20 holds a word about automatic replies. Words that it does not know,
/// and other reports' words, mean nothing here.
fn suppresses(value: &str) -> bool {
    let about_replies =
        |word: &str| ["OOF", "AutoReply", "All"].iter().any(|known| word.trim().eq_ignore_ascii_case(known));
    value.split([',', ';']).any(about_replies)
}
