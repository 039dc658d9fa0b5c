//! The golden table of replies: every refusal in the words of both profiles, and everything else the server says.

use core::fmt::Write as _;

use franking::model::faults::{Circumstances, NAMED, named, named_reply};
use franking::model::mail::{Address, ReversePath, Timestamp};
use franking::model::policy::{Profile, Refusal, Settings};
use franking::model::smtp::replies::Answer;

use super::{blesses, root};

#[test]
fn the_table_of_replies_is_as_reviewed() {
    let file = root().join("replies.txt");
    let actual = table();
    if blesses() {
        std::fs::write(&file, &actual).unwrap();
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap_or_default(), actual, "BLESS=1 rewrites the table");
}

#[test]
fn every_line_of_the_table_is_short_and_printable() {
    for line in table().lines() {
        assert!(line.len() < 512 && line.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{line}");
    }
}

#[test]
fn every_refusal_can_be_the_fault_of_a_script_by_its_name() {
    let (bob, eve) = (Address::parse("bob@contoso.example").unwrap(), Address::parse("eve@fabrikam.example").unwrap());
    let sender = ReversePath::Mailbox(eve.clone());
    let found = Circumstances {
        login: Some(&bob),
        sender: Some(&sender),
        recipient: Some(&eve),
        client: Some("192.0.2.7".parse().unwrap()),
    };
    for refusal in refusals() {
        let name = name(&refusal);
        let named = named(&name).unwrap_or_else(|| panic!("{name} has no row in src/model/faults/named.rs: add one"));
        let worded = named_reply(named, &Settings::default(), &found, None);
        assert_eq!(worded.refusal.map(|refusal| self::name(&refusal)), Some(name));
    }
}

fn table() -> String {
    let (cloud, premises) = (Settings::of(Profile::ExchangeOnline), Settings::of(Profile::ExchangeServer));
    let mut text =
        "# Every reply the server can give. BLESS=1 rewrites this file; review the difference.\n\n".to_owned();
    text.push_str("# Refusals; the trailer [host time session] follows. Where the profiles differ, both stand.\n");
    for refusal in refusals() {
        let name = name(&refusal);
        let (online, server) = (refusal.bare_reply(&cloud).to_string(), refusal.bare_reply(&premises).to_string());
        let _ = writeln!(text, "{name}: {online}");
        if online != server {
            let _ = writeln!(text, "{name} (exchange-server): {server}");
        }
    }
    text.push_str(
        "\n# What Exchange says besides: only where a script of faults says so; the trailer follows as well.\n",
    );
    let nobody = Circumstances { login: None, sender: None, recipient: None, client: None };
    for named in NAMED {
        let worded = named_reply(named, &cloud, &nobody, None);
        if worded.refusal.is_none() {
            let _ = writeln!(text, "{}: {}", named.name, worded.reply);
        }
    }
    text.push_str("\n# Everything else.\n");
    for answer in answers() {
        let debug = format!("{answer:?}");
        let name = debug.split([' ', '(']).next().unwrap_or_default();
        let _ = writeln!(text, "{}", format!("{name}: {}", answer.reply()).trim_end());
    }
    text
}

pub(super) fn name(refusal: &Refusal) -> String {
    let debug = format!("{refusal:?}");
    debug.split([' ', '(']).next().unwrap_or_default().to_owned()
}

/// Every refusal, in the order of the dialogue.
pub(crate) fn refusals() -> Vec<Refusal> {
    let mut found = vec![Refusal::ServiceNotAvailable];
    while let Some(next) = found.last().and_then(after) {
        found.push(next);
    }
    found
}

/// The refusal after this one. A new variant does not compile until it has its place in this chain.
#[expect(clippy::too_many_lines, reason = "one line for each refusal")]
fn after(refusal: &Refusal) -> Option<Refusal> {
    use Refusal as R;
    let address = |text: &str| Address::parse(text).unwrap();
    Some(match refusal {
        R::ServiceNotAvailable => R::TooManyConnections,
        R::TooManyConnections => R::NetworkNotServed,
        R::NetworkNotServed => R::SessionTimedOut,
        R::SessionTimedOut => R::TooManyErrors,
        R::TooManyErrors => R::TooManyCommands,
        R::TooManyCommands => R::InsufficientSystemResources,
        R::InsufficientSystemResources => R::TemporaryServerError,
        R::TemporaryServerError => R::SendHelloFirst,
        R::SendHelloFirst => R::NeedMailCommand,
        R::NeedMailCommand => R::NeedRcptCommand,
        R::NeedRcptCommand => R::SenderAlreadySpecified,
        R::SenderAlreadySpecified => R::BadSequence,
        R::BadSequence => R::InvalidDomainName,
        R::InvalidDomainName => R::BadHelo("192.0.2.7".parse().unwrap()),
        R::BadHelo(_) => R::InvalidArguments,
        R::InvalidArguments => R::UnsupportedParameter,
        R::UnsupportedParameter => R::InvalidRecipientAddress,
        R::InvalidRecipientAddress => R::InvalidSenderAddress,
        R::InvalidSenderAddress => R::UnrecognizedCommand,
        R::UnrecognizedCommand => R::CommandNotImplemented,
        R::CommandNotImplemented => R::LineTooLong,
        R::LineTooLong => R::BareNewlineInCommand,
        R::BareNewlineInCommand => R::Utf8WithoutSmtpUtf8,
        R::Utf8WithoutSmtpUtf8 => R::BinaryNeedsBdat,
        R::BinaryNeedsBdat => R::TlsRequired,
        R::TlsRequired => R::TlsAlreadyActive,
        R::TlsAlreadyActive => R::TlsNotAvailable,
        R::TlsNotAvailable => R::EncryptionRequired,
        R::EncryptionRequired => R::DeviceSecretRequired,
        R::DeviceSecretRequired => R::AuthenticationUnsuccessful,
        R::AuthenticationUnsuccessful => R::UnrecognizedAuthenticationType,
        R::UnrecognizedAuthenticationType => R::AuthenticationNotDecodable,
        R::AuthenticationNotDecodable => R::InvalidXoauth2Data,
        R::InvalidXoauth2Data => R::AuthenticationCancelled,
        R::AuthenticationCancelled => R::AlreadyAuthenticated,
        R::AlreadyAuthenticated => R::TemporaryAuthenticationFailure,
        R::TemporaryAuthenticationFailure => R::SecurityDefaults,
        R::SecurityDefaults => R::BasicAuthenticationDisabled,
        R::BasicAuthenticationDisabled => R::SmtpAuthDisabledForMailbox,
        R::SmtpAuthDisabledForMailbox => R::SmtpAuthDisabledForTenant,
        R::SmtpAuthDisabledForTenant => R::MailboxCannotBeAccessed,
        R::MailboxCannotBeAccessed => R::NotAuthenticated(None),
        R::NotAuthenticated(None) => R::NotAuthenticated(Some(Box::new(R::SmtpAuthDisabledForTenant))),
        R::NotAuthenticated(Some(_)) => R::MessageTooLarge,
        R::MessageTooLarge => R::HeaderTooLarge,
        R::HeaderTooLarge => R::TooManyRecipients,
        R::TooManyRecipients => R::UnknownRecipientInbound,
        R::UnknownRecipientInbound => R::RecipientNotFound(address("nobody@contoso.example")),
        R::RecipientNotFound(_) => R::ExRecipientNotFound,
        R::ExRecipientNotFound => R::RelayRefused,
        R::RelayRefused => R::ReservedTopLevelRecipientDomain,
        R::ReservedTopLevelRecipientDomain => R::ReservedSecondLevelRecipientDomain,
        R::ReservedSecondLevelRecipientDomain => R::SingleLabelRecipientDomain,
        R::SingleLabelRecipientDomain => R::SenderNotAuthenticatedForGroup,
        R::SenderNotAuthenticatedForGroup => R::SenderNotAuthenticatedForMailbox,
        R::SenderNotAuthenticatedForMailbox => R::SenderNotAuthenticatedForMailUser,
        R::SenderNotAuthenticatedForMailUser => R::UnifiedGroupOutsider,
        R::UnifiedGroupOutsider => R::RestrictedToGroupPermission,
        R::RestrictedToGroupPermission => R::RestrictedToRecipientsPermission,
        R::RestrictedToRecipientsPermission => R::NotAuthorized,
        R::NotAuthorized => R::DeviceRecipientNotPermitted,
        R::DeviceRecipientNotPermitted => R::RecipientSizeLimit,
        R::RecipientSizeLimit => R::SenderSendSizeLimit,
        R::SenderSendSizeLimit => R::OrganisationSendSizeLimit,
        R::OrganisationSendSizeLimit => R::GroupInBcc,
        R::GroupInBcc => R::DirectSendNotAllowed,
        R::DirectSendNotAllowed => R::PartnerRestricted,
        R::PartnerRestricted => R::SendingFromDomainDisabled("contoso.example".parse().unwrap()),
        R::SendingFromDomainDisabled(domain) => R::SendingToDomainDisabled(domain.clone()),
        R::SendingToDomainDisabled(_) => R::RecipientMailboxFull,
        R::RecipientMailboxFull => R::HopLimitReached,
        R::HopLimitReached => R::ForwardingLoop,
        R::ForwardingLoop => R::ExternalForwardingBlocked,
        R::ExternalForwardingBlocked => {
            R::SendAsDenied { account: address("alice@contoso.example"), from: address("bob@contoso.example") }
        }
        R::SendAsDenied { .. } => R::MultipleFromAddresses,
        R::MultipleFromAddresses => R::FromNotCompliant,
        R::FromNotCompliant => R::BareNewlineInMessage,
        R::BareNewlineInMessage => R::SenderQuotaExceeded,
        R::SenderQuotaExceeded => R::MessageRateExceeded,
        R::MessageRateExceeded => R::RecipientRateExceeded,
        R::RecipientRateExceeded => R::SenderToRecipientRateExceeded,
        R::SenderToRecipientRateExceeded => R::DailyRecipientsExceeded,
        R::DailyRecipientsExceeded => R::DailyLimitReached,
        R::DailyLimitReached => R::ConcurrentSessionsExceeded,
        R::ConcurrentSessionsExceeded => R::MessageExpired,
        R::MessageExpired => R::GivenUpByAdministrator,
        R::GivenUpByAdministrator => R::BadOutboundSender,
        R::BadOutboundSender => R::ServerBusy("192.0.2.7".parse().unwrap()),
        R::ServerBusy(_) => R::ConnectionRateExceeded,
        R::ConnectionRateExceeded => return None,
    })
}

/// Everything that is no refusal, once in each form it can take.
fn answers() -> Vec<Answer<'static>> {
    let at = Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap();
    let peer = "192.0.2.7".parse().unwrap();
    let (hostname, session_id, message_id) = ("mx.contoso.example", "08DE4C0000000001", "1@fabrikam.example");
    vec![
        Answer::Banner { hostname, at, session_id, emulated: false },
        Answer::Banner { hostname, at, session_id, emulated: true },
        Answer::Extensions { hostname, peer, keywords: &[] },
        Answer::Hello { hostname, peer },
        Answer::ReadyForTls,
        Answer::UserName,
        Answer::Password,
        Answer::GoOn,
        Answer::Challenge(b"{\"status\":\"401\"}"),
        Answer::SignedIn,
        Answer::SenderOk,
        Answer::RecipientOk,
        Answer::StartMailInput,
        Answer::ChunkReceived(1024),
        Answer::Submitted { message_id, hostname },
        Answer::Queued { message_id, queue_id: "1", hostname },
        Answer::Queued { message_id: "", queue_id: "1", hostname },
        Answer::Resetting,
        Answer::Ok,
        Answer::CannotVerify,
        Answer::Help,
        Answer::Closing,
    ]
}
