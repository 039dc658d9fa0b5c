//! The state machine as a document: a table to read and a picture to look at, both printed from the rows themselves.

use core::fmt::Write as _;
use std::collections::BTreeMap;

use super::machine::{Effect, Outcome, Row, State};
use super::table::ROWS;

/// The document, in Markdown with a Mermaid state diagram.
pub fn document() -> String {
    let mut text = String::from(HEAD);
    text.push_str(&picture());
    text.push_str("\n## Transitions\n");
    for state in State::ALL {
        // Writing into a string cannot fail.
        let _ = write!(text, "\n### From {}\n\n{}\n\n", state.name(), meaning(state));
        text.push_str("| transition | what happens | when | then | along with it |\n|---|---|---|---|---|\n");
        ROWS.iter().filter(|row| row.from.contains(&state)).for_each(|row| line(&mut text, row));
    }
    text
}

const HEAD: &str = "\
# The life of a mailbox

Printed from the state machine that the server runs. In every state the rows are tried from the top; the first one \
whose conditions all hold decides, and what no row answers is refused as \"nothing to do\". Nothing is purged while \
any hold is in force.

";

fn line(text: &mut String, row: &Row) {
    let guards: Vec<&str> = row.guards.iter().map(|guard| guard.words).collect();
    let guards = if guards.is_empty() { "otherwise".to_owned() } else { guards.join("; ") };
    let (then, effects) = match row.outcome {
        Outcome::To(state, effects) => (state.name().to_owned(), effects),
        Outcome::ToWithError(state, error, effects) => (format!("{}: {error}", state.name()), effects),
        Outcome::Refused(error) => (format!("refused: {error}"), [].as_slice()),
    };
    let effects: Vec<&str> = effects.iter().map(|effect| words(*effect)).collect();
    let _ = writeln!(
        text,
        "| {} | {} | {guards} | {then} | {} |",
        row.id,
        row.trigger.name(),
        if effects.is_empty() { "–".to_owned() } else { effects.join("; ") },
    );
}

/// A Mermaid diagram: one arrow for each pair of states, with the transitions that lead there.
fn picture() -> String {
    let mut arrows: BTreeMap<(State, State), Vec<&str>> = BTreeMap::new();
    for row in ROWS {
        let to = match row.outcome {
            Outcome::To(state, _) | Outcome::ToWithError(state, ..) => state,
            Outcome::Refused(_) => continue,
        };
        for from in row.from.iter().filter(|from| **from != to) {
            let ids = arrows.entry((*from, to)).or_default();
            if !ids.contains(&row.id) {
                ids.push(row.id);
            }
        }
    }
    let mut text = String::from("```mermaid\nstateDiagram-v2\n    [*] --> NoMailbox\n");
    for ((from, to), ids) in arrows {
        let _ = writeln!(text, "    {} --> {}: {}", node(from), node(to), ids.join(", "));
    }
    text.push_str("```\n");
    text
}

/// Mermaid takes no sign in the name of a state.
fn node(state: State) -> String {
    state.name().replace('+', "With")
}

const fn meaning(state: State) -> &'static str {
    match state {
        State::NoMailbox => "There is no mailbox, and none is remembered.",
        State::Active => "In use: it receives, its user signs in.",
        State::ActiveWithError => {
            "In use, although it was to be deactivated: a hold forbade it. The error stands on the object, and its \
             halves do not follow each other until that is resolved."
        }
        State::Disconnected => "Deactivated. Contents are kept for 30 days; mail to it finds no recipient.",
        State::SoftDeleted => "Deleted. Contents are kept for 30 days; mail to it finds no recipient.",
        State::Inactive => "Deleted while on hold. Contents are kept until the last hold has ended.",
        State::AwaitingMigration => {
            "The mailbox is still in the other system; mail goes to its remote routing address."
        }
        State::Purging => "Contents are being deleted. There is no way back.",
        State::StaleAttributes => "Contents are gone, but the object still remembers the mailbox: the clean-up failed.",
        State::Purged => "Contents are gone, and the memory of them.",
    }
}

const fn words(effect: Effect) -> &'static str {
    match effect {
        Effect::SavePrevious => "remembers type, ExchangeGuid and home of the mailbox",
        Effect::ClearPrevious => "forgets the previous mailbox",
        Effect::RecordError => "records the error and freezes the object",
        Effect::ClearError => "clears the error",
        Effect::DelayDelicensing => "is in use without a licence for the time of the delay",
        Effect::EndDelay => "ends that time",
        Effect::CreateMailbox => "makes an empty mailbox",
        Effect::Reconnect => "connects the mailbox with all it holds",
        Effect::DeleteContents => "deletes the contents",
        Effect::CopyContents => "copies the contents into the target",
        Effect::TakeLicences => "takes the licences",
        Effect::DeleteUser => "deletes the user, too",
        Effect::RestoreUser => "restores the user",
        Effect::HoldForRecovery => "keeps everything for 30 days; litigation hold is not carried over",
        Effect::AlterType => "alters the type",
    }
}
