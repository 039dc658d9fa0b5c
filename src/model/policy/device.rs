//! What a device credential may do: less than its account, never more.
//!
//! | what it is bound to | judged | refused |
//! | --- | --- | --- |
//! | networks, time | at AUTH, and again at MAIL and at the end of the message | `535 5.7.3`, as a wrong secret |
//! | too little, and there is no TLS | the same | the same |
//! | senders | with the right to an address, see `authorship` | as an address that the account may not use |
//! | recipients | at RCPT | `550 5.7.1`, not authorized |
//!
//! A stranger who found a secret out must not learn from another network that it is right, so networks and time come
//! before everything that is answered in words of its own, and cost what a wrong secret costs.
//!
//! **Without TLS** whoever listens gets the secret, so it must be worth little: only a device that is bound to private
//! networks, to senders and to recipients may show it there (decision D8). The password of an account may not, and is
//! not even compared, so that nobody can try passwords where others listen.
//!
//! **Recipients are judged as they are named**, before expansion: a group inside with members outside is inside, and so
//! is a mailbox that forwards and a contact that has an address of ours. Who is in a group is for its owners to say;
//! what leaves a mailbox by itself, for the organisation's forwarding policy.

use core::net::IpAddr;

use super::refusal::Refusal;
use super::resolve::Resolution;
use super::sign_in::{Evidence, Proof, SignedIn};
use super::trail::Trail;
use crate::model::directory::device::Secret;
use crate::model::directory::{Account, Device, DeviceRecipient, DomainType, PasswordHash, Selector, Snapshot};
use crate::model::mail::{Address, ForwardPath, Timestamp};

/// Whence a secret was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Whence {
    /// The client's network address.
    pub peer: IpAddr,
    /// Others could read it: there was no TLS.
    pub in_clear: bool,
}

/// The secret of a device that proved right, and whence and when it was shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AppPassword {
    /// Which credential of the account it is.
    pub selector: Selector,
    /// Whence.
    pub whence: Whence,
    /// When.
    pub at: Timestamp,
}

/// What a client's secret is to be checked against: one hash at most, whatever was shown.
#[derive(Debug)]
pub struct Checked<'a> {
    /// The hash; none when nothing can be right.
    pub hash: Option<&'a PasswordHash>,
    /// What it is a hash of.
    pub text: &'a str,
    /// What it proves when it is right.
    pub proof: Proof,
}

impl<'a> Checked<'a> {
    /// The password of the account, unless the text has the form of a device's secret and begins like one of the
    /// account's, or was shown without TLS. `secret` is what was `shown`, read as one.
    pub fn of(
        account: Option<&'a Account>,
        shown: &'a str,
        secret: Option<&'a Secret>,
        whence: Whence,
        at: Timestamp,
    ) -> Self {
        let found = account
            .zip(secret)
            .and_then(|(account, secret)| Some((account.device(secret.selector())?.verifier.as_ref()?, secret)));
        match found {
            Some((verifier, secret)) => Self {
                hash: Some(&verifier.hash),
                text: secret.text(),
                proof: Proof::AppPassword(AppPassword { selector: verifier.selector, whence, at }),
            },
            None => Self {
                hash: account.filter(|_| !whence.in_clear).and_then(|account| account.password.as_ref()),
                text: shown,
                proof: Proof::Password,
            },
        }
    }

    /// Whether the account would not be refused as if the secret were wrong, so that a right one may be remembered: a
    /// right one that is refused must not come back sooner the second time, which would tell it from wrong ones.
    pub fn may_be_remembered(&self, account: &Account) -> bool {
        let usable = match self.proof {
            Proof::Password | Proof::Token => true,
            Proof::AppPassword(shown) => {
                account.device(shown.selector).is_some_and(|device| is_within_bounds(device, &shown))
            }
        };
        usable && account.enabled && !account.sign_in_blocked
    }
}

/// Whether what a device is bound to permits that its secret is used whence and when it was shown.
fn is_within_bounds(device: &Device, shown: &AppPassword) -> bool {
    let is_worth_little = !shown.whence.in_clear || device.is_pinned();
    device.admits(shown.whence.peer) && is_worth_little && !device.is_expired(shown.at)
}

/// Whether what was shown passes every lock: a token, or the right secret of a device, from a network that it is bound
/// to. Neither can be guessed, and neighbours who fail in that network must not keep it out.
pub fn passes_locks(account: Option<&Account>, evidence: Evidence) -> bool {
    let shown = match evidence {
        Evidence::Right(Proof::AppPassword(shown)) => shown,
        Evidence::Right(Proof::Token) => return true,
        Evidence::Right(Proof::Password) | Evidence::Wrong => return false,
    };
    let device = account.and_then(|account| account.device(shown.selector));
    device.is_some_and(|device| !device.networks.is_empty() && device.admits(shown.whence.peer))
}

