//! A row of `Get-Recipient`, `Get-Mailbox` or `Get-CASMailbox` as an entry of a document.

use std::collections::{BTreeMap, BTreeSet};

use super::identity::last_component;
use super::references::{Field, Pending};
use super::table::{Cell, Row};
use super::{Options, lifecycle};
use crate::model::directory::document::{
    AutoReplyEntry, ClientAccessEntry, Limit, LimitsEntry, OwnLimit, QuotaEntry, RecipientEntry, SentItemsEntry,
};
use crate::model::directory::{
    AddressBookProperty, Cap, DepartRestriction, ExternalOofOptions, JoinRestriction, MailNickname,
    ModerationNotifications, OwnCap, RecipientType,
};
use crate::model::mail::Address;

/// What a row says of one recipient.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) entry: RecipientEntry,
    pub(super) primary: Address,
    /// `Alias`, by which other rows may refer to it.
    pub(super) alias: Option<Box<str>>,
    pub(super) references: Vec<Pending>,
    /// Ids and distinguished names, by which other rows may refer to it, too.
    pub(super) identifiers: Vec<Box<str>>,
    /// What was left out of it, or made up.
    pub(super) notes: Vec<String>,
}

impl Draft {
    /// Whether it is of a user who is deleted, and whose address may be another's.
    pub(super) fn is_user_deleted(&self) -> bool {
        self.entry.provisioning.as_deref().is_some_and(|own| own.user_deleted.is_some())
    }
}

/// Columns whose text names an object exactly (spec section 9.1). None of them is kept but the last, as an X500
/// address.
const IDENTIFIERS: [&str; 7] = [
    "Guid",
    "ExchangeGuid",
    "ExchangeObjectId",
    "ExternalDirectoryObjectId",
    "DistinguishedName",
    "Identity",
    "LegacyExchangeDN",
];

/// Reads a row.
pub(super) fn draft(row: &Row<'_>, options: &Options) -> Result<Draft, String> {
    let kind = recipient_type(row)?;
    let (primary, aliases) = addresses(row)?;
    let mut entry = RecipientEntry {
        recipient_type: kind,
        address: primary.to_string().into(),
        aliases,
        name: text(row, "Name").filter(|name| !name.is_empty()),
        display_name: text(row, "DisplayName"),
        hidden_from_address_lists: row.flag("HiddenFromAddressListsEnabled")?,
        email_address_policy_enabled: row.flag("EmailAddressPolicyEnabled")?,
        require_sender_authentication: match row.flag("RequireSenderAuthenticationEnabled")? {
            Some(flag) => Some(flag),
            None => row.flag("RequireAllSendersAreAuthenticated")?,
        },
        moderation_enabled: row.flag("ModerationEnabled")?,
        moderation_notifications: notifications(row)?,
        receive_bytes_max: limit(row, "MaxReceiveSize")?,
        send_bytes_max: limit(row, "MaxSendSize")?,
        custom_attributes: custom_attributes(row),
        address_book: address_book(row),
        client_access: client_access(row)?,
        ..RecipientEntry::default()
    };
    if kind.is_none_or(RecipientType::is_external) {
        let external = row.first_text(&["ExternalEmailAddress", "RemoteRoutingAddress"]);
        entry.external = external.map(|external| without_smtp(external).into());
    }
    if kind.is_none_or(RecipientType::may_have_account) {
        account(row, &primary, options, &mut entry)?;
    }
    if kind.is_none_or(RecipientType::is_mailbox) {
        mailbox(row, options, &mut entry)?;
    }
    if kind.is_some_and(RecipientType::is_group) {
        entry.report_to_manager = row.flag("ReportToManagerEnabled")?;
        entry.report_to_originator = row.flag("ReportToOriginatorEnabled")?;
        entry.send_oof_message_to_originator = row.flag("SendOofMessageToOriginatorEnabled")?;
        entry.bcc_blocked = row.flag("BccBlocked")?;
        entry.member_join_restriction = join_restriction(row)?;
        entry.member_depart_restriction = depart_restriction(row)?;
        entry.hidden_group_membership = match row.flag("HiddenGroupMembershipEnabled")? {
            Some(hidden) => Some(hidden),
            None => row.flag("HiddenGroupMembership")?,
        };
        entry.auto_subscribe_new_members = row.flag("AutoSubscribeNewMembers")?;
        entry.bypass_nested_moderation = row.flag("BypassNestedModerationEnabled")?;
    }
    if kind == Some(RecipientType::DynamicDistributionGroup) {
        entry.recipient_filter = text(row, "RecipientFilter");
    }
    let notes = lifecycle::read(row, kind, options, &mut entry)?;
    entry.mail_nickname = nickname(row, &entry, &primary);
    let alias = row.first_text(&["Alias", "SamAccountName"]).map(Into::into);
    let references = Field::ALL.into_iter().filter_map(|field| Pending::of(row, field, kind)).collect();
    let identifiers: BTreeSet<Box<str>> = IDENTIFIERS.iter().filter_map(|column| text(row, column)).collect();
    Ok(Draft { entry, primary, alias, references, identifiers: identifiers.into_iter().collect(), notes })
}

