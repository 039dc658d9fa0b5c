//! From the plain words of a cell to the product's own values. Nothing is decided here.

use franking::model::directory::{
    AcceptedDomain, AutoForwardingMode, AutoReply, AutoReplyState, Change, DomainType, ExternalAudience,
    ExternalOofOptions, Forwarding, Grant, Lifecycle, Limit, Moderation, ModerationNotifications, Organisation,
    PasswordHash, Quota, Recipient, RecipientId, RecipientType, RemoteDomain, Restrictions, Right, Snapshot,
};
use franking::model::mail::{Address, Timestamp};
use franking::model::policy::settings::SrsKey;
use franking::model::policy::{NoMailboxStep, Profile, Settings, SharedSignIn};

use super::plain::{Away, DOMAIN, NEXT_HOST, RELAYED, Thing, World, address_of};

pub(super) fn address(text: &str) -> Address {
    Address::parse(text).unwrap()
}

/// The identity of an object: its place in the list.
pub(super) fn id(world: &World, name: &str) -> RecipientId {
    let place = world.things.iter().position(|thing| thing.name == name).expect("an object of the cell");
    RecipientId(place as u64 + 1)
}

pub(super) fn settings(world: &World) -> Settings {
    let profile = if world.profile == "exchange-online" { Profile::ExchangeOnline } else { Profile::ExchangeServer };
    let mut settings = Settings::of(profile);
    settings.shared_sign_in =
        if world.shared_sign_in == "licensed" { SharedSignIn::Licensed } else { SharedSignIn::Unblocked };
    settings.no_mailbox_step =
        if world.no_mailbox_step == "auth" { NoMailboxStep::Auth } else { NoMailboxStep::MailFrom };
    settings.refuse_early = world.refuse_early;
    settings.recipient_validation = world.recipient_validation;
    settings.repair_from = world.repair_from;
    if world.rewrites_senders {
        settings.srs_keys.push(SrsKey([7; 32]));
    }
    settings
}

pub(super) fn snapshot(world: &World) -> Snapshot {
    let mut changes = vec![Change::PutOrganisation(Organisation {
        smtp_client_authentication_disabled: world.tenant_disables_smtp,
        security_defaults: world.security_defaults,
        allow_basic_auth_smtp: world.tenant_allows_passwords,
        send_from_alias_enabled: world.sends_from_alias,
        auto_forwarding_mode: if world.forwards_outside { AutoForwardingMode::On } else { AutoForwardingMode::Off },
        disable_plus_address_in_recipients: !world.plus_addressing,
        send_bytes_max: octets(world.send_max),
        reject_direct_send: world.rejects_direct_send,
        auto_reply_only_when_named: world.answers_only_when_named,
        ..Organisation::default()
    })];
    changes.extend([(DOMAIN, None), ("bücher.example", None), (RELAYED, Some(NEXT_HOST))].map(
        |(domain, next_host)| {
            let kind = if next_host.is_some() { DomainType::InternalRelay } else { DomainType::Authoritative };
            let made = AcceptedDomain::new(domain.parse().unwrap(), kind);
            Change::PutDomain(AcceptedDomain {
                default: domain == DOMAIN,
                next_host: next_host.map(Into::into),
                ..made
            })
        },
    ));
    changes.extend(world.remote_domains.iter().map(|remote| {
        let mut domain = RemoteDomain::new(remote.pattern.parse().unwrap());
        domain.auto_forward_enabled = remote.forwards;
        domain.allowed_oof_type = remote.replies.parse().unwrap();
        Change::PutRemoteDomain(domain)
    }));
    // First everybody, then who refers to whom.
    changes.extend(world.things.iter().map(|thing| Change::PutRecipient(Box::new(bare(world, thing)))));
    let referring = world.things.iter().filter(|thing| refers(thing));
    changes.extend(referring.map(|thing| Change::PutRecipient(Box::new(whole(world, thing)))));
    Snapshot::default().apply(&changes).unwrap()
}

fn lifecycle(state: &str) -> Lifecycle {
    let since = Timestamp::EPOCH;
    match state {
        "active" => Lifecycle::Active,
        "no mailbox" => Lifecycle::NoMailbox,
        "awaiting migration" => Lifecycle::AwaitingMigration,
        "disconnected" => Lifecycle::Disconnected { since },
        "soft-deleted" => Lifecycle::SoftDeleted { since },
        "inactive" => Lifecycle::Inactive { since },
        "stale attributes" => Lifecycle::StaleAttributes,
        "purged" => Lifecycle::Purged,
        other => panic!("no such state: {other}"),
    }
}

fn octets(max: u64) -> Option<u64> {
    (max > 0).then_some(max)
}

/// An own value of a quota: 0 is unset, and the largest number is unlimited.
fn limit(value: u64) -> Option<Limit> {
    let own = if value == u64::MAX { Limit::Unlimited } else { Limit::Bytes(value) };
    (value > 0).then_some(own)
}

fn tri_state(text: &str, yes: &str) -> Option<bool> {
    (text != "unset").then_some(text == yes)
}

