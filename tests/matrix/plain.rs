//! A cell of the matrix, in plain words: an organisation, the rules in force, and a handful of objects.
//!
//! Nothing here comes from the product: states, kinds and switches are the words of the specification, objects refer
//! to each other by name, and an address is a text. Both sides of the comparison start from this.

use std::fmt::Write as _;

/// The organisation's domain; an object `name` has the address `name@contoso.example`.
pub(super) const DOMAIN: &str = "contoso.example";
/// A domain of the organisation whose unknown recipients another host knows.
pub(super) const RELAYED: &str = "hybrid.contoso.example";
/// The next host of that domain.
pub(super) const NEXT_HOST: &str = "old.contoso.example";

/// The 17 kinds, in the order of spec section 3.2.
pub(super) const KINDS: [&str; 17] = [
    "UserMailbox",
    "SharedMailbox",
    "RoomMailbox",
    "EquipmentMailbox",
    "GroupMailbox",
    "MailUser",
    "GuestMailUser",
    "MailContact",
    "MailUniversalDistributionGroup",
    "MailUniversalSecurityGroup",
    "DynamicDistributionGroup",
    "RoomList",
    "RemoteUserMailbox",
    "RemoteSharedMailbox",
    "RemoteRoomMailbox",
    "RemoteEquipmentMailbox",
    "ShardMailbox",
];

/// The states of spec section 7.2.
pub(super) const STATES: [&str; 8] = [
    "active",
    "no mailbox",
    "awaiting migration",
    "disconnected",
    "soft-deleted",
    "inactive",
    "stale attributes",
    "purged",
];

/// One object of the directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Thing {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) state: &'static str,
    pub(super) licensed: bool,
    /// `none`, `enabled`, `disabled`, `blocked` or `disabled and blocked`.
    pub(super) account: &'static str,
    /// `SmtpClientAuthenticationDisabled` of the mailbox: `unset`, `true` or `false`.
    pub(super) switch: &'static str,
    /// The authentication policy: `unset`, `allows` or `forbids` passwords.
    pub(super) policy: &'static str,
    /// The external, or remote routing, address; empty for none.
    pub(super) outside: &'static str,
    /// Local parts of further addresses.
    pub(super) aliases: Vec<&'static str>,
    /// Right, trustee, whether it is a deny entry.
    pub(super) grants: Vec<(&'static str, &'static str, bool)>,
    pub(super) members: Vec<&'static str>,
    pub(super) subscribers: Vec<&'static str>,
    pub(super) owners: Vec<&'static str>,
    /// A dynamic group's members are all objects of this kind; empty for none.
    pub(super) filter_kind: &'static str,
    /// Who hears of failures of members: `originator`, `manager` or `nobody`.
    pub(super) reports: &'static str,
    /// `ForwardingAddress`, an object; empty for none.
    pub(super) forward_object: &'static str,
    /// `ForwardingSmtpAddress`; empty for none.
    pub(super) forward_smtp: &'static str,
    pub(super) keep_copy: bool,
    /// `RequireSenderAuthenticationEnabled`: `unset`, `true` or `false`.
    pub(super) authentication: &'static str,
    pub(super) accept: Vec<&'static str>,
    pub(super) reject: Vec<&'static str>,
    /// `MaxReceiveSize` in octets; 0 for none.
    pub(super) receive_max: u64,
    /// `MaxSendSize` in octets; 0 for none.
    pub(super) send_max: u64,
    pub(super) bcc_blocked: bool,
    /// `ModerationEnabled`.
    pub(super) moderated: bool,
    /// `ModeratedBy`.
    pub(super) moderators: Vec<&'static str>,
    /// `BypassModerationFromSendersOrMembers`.
    pub(super) bypass: Vec<&'static str>,
    pub(super) bypass_nested: bool,
    /// `SendModerationNotifications`: `Always`, `Internal` or `Never`.
    pub(super) notifications: &'static str,
    /// Licences by name, where it matters which; none counts as one of Exchange Online Plan 1.
    pub(super) plans: Vec<&'static str>,
    /// `IssueWarningQuota`, `ProhibitSendQuota` and `ProhibitSendReceiveQuota` in octets; 0 for unset,
    /// [`u64::MAX`] for unlimited.
    pub(super) quota: [u64; 3],
    pub(super) away: Away,
}