/// Whether a row is of somebody who has no mail at all, of whom `Get-User` tells as well.
pub(super) fn is_no_recipient(row: &Row<'_>) -> bool {
    const TYPES: [&str; 4] = ["User", "DisabledUser", "LinkedUser", "Contact"];
    row.first_text(&["RecipientTypeDetails"]).is_some_and(|kind| TYPES.contains(&kind))
}

/// `Alias`, unless it follows from login or name.
fn nickname(row: &Row<'_>, entry: &RecipientEntry, primary: &Address) -> Option<Box<str>> {
    let alias = row.first_text(&["Alias"]).filter(|alias| MailNickname::parse(alias).is_ok())?;
    let local = primary.local().as_str();
    let follows = match entry.recipient_type {
        Some(kind) if kind.may_have_account() => {
            alias == entry.login.as_deref().and_then(|login| login.split('@').next()).unwrap_or(local)
        }
        Some(_) => alias == MailNickname::of_name(entry.name.as_deref().unwrap_or(local)),
        None => false,
    };
    (!follows).then(|| alias.into())
}

/// A column's text for a key that an empty text clears.
fn text(row: &Row<'_>, column: &str) -> Option<Box<str>> {
    row.text(column).map(Into::into)
}

fn without_smtp(text: &str) -> &str {
    match text.split_at_checked(5) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case("smtp:") => rest,
        _ => text,
    }
}

/// `RecipientTypeDetails` by name, or by the number that JSON holds for it on premises.
fn recipient_type(row: &Row<'_>) -> Result<Option<RecipientType>, String> {
    let Some(given) = row.first_text(&["RecipientTypeDetails", "RecipientType"]) else {
        return Ok(None);
    };
    if let Ok(kind) = given.parse() {
        return Ok(Some(kind));
    }
    let kind = match given {
        "1" | "2" | "8" | "LinkedMailbox" | "LegacyMailbox" => RecipientType::UserMailbox,
        "4" | "TeamMailbox" => RecipientType::SharedMailbox,
        "16" | "LinkedRoomMailbox" => RecipientType::RoomMailbox,
        "32" => RecipientType::EquipmentMailbox,
        "64" | "MailForestContact" => RecipientType::MailContact,
        "128" | "SharedWithMailUser" => RecipientType::MailUser,
        "256" | "512" | "MailNonUniversalGroup" => RecipientType::MailUniversalDistributionGroup,
        "1024" => RecipientType::MailUniversalSecurityGroup,
        "2048" => RecipientType::DynamicDistributionGroup,
        "268435456" => RecipientType::RoomList,
        "2147483648" => RecipientType::RemoteUserMailbox,
        "8589934592" => RecipientType::RemoteRoomMailbox,
        "17179869184" => RecipientType::RemoteEquipmentMailbox,
        "34359738368" | "RemoteTeamMailbox" => RecipientType::RemoteSharedMailbox,
        "1099511627776" => RecipientType::GroupMailbox,
        other => {
            let other: String = other.chars().take(60).collect();
            return Err(format!("a recipient of type {other:?} has no counterpart here"));
        }
    };
    Ok(Some(kind))
}

