//! The commands and settings that would change an answer. Every command here is one that `franking` takes.

use crate::admin::office::identity;
use crate::model::directory::{Device, Lifecycle, Recipient, RecipientType, Snapshot};
use crate::model::mail::encapsulated::Encapsulated;
use crate::model::mail::{Address, Network};
use crate::model::policy::{Refusal, Rule};

/// What would let this login submit. `account` is what the login names, if anything.
pub(super) fn sign_in(snapshot: &Snapshot, refusal: &Refusal, account: Option<&Recipient>, login: &str) -> Vec<String> {
    let Some(recipient) = account else {
        return match identity::find(snapshot, login) {
            Ok(found) => vec![format!("a {} has no account: no command lets it sign in", found.recipient_type)],
            Err(failure) => failure.cures,
        };
    };
    let primary = recipient.primary();
    match refusal {
        Refusal::AuthenticationUnsuccessful => {
            let mut cures = Vec::new();
            if let Some(account) = recipient.account.as_deref() {
                if account.sign_in_blocked || !account.enabled {
                    cures.push(format!("franking account unblock {primary}"));
                }
                if account.password.is_none() {
                    cures.push(format!("franking account password {primary}"));
                }
            }
            cures
        }
        Refusal::SecurityDefaults => vec!["franking organisation set --security-defaults off".to_owned()],
        Refusal::BasicAuthenticationDisabled => passwords(snapshot, recipient),
        Refusal::SmtpAuthDisabledForMailbox => {
            vec![format!("franking recipient set {primary} --smtp-auth allow")]
        }
        Refusal::SmtpAuthDisabledForTenant => vec![
            format!("franking recipient set {primary} --smtp-auth allow"),
            "franking organisation set --smtp-auth on".to_owned(),
        ],
        Refusal::MailboxCannotBeAccessed => mailbox(recipient),
        Refusal::DeviceSecretRequired => {
            vec![format!("franking device add {primary} NAME --network NETWORK --sender {primary} --recipient inside")]
        }
        _ => Vec::new(),
    }
}

/// What would let a device do it; none when no rule about its credential decided. A list replaces the former one, so
/// what it has already is named with what it lacks: `recipient`, when that is known.
pub(super) fn device(
    account: &Recipient,
    name: &str,
    trail: &[Rule],
    recipient: Option<&Address>,
) -> Option<Vec<String>> {
    let known = account.account.iter().flat_map(|account| account.devices.iter()).find(|own| own.is_called(name));
    let primary = account.primary();
    let set = |option: &str| Some(vec![format!("franking device set {primary} {name} {option}")]);
    trail.iter().rev().find_map(|rule| match (rule.question, rule.held) {
        ("the account has this device", false) => Some(vec![format!("franking device list {primary}")]),
        ("the device has a secret", false) => Some(vec![format!("franking device renew {primary} {name}")]),
        ("the device's credential has expired", true) => set("--expires never"),
        ("the device's credential is for other networks", true) => {
            set(&format!("--network {}", and(known.map_or(&[], |own| &own.networks), "NETWORK")))
        }
        ("the device's secret is shown without TLS, for which it is bound to too little", true) => {
            set(&pins(known?, primary))
        }
        ("the device is bound to other senders", true) => {
            set(&format!("--sender {}", and(known.map_or(&[], |own| &own.senders), "ADDRESS")))
        }
        ("the device is bound to other recipients", true) => {
            // Quoted local parts may hold what a shell, or the list, would take apart.
            let plain = |text: &String| text.chars().all(|own| own.is_ascii_alphanumeric() || "@.-_+".contains(own));
            let lacks = recipient.map(ToString::to_string).filter(plain);
            let lacks = lacks.as_deref().unwrap_or("ADDRESS");
            set(&format!("--recipient {}", and(known.map_or(&[], |own| &own.recipients), lacks)))
        }
        _ => None,
    })
}

