//! The faults that have a name: every refusal of this server, by the name it has in `fixtures/replies.txt`, and what
//! Exchange says besides (spec section 1.5). The table belongs to the tables of replies; the same golden prints it.

use core::fmt;
use core::net::IpAddr;
use std::borrow::Cow;

use super::Step;
use crate::model::mail::{Address, EnhancedStatus, Reply, ReversePath};
use crate::model::policy::Refusal as R;
use crate::model::policy::{Settings, Trailer};

/// A fault with a name.
pub struct Named {
    /// Its name.
    pub name: &'static str,
    /// Where it strikes unless the rule says otherwise.
    pub step: Step,
    words: Source,
}

/// Where the words come from.
enum Source {
    /// From the table of refusals; `None` where the circumstances lack what it names.
    Refusal(fn(&Circumstances<'_>) -> Option<R>),
    /// From this table. `{client}` stands for the client's address, `{domain}` for the sender's domain.
    Row(u16, EnhancedStatus, &'static str),
}

/// What the words of a fault may name.
#[derive(Clone, Copy, Debug)]
pub struct Circumstances<'a> {
    /// The account that is signed in.
    pub login: Option<&'a Address>,
    /// The reverse-path.
    pub sender: Option<&'a ReversePath>,
    /// The recipient in question.
    pub recipient: Option<&'a Address>,
    /// The client; `None` at a delivery.
    pub client: Option<IpAddr>,
}

/// A fault in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worded {
    /// The reply.
    pub reply: Reply,
    /// The refusal that it is, should it be one.
    pub refusal: Option<R>,
    /// Whether the session ends with it.
    pub closes: bool,
}

impl PartialEq for Named {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Named {}

impl fmt::Debug for Named {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name)
    }
}

/// The fault of this name; letter case does not count.
pub fn named(name: &str) -> Option<&'static Named> {
    NAMED.iter().find(|named| named.name.eq_ignore_ascii_case(name))
}

/// The words of a fault as this server's settings have them, with `trailer` at the end. Where the circumstances lack
/// the address that a refusal names, it is the one for any trouble that passes.
pub fn named_reply(
    named: &Named,
    settings: &Settings,
    circumstances: &Circumstances<'_>,
    trailer: Option<&Trailer<'_>>,
) -> Worded {
    match named.words {
        Source::Refusal(refusal) => {
            let refusal = refusal(circumstances).unwrap_or(R::TemporaryServerError);
            let reply = match trailer {
                Some(trailer) => refusal.reply(settings, trailer),
                None => refusal.bare_reply(settings),
            };
            Worded { reply, closes: refusal.closes(), refusal: Some(refusal) }
        }
        Source::Row(code, status, text) => {
            let mut text: Cow<'static, str> = Cow::Borrowed(text);
            if text.contains('{') {
                let client = circumstances.client.map_or_else(|| "unknown".to_owned(), |client| client.to_string());
                let sender = circumstances.sender.and_then(ReversePath::address);
                let domain = sender.map_or_else(|| "unknown".to_owned(), |sender| sender.domain().to_string());
                text = text.replace("{client}", &client).replace("{domain}", &domain).into();
            }
            if let Some(trailer) = trailer {
                text = trailer.after(&text).into();
            }
            Worded { reply: Reply::new(code, status, text), refusal: None, closes: code == CLOSING }
        }
    }
}

/// The words that a script has of its own.
pub fn own_reply(reply: &Reply) -> Worded {
    Worded { reply: reply.clone(), refusal: None, closes: reply.code() == CLOSING }
}

/// The code by which a server says that it ends the session (RFC 5321 section 3.8).
const CLOSING: u16 = 421;

const fn own(
    name: &'static str,
    step: Step,
    code: u16,
    (class, subject, detail): (u8, u16, u16),
    text: &'static str,
) -> Named {
    Named { name, step, words: Source::Row(code, EnhancedStatus(class, subject, detail), text) }
}

const fn refusal(name: &'static str, step: Step, refusal: fn(&Circumstances<'_>) -> Option<R>) -> Named {
    Named { name, step, words: Source::Refusal(refusal) }
}

/// The account and the address that it uses; where one is missing the other stands for both.
fn send_as_denied(found: &Circumstances<'_>) -> Option<R> {
    let from = found.sender.and_then(ReversePath::address).or(found.login)?;
    let account = found.login.unwrap_or(from);
    Some(R::SendAsDenied { account: account.clone(), from: from.clone() })
}

