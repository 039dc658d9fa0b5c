//! What happened and what can be done, in plain words, for each reason that a delivery fails.

use crate::model::mail::EnhancedStatus;

/// An explanation for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Words {
    /// What happened.
    pub(super) what: &'static str,
    /// What the sender can do.
    pub(super) sender: &'static str,
    /// What an administrator can do.
    pub(super) administrator: &'static str,
}

const fn words(what: &'static str, sender: &'static str, administrator: &'static str) -> Words {
    Words { what, sender, administrator }
}

/// The explanation of a failure with this status.
pub(super) const fn failure(status: EnhancedStatus) -> Words {
    match status {
        EnhancedStatus(5, 1, 1 | 10) => words(
            "The email address you entered couldn't be found.",
            "Check the address for typing mistakes and send the message again. If your mail program offered the \
             address from its memory, remove that suggestion and type the address in full.",
            "If the recipient should exist, create it or give it this address, and check that its mailbox is licensed \
             and not disconnected.",
        ),
        EnhancedStatus(5, 2, 1) => words(
            "The recipient's mailbox can't be used at the moment.",
            "Contact the recipient in another way.",
            "Check that the mailbox is enabled and has a licence.",
        ),
        EnhancedStatus(4 | 5, 2, 2) => words(
            "The recipient's mailbox is full and can't accept messages now.",
            "Try again later, or contact the recipient in another way.",
            "Ask the owner to make room, or raise the mailbox's quota.",
        ),
        EnhancedStatus(5, 2, 3) | EnhancedStatus(5, 3, 4) => words(
            "The message is larger than the recipient accepts.",
            "Make the message smaller, for example by sending a link instead of an attachment.",
            "If such messages should be accepted, raise the recipient's size limit.",
        ),
        EnhancedStatus(5, 4, 1) => words(
            "The receiving organization doesn't accept mail for this address.",
            "Check the address for typing mistakes and send the message again.",
            "Check that the recipient exists there and that the domain's mail exchangers are right.",
        ),
        EnhancedStatus(5, 4, 4) | EnhancedStatus(5, 1, 2) => words(
            "The recipient's domain couldn't be found.",
            "Check the part of the address after the @ for typing mistakes and send the message again.",
            "Check that the domain exists and that name resolution works on the generating server.",
        ),
        EnhancedStatus(5, 4, 6 | 14) | EnhancedStatus(5, 3, 5) => words(
            "The message went round in a loop and was stopped.",
            "Tell the recipient, or your administrator, what this report says.",
            "Look for mailboxes, rules or connectors that forward to each other.",
        ),
        EnhancedStatus(4 | 5, 4, 7) => words(
            "The message couldn't be delivered in time, although it was tried again and again.",
            "Check the address. If it is right, send the message again later.",
            "See the last error below. Usually the receiving server can't be reached or keeps asking to wait.",
        ),
        _ => failure_of_policy(status),
    }
}

/// Statuses of the subject "security or policy", and all others.
const fn failure_of_policy(status: EnhancedStatus) -> Words {
    match status {
        EnhancedStatus(5, 7, 124) => words(
            "You don't have permission to send to this group.",
            "Ask the owner of the group for permission.",
            "Add the sender to the group's list of senders to accept mail from.",
        ),
        EnhancedStatus(5, 7, 129) => words(
            "The recipient accepts messages from certain senders only, and you aren't one of them.",
            "Ask the recipient, or your administrator, to permit your messages.",
            "Add the sender to the recipient's list of senders to accept mail from.",
        ),
        EnhancedStatus(5, 7, 133) => words(
            "The group accepts messages only from people in its organization.",
            "Ask the owner of the group to permit messages from outside.",
            "Turn off the group's demand for authenticated senders if strangers may write to it.",
        ),
        EnhancedStatus(5, 7, 134 | 136) => words(
            "The recipient accepts messages only from people in its organization.",
            "Contact the recipient in another way.",
            "Turn off the recipient's demand for authenticated senders if strangers may write to it.",
        ),
        EnhancedStatus(5, 7, 193) => words(
            "The group accepts messages only from its members or from people in its organization.",
            "Ask an owner of the group to permit messages from outside.",
            "Permit external senders in the settings of the group.",
        ),
        EnhancedStatus(5, 7, 520) => words(
            "The recipient forwards mail to an address outside the organization, which the organization doesn't allow.",
            "Tell the recipient that its forwarding doesn't work.",
            "Allow automatic forwarding to the outside, or remove the forwarding from the mailbox.",
        ),
        EnhancedStatus(5, 7, _) => words(
            "The message was refused by a rule of the receiving organization.",
            "Contact the recipient in another way and pass on what this report says.",
            "See the answer of the server below; it names the rule.",
        ),
        EnhancedStatus(..) => words(
            "The message couldn't be delivered.",
            "Try again later. If it fails again, pass this report on to your administrator.",
            "See the answer of the server below.",
        ),
    }
}

/// The headline above the recipients, and the paragraph below it.
pub(super) const DELAYED: &str = "Delivery to these recipients or groups is delayed. You don't need to send the \
                                  message again: the server keeps trying.";
/// For a success that ends here.
pub(super) const DELIVERED: &str = "Your message has been delivered to these recipients or groups:";
/// For a success that goes on elsewhere.
pub(super) const RELAYED: &str = "Your message has been handed over for these recipients or groups, but the receiving \
                                  server won't tell whether it arrives:";
/// For a message that a moderator rejected.
pub(super) const REJECTED: &str = "A moderator rejected your message, so it wasn't delivered to these recipients or \
                                   groups:";
/// For a message that no moderator decided about in time.
pub(super) const UNAPPROVED: Words = words(
    "The message waited for a moderator's approval, and nobody decided about it in time.",
    "Ask a moderator or the owner of the group, and send the message again.",
    "Check that the recipient's moderators exist and read their mail.",
);
/// For a failure.
pub(super) const FAILED: &str = "Delivery has failed to these recipients or groups:";
