//! Who may sign in to submit: the table of decision D2, row by row.
//!
//! A wrong password, an unknown account and a blocked one get the same refusal; the caller sees to equal time.

use super::device::{self, AppPassword};
use super::refusal::Refusal;
use super::settings::{NoMailboxStep, Settings, SharedSignIn};
use super::trail::Trail;
use crate::model::directory::{Account, Lifecycle, Recipient, RecipientId, Selector, Snapshot};
use crate::model::mail::{Address, Timestamp};

/// What the client showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// A password: basic authentication, which policies can forbid.
    Password,
    /// A token.
    Token,
    /// The secret of a device: basic authentication as well, so that what forbids passwords forbids it.
    AppPassword(AppPassword),
}

impl Proof {
    /// Whether it is basic authentication.
    const fn is_basic(self) -> bool {
        match self {
            Self::Password | Self::AppPassword(_) => true,
            Self::Token => false,
        }
    }
}

/// How the check of the credentials turned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// The proof was right.
    Right(Proof),
    /// The proof was wrong, or there is no such account to check it against.
    Wrong,
}

/// An account that was permitted to sign in. Only [`sign_in`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    account: RecipientId,
    login: Address,
    proof: Proof,
}

impl SignedIn {
    /// The recipient whose account it is.
    pub const fn account(&self) -> RecipientId {
        self.account
    }

    /// The login under which it is known.
    pub const fn login(&self) -> &Address {
        &self.login
    }

    /// The device on which it is signed in; none when it showed something else than a device's secret.
    pub const fn selector(&self) -> Option<Selector> {
        match self.proof {
            Proof::AppPassword(shown) => Some(shown.selector),
            Proof::Password | Proof::Token => None,
        }
    }
}

/// Finds the account that a login names: an address, or a local part in the default domain.
pub fn find_account<'snapshot>(snapshot: &'snapshot Snapshot, login: &str) -> Option<&'snapshot Recipient> {
    let found = snapshot.find_by_login(&address_of(snapshot, login)?)?;
    found.account.is_some().then_some(&**found)
}

/// What a login means, whether or not anybody has it.
pub(super) fn address_of(snapshot: &Snapshot, login: &str) -> Option<Address> {
    Address::parse(login).ok().or_else(|| {
        let domain = snapshot.default_domain()?;
        // CONTOSO\alice and alice both mean alice in the default domain.
        let local = login.rsplit_once('\\').map_or(login, |(_, local)| local);
        Address::parse(&format!("{local}@{domain}")).ok()
    })
}

/// Judges whether `login` may sign in, given how its credentials turned out (decision D2).
///
/// # Errors
/// The refusal of the first row of the table that applies.
pub fn sign_in(
    snapshot: &Snapshot,
    settings: &Settings,
    login: &str,
    evidence: Evidence,
    trail: &mut impl Trail,
) -> Result<SignedIn, Refusal> {
    let found = find_account(snapshot, login);
    trail.note("the login names an account", found.is_some(), || login.to_owned());
    let Some((recipient, account)) = found.and_then(|found| Some((found, found.account.as_deref()?))) else {
        return Err(Refusal::AuthenticationUnsuccessful);
    };
    let Evidence::Right(proof) = evidence else {
        trail.note("the credentials are right", false, String::new);
        return Err(Refusal::AuthenticationUnsuccessful);
    };
    judge(snapshot, settings, recipient, account, proof, trail)?;
    if settings.no_mailbox_step == NoMailboxStep::Auth {
        mailbox(settings, recipient, trail)?;
    }
    Ok(SignedIn { account: recipient.id, login: account.login.clone(), proof })
}

/// Judges again, at MAIL FROM, whether the account may still submit: an administrator may have changed it since AUTH,
/// and the credential of a device may have expired by `now`.
///
/// # Errors
/// As [`sign_in`]; an account that is gone is refused like a wrong password.
pub fn may_submit(
    snapshot: &Snapshot,
    settings: &Settings,
    signed_in: &SignedIn,
    now: Timestamp,
    trail: &mut impl Trail,
) -> Result<(), Refusal> {
    let recipient = snapshot.recipient(signed_in.account).ok_or(Refusal::AuthenticationUnsuccessful)?;
    let account = recipient.account.as_deref().ok_or(Refusal::AuthenticationUnsuccessful)?;
    let proof = match signed_in.proof {
        Proof::AppPassword(shown) => Proof::AppPassword(AppPassword { at: now, ..shown }),
        other @ (Proof::Password | Proof::Token) => other,
    };
    judge(snapshot, settings, recipient, account, proof, trail)?;
    mailbox(settings, recipient, trail)
}

