//! Device credentials: made, shown, bound, renewed and revoked one by one.

use core::time::Duration;

use serde::{Deserialize, Serialize};

use super::edit::account_of;
use super::failure::Failure;
use super::request::Secret;
use super::response::Response;
use super::{Office, change, identity, secrets};
use crate::model::directory::device::{self, DEVICES_MAX, Verifier};
use crate::model::directory::{
    Account, Change, ChangeError, Device, DeviceError, DeviceRecipient, Recipient, Selector, Snapshot,
};
use crate::model::mail::{Address, Network, Timestamp};
use crate::model::policy::{Evidence, Proof, Refusal, SubmitAs, Unrecorded, sign_in, submit_as};
use crate::world::random;

/// Of a secret with its selector, which says which secret it is and protects nothing: what is left has 99 bits.
const SECRET_ENTROPY_BITS: u32 = 115;
const DAY_SECONDS: u64 = 86_400;

/// What alters credentials, and the question which there are. Accounts are named as in [`identity::find`], devices by
/// their names.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DeviceOrder {
    /// A new one, whose secret is in the answer and nowhere else.
    Add {
        /// Whose.
        account: String,
        /// What it is called.
        name: String,
        /// What it is bound to.
        edit: DeviceEdit,
    },
    /// Binds one to something else.
    Set {
        /// Whose.
        account: String,
        /// Which.
        name: String,
        /// What changes.
        edit: DeviceEdit,
    },
    /// Gives one a new secret; the former is wrong from now on.
    Renew {
        /// Whose.
        account: String,
        /// Which.
        name: String,
    },
    /// Ends one, in open sessions as well.
    Revoke {
        /// Whose.
        account: String,
        /// Which.
        name: String,
    },
    /// Which there are; alters nothing.
    List(DeviceQuery),
}

/// What a credential is bound to; what is not given stays. A list replaces the former one, and an empty one binds to
/// nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceEdit {
    /// Networks such as `192.168.10.0/24`.
    pub networks: Option<Vec<String>>,
    /// Addresses that it may use as author and reverse-path.
    pub senders: Option<Vec<String>>,
    /// `inside`, domains or addresses that it may write to.
    pub recipients: Option<Vec<String>>,
    /// A day, a point in time, `90d` from now, or `never`.
    pub expires: Option<String>,
    /// Networks besides those that it is bound to.
    pub add_networks: Vec<String>,
    /// Senders besides.
    pub add_senders: Vec<String>,
    /// Recipients besides.
    pub add_recipients: Vec<String>,
}

/// Which credentials to show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeviceQuery {
    /// Of this account only.
    pub account: Option<String>,
    /// The one of this name only; it must exist.
    pub name: Option<String>,
    /// Only those that have expired, or will within so many days.
    pub expires_within_days: Option<u32>,
}

/// One credential.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceView {
    /// Whose, by primary address.
    pub account: String,
    /// What it is called.
    pub name: String,
    /// The login that goes with its secret.
    pub login: String,
    /// Whether it has a secret; without one it cannot be used.
    pub has_secret: bool,
    /// Whether it is bound to so little that its secret may be shown without TLS, on a listener that permits it.
    #[serde(default)]
    pub without_tls: bool,
    /// When it was made.
    pub created: String,
    /// When it ends; none when it does not.
    pub expires: Option<String>,
    /// Whether it has ended.
    pub expired: bool,
    /// Where it may be used; everywhere when empty.
    pub networks: Vec<String>,
    /// The addresses that it may use; all of its account's when empty.
    pub senders: Vec<String>,
    /// Whom it may write to; everybody when empty.
    pub recipients: Vec<String>,
    /// When somebody signed in with it last; none when nobody has, or nobody remembers.
    pub last_used: Option<String>,
    /// From where.
    pub last_used_from: Option<String>,
}