type Aliases = Option<Vec<Box<str>>>;

/// The primary address, and the others if the row lists addresses at all.
fn addresses(row: &Row<'_>) -> Result<(Address, Aliases), String> {
    let listed = row.cell("EmailAddresses").map(proxy_addresses);
    // Upper-case SMTP: marks the primary address; without any, the first address is it.
    let marked = || {
        let listed = listed.as_ref()?;
        let marked = listed.iter().find_map(|proxy| proxy.strip_prefix("SMTP:"));
        let first = || listed.iter().map(|proxy| without_smtp(proxy)).find(|proxy| !proxy.contains(':'));
        marked.or_else(first)
    };
    let primary = row.first_text(&["PrimarySmtpAddress"]).or_else(marked);
    let primary = primary.or_else(|| row.first_text(&["WindowsEmailAddress"])).ok_or("it has no mail address")?;
    let primary = Address::parse(without_smtp(primary)).map_err(|error| format!("PrimarySmtpAddress: {error}"))?;
    let aliases = listed.map(|listed| {
        let own = primary.key();
        let others = listed.iter().map(|proxy| without_smtp(proxy));
        let is_own = |text: &str| Address::parse(text).is_ok_and(|address| address.key() == own);
        let mut others: Vec<Box<str>> = others.filter(|text| !is_own(text)).map(Into::into).collect();
        // Answers to mail that was sent from the old system are addressed to its name there (spec section 4.5).
        if let Some(name) = row.first_text(&["LegacyExchangeDN"]).filter(|name| name.starts_with('/')) {
            others.push(format!("X500:{name}").into());
        }
        others
    });
    Ok((primary, aliases))
}

/// The entries of `EmailAddresses`: a list, or a text in which they are joined by blanks, commas or semicolons.
pub(super) fn proxy_addresses(cell: &Cell) -> Vec<String> {
    let joined = match cell {
        Cell::Many(many) => {
            return many.iter().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty()).collect();
        }
        Cell::Text(text) => text.trim().trim_start_matches('{').trim_end_matches('}'),
    };
    let mut proxies: Vec<String> = Vec::new();
    for part in joined.split_inclusive([' ', ',', ';', '\n', '\t']) {
        let word = part.trim_end_matches([' ', ',', ';', '\n', '\t', '\r']);
        // X500 values hold blanks themselves: what begins no entry goes on with the one before.
        match proxies.last_mut() {
            Some(last) if !begins_entry(word) && is_other(last) => last.push_str(part),
            _ if word.is_empty() => {}
            _ => proxies.push(part.to_owned()),
        }
    }
    for proxy in &mut proxies {
        proxy.truncate(proxy.trim_end_matches([' ', ',', ';', '\n', '\t', '\r']).len());
    }
    proxies
}

