//! What mailboxes answer strangers by themselves.

use super::{NAMED_MAX, Passage, Survey, WayOut, text};
use crate::model::directory::{
    AllowedOofType, AutoReplyState, ExternalAudience, ExternalOofOptions, Recipient, Snapshot,
};
use crate::model::mail::DomainPattern;
use crate::model::policy::auto_reply::{forwards_to_smtp, takes_journal_reports};

/// What automatic replies leave for domains outside (`AllowedOOFType`).
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// There is a domain that gets the text for people outside.
    external: bool,
    /// The first domains that get the text for colleagues.
    internal: Vec<Box<str>>,
    internal_count: usize,
}

impl Replies {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        // Without an entry for all other domains the defaults hold, by which the text for people outside leaves.
        let mut replies = Self {
            external: !snapshot.remote_domains().any(|remote| remote.domain == DomainPattern::All),
            ..Self::default()
        };
        for remote in snapshot.remote_domains() {
            match remote.allowed_oof_type {
                AllowedOofType::None => {}
                AllowedOofType::External | AllowedOofType::ExternalLegacy => replies.external = true,
                AllowedOofType::InternalLegacy => {
                    replies.internal_count += 1;
                    if replies.internal.len() < NAMED_MAX {
                        replies.internal.push(remote.domain.to_string().into());
                    }
                }
            }
        }
        replies
    }
}

/// The ways by which a mailbox answers.
pub(super) fn of(survey: &Survey<'_>, mailbox: &Recipient) -> Vec<WayOut> {
    let Some(set) = mailbox.auto_reply.as_deref() else {
        return Vec::new();
    };
    let (from, until) = match set.state {
        AutoReplyState::Disabled => return Vec::new(),
        AutoReplyState::Enabled => (None, None),
        AutoReplyState::Scheduled { start, end } => (Some(start), Some(end)),
    };
    let replies = &survey.replies;
    let external = set.external_audience != ExternalAudience::None
        && set.external_oof_options == ExternalOofOptions::External
        && !set.external_message.is_empty();
    let external = external.then(|| WayOut::AutomaticReply {
        mailbox: text(mailbox.primary()),
        audience: set.external_audience,
        from,
        until,
        passage: passage(survey, mailbox, replies.external),
    });
    let internal = replies.internal_count > 0 && !set.internal_message.is_empty();
    let internal = internal.then(|| WayOut::InternalReply {
        mailbox: text(mailbox.primary()),
        domains: replies.internal.clone(),
        domain_count: replies.internal_count,
        from,
        until,
        passage: passage(survey, mailbox, true),
    });
    external.into_iter().chain(internal).collect()
}

fn passage(survey: &Survey<'_>, mailbox: &Recipient, leaves: bool) -> Passage {
    if survey.is_asleep(mailbox) {
        Passage::Asleep
    } else if forwards_to_smtp(mailbox) || takes_journal_reports(survey.snapshot, mailbox) {
        Passage::Ignored
    } else if leaves {
        Passage::Open
    } else {
        Passage::Dropped
    }
}