/// The automatic replies of a mailbox.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Away {
    /// `disabled`, `enabled`, or a scheduled period that lies `ahead`, `now` or `behind`.
    pub(super) state: &'static str,
    /// Whether there is an internal text.
    pub(super) internal: bool,
    /// Whether there is an external text.
    pub(super) external: bool,
    /// `ExternalAudience`.
    pub(super) audience: &'static str,
    /// `ExternalOofOptions`.
    pub(super) options: &'static str,
}

impl Default for Away {
    fn default() -> Self {
        Self { state: "disabled", internal: true, external: true, audience: "All", options: "External" }
    }
}

impl Thing {
    /// An object with the defaults of its kind, in the state in which such an object does its work, licensed and
    /// enabled where it has an account.
    pub(super) fn new(name: &'static str, kind: &'static str) -> Self {
        Self {
            name,
            kind,
            state: if kind.ends_with("Mailbox") && !kind.starts_with("Remote") && kind != "ShardMailbox" {
                "active"
            } else {
                "no mailbox"
            },
            licensed: true,
            account: if has_account(kind) { "enabled" } else { "none" },
            switch: "unset",
            policy: "unset",
            outside: if leads_outside(kind) { "elsewhere@fabrikam.example" } else { "" },
            reports: "originator",
            authentication: "unset",
            notifications: "Always",
            ..Self::default()
        }
    }

    /// Its primary address.
    pub(super) fn address(&self) -> String {
        address_of(self.name)
    }

    pub(super) fn with(mut self, alter: impl FnOnce(&mut Self)) -> Self {
        alter(&mut self);
        self
    }

    /// Kind and state, and whatever is not as it comes.
    fn sentence(&self) -> String {
        let usual = Self::new(self.name, self.kind);
        let mut text = format!("{}: {}, {}", self.name, self.kind, self.state);
        let words = [
            ("account", self.account, usual.account),
            ("SmtpClientAuthenticationDisabled", self.switch, usual.switch),
            ("authentication policy", self.policy, usual.policy),
            ("leads to", self.outside, ""),
            ("filter", self.filter_kind, ""),
            ("reports to", self.reports, usual.reports),
            ("ForwardingAddress", self.forward_object, ""),
            ("ForwardingSmtpAddress", self.forward_smtp, ""),
            ("RequireSenderAuthenticationEnabled", self.authentication, usual.authentication),
            ("SendModerationNotifications", self.notifications, usual.notifications),
        ];
        for (name, value, _) in words.into_iter().filter(|(_, value, usually)| value != usually) {
            let _ = write!(text, ", {name} {value}");
        }
        if has_account(self.kind) && !self.licensed {
            text.push_str(", no licence");
        }
        let switches = [
            ("keeps a copy", self.keep_copy),
            ("BccBlocked", self.bcc_blocked),
            ("moderated", self.moderated),
            ("BypassNestedModerationEnabled", self.bypass_nested),
        ];
        for (name, _) in switches.into_iter().filter(|(_, on)| *on) {
            let _ = write!(text, ", {name}");
        }
        for (name, octets) in [("MaxReceiveSize", self.receive_max), ("MaxSendSize", self.send_max)] {
            if octets > 0 {
                let _ = write!(text, ", {name} {octets}");
            }
        }
        for (right, trustee, deny) in &self.grants {
            let _ = write!(text, ", {}{right} for {trustee}", if *deny { "denies " } else { "" });
        }
        if self.away != usual.away {
            let _ = write!(text, ", {:?}", self.away);
        }
        if self.quota != usual.quota {
            let _ = write!(text, ", quota {:?}", self.quota);
        }
        let lists = [
            ("plans", &self.plans),
            ("also", &self.aliases),
            ("members", &self.members),
            ("subscribers", &self.subscribers),
            ("owners", &self.owners),
            ("accepts only", &self.accept),
            ("rejects", &self.reject),
            ("moderators", &self.moderators),
            ("bypassing moderation", &self.bypass),
        ];
        for (name, list) in lists.into_iter().filter(|(_, list)| !list.is_empty()) {
            let _ = write!(text, ", {name} {}", list.join(" and "));
        }
        text
    }
}

/// A name is a local part in the organisation's domain, or a whole address.
pub(super) fn address_of(name: &str) -> String {
    if name.contains('@') { name.to_owned() } else { format!("{name}@{DOMAIN}") }
}

/// Spec section 3.2, column "own credentials": groups, contacts and shards have none.
fn has_account(kind: &str) -> bool {
    kind.contains("MailUser") || (kind.ends_with("Mailbox") && !matches!(kind, "GroupMailbox" | "ShardMailbox"))
}

