//! Which files of a data directory belong into a backup, and in which order.

use std::path::{Component, Path};

/// When a file is copied: the order of the variants is the order of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pass {
    /// What stands alone: keys, the directory's log, and whatever a later version adds.
    Rest,
    /// Bodies of waiting messages that are too large for the journal.
    Bodies,
    /// The journal's segments.
    Journal,
    /// Mailboxes.
    Mail,
}

/// The passes in order. Bodies come twice; see the head of the room above.
pub(super) const PASSES: [Pass; 5] = [Pass::Rest, Pass::Bodies, Pass::Journal, Pass::Bodies, Pass::Mail];

/// Rooms of the data directory whose content can be rebuilt, is under way, or means nothing elsewhere.
const LEFT_OUT: [&str; 4] = ["index", "sled", "spool", "lost+found"];
/// A directory anywhere whose files are under way: that of a Maildir.
const UNDER_WAY: &str = "tmp";

/// The pass that copies `path`, relative to the data directory; `None` leaves it out.
pub(super) fn pass_of(path: &Path) -> Option<Pass> {
    let names: Vec<&str> = path
        .components()
        .filter_map(|component| match component {
            Component::Normal(name) => name.to_str(),
            _ => None,
        })
        .collect();
    let (first, last) = (names.first()?, names.last()?);
    let unfinished = last.ends_with(".tmp") || last.ends_with(".new") || last.ends_with(".socket") || *last == "lock";
    let under_way = names.iter().rev().skip(1).any(|name| *name == UNDER_WAY);
    if unfinished || under_way || LEFT_OUT.contains(first) || (*first != "mail" && names.contains(&"index")) {
        return None;
    }
    Some(match *first {
        "mail" | "mailboxes" | "postmaster" => Pass::Mail,
        "journal" | "queue" if names.contains(&"bodies") => Pass::Bodies,
        "journal" | "queue" => Pass::Journal,
        _ => Pass::Rest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_one_pass_or_none() {
        let of = |text: &str| pass_of(Path::new(text));
        assert_eq!(of("journal/00000001.journal"), Some(Pass::Journal));
        assert_eq!(of("journal/bodies/0123"), Some(Pass::Bodies));
        assert_eq!(of("mail/7/new/x.y"), Some(Pass::Mail));
        assert_eq!(of("mail/7/tmp/x.y"), None);
        assert_eq!(of("directory/changes"), Some(Pass::Rest));
        assert_eq!(of("index/db"), None);
        assert_eq!(of("directory/index/sled/db"), None);
        assert_eq!(of("directory/log/0000000000000001.segment"), Some(Pass::Rest));
        assert_eq!(of("mail/index/new/x.y"), Some(Pass::Mail));
        assert_eq!(of("admin.socket"), None);
        assert_eq!(of("journal/lock"), None);
        assert_eq!(of(""), None);
    }
}
