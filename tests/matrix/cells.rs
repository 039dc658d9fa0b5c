//! The cells: which facts are combined with which. Each family is a full product of its columns.

pub(super) mod admission;
pub(super) mod authorship;
pub(super) mod auto_replies;
pub(super) mod capacity;
pub(super) mod expansion;
pub(super) mod limits;
pub(super) mod moderation;
pub(super) mod quota;
pub(super) mod remote_domains;
pub(super) mod sign_in;

/// The two profiles of decision D1.
pub(super) const PROFILES: [&str; 2] = ["exchange-online", "exchange-server"];
/// A switch.
pub(super) const BOTH: [bool; 2] = [false, true];

/// The states that an object of a kind can be in: only a mailbox has a life of its own.
pub(super) fn states_of(kind: &str) -> &'static [&'static str] {
    if matches!(kind, "UserMailbox" | "SharedMailbox" | "RoomMailbox" | "EquipmentMailbox" | "GroupMailbox") {
        &super::plain::STATES
    } else {
        &["no mailbox"]
    }
}