impl DeviceEdit {
    fn apply(&self, device: &mut Device, now: Timestamp) -> Result<(), Failure> {
        let network = |text: &str| text.parse::<Network>().ok();
        let wanted = "a network such as 192.168.10.0/24 or one address";
        bind(&mut device.networks, self.networks.as_deref(), &self.add_networks, "network", wanted, network)?;
        let sender = |text: &str| Address::parse(text).ok();
        bind(&mut device.senders, self.senders.as_deref(), &self.add_senders, "sender", "an address", sender)?;
        let (given, more) = (self.recipients.as_deref(), &self.add_recipients);
        let wanted = "\"inside\", a domain (@NAME when it is one word) or an address";
        bind(&mut device.recipients, given, more, "recipient", wanted, DeviceRecipient::parse)?;
        if let Some(text) = &self.expires {
            device.expires = expiry(text, now)?;
        }
        Ok(())
    }
}

/// Replaces a list where another is given, and adds to it. A list that is not there permits everything, and one more
/// would take that away: so nothing is added to it.
fn bind<T: PartialEq>(
    list: &mut Vec<T>,
    given: Option<&[String]>,
    more: &[String],
    option: &str,
    wanted: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<(), Failure> {
    if let Some(texts) = given {
        *list = all(texts, &format!("--{option}"), wanted, &parse)?;
    }
    let added = all(more, &format!("--add-{option}"), wanted, &parse)?;
    if !added.is_empty() && list.is_empty() {
        let failure = Failure::refused(format!("The device is not bound to any {option}: all are permitted already."));
        return Err(failure.cured_by(format!("to permit nothing else from now on: --{option}")));
    }
    for value in added {
        if !list.contains(&value) {
            list.push(value);
        }
    }
    Ok(())
}

/// Every text as a value, each once.
fn all<T: PartialEq>(
    texts: &[String],
    option: &str,
    wanted: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, Failure> {
    let mut values = Vec::new();
    for text in texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty()) {
        let value = parse(text).ok_or_else(|| {
            let failure = Failure::refused(format!("{option}: {text:?} is not {wanted}."));
            failure.cured_by("franking device set --help")
        })?;
        if !values.contains(&value) {
            values.push(value);
        }
    }
    Ok(values)
}

/// A day begins at midnight, UTC; a credential is refused from that moment on.
fn expiry(text: &str, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
    let text = text.trim();
    if text.is_empty() || text.eq_ignore_ascii_case("never") {
        return Ok(None);
    }
    let in_days = || {
        let days: u64 = text.strip_suffix('d')?.parse().ok()?;
        Some(now.plus(Duration::from_secs(days.min(100_000).saturating_mul(DAY_SECONDS))))
    };
    let end = in_days()
        .or_else(|| Timestamp::parse_iso8601(text))
        .or_else(|| Timestamp::parse_iso8601(&format!("{text}T00:00:00Z")));
    let Some(end) = end else {
        let failure = Failure::refused(format!("--expires: {text:?} is no day."));
        return Err(failure.cured_by("write --expires 2027-01-31, --expires 90d or --expires never"));
    };
    if end <= now {
        return Err(Failure::refused(format!("--expires: {text} is over.")).cured_by("franking device revoke"));
    }
    Ok(Some(end))
}

pub(super) fn obey(office: &Office, actor: &str, order: DeviceOrder) -> Result<Response, Failure> {
    match order {
        DeviceOrder::Add { account, name, edit } => add(office, actor, &account, &name, &edit),
        DeviceOrder::Set { account, name, edit } => set(office, actor, &account, &name, &edit),
        DeviceOrder::Renew { account, name } => renew(office, actor, &account, &name),
        DeviceOrder::Revoke { account, name } => revoke(office, actor, &account, &name),
        DeviceOrder::List(query) => list(office, &query),
    }
}

/// A secret that no other of the account's begins like, and by what it is recognised.
struct Made {
    secret: Secret,
    verifier: Verifier,
}

/// Hashes outside of the directory's lock: it takes tens of milliseconds.
fn made(office: &Office, account: Option<&Account>) -> Result<Made, Failure> {
    let taken = selectors(account);
    let unavailable =
        |error: &dyn core::fmt::Display| Failure::unavailable(format!("A secret could not be made: {error}"));
    // There are some 900,000 selectors for at most 500 devices, so a few draws find one that is free.
    for _ in 0..100 {
        let text = random::password(&*office.random, SECRET_ENTROPY_BITS);
        let Some(secret) = device::Secret::read(&text) else { continue };
        if taken.contains(&secret.selector()) {
            continue;
        }
        // With SCRAM a client makes its keys of what is typed, which is the secret as it is shown.
        let hash = secrets::hashed(office, (secret.text(), &text), account).map_err(|error| unavailable(&error))?;
        return Ok(Made { verifier: Verifier { selector: secret.selector(), hash }, secret: Secret::new(text) });
    }
    Err(unavailable(&"every one that was drawn is in use"))
}

fn selectors(account: Option<&Account>) -> Vec<Selector> {
    let devices = account.into_iter().flat_map(|account| account.devices.iter());
    devices.filter_map(|device| Some(device.verifier.as_ref()?.selector)).collect()
}

/// The device of that name.
fn named<'account>(account: &'account mut Account, name: &str) -> Result<&'account mut Device, Failure> {
    let login = account.login.clone();
    let found = account.devices.iter_mut().find(|device| device.is_called(name));
    found.ok_or_else(|| {
        let failure = Failure::not_found(format!("{login} has no device {name:?}."));
        failure.cured_by(format!("franking device list {login}"))
    })
}