/// Rows 1 to 5: the account and the policies above it; before them what a device is bound to, which is answered like a
/// wrong secret.
fn judge(
    snapshot: &Snapshot,
    settings: &Settings,
    recipient: &Recipient,
    account: &Account,
    proof: Proof,
    trail: &mut impl Trail,
) -> Result<(), Refusal> {
    let organisation = snapshot.organisation();
    let by_password = proof.is_basic();
    if let Proof::AppPassword(shown) = proof {
        device::usable(account, &shown, trail)?;
    }
    if trail.asks("the account is disabled or its sign-in is blocked", !account.enabled || account.sign_in_blocked) {
        return Err(Refusal::AuthenticationUnsuccessful);
    }
    // On premises who removes a mailbox deletes the account with it, and that is no account any more, as little as one
    // that was disabled. In the cloud the user of a removed mailbox stays, and its lack of a mailbox is told (row 6).
    let removed = matches!(recipient.lifecycle, Lifecycle::SoftDeleted { .. } | Lifecycle::Inactive { .. });
    let deleted = !settings.mailbox_required && (removed || recipient.is_user_deleted());
    if deleted && trail.asks("the account was deleted with its mailbox", deleted) {
        return Err(Refusal::AuthenticationUnsuccessful);
    }
    if trail.asks("security defaults forbid passwords", organisation.security_defaults && by_password) {
        return Err(Refusal::SecurityDefaults);
    }
    let (basic, said_by) = basic_auth_smtp(snapshot, account);
    let forbidden = !basic && by_password;
    trail.note("the authentication policy forbids passwords for SMTP", forbidden, || said_by.in_words(basic));
    if forbidden {
        return Err(Refusal::BasicAuthenticationDisabled);
    }
    let switch = recipient.client_access.smtp_client_authentication_disabled;
    if trail.asks("SmtpClientAuthenticationDisabled is set on the mailbox", switch == Some(true)) {
        return Err(Refusal::SmtpAuthDisabledForMailbox);
    }
    let by_organisation = switch.is_none() && organisation.smtp_client_authentication_disabled;
    trail.note("SmtpClientAuthenticationDisabled is set on the organisation", by_organisation, || match switch {
        // Row 6 of spec section 3.5.
        Some(false) if organisation.smtp_client_authentication_disabled => {
            "it is, and the mailbox's own value permits it, which counts for more".to_owned()
        }
        Some(_) | None => String::new(),
    });
    if by_organisation {
        return Err(Refusal::SmtpAuthDisabledForTenant);
    }
    Ok(())
}

/// Who says whether a password may be used for SMTP: the most specific that says anything (row 3).
enum SaidBy<'snapshot> {
    Account,
    AssignedPolicy(&'snapshot str),
    DefaultPolicy(&'snapshot str),
    Organisation,
}

impl SaidBy<'_> {
    fn in_words(&self, basic: bool) -> String {
        let who = match self {
            Self::Account => "the account's own setting".to_owned(),
            Self::AssignedPolicy(name) => format!("the account's policy \"{name}\""),
            Self::DefaultPolicy(name) => format!("the organisation's default policy \"{name}\""),
            Self::Organisation => "the organisation's setting".to_owned(),
        };
        format!("{who}: AllowBasicAuthSmtp is {}", if basic { "true" } else { "false" })
    }
}

fn basic_auth_smtp<'snapshot>(snapshot: &'snapshot Snapshot, account: &'snapshot Account) -> (bool, SaidBy<'snapshot>) {
    let organisation = snapshot.organisation();
    let policy = |name: Option<&'snapshot str>| name.and_then(|name| snapshot.authentication_policy(name));
    if let Some(own) = account.allow_basic_auth_smtp {
        return (own, SaidBy::Account);
    }
    if let Some(assigned) = policy(account.authentication_policy.as_deref()) {
        return (assigned.allow_basic_auth_smtp, SaidBy::AssignedPolicy(&assigned.name));
    }
    if let Some(default) = policy(organisation.default_authentication_policy.as_deref()) {
        return (default.allow_basic_auth_smtp, SaidBy::DefaultPolicy(&default.name));
    }
    (organisation.allow_basic_auth_smtp, SaidBy::Organisation)
}

/// Rows 6 and 7: is there a mailbox to open?
fn mailbox(settings: &Settings, recipient: &Recipient, trail: &mut impl Trail) -> Result<(), Refusal> {
    if !trail.asks("a mailbox is needed to submit", settings.mailbox_required) {
        return Ok(());
    }
    let open = recipient.has_open_mailbox(settings.licensing());
    trail.note("there is a mailbox to open", open, || {
        let licence = if recipient.is_licensed() { "licensed" } else { "no licence" };
        format!("{}, {}, {licence}", recipient.recipient_type, recipient.lifecycle)
    });
    if !open {
        return Err(Refusal::MailboxCannotBeAccessed);
    }
    // A user's mailbox without a licence is not open.
    let unlicensed = settings.shared_sign_in == SharedSignIn::Licensed && !recipient.is_licensed();
    if trail.asks("a mailbox that is no user's needs a licence to sign in", unlicensed) {
        return Err(Refusal::MailboxCannotBeAccessed);
    }
    Ok(())
}
