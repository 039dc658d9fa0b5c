//! `franking audit`: lists that are shown while they are read, so that their length does not matter.

pub(super) mod access;
pub(super) mod changes;

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::Global;
use super::output::{printable_json, visible};
use super::run::Desk;
use crate::admin::office::{Failure, Request, Response};
use crate::model::directory::{AutoForwardingMode, ExternalAudience};
use crate::model::mail::Timestamp;
use crate::model::policy::ways_out::{ForwardingProperty, Passage, Place, Section, WayOut};

/// What an auditor asks.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking audit forwarding\n  franking audit changes --since 7d")]
pub enum AuditCommand {
    /// List every way by which mail leaves the organisation
    #[command(after_help = "\
What mailboxes forward by themselves, also through groups, and answer to strangers, mail users and contacts, groups \
with members outside, remote mailboxes, and domains that are passed on. A way is open, or the line says what closes it.

Exchange: Get-Mailbox -Filter \"ForwardingSmtpAddress -ne $null\", Get-MailContact, Get-HostedOutboundSpamFilterPolicy

Examples:
  franking audit forwarding
  franking audit forwarding --open --json")]
    Forwarding(ForwardingArgs),
    /// Show who changed what and when, property by property
    #[command(after_help = changes::HELP)]
    Changes(changes::ChangesArgs),
    /// Show which administrator has read or copied what is in whose mailbox
    #[command(after_help = access::HELP)]
    Access(access::AccessArgs),
}

/// `audit forwarding`.
#[derive(Clone, Copy, Debug, Args)]
pub struct ForwardingArgs {
    /// Only ways that are open
    #[arg(long)]
    open: bool,
}

/// How many ways there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Count {
    all: usize,
    open: usize,
}

/// The list while it is written.
struct Writing {
    only_open: bool,
    json: bool,
    mode: Option<AutoForwardingMode>,
    section: Option<Section>,
    shown: usize,
    counts: BTreeMap<Section, Count>,
}

impl Desk<'_> {
    pub(super) fn audit(&mut self, global: &Global, command: AuditCommand) -> Result<u8, Failure> {
        match command {
            AuditCommand::Forwarding(args) => self.audit_forwarding(global, args),
            AuditCommand::Changes(args) => self.audit_changes(global, args),
            AuditCommand::Access(args) => self.ask_and_show(global, args.request()),
        }
    }

    fn audit_forwarding(&mut self, global: &Global, args: ForwardingArgs) -> Result<u8, Failure> {
        let mut writing = Writing {
            only_open: args.open,
            json: self.json,
            mode: None,
            section: None,
            shown: 0,
            counts: Section::ALL.into_iter().map(|section| (section, Count::default())).collect(),
        };
        let mut next = Some(Place::default());
        while let Some(place) = next {
            let Response::ForwardingAudit(page) = self.ask(global, Request::AuditForwarding { place })? else {
                return Err(Failure::unavailable("The server answered something else than was asked."));
            };
            let mut text = writing.begin(page.auto_forwarding_mode);
            for way in &page.ways {
                writing.way(way, &mut text);
            }
            next = page.next;
            // Whoever reads may have seen enough and closed the pipe: then there is nobody to go on for.
            if self.stdout.write_all(text.as_bytes()).is_err() {
                return Ok(0);
            }
        }
        let end = writing.end();
        self.print(&end);
        Ok(0)
    }
}

impl Writing {
    /// What stands before the first way.
    fn begin(&mut self, mode: AutoForwardingMode) -> String {
        if self.mode.replace(mode).is_some() {
            return String::new();
        }
        if self.json {
            return format!("{{\"result\":\"forwarding_audit\",\"auto_forwarding_mode\":\"{mode}\",\"ways\":[");
        }
        let rule = if mode.permits() { "may leave" } else { "is refused, and the sender hears of it" };
        format!("AutoForwardingMode is {mode}: what mailboxes forward outside {rule}.\n")
    }

    fn way(&mut self, way: &WayOut, text: &mut String) {
        let section = way.section();
        let open = way.is_open();
        let count = self.counts.entry(section).or_default();
        count.all += 1;
        count.open += usize::from(open);
        if self.only_open && !open {
            return;
        }
        if self.json {
            // A value of our own always has a JSON form; without one it would be left out of the list.
            let json = serde_json::to_string(way).unwrap_or_default();
            text.push_str(if self.shown == 0 { "\n" } else { ",\n" });
            text.push_str(&printable_json(&json));
        } else {
            if self.section.replace(section) != Some(section) {
                text.push_str(&format!("\n{}:\n", heading(section)));
            }
            text.push_str(&format!("  {}\n", visible(&line(way))));
        }
        self.shown += 1;
    }