/// Whether a word has a type before a colon, or is a mail address.
fn begins_entry(word: &str) -> bool {
    let typed = word.split_once(':').is_some_and(|(prefix, _)| {
        !prefix.is_empty() && prefix.len() <= 16 && prefix.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    typed || (word.contains('@') && Address::parse(word).is_ok())
}

fn is_other(proxy: &str) -> bool {
    proxy.split_once(':').is_some_and(|(prefix, _)| !prefix.eq_ignore_ascii_case("smtp"))
}

fn account(row: &Row<'_>, primary: &Address, options: &Options, entry: &mut RecipientEntry) -> Result<(), String> {
    let login = row.first_text(&["UserPrincipalName", "MicrosoftOnlineServicesID", "WindowsLiveID"]);
    entry.login = login.filter(|login| *login != primary.to_string()).map(Into::into);
    entry.enabled = row.flag("AccountDisabled")?.map(|disabled| !disabled);
    // By name, or by a distinguished name that ends in it; empty leaves it to the organisation's.
    entry.authentication_policy = row.text("AuthenticationPolicy").map(|policy| {
        let named = last_component(policy).filter(|name| !name.is_empty());
        named.as_deref().unwrap_or(policy).into()
    });
    entry.licences = match row.flag("SKUAssigned")? {
        Some(false) => Some(Vec::new()),
        Some(true) => {
            Some(vec![plan_label(row).or(options.licence.as_deref()).unwrap_or("ExchangeOnlinePlan1").into()])
        }
        None => plan_label(row).map(|label| vec![label.into()]),
    };
    Ok(())
}

/// The licence that a mailbox plan stands for.
fn plan_label(row: &Row<'_>) -> Option<&'static str> {
    let plan = row.first_text(&["MailboxPlan", "PersistedCapabilities"])?;
    let has = |name: &str| plan.contains(name);
    if has("ExchangeOnlineEnterprise") || has("BPOS_S_Enterprise") {
        return Some("ExchangeOnlinePlan2");
    }
    if has("ExchangeOnlineDeskless") || has("BPOS_S_Deskless") {
        return Some("ExchangeOnlineKiosk");
    }
    (has("ExchangeOnline") || has("BPOS_S_Standard")).then_some("ExchangeOnlinePlan1")
}

fn mailbox(row: &Row<'_>, options: &Options, entry: &mut RecipientEntry) -> Result<(), String> {
    entry.forward_to_smtp = row.text("ForwardingSmtpAddress").map(|target| without_smtp(target).into());
    entry.keep_copy = row.flag("DeliverToMailboxAndForward")?;
    // On premises a mailbox's own values do not count while the database's are used (spec section 2.4).
    let quota = if row.flag("UseDatabaseQuotaDefaults")? == Some(true) {
        let usual = Some(OwnLimit::Default);
        QuotaEntry { issue_warning: usual, prohibit_send: usual, prohibit_send_receive: usual }
    } else {
        let own = |column| limit(row, column).map(|limit| limit.map(OwnLimit::Own));
        QuotaEntry {
            issue_warning: own("IssueWarningQuota")?,
            prohibit_send: own("ProhibitSendQuota")?,
            prohibit_send_receive: own("ProhibitSendReceiveQuota")?,
        }
    };
    entry.quota = (quota != QuotaEntry::default()).then(|| Box::new(quota));
    if let Some(recipients_per_message) = recipients_per_message(row, options)? {
        let recipients_per_message = Some(recipients_per_message);
        entry.limits = Some(Box::new(LimitsEntry { recipients_per_message, ..LimitsEntry::default() }));
    }
    let copies = SentItemsEntry {
        sent_as: row.flag("MessageCopyForSentAsEnabled")?,
        sent_on_behalf: row.flag("MessageCopyForSendOnBehalfEnabled")?,
        smtp_client_submission: row.flag("MessageCopyForSMTPClientSubmissionEnabled")?,
    };
    entry.sent_items = (copies != SentItemsEntry::default()).then_some(copies);
    entry.auto_reply = oof_options(row)?
        .map(|options| Box::new(AutoReplyEntry { external_oof_options: Some(options), ..AutoReplyEntry::default() }));
    Ok(())
}

/// `RecipientLimits`. "Unlimited" leaves it to the organisation, and a mailbox that shows the organisation's number
/// follows it: Exchange prints what is in force and does not say whose it is.
fn recipients_per_message(row: &Row<'_>, options: &Options) -> Result<Option<OwnCap>, String> {
    let Some(text) = row.first_text(&["RecipientLimits"]) else { return Ok(None) };
    let given: Cap = text.parse().map_err(|error| format!("RecipientLimits: {error}"))?;
    let own = given.count().filter(|count| usize::try_from(*count) != Ok(options.recipients_max));
    Ok(Some(own.map_or(OwnCap::Default, |count| OwnCap::Own(Cap::Count(count)))))
}

/// `SendModerationNotifications` by name, or by the number that JSON holds for it.
fn notifications(row: &Row<'_>) -> Result<Option<ModerationNotifications>, String> {
    match row.text("SendModerationNotifications") {
        None | Some("") => Ok(None),
        Some("Never" | "0") => Ok(Some(ModerationNotifications::Never)),
        Some("Internal" | "1") => Ok(Some(ModerationNotifications::Internal)),
        Some("Always" | "2") => Ok(Some(ModerationNotifications::Always)),
        Some(_) => Err("SendModerationNotifications is none of Always, Internal and Never".to_owned()),
    }
}

/// By name, or by the number that JSON holds for it.
fn join_restriction(row: &Row<'_>) -> Result<Option<JoinRestriction>, String> {
    match row.first_text(&["MemberJoinRestriction"]) {
        None => Ok(None),
        Some("Closed" | "0") => Ok(Some(JoinRestriction::Closed)),
        Some("Open" | "1") => Ok(Some(JoinRestriction::Open)),
        Some("ApprovalRequired" | "2") => Ok(Some(JoinRestriction::ApprovalRequired)),
        Some(_) => Err("MemberJoinRestriction is Open, Closed or ApprovalRequired".to_owned()),
    }
}

/// By name, or by the number that JSON holds for it.
fn depart_restriction(row: &Row<'_>) -> Result<Option<DepartRestriction>, String> {
    match row.first_text(&["MemberDepartRestriction"]) {
        None => Ok(None),
        Some("Closed" | "0") => Ok(Some(DepartRestriction::Closed)),
        Some("Open" | "1") => Ok(Some(DepartRestriction::Open)),
        Some(_) => Err("MemberDepartRestriction is Open or Closed".to_owned()),
    }
}

/// By name, or by the number that JSON holds for it.
fn oof_options(row: &Row<'_>) -> Result<Option<ExternalOofOptions>, String> {
    match row.first_text(&["ExternalOofOptions"]) {
        None => Ok(None),
        Some("External" | "0") => Ok(Some(ExternalOofOptions::External)),
        Some("InternalOnly" | "1") => Ok(Some(ExternalOofOptions::InternalOnly)),
        Some(_) => Err("ExternalOofOptions is External or InternalOnly".to_owned()),
    }
}

fn limit(row: &Row<'_>, column: &str) -> Result<Option<Limit>, String> {
    match row.text(column) {
        None | Some("") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|error| format!("{column}: {error}")),
    }
}

fn custom_attributes(row: &Row<'_>) -> Option<BTreeMap<Box<str>, Box<str>>> {
    let given = (1..=15).filter_map(|number: u8| {
        let value = row.text(&format!("CustomAttribute{number}"))?;
        Some((number.to_string().into(), value.into()))
    });
    let given: BTreeMap<_, _> = given.collect();
    (!given.is_empty()).then_some(given)
}

fn address_book(row: &Row<'_>) -> Option<BTreeMap<AddressBookProperty, Box<str>>> {
    let given = AddressBookProperty::ALL.into_iter();
    let given: BTreeMap<_, _> = given.filter_map(|own| Some((own, row.text(own.name())?.into()))).collect();
    (!given.is_empty()).then_some(given)
}

fn client_access(row: &Row<'_>) -> Result<Option<ClientAccessEntry>, String> {
    let entry = ClientAccessEntry {
        every_app: None,
        owa: row.flag("OWAEnabled")?,
        owa_for_devices: row.flag("OWAforDevicesEnabled")?,
        ecp: row.flag("ECPEnabled")?,
        active_sync: row.flag("ActiveSyncEnabled")?,
        mapi: row.flag("MAPIEnabled")?,
        imap: row.flag("ImapEnabled")?,
        pop: row.flag("PopEnabled")?,
        ews: row.flag("EwsEnabled")?,
        universal_outlook: row.flag("UniversalOutlookEnabled")?,
        outlook_mobile: row.flag("OutlookMobileEnabled")?,
        mac_outlook: row.flag("MacOutlookEnabled")?,
        one_win_native_outlook: row.flag("OneWinNativeOutlookEnabled")?,
        smtp_client_authentication_disabled: row.flag("SmtpClientAuthenticationDisabled")?,
    };
    Ok((entry != ClientAccessEntry::default()).then_some(entry))
}