/// What a device is to be bound to before its secret may be shown without TLS.
fn pins(device: &Device, primary: &Address) -> String {
    let is_nearby = !device.networks.is_empty() && device.networks.iter().all(Network::is_private);
    let lacks = [
        (!is_nearby).then(|| "--network NETWORK".to_owned()),
        device.senders.is_empty().then(|| format!("--sender {primary}")),
        device.recipients.is_empty().then(|| "--recipient inside".to_owned()),
    ];
    lacks.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

/// The list as it is, and one more.
fn and<T: ToString>(list: &[T], more: &str) -> String {
    list.iter().map(ToString::to_string).chain([more.to_owned()]).collect::<Vec<_>>().join(",")
}

/// What would let the account use a password: a word for it alone, or another word of whatever forbids it.
fn passwords(snapshot: &Snapshot, recipient: &Recipient) -> Vec<String> {
    let mut cures = vec![format!("franking recipient set {} --basic-auth-smtp allow", recipient.primary())];
    let account = recipient.account.as_deref();
    let own = account.and_then(|account| account.allow_basic_auth_smtp);
    let assigned = account.and_then(|account| account.authentication_policy.as_deref());
    let policy = assigned.or_else(|| snapshot.organisation().default_authentication_policy.as_deref());
    match (own, policy) {
        (Some(_), _) => {}
        (None, Some(name)) => {
            cures.push(format!("franking authentication-policy set \"{name}\" --basic-auth-smtp on"));
        }
        (None, None) => cures.push("franking organisation set --basic-auth-smtp on".to_owned()),
    }
    cures
}

/// What would give the account a mailbox to open.
fn mailbox(recipient: &Recipient) -> Vec<String> {
    let primary = recipient.primary();
    let server_profile = "or in franking.toml: profile = \"exchange-server\", where an account is enough".to_owned();
    if !recipient.recipient_type.is_mailbox() {
        return vec![
            format!("franking recipient set {primary} --type UserMailbox --licence ExchangeOnlinePlan1"),
            server_profile,
        ];
    }
    match recipient.lifecycle {
        Lifecycle::SoftDeleted { .. } => return vec![format!("franking recipient restore {primary}")],
        Lifecycle::AwaitingMigration => return vec!["finish the migration of the mailbox".to_owned(), server_profile],
        Lifecycle::Inactive { .. } | Lifecycle::StaleAttributes | Lifecycle::Purged | Lifecycle::Purging { .. } => {
            return vec![server_profile];
        }
        Lifecycle::Active | Lifecycle::NoMailbox | Lifecycle::Disconnected { .. } => {}
    }
    let mut cures = vec![format!("franking licence assign {primary}")];
    if recipient.recipient_type == RecipientType::UserMailbox {
        cures.push(server_profile);
    } else {
        cures.push("or in franking.toml, under [policy]: shared_sign_in = \"unblocked\"".to_owned());
    }
    cures
}

/// What would let an account use an address.
pub(super) fn send_as(snapshot: &Snapshot, refusal: &Refusal) -> Vec<String> {
    let Refusal::SendAsDenied { account, from } = refusal else {
        return match refusal {
            Refusal::FromNotCompliant => vec!["or in franking.toml, under [policy]: repair_from = true".to_owned()],
            Refusal::SendingFromDomainDisabled(own) => {
                vec![format!("franking domain set {own} --sending-from-disabled off")]
            }
            _ => Vec::new(),
        };
    };
    match snapshot.find_by_address(from) {
        // Where there is no mailbox to be answered, no permission helps.
        Some(owner) if owner.recipient_type.is_mailbox() && !owner.lifecycle.is_active() => mailbox(owner),
        Some(owner) if snapshot.accepted_domain(from.domain()).is_some() => {
            let owner = owner.primary();
            vec![
                format!("franking permission grant {owner} --to {account} --right send-as"),
                format!("franking permission grant {owner} --to {account} --right send-on-behalf"),
            ]
        }
        None if snapshot.accepted_domain(from.domain()).is_some() => {
            vec![format!("franking recipient set {account} --alias {from}")]
        }
        // Not even a contact that has it changes that (spec section 4.3): nobody here speaks for a foreign domain.
        Some(_) | None => vec![format!("franking domain add {}", from.domain())],
    }
}

/// What would let a sender reach a recipient.
pub(super) fn recipient(snapshot: &Snapshot, refusal: &Refusal, to: &str, account: Option<&Recipient>) -> Vec<String> {
    let holder = identity::find(snapshot, to).ok();
    let address = holder.map_or_else(|| to.to_owned(), |holder| holder.primary().to_string());
    let by = account.map(|account| account.primary().to_string());
    match refusal {
        Refusal::UnknownRecipientInbound | Refusal::RecipientNotFound(_) => match holder {
            Some(holder) => mailbox(holder).into_iter().filter(|cure| cure.starts_with("franking")).collect(),
            None => unknown(snapshot, to),
        },
        Refusal::ExRecipientNotFound => legacy(to),
        Refusal::RelayRefused => {
            let domain = to.rsplit_once('@').map_or(to, |(_, domain)| domain);
            vec!["strangers may not relay: sign in on port 587".to_owned(), format!("franking domain add {domain}")]
        }
        Refusal::SenderNotAuthenticatedForGroup
        | Refusal::SenderNotAuthenticatedForMailbox
        | Refusal::SenderNotAuthenticatedForMailUser
        | Refusal::UnifiedGroupOutsider => {
            vec![format!("franking recipient set {address} --require-authentication no")]
        }
        Refusal::RestrictedToGroupPermission | Refusal::RestrictedToRecipientsPermission => {
            let mut cures = Vec::new();
            if let Some(by) = by {
                cures.push(format!(
                    "franking recipient set {address} --accept-only-from {}",
                    with(snapshot, holder, &by)
                ));
            }
            cures.push(format!("franking recipient set {address} --accept-only-from \"\""));
            cures
        }
        Refusal::NotAuthorized => vec![format!("franking recipient set {address} --reject-from \"\"")],
        Refusal::RecipientSizeLimit => {
            vec![format!("franking recipient set {address} --receive-bytes-max unlimited")]
        }
        Refusal::SenderSendSizeLimit => {
            by.into_iter().map(|by| format!("franking recipient set {by} --send-bytes-max unlimited")).collect()
        }
        Refusal::OrganisationSendSizeLimit => vec!["franking organisation set --send-bytes-max unlimited".to_owned()],
        Refusal::GroupInBcc => vec![format!("franking recipient set {address} --bcc-blocked off")],
        Refusal::DirectSendNotAllowed => vec![
            "sign in on port 587, or make the source known: [[connector]] with networks = [\"192.0.2.7\"]".to_owned(),
            "franking organisation set --reject-direct-send off".to_owned(),
        ],
        Refusal::SendingToDomainDisabled(own) => vec![format!("franking domain set {own} --sending-to-disabled off")],
        Refusal::ReservedTopLevelRecipientDomain => reserved("reserved-top-level"),
        Refusal::ReservedSecondLevelRecipientDomain => reserved("reserved-second-level"),
        Refusal::SingleLabelRecipientDomain => reserved("single-label"),
        Refusal::ForwardingLoop => vec![
            format!("franking recipient set {address} --no-forward"),
            format!("franking recipient set {address} --keep-copy yes"),
        ],
        Refusal::ExternalForwardingBlocked => vec!["franking organisation set --auto-forwarding on".to_owned()],
        _ => Vec::new(),
    }
}

/// The switch that refuses domains of this kind.
fn reserved(kind: &str) -> Vec<String> {
    vec![format!("franking organisation set --reject-{kind}-recipient-domains off")]
}

/// The accept list as it is, and one more.
fn with(snapshot: &Snapshot, holder: Option<&std::sync::Arc<Recipient>>, by: &str) -> String {
    let list = holder.and_then(|holder| holder.restrictions.as_deref()).map(|set| set.accept_only_from.as_slice());
    let names = list.into_iter().flatten().filter_map(|id| snapshot.recipient(*id));
    let mut names: Vec<String> = names.map(|recipient| recipient.primary().to_string()).collect();
    names.push(by.to_owned());
    names.join(",")
}

/// Whoever took the place of the one that had this distinguished name takes the name as well.
fn legacy(to: &str) -> Vec<String> {
    let found = Address::parse(to).ok().and_then(|address| Encapsulated::of(address.local()));
    found
        .map(|found| format!("franking recipient set SUCCESSOR --alias \"X500:{}\"", found.value))
        .into_iter()
        .collect()
}

fn unknown(snapshot: &Snapshot, to: &str) -> Vec<String> {
    let near = identity::find(snapshot, to).err().map(|failure| failure.cures).unwrap_or_default();
    let mut cures: Vec<String> = near.into_iter().filter(|cure| cure.starts_with("did you mean")).collect();
    if Address::parse(to).is_ok() {
        cures.push(format!("franking recipient new {to} --type UserMailbox --licence ExchangeOnlinePlan1"));
    }
    cures
}