fn add(office: &Office, actor: &str, whose: &str, name: &str, edit: &DeviceEdit) -> Result<Response, Failure> {
    let now = office.clock.now();
    let made = made(office, identity::find(&office.directory.snapshot(), whose)?.account.as_deref())?;
    let (_, (login, notes)) = change(office, actor, |snapshot| {
        let mut recipient = Recipient::clone(identity::find(snapshot, whose)?);
        let account = account_of(&mut recipient)?;
        if account.devices.iter().any(|device| device.is_called(name)) {
            let failure = Failure::refused(format!("{} already has a device {name:?}.", account.login));
            return Err(failure.cured_by(format!("franking device renew {} {name}", account.login)));
        }
        if account.devices.len() >= DEVICES_MAX {
            return Err(Failure::refused(ChangeError::Devices(DeviceError::TooMany).to_string()));
        }
        let mut device = Device::new(name, now);
        device.verifier = Some(made.verifier.clone());
        edit.apply(&mut device, now)?;
        let login = account.login.clone();
        account.devices.push(device.clone());
        let notes = advice(office, snapshot, &recipient, &device);
        Ok((vec![Change::PutRecipient(Box::new(recipient))], (login, notes)))
    })?;
    let message = format!("{name} signs in as {login} now, with the secret below.");
    Ok(Response::Done { message, notes, password: Some(made.secret) })
}

fn set(office: &Office, actor: &str, whose: &str, name: &str, edit: &DeviceEdit) -> Result<Response, Failure> {
    if *edit == DeviceEdit::default() {
        return Err(Failure::refused("Nothing to set.").cured_by("franking device set --help"));
    }
    let now = office.clock.now();
    let (_, (message, notes)) = change(office, actor, |snapshot| {
        let former = identity::find(snapshot, whose)?;
        let mut recipient = Recipient::clone(former);
        let device = named(account_of(&mut recipient)?, name)?;
        let before = device.clone();
        edit.apply(device, now)?;
        let device = device.clone();
        let message = format!("{} of {} is set.", device.name, recipient.primary());
        if recipient == **former {
            return Ok((Vec::new(), (message, vec!["It already was so.".to_owned()])));
        }
        let mut notes = replaced(&before, &device);
        notes.extend(advice(office, snapshot, &recipient, &device));
        Ok((vec![Change::PutRecipient(Box::new(recipient))], (message, notes)))
    })?;
    Ok(Response::Done { message, notes, password: None })
}

fn renew(office: &Office, actor: &str, whose: &str, name: &str) -> Result<Response, Failure> {
    let made = made(office, identity::find(&office.directory.snapshot(), whose)?.account.as_deref())?;
    let (_, message) = change(office, actor, |snapshot| {
        let mut recipient = Recipient::clone(identity::find(snapshot, whose)?);
        let account = account_of(&mut recipient)?;
        let login = account.login.clone();
        let device = named(account, name)?;
        device.verifier = Some(made.verifier.clone());
        let message = format!("{} of {login} has the secret below; the former is wrong now.", device.name);
        Ok((vec![Change::PutRecipient(Box::new(recipient))], message))
    })?;
    Ok(Response::Done { message, notes: Vec::new(), password: Some(made.secret) })
}