/// The table: refusals of this server in the order of `fixtures/replies.txt`, then what it never says of its own.
pub const NAMED: &[Named] = &[
    refusal("ServiceNotAvailable", Step::Banner, |_| Some(R::ServiceNotAvailable)),
    refusal("TooManyConnections", Step::Banner, |_| Some(R::TooManyConnections)),
    refusal("NetworkNotServed", Step::Banner, |_| Some(R::NetworkNotServed)),
    refusal("SessionTimedOut", Step::Rcpt, |_| Some(R::SessionTimedOut)),
    refusal("TooManyErrors", Step::Rcpt, |_| Some(R::TooManyErrors)),
    refusal("TooManyCommands", Step::Rcpt, |_| Some(R::TooManyCommands)),
    refusal("InsufficientSystemResources", Step::Mail, |_| Some(R::InsufficientSystemResources)),
    refusal("TemporaryServerError", Step::Mail, |_| Some(R::TemporaryServerError)),
    refusal("SendHelloFirst", Step::Mail, |_| Some(R::SendHelloFirst)),
    refusal("NeedMailCommand", Step::Rcpt, |_| Some(R::NeedMailCommand)),
    refusal("NeedRcptCommand", Step::Data, |_| Some(R::NeedRcptCommand)),
    refusal("SenderAlreadySpecified", Step::Mail, |_| Some(R::SenderAlreadySpecified)),
    refusal("BadSequence", Step::Data, |_| Some(R::BadSequence)),
    refusal("InvalidDomainName", Step::Ehlo, |_| Some(R::InvalidDomainName)),
    refusal("BadHelo", Step::Ehlo, |circumstances| circumstances.client.map(R::BadHelo)),
    refusal("InvalidArguments", Step::Mail, |_| Some(R::InvalidArguments)),
    refusal("UnsupportedParameter", Step::Mail, |_| Some(R::UnsupportedParameter)),
    refusal("InvalidRecipientAddress", Step::Rcpt, |_| Some(R::InvalidRecipientAddress)),
    refusal("InvalidSenderAddress", Step::Mail, |_| Some(R::InvalidSenderAddress)),
    refusal("UnrecognizedCommand", Step::Mail, |_| Some(R::UnrecognizedCommand)),
    refusal("CommandNotImplemented", Step::Mail, |_| Some(R::CommandNotImplemented)),
    refusal("LineTooLong", Step::Mail, |_| Some(R::LineTooLong)),
    refusal("BareNewlineInCommand", Step::Mail, |_| Some(R::BareNewlineInCommand)),
    refusal("Utf8WithoutSmtpUtf8", Step::Mail, |_| Some(R::Utf8WithoutSmtpUtf8)),
    refusal("BinaryNeedsBdat", Step::Data, |_| Some(R::BinaryNeedsBdat)),
    refusal("TlsAlreadyActive", Step::Starttls, |_| Some(R::TlsAlreadyActive)),
    refusal("TlsNotAvailable", Step::Starttls, |_| Some(R::TlsNotAvailable)),
    refusal("InvalidXoauth2Data", Step::Auth, |_| Some(R::InvalidXoauth2Data)),
    refusal("EncryptionRequired", Step::Auth, |_| Some(R::EncryptionRequired)),
    refusal("DeviceSecretRequired", Step::Auth, |_| Some(R::DeviceSecretRequired)),
    refusal("AuthenticationUnsuccessful", Step::Auth, |_| Some(R::AuthenticationUnsuccessful)),
    refusal("UnrecognizedAuthenticationType", Step::Auth, |_| Some(R::UnrecognizedAuthenticationType)),
    refusal("AuthenticationNotDecodable", Step::Auth, |_| Some(R::AuthenticationNotDecodable)),
    refusal("AuthenticationCancelled", Step::Auth, |_| Some(R::AuthenticationCancelled)),
    refusal("AlreadyAuthenticated", Step::Auth, |_| Some(R::AlreadyAuthenticated)),
    refusal("TemporaryAuthenticationFailure", Step::Auth, |_| Some(R::TemporaryAuthenticationFailure)),
    refusal("SecurityDefaults", Step::Auth, |_| Some(R::SecurityDefaults)),
    refusal("BasicAuthenticationDisabled", Step::Auth, |_| Some(R::BasicAuthenticationDisabled)),
    refusal("SmtpAuthDisabledForMailbox", Step::Auth, |_| Some(R::SmtpAuthDisabledForMailbox)),
    refusal("SmtpAuthDisabledForTenant", Step::Auth, |_| Some(R::SmtpAuthDisabledForTenant)),
    refusal("MailboxCannotBeAccessed", Step::Auth, |_| Some(R::MailboxCannotBeAccessed)),
    refusal("TlsRequired", Step::Mail, |_| Some(R::TlsRequired)),
    refusal("PartnerRestricted", Step::Mail, |_| Some(R::PartnerRestricted)),
    refusal("SendingFromDomainDisabled", Step::Mail, |circumstances| {
        let sender = circumstances.sender.and_then(ReversePath::address);
        sender.map(|sender| R::SendingFromDomainDisabled(sender.domain().clone()))
    }),
    refusal("SendingToDomainDisabled", Step::Rcpt, |circumstances| {
        circumstances.recipient.map(|recipient| R::SendingToDomainDisabled(recipient.domain().clone()))
    }),
    refusal("NotAuthenticated", Step::Mail, |_| Some(R::NotAuthenticated(None))),
    refusal("MessageTooLarge", Step::EndOfData, |_| Some(R::MessageTooLarge)),
    refusal("HeaderTooLarge", Step::EndOfData, |_| Some(R::HeaderTooLarge)),
    refusal("TooManyRecipients", Step::Rcpt, |_| Some(R::TooManyRecipients)),
    refusal("UnknownRecipientInbound", Step::Rcpt, |_| Some(R::UnknownRecipientInbound)),
    refusal("RecipientNotFound", Step::Delivery, |found| found.recipient.cloned().map(R::RecipientNotFound)),
    refusal("ExRecipientNotFound", Step::Delivery, |_| Some(R::ExRecipientNotFound)),
    refusal("RelayRefused", Step::Rcpt, |_| Some(R::RelayRefused)),
    refusal("ReservedTopLevelRecipientDomain", Step::Rcpt, |_| Some(R::ReservedTopLevelRecipientDomain)),
    refusal("ReservedSecondLevelRecipientDomain", Step::Rcpt, |_| Some(R::ReservedSecondLevelRecipientDomain)),
    refusal("SingleLabelRecipientDomain", Step::Rcpt, |_| Some(R::SingleLabelRecipientDomain)),
    refusal("SenderNotAuthenticatedForGroup", Step::Delivery, |_| Some(R::SenderNotAuthenticatedForGroup)),
    refusal("SenderNotAuthenticatedForMailbox", Step::Delivery, |_| Some(R::SenderNotAuthenticatedForMailbox)),
    refusal("SenderNotAuthenticatedForMailUser", Step::Delivery, |_| Some(R::SenderNotAuthenticatedForMailUser)),
    refusal("UnifiedGroupOutsider", Step::Delivery, |_| Some(R::UnifiedGroupOutsider)),
    refusal("RestrictedToGroupPermission", Step::Delivery, |_| Some(R::RestrictedToGroupPermission)),
    refusal("RestrictedToRecipientsPermission", Step::Delivery, |_| Some(R::RestrictedToRecipientsPermission)),
    refusal("NotAuthorized", Step::Delivery, |_| Some(R::NotAuthorized)),
    refusal("DeviceRecipientNotPermitted", Step::Rcpt, |_| Some(R::DeviceRecipientNotPermitted)),
    refusal("RecipientSizeLimit", Step::Delivery, |_| Some(R::RecipientSizeLimit)),
    refusal("SenderSendSizeLimit", Step::Delivery, |_| Some(R::SenderSendSizeLimit)),
    refusal("OrganisationSendSizeLimit", Step::Delivery, |_| Some(R::OrganisationSendSizeLimit)),
    refusal("GroupInBcc", Step::Delivery, |_| Some(R::GroupInBcc)),
    refusal("DirectSendNotAllowed", Step::Rcpt, |_| Some(R::DirectSendNotAllowed)),
    refusal("RecipientMailboxFull", Step::Delivery, |_| Some(R::RecipientMailboxFull)),
    refusal("HopLimitReached", Step::Delivery, |_| Some(R::HopLimitReached)),
    refusal("ForwardingLoop", Step::Delivery, |_| Some(R::ForwardingLoop)),
    refusal("ExternalForwardingBlocked", Step::Delivery, |_| Some(R::ExternalForwardingBlocked)),
    refusal("SendAsDenied", Step::EndOfData, send_as_denied),
    refusal("MultipleFromAddresses", Step::EndOfData, |_| Some(R::MultipleFromAddresses)),
    refusal("FromNotCompliant", Step::EndOfData, |_| Some(R::FromNotCompliant)),
    refusal("BareNewlineInMessage", Step::EndOfData, |_| Some(R::BareNewlineInMessage)),
    refusal("SenderQuotaExceeded", Step::EndOfData, |_| Some(R::SenderQuotaExceeded)),
    refusal("MessageRateExceeded", Step::Mail, |_| Some(R::MessageRateExceeded)),
    refusal("RecipientRateExceeded", Step::Delivery, |_| Some(R::RecipientRateExceeded)),
    refusal("SenderToRecipientRateExceeded", Step::Delivery, |_| Some(R::SenderToRecipientRateExceeded)),
    refusal("DailyRecipientsExceeded", Step::EndOfData, |_| Some(R::DailyRecipientsExceeded)),
    refusal("DailyLimitReached", Step::Rcpt, |_| Some(R::DailyLimitReached)),
    refusal("ConcurrentSessionsExceeded", Step::EndOfData, |_| Some(R::ConcurrentSessionsExceeded)),
    refusal("MessageExpired", Step::Delivery, |_| Some(R::MessageExpired)),
    refusal("GivenUpByAdministrator", Step::Delivery, |_| Some(R::GivenUpByAdministrator)),
    refusal("BadOutboundSender", Step::EndOfData, |_| Some(R::BadOutboundSender)),
    refusal("ServerBusy", Step::Rcpt, |circumstances| circumstances.client.map(R::ServerBusy)),
    refusal("ConnectionRateExceeded", Step::Banner, |_| Some(R::ConnectionRateExceeded)),
    own("ServiceNotActive", Step::Banner, 421, (4, 3, 2), "Service not active"),
    own(
        "ForestConnectionsExceeded",
        Step::Mail,
        421,
        (4, 3, 2),
        "The maximum number of concurrent connections per resource forest has exceeded a limit, closing transmission \
         channel",
    ),
    own("ProxyFailed", Step::Mail, 451, (4, 7, 0), "Temporary server error. Please try again later. PRX4"),
    own(
        "CriteriaNotMet",
        Step::Auth,
        535,
        (5, 7, 139),
        "Authentication unsuccessful, the request did not meet the criteria to be authenticated successfully. Contact \
         your administrator.",
    ),
    own(
        "CredentialsIncorrect",
        Step::Auth,
        535,
        (5, 7, 139),
        "Authentication unsuccessful, the user credentials were incorrect.",
    ),
    own(
        "FederationUnreachable",
        Step::Auth,
        535,
        (5, 7, 139),
        "Authentication unsuccessful, federated STS service was unreachable.",
    ),
    own("TokenExpired", Step::Auth, 535, (5, 7, 3), "Authentication unsuccessful"),
    own(
        "BasicAuthenticationRetired",
        Step::Auth,
        550,
        (5, 7, 30),
        "Basic authentication is not supported for Client Submission.",
    ),
    own(
        "NotAuthenticatedClassic",
        Step::Mail,
        530,
        (5, 7, 57),
        "SMTP; Client was not authenticated to send anonymous mail during MAIL FROM",
    ),
    own(
        "NotAuthenticatedDocumented",
        Step::Mail,
        550,
        (5, 7, 57),
        "SMTP; Client was not authenticated to send anonymous mail during MAIL FROM",
    ),
    own("NotAuthenticatedOnPremises", Step::Mail, 530, (5, 7, 1), "Client was not authenticated"),
    own(
        "BlockListed",
        Step::Rcpt,
        550,
        (5, 7, 1),
        "Unfortunately, messages from [{client}] weren't sent. Please contact your Internet service provider since \
         part of their network is on our block list (S3150).",
    ),
    own("AllRecipientsRejected", Step::EndOfData, 550, (5, 4, 1), "All recipient addresses rejected : Access denied"),
    own("RecipientsOfReputation", Step::Rcpt, 452, (4, 5, 3), "Too many recipients (AS780090)"),
    own("MultipleRegions", Step::Rcpt, 452, (4, 5, 3), "Recipients belong to multiple regions ATTR38"),
    own("WrongRegion", Step::Rcpt, 451, (4, 4, 62), "Mail sent to the wrong Office 365 region. ATTR35"),
    own("TryAgainLater", Step::Rcpt, 451, (4, 7, 500), "Access denied, please try again later (AS112201)"),
    own(
        "AddressRateLimited",
        Step::Rcpt,
        451,
        (4, 7, 651),
        "The mail server [{client}] has been temporarily rate limited due to IP reputation.",
    ),
    own("AddressBanned", Step::Rcpt, 550, (5, 7, 606), "Access denied, banned sending IP [{client}]."),
    own(
        "SendAsDeniedClassic",
        Step::EndOfData,
        554,
        (5, 2, 0),
        "STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message \
         due to a permanent exception",
    ),
    own("SenderThreadLimit", Step::EndOfData, 432, (4, 3, 2), "STOREDRV.ClientSubmit; sender thread limit exceeded"),
    own("SubmissionQuotaExceeded", Step::EndOfData, 554, (5, 2, 2), "Submission quota exceeded"),
    own("BannedSender", Step::EndOfData, 550, (5, 7, 501), "Access denied, banned sender"),
    own(
        "InvalidRecipientsThrottled",
        Step::EndOfData,
        550,
        (5, 2, 254),
        "Sender throttled due to continuous invalid recipients errors",
    ),
    own(
        "DomainBlockListed",
        Step::EndOfData,
        550,
        (5, 7, 1),
        "Service unavailable, MailFrom domain is listed in Spamhaus. (S8002)",
    ),
    own("ReplicationFailed", Step::EndOfData, 451, (4, 4, 0), "Message failed to be replicated"),
    own(
        "DmarcRejected",
        Step::EndOfData,
        550,
        (5, 7, 509),
        "Access denied, sending domain [{domain}] does not pass DMARC verification and has a DMARC policy of reject.",
    ),
    own("TenantThreshold", Step::EndOfData, 550, (5, 7, 705), "Access denied, tenant has exceeded threshold"),
    own("TrafficNotAccepted", Step::EndOfData, 550, (5, 7, 708), "Access denied, traffic not accepted from this IP"),
    own(
        "UnregisteredDomains",
        Step::EndOfData,
        550,
        (5, 7, 750),
        "Client blocked from sending from unregistered domains",
    ),
    own("RecipientAmbiguous", Step::Delivery, 550, (5, 1, 4), "RESOLVER.ADR.Ambiguous; ambiguous address"),
    own(
        "BadPrimaryAddress",
        Step::Delivery,
        550,
        (5, 2, 0),
        "RESOLVER.ADR.BadPrimary; recipient primary SMTP address is missing or invalid",
    ),
    own("RecipientLimit", Step::Delivery, 550, (5, 5, 3), "RESOLVER.ADR.RecipLimit; too many recipients"),
    own("RecipientThreadLimit", Step::Delivery, 432, (4, 3, 2), "STOREDRV.Deliver; recipient thread limit exceeded"),
    own(
        "TransportRule",
        Step::Delivery,
        550,
        (5, 7, 1),
        "TRANSPORT.RULES.RejectMessage; the message was rejected by a rule of the organization",
    ),
    own(
        "TransportRuleLoop",
        Step::Delivery,
        550,
        (5, 7, 128),
        "TRANSPORT.RULES.RejectMessage; Transport rules loop count exceeded and message rejected",
    ),
    own("ConnectionRefused", Step::Delivery, 450, (4, 4, 316), "Connection refused [Message=Socket error code 10061]"),
    own("RemoteUntrusted", Step::Delivery, 450, (4, 4, 317), "Cannot connect to remote server [Message=UntrustedRoot]"),
    own("RemoteMailboxUnavailable", Step::Delivery, 550, (5, 5, 0), "Requested action not taken: mailbox unavailable"),
    own("RemoteError", Step::Delivery, 550, (5, 0, 350), "Remote server returned an error"),
];