fn bare(world: &World, thing: &Thing) -> Recipient {
    let kind: RecipientType = thing.kind.parse().unwrap();
    let mut recipient = Recipient::new(id(world, thing.name), kind, thing.name, address(&thing.address()));
    recipient.lifecycle = lifecycle(thing.state);
    if thing.account == "none" {
        recipient.account = None;
    }
    if let Some(account) = recipient.account.as_deref_mut() {
        account.enabled = !thing.account.contains("disabled");
        account.sign_in_blocked = thing.account.contains("blocked");
        account.password = Some(PasswordHash::from_phc("$argon2id$"));
        account.allow_basic_auth_smtp = tri_state(thing.policy, "allows");
        if thing.licensed {
            let plans = if thing.plans.is_empty() { &["ExchangeOnlinePlan1"][..] } else { &thing.plans };
            account.licences = plans.iter().map(|plan| (*plan).into()).collect();
        }
    }
    recipient.client_access.smtp_client_authentication_disabled = tri_state(thing.switch, "true");
    if !thing.outside.is_empty() {
        recipient.external_address = Some(address(thing.outside).into());
    }
    let [issue_warning, prohibit_send, prohibit_send_receive] = thing.quota.map(limit);
    let quota = Quota { issue_warning, prohibit_send, prohibit_send_receive };
    recipient.quota = (quota != Quota::default()).then(|| Box::new(quota));
    recipient.auto_reply = (thing.away != Away::default()).then(|| Box::new(auto_reply(&thing.away)));
    for alias in &thing.aliases {
        recipient.addresses.add(address(&address_of(alias)));
    }
    recipient
}

/// The middle of the period that lies now.
pub(super) const NOON: Timestamp = Timestamp::from_unix_milliseconds(100_000);

fn auto_reply(away: &Away) -> AutoReply {
    let period = |start, end| AutoReplyState::Scheduled {
        start: Timestamp::from_unix_milliseconds(start),
        end: Timestamp::from_unix_milliseconds(end),
    };
    let text = |given: bool| if given { "Back on Monday.".into() } else { "".into() };
    AutoReply {
        state: match away.state {
            "disabled" => AutoReplyState::Disabled,
            "enabled" => AutoReplyState::Enabled,
            "ahead" => period(100_001, 200_000),
            "now" => period(100_000, 100_001),
            _ => period(1, 100_000),
        },
        internal_message: text(away.internal),
        external_message: text(away.external),
        external_audience: match away.audience {
            "None" => ExternalAudience::None,
            "Known" => ExternalAudience::Known,
            _ => ExternalAudience::All,
        },
        external_oof_options: match away.options {
            "InternalOnly" => ExternalOofOptions::InternalOnly,
            _ => ExternalOofOptions::External,
        },
        revision: 0,
    }
}

fn refers(thing: &Thing) -> bool {
    let lists = [&thing.members, &thing.subscribers, &thing.owners, &thing.accept, &thing.reject];
    let plain = thing.authentication == "unset"
        && (thing.receive_max, thing.send_max) == (0, 0)
        && thing.reports == "originator"
        && !thing.bcc_blocked
        && !thing.moderated
        && thing.moderators.is_empty();
    let targets = [thing.filter_kind, thing.forward_object, thing.forward_smtp];
    !plain
        || !thing.grants.is_empty()
        || lists.iter().any(|list| !list.is_empty())
        || targets.iter().any(|target| !target.is_empty())
}

fn whole(world: &World, thing: &Thing) -> Recipient {
    let ids = |names: &[&str]| names.iter().map(|name| id(world, name)).collect::<Vec<_>>();
    let mut recipient = bare(world, thing);
    for (right, trustee, deny) in &thing.grants {
        let right: Right = right.parse().unwrap();
        recipient.grants.push(Grant { right, trustee: id(world, trustee), deny: *deny });
    }
    if let Some(group) = recipient.group.as_deref_mut() {
        group.set_members(ids(&thing.members));
        group.subscribers = ids(&thing.subscribers);
        group.managed_by = ids(&thing.owners);
        group.report_to_manager = thing.reports == "manager";
        group.report_to_originator = thing.reports == "originator";
        group.bcc_blocked = thing.bcc_blocked;
        if !thing.filter_kind.is_empty() {
            group.recipient_filter = Some(format!("RecipientTypeDetails -eq '{}'", thing.filter_kind).into());
        }
    }
    if !thing.forward_object.is_empty() || !thing.forward_smtp.is_empty() || thing.keep_copy {
        recipient.forwarding = Some(Box::new(Forwarding {
            forwarding_address: (!thing.forward_object.is_empty()).then(|| id(world, thing.forward_object)),
            forwarding_smtp_address: (!thing.forward_smtp.is_empty()).then(|| address(thing.forward_smtp)),
            deliver_to_mailbox_and_forward: thing.keep_copy,
        }));
    }
    let restrictions = Restrictions {
        require_sender_authentication: tri_state(thing.authentication, "true"),
        accept_only_from: ids(&thing.accept),
        reject_from: ids(&thing.reject),
        receive_bytes_max: octets(thing.receive_max),
        send_bytes_max: octets(thing.send_max),
    };
    recipient.restrictions = (restrictions != Restrictions::default()).then(|| Box::new(restrictions));
    let notifications = match thing.notifications {
        "Always" => ModerationNotifications::Always,
        "Internal" => ModerationNotifications::Internal,
        _ => ModerationNotifications::Never,
    };
    recipient.moderation = (thing.moderated || !thing.moderators.is_empty()).then(|| {
        Box::new(Moderation {
            enabled: thing.moderated,
            moderated_by: ids(&thing.moderators),
            bypass_from: ids(&thing.bypass),
            bypass_nested: thing.bypass_nested,
            notifications,
        })
    });
    recipient
}
