//! The judgement about automatic replies: who is owed one has exactly one, and nobody else has any.

use std::collections::{BTreeMap, BTreeSet};

use franking::model::directory::RecipientId;
use franking::model::mail::ReversePath;
use franking::model::queue::{Hop, State};

use super::ledger::{Books, Letter};
use super::organisation::{ALICE, BOB, INFO};

/// Who answers, and under which address. Carol would, but forwards to an SMTP address.
const ANSWERING: [(RecipientId, &str); 3] =
    [(ALICE, "alice@contoso.example"), (BOB, "bob@contoso.example"), (INFO, "info@contoso.example")];

/// Mailboxes and senders: the first owes the second one reply.
type Pairs = BTreeSet<(&'static str, String)>;

/// Gives how many replies were written, and every breach.
pub(super) fn judge(books: &Books, lenient: bool) -> (usize, Vec<String>) {
    let mut breaches = Vec::new();
    let mut written: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (id, letter) in &books.letters {
        let Some(answer) = letter.report.as_ref().filter(|report| report.is_answer()) else { continue };
        let about =
            |draft: &Letter| draft.draft.as_ref().is_some_and(|own| answer.about.starts_with(&own.token.to_string()));
        let Some(original) = books.letters.values().find(|letter| about(letter)) else {
            breaches.push(format!("{id} answers what was never sent: {answer:?}"));
            continue;
        };
        // Nobody is answered by a message that does not owe it, even when another one does.
        if !owed_by(original).contains(&(leak(&answer.from), answer.to.clone())) && !lenient {
            breaches.push(format!("{id} is an answer that nobody owes: {answer:?}"));
        }
        *written.entry((answer.from.clone(), answer.to.clone())).or_default() += 1;
    }
    let owed: Pairs = books.letters.values().flat_map(owed_by).collect();
    for (pair, count) in &written {
        if *count > 1 && !lenient {
            breaches.push(format!("{} has answered {} {count} times", pair.0, pair.1));
        }
    }
    for (from, to) in owed {
        if !written.contains_key(&(from.to_owned(), to.clone())) && !lenient {
            breaches.push(format!("{from} owes {to} an answer and there is none"));
        }
    }
    (written.values().sum(), breaches)
}

/// The address as it stands in the table above, if it does.
fn leak(address: &str) -> &'static str {
    ANSWERING.iter().map(|(_, own)| *own).find(|own| *own == address).unwrap_or_default()
}

/// What a message makes its recipients owe: those who got it and answer, unless they wrote it, or got it only through a
/// group, which keeps such replies back.
fn owed_by(letter: &Letter) -> Pairs {
    let mut owed = Pairs::new();
    let (Some(draft), Some(endings)) = (&letter.draft, &letter.endings) else { return owed };
    let ReversePath::Mailbox(sender) = draft.envelope.reverse_path() else { return owed };
    for ending in endings.iter().filter(|ending| ending.fate == Some(State::Delivered)) {
        let Hop::Mailbox(owner) = &ending.addressee.hop else { continue };
        let Some((_, address)) = ANSWERING.iter().find(|(own, _)| own == owner) else { continue };
        let wrote_it = draft.account == Some(*address) || sender.to_string() == *address;
        if !wrote_it && draft.paths.iter().any(|path| path == address) {
            owed.insert((*address, sender.to_string()));
        }
    }
    owed
}