/// Judges whether a credential may be used from there and then.
///
/// # Errors
/// `AuthenticationUnsuccessful`, whatever the reason.
pub(super) fn usable(account: &Account, shown: &AppPassword, trail: &mut impl Trail) -> Result<(), Refusal> {
    let found = account.device(shown.selector);
    trail.note("the device's credential is there", found.is_some(), || {
        found.map_or_else(|| "it was revoked, or has another secret".to_owned(), |device| device.name.to_string())
    });
    let Some(device) = found else {
        return Err(Refusal::AuthenticationUnsuccessful);
    };
    let expired = device.is_expired(shown.at);
    trail.note("the device's credential has expired", expired, || {
        device.expires.map_or_else(String::new, |end| format!("{} ends {end}", device.name))
    });
    let elsewhere = !device.admits(shown.whence.peer);
    trail.note("the device's credential is for other networks", elsewhere, || {
        let networks: Vec<String> = device.networks.iter().map(ToString::to_string).collect();
        match networks.is_empty() {
            true => String::new(),
            false => format!("{} is for {}, and the client is {}", device.name, networks.join(", "), shown.whence.peer),
        }
    });
    if shown.whence.in_clear {
        trail.note(
            "the device's secret is shown without TLS, for which it is bound to too little",
            !device.is_pinned(),
            || match device.is_pinned() {
                true => device.name.to_string(),
                false => format!("{} is to be bound to private networks, senders and recipients", device.name),
            },
        );
    }
    if is_within_bounds(device, shown) { Ok(()) } else { Err(Refusal::AuthenticationUnsuccessful) }
}

/// The device on which an account is signed in; none when it showed something else, or when the credential has gone.
pub fn device_of<'snapshot>(snapshot: &'snapshot Snapshot, signed_in: &SignedIn) -> Option<&'snapshot Device> {
    let selector = signed_in.selector()?;
    snapshot.recipient(signed_in.account())?.account.as_deref()?.device(selector)
}

/// Whether the device on which an account is signed in is bound to other senders. Judged as the device writes the
/// address, before a rule rewrites it.
pub(super) fn is_bound_to_others(
    snapshot: &Snapshot,
    signed_in: &SignedIn,
    address: &Address,
    trail: &mut impl Trail,
) -> bool {
    if signed_in.selector().is_none() {
        return false;
    }
    let device = device_of(snapshot, signed_in);
    let key = address.key();
    // One that was revoked since AUTH sends nothing any more.
    let bound =
        device.is_none_or(|device| !device.senders.is_empty() && !device.senders.iter().any(|own| own.has_key(&key)));
    trail.note("the device is bound to other senders", bound, || {
        let senders: Vec<String> = device.into_iter().flat_map(|own| &own.senders).map(ToString::to_string).collect();
        senders.join(", ")
    });
    bound
}

/// Judges whether a device may name a recipient.
///
/// # Errors
/// `DeviceRecipientNotPermitted`. Exchange knows no such credentials; these are its words for a sender who may not
/// write to a recipient. Those for relaying would send an administrator to look for a connector, and those for an
/// unknown recipient for a mailbox, where nothing is wrong with either.
pub(super) fn may_name(
    snapshot: &Snapshot,
    device: &Device,
    path: &ForwardPath,
    resolution: &Resolution,
    trail: &mut impl Trail,
) -> Result<(), Refusal> {
    let names = |own: &DeviceRecipient| match (own, path) {
        (DeviceRecipient::Inside, ForwardPath::Postmaster) => true,
        (DeviceRecipient::Inside, ForwardPath::Mailbox(address)) => is_inside(snapshot, address, resolution),
        (DeviceRecipient::Domain(domain), ForwardPath::Mailbox(address)) => address.domain() == domain,
        (DeviceRecipient::Address(own), ForwardPath::Mailbox(address)) => own.key() == address.key(),
        (DeviceRecipient::Domain(_) | DeviceRecipient::Address(_), ForwardPath::Postmaster) => false,
    };
    let bound = !device.recipients.is_empty() && !device.recipients.iter().any(names);
    trail.note("the device is bound to other recipients", bound, || {
        let recipients: Vec<String> = device.recipients.iter().map(ToString::to_string).collect();
        match recipients.is_empty() {
            true => String::new(),
            false => format!("{} may write to {}", device.name, recipients.join(", ")),
        }
    });
    if bound { Err(Refusal::DeviceRecipientNotPermitted) } else { Ok(()) }
}

/// Whether an address is the organisation's own. Behind a rewritten reverse-path there is a stranger, and behind an
/// external relay another organisation.
fn is_inside(snapshot: &Snapshot, address: &Address, resolution: &Resolution) -> bool {
    let ours =
        snapshot.receiving_domain(address.domain()).is_some_and(|own| own.domain_type != DomainType::ExternalRelay);
    match resolution {
        Resolution::Rewritten(_) | Resolution::Foreign(_) => false,
        Resolution::Mailbox(_)
        | Resolution::Group(_)
        | Resolution::Outside { .. }
        | Resolution::PostmasterMailbox
        | Resolution::InternalRelay(_)
        | Resolution::Unknown(_) => ours,
    }
}