fn revoke(office: &Office, actor: &str, whose: &str, name: &str) -> Result<Response, Failure> {
    let (_, message) = change(office, actor, |snapshot| {
        let mut recipient = Recipient::clone(identity::find(snapshot, whose)?);
        let account = account_of(&mut recipient)?;
        let shown = named(account, name)?.name.clone();
        account.devices.retain(|device| !device.is_called(name));
        let message = format!("{shown} of {} is revoked, in open sessions as well.", account.login);
        Ok((vec![Change::PutRecipient(Box::new(recipient))], message))
    })?;
    Ok(Response::Done { message, notes: Vec::new(), password: None })
}

/// What a list named that the one in its place does not name: whoever gave what is to be added alone has lost it.
fn replaced(before: &Device, after: &Device) -> Vec<String> {
    fn gone<T: PartialEq + ToString>(before: &[T], after: &[T], option: &str) -> Option<String> {
        let lost = before.iter().filter(|own| !after.contains(own)).map(ToString::to_string).collect::<Vec<_>>();
        // An ended list forbids nothing.
        (!lost.is_empty() && !after.is_empty()).then(|| {
            let lost = lost.join(",");
            format!(
                "The list of {option} replaced the former one, so it is without {lost} now: to keep that, name it, too."
            )
        })
    }
    let networks = gone(&before.networks, &after.networks, "--network");
    let senders = gone(&before.senders, &after.senders, "--sender");
    let recipients = gone(&before.recipients, &after.recipients, "--recipient");
    [networks, senders, recipients].into_iter().flatten().collect()
}

/// What somebody who just made or bound a credential should know.
fn advice(office: &Office, snapshot: &Snapshot, recipient: &Recipient, device: &Device) -> Vec<String> {
    let (primary, settings) = (recipient.primary(), office.settings());
    let mut notes = Vec::new();
    for sender in &device.senders {
        if submit_as(snapshot, &settings, recipient.id, sender, &mut Unrecorded) == SubmitAs::Denied {
            notes.push(format!("{primary} may not send as {sender}, so the device cannot either."));
        }
    }
    if let Some(account) = recipient.account.as_deref()
        && (account.sign_in_blocked || !account.enabled)
    {
        notes.push(format!("Sign-in is blocked, for devices as well: franking account unblock {primary}"));
    }
    if let Some(account) = recipient.account.as_deref() {
        let evidence = Evidence::Right(Proof::Password);
        let judged = sign_in(snapshot, &settings, &account.login.to_string(), evidence, &mut Unrecorded);
        // What forbids passwords is told where it is set; that there is no mailbox to sign in to shows nowhere else.
        if let Err(refusal @ Refusal::MailboxCannotBeAccessed) = judged {
            let reply = refusal.bare_reply(&settings);
            notes.push(format!(
                "Until its mailbox is in use it is refused ({reply}): franking recipient show {primary}"
            ));
        }
    }
    if device.networks.is_empty() && device.senders.is_empty() && device.recipients.is_empty() {
        notes.push(
            "It is bound to nothing: whoever finds its secret can use it from anywhere, as the account, to anybody."
                .to_owned(),
        );
    }
    if device.is_pinned() {
        notes.push(
            "It is bound to so little that it may sign in without TLS as well, on a listener with auth_without_tls."
                .to_owned(),
        );
    }
    notes
}

fn list(office: &Office, query: &DeviceQuery) -> Result<Response, Failure> {
    let (snapshot, now) = (office.directory.snapshot(), office.clock.now());
    let mut devices = match &query.account {
        Some(whose) => views(office, identity::find(&snapshot, whose)?, now),
        None => snapshot.recipients().flat_map(|recipient| views(office, recipient, now)).collect(),
    };
    if let Some(name) = &query.name {
        devices.retain(|view| view.name.eq_ignore_ascii_case(name));
        if devices.is_empty() {
            let whose = query.account.as_deref().unwrap_or_default();
            let failure = Failure::not_found(format!("{whose} has no device {name:?}."));
            return Err(failure.cured_by(format!("franking device list {whose}")));
        }
    }
    if let Some(days) = query.expires_within_days {
        let end = now.plus(Duration::from_secs(u64::from(days).saturating_mul(DAY_SECONDS)));
        let ends_by_then = |view: &DeviceView| {
            let expires = view.expires.as_deref().and_then(Timestamp::parse_iso8601);
            expires.is_some_and(|expires| expires <= end)
        };
        devices.retain(ends_by_then);
    }
    devices.sort_by(|one, other| (&one.account, &one.name).cmp(&(&other.account, &other.name)));
    Ok(Response::Devices { devices })
}

