//! Which files of a data directory belong into a backup, and in which order.

use std::path::{Component, Path};

/// When a file is copied: the order of the variants is the order of the work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pass {
    /// What stands alone: keys, the directory's log, the message trace (before the journal, which tells it the rest),
    /// and whatever a later version adds.
    Rest,
    /// Bodies of waiting messages that are too large for the journal.
    Bodies,
    /// The journal's segments.
    Journal,
    /// Mailboxes, and whom they have answered by themselves: after the journal, so that a reply which that one says is
    /// sent is remembered here.
    Mail,
}

/// The passes in order. Bodies come twice; see the head of the room above.
pub(super) const PASSES: [Pass; 5] = [Pass::Rest, Pass::Bodies, Pass::Journal, Pass::Bodies, Pass::Mail];

/// Directories whose content can be rebuilt, is under way, or means nothing elsewhere. A mailbox may be called so.
const LEFT_OUT: [&str; 4] = ["index", "sled", "spool", "lost+found"];
/// Rooms that hold mailboxes.
const MAIL: [&str; 2] = ["mailboxes", "outbox"];
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
    let unfinished = [".tmp", ".new", ".sock", ".torn"].iter().any(|ending| last.ends_with(ending)) || *last == "lock";
    let under_way = names.iter().rev().skip(1).any(|name| *name == UNDER_WAY);
    let mail = MAIL.contains(first);
    let left_out = LEFT_OUT.contains(first) || (!mail && names.iter().any(|name| LEFT_OUT.contains(name)));
    if unfinished || under_way || left_out {
        return None;
    }
    Some(match *first {
        _ if mail => Pass::Mail,
        "replies" => Pass::Mail,
        "queue" if names.contains(&"bodies") => Pass::Bodies,
        "queue" => Pass::Journal,
        _ => Pass::Rest,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_one_pass_or_none() {
        let of = |text: &str| pass_of(Path::new(text));
        assert_eq!(of("queue/0000000000000001.segment"), Some(Pass::Journal));
        assert_eq!(of("queue/bodies/0123"), Some(Pass::Bodies));
        assert_eq!(of("mailboxes/7/new/x.y"), Some(Pass::Mail));
        assert_eq!(of("mailboxes/7/tmp/x.y"), None);
        assert_eq!(of("keys/srs"), Some(Pass::Rest));
        assert_eq!(of("acme/certificate.pem"), Some(Pass::Rest));
        assert_eq!(of("acme/order.json.new"), None);
        assert_eq!(of("queue/spool/7"), None);
        assert_eq!(of("directory/index/sled/db"), None);
        assert_eq!(of("trace/0000000007-2026-01-05.trace"), Some(Pass::Rest));
        assert_eq!(of("directory/log/0000000000000001.segment"), Some(Pass::Rest));
        assert_eq!(of("mailboxes/index/new/x.y"), Some(Pass::Mail));
        assert_eq!(of("replies/3f/000000000000003f"), Some(Pass::Mail));
        assert_eq!(of("replies/3f/000000000000003f.new"), None);
        assert_eq!(of("admin.sock"), None);
        assert_eq!(of("queue/lock"), None);
        assert_eq!(of(""), None);
    }
}