/// Spec section 3.2, column "otherwise routed to", where that is an address of the object itself.
fn leads_outside(kind: &str) -> bool {
    kind.starts_with("Remote") || kind.contains("MailUser") || kind == "MailContact"
}

/// Everything that decides.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct World {
    /// `exchange-online` or `exchange-server`.
    pub(super) profile: &'static str,
    /// `licensed` or `unblocked`.
    pub(super) shared_sign_in: &'static str,
    /// `auth` or `mail-from`.
    pub(super) no_mailbox_step: &'static str,
    pub(super) refuse_early: bool,
    pub(super) recipient_validation: bool,
    pub(super) repair_from: bool,
    pub(super) rewrites_senders: bool,
    pub(super) security_defaults: bool,
    pub(super) tenant_disables_smtp: bool,
    pub(super) tenant_allows_passwords: bool,
    pub(super) sends_from_alias: bool,
    pub(super) forwards_outside: bool,
    pub(super) plus_addressing: bool,
    /// `MaxSendSize` of the organisation in octets; 0 for none.
    pub(super) send_max: u64,
    pub(super) rejects_direct_send: bool,
    /// Whether strangers are answered only when the header names the mailbox.
    pub(super) answers_only_when_named: bool,
    pub(super) remote_domains: Vec<Remote>,
    pub(super) things: Vec<Thing>,
}

/// What one remote domain is sent of the organisation's own accord.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Remote {
    /// `fabrikam.example`, `*.fabrikam.example` or `*`.
    pub(super) pattern: &'static str,
    /// `AutoForwardEnabled`.
    pub(super) forwards: bool,
    /// `AllowedOOFType`.
    pub(super) replies: &'static str,
}

impl World {
    pub(super) fn new(profile: &'static str, things: Vec<Thing>) -> Self {
        Self {
            profile,
            shared_sign_in: "licensed",
            no_mailbox_step: "auth",
            refuse_early: false,
            recipient_validation: false,
            repair_from: false,
            rewrites_senders: true,
            security_defaults: false,
            tenant_disables_smtp: false,
            tenant_allows_passwords: true,
            sends_from_alias: false,
            forwards_outside: true,
            plus_addressing: true,
            send_max: 0,
            rejects_direct_send: false,
            answers_only_when_named: true,
            remote_domains: Vec::new(),
            things,
        }
    }

    pub(super) fn with(mut self, alter: impl FnOnce(&mut Self)) -> Self {
        alter(&mut self);
        self
    }

    pub(super) fn thing(&self, name: &str) -> Option<&Thing> {
        self.things.iter().find(|thing| thing.name == name)
    }

    /// The settings and objects that are not as they come, so that a person can build the same directory.
    pub(super) fn sentence(&self) -> String {
        let usual = Self::new("exchange-online", Vec::new());
        let mut text = format!("Profile {}", self.profile);
        let switches = [
            ("refuse_early", self.refuse_early, usual.refuse_early),
            ("recipient_validation", self.recipient_validation, usual.recipient_validation),
            ("repair_from", self.repair_from, usual.repair_from),
            ("SRS", self.rewrites_senders, usual.rewrites_senders),
            ("security defaults", self.security_defaults, usual.security_defaults),
            ("organisation SmtpClientAuthenticationDisabled", self.tenant_disables_smtp, usual.tenant_disables_smtp),
            ("organisation AllowBasicAuthSmtp", self.tenant_allows_passwords, usual.tenant_allows_passwords),
            ("SendFromAliasEnabled", self.sends_from_alias, usual.sends_from_alias),
            ("AutoForwardingMode", self.forwards_outside, usual.forwards_outside),
            ("plus addressing", self.plus_addressing, usual.plus_addressing),
            ("RejectDirectSend", self.rejects_direct_send, usual.rejects_direct_send),
            ("auto_reply_only_when_named", self.answers_only_when_named, usual.answers_only_when_named),
        ];
        for (name, value, usually) in switches {
            if value != usually {
                let _ = write!(text, ", {name} {}", if value { "on" } else { "off" });
            }
        }
        if self.send_max > 0 {
            let _ = write!(text, ", organisation MaxSendSize {}", self.send_max);
        }
        for remote in &self.remote_domains {
            let _ = write!(text, ", {remote:?}");
        }
        let _ = write!(text, ", shared_sign_in {}, no_mailbox_step {}.", self.shared_sign_in, self.no_mailbox_step);
        for thing in &self.things {
            let _ = write!(text, "\n    {}", thing.sentence());
        }
        text
    }
}