fn views(office: &Office, recipient: &Recipient, now: Timestamp) -> Vec<DeviceView> {
    let Some(account) = recipient.account.as_deref() else { return Vec::new() };
    let texts = |values: &mut dyn Iterator<Item = &dyn core::fmt::Display>| values.map(ToString::to_string).collect();
    let view = |device: &Device| {
        // One of the same name that was revoked before this was made is another.
        let used = office.sign_ins.last_use(recipient.id, &device.name).filter(|used| used.at >= device.created);
        DeviceView {
            account: recipient.primary().to_string(),
            name: device.name.to_string(),
            login: account.login.to_string(),
            has_secret: device.verifier.is_some(),
            without_tls: device.is_pinned(),
            created: device.created.to_string(),
            expires: device.expires.map(|end| end.to_string()),
            expired: device.is_expired(now),
            networks: texts(&mut device.networks.iter().map(|own| own as &dyn core::fmt::Display)),
            senders: texts(&mut device.senders.iter().map(|own| own as &dyn core::fmt::Display)),
            recipients: texts(&mut device.recipients.iter().map(|own| own as &dyn core::fmt::Display)),
            last_used: used.map(|used| used.at.to_string()),
            last_used_from: used.map(|used| used.peer.to_string()),
        }
    };
    account.devices.iter().map(view).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::office::{Request, handle, tests::office};

    fn ordered(office: &Office, set: bool, recipients: &[&str]) -> Response {
        let recipients = Some(recipients.iter().map(|text| (*text).to_owned()).collect());
        let edit = DeviceEdit { recipients, ..DeviceEdit::default() };
        let (account, name) = ("alice".to_owned(), "scan".to_owned());
        let order =
            if set { DeviceOrder::Set { account, name, edit } } else { DeviceOrder::Add { account, name, edit } };
        handle(office, "root", Request::Device(order), &mut |_| {})
    }

    #[test]
    fn who_has_no_mailbox_hears_that_a_device_of_theirs_is_refused() {
        let office = office();
        let add = |account: &str| {
            let (account, name, edit) = (account.to_owned(), "scan".to_owned(), DeviceEdit::default());
            match handle(&office, "root", Request::Device(DeviceOrder::Add { account, name, edit }), &mut |_| {}) {
                Response::Done { notes, .. } => notes.join("\n"),
                other => panic!("{other:?}"),
            }
        };
        let notes = add("dora@contoso.example");
        assert!(notes.contains("refused (550 5.2.1") && notes.contains("recipient show dora@"), "{notes}");
        assert!(!add("alice@contoso.example").contains("550"));
    }

    #[test]
    fn a_word_is_no_domain_and_who_replaces_a_list_is_told_what_it_lost() {
        let office = office();
        let Response::Failed(failure) = ordered(&office, false, &["outside"]) else { panic!("it is refused") };
        assert!(failure.message.contains("\"outside\" is not"), "{failure:?}");
        assert_eq!(failure.cures, ["franking device set --help"]);
        assert!(matches!(ordered(&office, false, &["inside"]), Response::Done { .. }));
        let Response::Done { notes, .. } = ordered(&office, true, &["ann@fabrikam.example", "@intranet"]) else {
            panic!("it is set")
        };
        assert!(notes.iter().any(|note| note.contains("so it is without inside now")), "{notes:?}");
        let Response::Done { notes, .. } = ordered(&office, true, &["ann@fabrikam.example", "@intranet", "inside"])
        else {
            panic!("it is set")
        };
        assert_eq!(notes, [""; 0], "nothing is lost");
    }
}