    /// What stands behind the last way.
    fn end(&self) -> String {
        if self.json {
            let counts = serde_json::to_string(&self.counts).unwrap_or_default();
            return format!("\n],\"counts\":{counts}}}\n");
        }
        let mut text = "\n".to_owned();
        for (section, count) in &self.counts {
            let closed = count.all - count.open;
            let closed = if closed > 0 { format!(", and {closed} closed") } else { String::new() };
            text.push_str(&format!("{}: {} open{closed}\n", heading(*section), count.open));
        }
        text
    }
}

const fn heading(section: Section) -> &'static str {
    match section {
        Section::MailboxForwarding => "Mailboxes that forward outside",
        Section::AutomaticReplies => "Automatic replies to strangers",
        Section::MailUsersAndContacts => "Mail users and contacts",
        Section::Groups => "Groups with members outside",
        Section::RemoteMailboxes => "Remote mailboxes",
        Section::InternalRelayDomains => "Internal relay domains",
    }
}

/// One way in words.
pub(super) fn line(way: &WayOut) -> String {
    match way {
        WayOut::Forwarding { mailbox, property, target, leaves_for, keeps_copy, passage } => {
            let by = if target == leaves_for { String::new() } else { format!(" by way of {target}") };
            format!("{mailbox} → {leaves_for}{by} ({})", forwarding(*property, *keeps_copy, *passage))
        }
        WayOut::GroupForwarding { mailbox, property, target, group, keeps_copy, passage } => {
            let by = if target == group { String::new() } else { format!(" by way of {target}") };
            let rest = forwarding(*property, *keeps_copy, *passage);
            format!("{mailbox} → members outside of {group}{by} ({rest})")
        }
        WayOut::AutomaticReply { mailbox, audience, from, until, passage } => {
            let whom = match audience {
                ExternalAudience::None => "nobody",
                ExternalAudience::Known => "strangers whom the directory knows",
                ExternalAudience::All => "strangers",
            };
            let (when, passage) = (period(*from, *until), reply(*passage));
            format!("{mailbox} answers {whom}{when}{passage}")
        }
        WayOut::InternalReply { mailbox, domains, domain_count, from, until, passage } => {
            let (when, passage) = (period(*from, *until), reply(*passage));
            let whom = some(domains, *domain_count);
            format!("{mailbox} answers {whom} as if inside, with the text for colleagues{when}{passage}")
        }
        WayOut::Person { recipient, recipient_type, leaves_for }
        | WayOut::RemoteMailbox { recipient, recipient_type, leaves_for } => {
            format!("{recipient} → {leaves_for} ({recipient_type})")
        }
        WayOut::Group { group, recipient_type, members_outside, leaves_for, groups_outside, by_way_of } => {
            let mut ends = Vec::new();
            if *members_outside > 0 {
                ends.push(format!("{members_outside} outside: {}", some(leaves_for, *members_outside)));
            }
            if *groups_outside > 0 {
                ends.push(format!("by way of {}", some(by_way_of, *groups_outside)));
            }
            format!("{group} → {} ({recipient_type})", ends.join("; "))
        }
        WayOut::InternalRelay { domain, next_host, subdomains } => {
            let below = if *subdomains { ", and its subdomains" } else { "" };
            let host = next_host.as_deref().unwrap_or("its mail exchangers");
            format!("{domain} → {host} (unknown recipients{below})")
        }
    }
}

/// What else there is to say of forwarding.
fn forwarding(property: ForwardingProperty, keeps_copy: bool, passage: Passage) -> String {
    let property = match property {
        ForwardingProperty::ForwardingAddress => "ForwardingAddress",
        ForwardingProperty::ForwardingSmtpAddress => "ForwardingSmtpAddress",
    };
    let copy = if keeps_copy { "keeps a copy" } else { "keeps no copy" };
    let passage = match passage {
        Passage::Open => "",
        Passage::Blocked => "; blocked by the forwarding policy",
        Passage::Dropped => "; dropped by the remote domain",
        Passage::Ignored => "; ignored while ForwardingAddress is set",
        Passage::Asleep => "; the mailbox cannot be opened",
    };
    format!("{property}; {copy}{passage}")
}

/// When replies are scheduled for.
fn period(from: Option<Timestamp>, until: Option<Timestamp>) -> String {
    match (from, until) {
        (Some(from), Some(until)) => format!(" from {from} until {until}"),
        (_, _) => String::new(),
    }
}

/// What keeps replies from leaving.
const fn reply(passage: Passage) -> &'static str {
    match passage {
        Passage::Open => "",
        Passage::Blocked | Passage::Dropped => " (held back by the remote domains)",
        Passage::Ignored => " (not while it forwards to an SMTP address or takes reports about a journal)",
        Passage::Asleep => " (the mailbox cannot be opened)",
    }
}

/// A few names, and that there are more.
fn some(names: &[Box<str>], count: usize) -> String {
    let more = if names.len() < count { ", …" } else { "" };
    format!("{}{more}", names.join(", "))
}
