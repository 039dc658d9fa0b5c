//! Every refusal the server can give, and the one table of replies they become (law 3).
//!
//! One variant, one reason, one row. The texts are Exchange's, as facts of the protocol (spec section 1.5); where the
//! two systems differ the wording is chosen by [`Settings`]. `fixtures/replies.txt` prints the whole table.

mod reason;
mod texts;
mod trailer;

use std::borrow::Cow;

pub use reason::Refusal;
pub use trailer::Trailer;

use super::settings::{Settings, Wording};
use crate::model::mail::{EnhancedStatus, Reply};

/// The classic text for a sender who did not sign in.
const AUTHENTICATION_REQUIRED: &str = "RESOLVER.RST.AuthRequired; authentication required [Stage: CreateMessage]";
/// The text for a sender on a reject list, and the classic one for who is not on an accept list.
const NOT_AUTHORIZED: &str = "RESOLVER.RST.NotAuthorized; not authorized";

/// One row of the table.
struct Row(u16, EnhancedStatus, Cow<'static, str>);

impl Refusal {
    /// The reply to send: the row of the table with the trailer at its end.
    pub fn reply(&self, settings: &Settings, trailer: &Trailer<'_>) -> Reply {
        let Row(code, status, text) = self.row(settings);
        Reply::new(code, status, trailer.after(&text))
    }

    /// The same without trailer, for reports, goldens and explanations.
    pub fn bare_reply(&self, settings: &Settings) -> Reply {
        let Row(code, status, text) = self.row(settings);
        Reply::new(code, status, text)
    }

    /// Whether the session ends with this reply.
    pub const fn closes(&self) -> bool {
        matches!(
            self,
            Self::ServiceNotAvailable
                | Self::TooManyConnections
                | Self::NetworkNotServed
                | Self::SessionTimedOut
                | Self::TooManyErrors
                | Self::TooManyCommands
                | Self::MessageRateExceeded
                | Self::ConnectionRateExceeded
        )
    }

    /// The table, in the order of the dialogue. No arm for the rest: a new variant does not compile without its row.
    #[expect(clippy::too_many_lines, reason = "one table in one place is worth more than short functions")]
    fn row(&self, settings: &Settings) -> Row {
        let row = |code, (class, subject, detail), text: &'static str| {
            Row(code, EnhancedStatus(class, subject, detail), Cow::Borrowed(text))
        };
        let by = |wording, cloud: Row, premises: Row| match wording {
            Wording::ExchangeOnline => cloud,
            Wording::ExchangeServer => premises,
        };
        // On premises the classic code stands for all of them (spec section 1.5).
        let restricted =
            |cloud: Row, classic: &'static str| by(settings.restriction_refused, cloud, row(550, (5, 7, 1), classic));
        match self {
            Self::ServiceNotAvailable => row(421, (4, 3, 2), "Service not available"),
            Self::TooManyConnections => row(
                421,
                (4, 3, 2),
                "The maximum number of concurrent connections has exceeded a limit, closing transmission channel",
            ),
            // RFC 5321 section 3.1: a 554 instead of the banner says that there is no service.
            Self::NetworkNotServed => row(554, (5, 7, 1), "No SMTP service for this network"),
            Self::SessionTimedOut => row(421, (4, 4, 1), "Connection timed out"),
            Self::TooManyErrors => {
                row(421, (4, 7, 0), "Too many errors on this connection, closing transmission channel")
            }
            Self::TooManyCommands => {
                row(421, (4, 7, 0), "Too many commands on this connection, closing transmission channel")
            }
            Self::InsufficientSystemResources => row(452, (4, 3, 1), "Insufficient system resources"),
            Self::TemporaryServerError => row(451, (4, 7, 0), "Temporary server error. Please try again later."),
            Self::SendHelloFirst => row(503, (5, 5, 2), "Send hello first"),
            Self::NeedMailCommand => row(503, (5, 5, 2), "Need mail command"),
            Self::NeedRcptCommand => row(503, (5, 5, 2), "Need rcpt command"),
            Self::SenderAlreadySpecified => row(503, (5, 5, 2), "Sender already specified"),
            Self::BadSequence => row(503, (5, 5, 2), "Bad sequence of commands"),
            Self::InvalidDomainName => row(501, (5, 5, 4), "Invalid domain name"),
            Self::InvalidArguments => row(501, (5, 5, 4), "Invalid arguments"),
            Self::UnsupportedParameter => row(555, (5, 5, 4), "Unsupported parameter"),
            Self::InvalidRecipientAddress => row(501, (5, 1, 3), "Invalid address"),
            Self::InvalidSenderAddress => row(550, (5, 1, 7), "Invalid address"),
            Self::UnrecognizedCommand => row(500, (5, 3, 3), "Unrecognized command"),
            Self::CommandNotImplemented => row(502, (5, 3, 3), "Command not implemented"),
            Self::LineTooLong => row(500, (5, 3, 3), "Line too long"),
            Self::BareNewlineInCommand => row(500, (5, 5, 2), "Lines must end with CRLF and nothing else"),
            Self::Utf8WithoutSmtpUtf8 => row(553, (5, 6, 7), "Address needs SMTPUTF8"),
            Self::BinaryNeedsBdat => row(503, (5, 5, 2), "BINARYMIME needs BDAT"),
            Self::TlsRequired => row(451, (5, 7, 3), "STARTTLS is required to send mail"),
            Self::TlsAlreadyActive => row(503, (5, 5, 2), "Only one STARTTLS command can be issued per session"),
            Self::TlsNotAvailable => row(454, (4, 7, 0), "TLS not available due to temporary reason"),
            Self::BadHelo(_) => row(550, (5, 7, 506), "Access Denied, Bad HELO"),
            Self::EncryptionRequired => {
                row(538, (5, 7, 11), "Encryption required for requested authentication mechanism")
            }
            Self::DeviceSecretRequired => {
                row(538, (5, 7, 11), "Encryption required; without it only the secret of a device is looked at")
            }
            Self::AuthenticationUnsuccessful => row(535, (5, 7, 3), "Authentication unsuccessful"),
            Self::UnrecognizedAuthenticationType => row(504, (5, 7, 4), "Unrecognized authentication type"),
            Self::AuthenticationNotDecodable => row(501, (5, 5, 2), "Cannot decode response"),
            Self::InvalidXoauth2Data => row(501, (5, 5, 124), "Invalid XOAUTH2 auth data"),
            Self::AuthenticationCancelled => row(501, (5, 7, 0), "Authentication cancelled"),
            Self::AlreadyAuthenticated => row(503, (5, 5, 2), "Already authenticated"),
            Self::TemporaryAuthenticationFailure => row(454, (4, 7, 0), "Temporary authentication failure"),
            Self::SecurityDefaults => row(
                535,
                (5, 7, 139),
                "Authentication unsuccessful, user is locked by your organization's security defaults policy. \
                 Contact your administrator.",
            ),
            Self::BasicAuthenticationDisabled => {
                row(535, (5, 7, 139), "Authentication unsuccessful, basic authentication is disabled.")
            }
            Self::SmtpAuthDisabledForMailbox => row(
                535,
                (5, 7, 139),
                "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Mailbox. Visit \
                 https://aka.ms/smtp_auth_disabled for more information.",
            ),
            Self::SmtpAuthDisabledForTenant => row(
                535,
                (5, 7, 139),
                "Authentication unsuccessful, SmtpClientAuthentication is disabled for the Tenant. Visit \
                 https://aka.ms/smtp_auth_disabled for more information.",
            ),
            Self::MailboxCannotBeAccessed => row(550, (5, 2, 1), "Mailbox cannot be accessed"),
            Self::NotAuthenticated(None) => row(530, (5, 7, 57), "Client not authenticated to send mail."),
            Self::NotAuthenticated(Some(last)) => {
                let text = format!("Client not authenticated to send mail. Error: {}", last.bare_reply(settings));
                Row(530, EnhancedStatus(5, 7, 57), Cow::Owned(text))
            }
            Self::MessageTooLarge => row(552, (5, 3, 4), "Message size exceeds fixed maximum message size"),
            Self::HeaderTooLarge => row(552, (5, 3, 4), "Header size exceeds fixed maximum size"),
            Self::TooManyRecipients => row(452, (4, 5, 3), "Too many recipients"),
            Self::UnknownRecipientInbound => by(
                settings.unknown_recipient,
                row(550, (5, 4, 1), "Recipient address rejected: Access denied"),
                row(550, (5, 1, 10), "RESOLVER.ADR.RecipientNotFound; Recipient not found by SMTP address lookup"),
            ),
            Self::RecipientNotFound(address) => Row(
                550,
                EnhancedStatus(5, 1, 10),
                format!("RESOLVER.ADR.RecipientNotFound; Recipient [{address}] not found by SMTP address lookup")
                    .into(),
            ),
            Self::ExRecipientNotFound => row(
                550,
                (5, 1, 11),
                "RESOLVER.ADR.ExRecipNotFound; Recipient not found by Exchange Legacy encapsulated email address \
                 lookup",
            ),
            Self::RelayRefused => by(
                settings.relay_refused,
                row(550, (5, 7, 64), "TenantAttribution; Relay Access Denied"),
                row(550, (5, 7, 54), "SMTP; Unable to relay recipient in non-accepted domain"),
            ),
            Self::ReservedTopLevelRecipientDomain => row(550, (5, 1, 4), "Recipient address reserved by RFC 2606"),
            Self::ReservedSecondLevelRecipientDomain => row(550, (5, 1, 5), "Recipient address reserved by RFC 2606"),
            Self::SingleLabelRecipientDomain => {
                row(550, (5, 1, 6), "Recipient addresses in single label domains not accepted")
            }
            Self::RecipientMailboxFull => row(
                554,
                (5, 2, 2),
                "mailbox full; STOREDRV.Deliver.Exception:QuotaExceededException.MapiExceptionShutoffQuotaExceeded",
            ),
            Self::HopLimitReached => by(
                settings.hop_limit_reached,
                row(554, (5, 4, 14), "Hop count exceeded - possible mail loop ATTR34"),
                row(554, (5, 4, 6), "Hop count exceeded - possible mail loop"),
            ),
            Self::ForwardingLoop => {
                row(554, (5, 4, 6), "RESOLVER.FWD.Loop; there is a forwarding loop configured in the directory")
            }
            Self::ExternalForwardingBlocked => row(
                550,
                (5, 7, 520),
                "Access denied, Your organization does not allow external forwarding. Please contact your \
                 administrator for further assistance. AS(7555)",
            ),
            Self::SendAsDenied { account, from } => by(
                settings.send_as_denied,
                Row(554, EnhancedStatus(5, 2, 252), texts::send_as_denied(account, from).into()),
                row(550, (5, 7, 60), "SMTP; Client does not have permissions to send as this sender"),
            ),
            Self::MultipleFromAddresses => {
                row(550, (5, 1, 20), "Multiple From addresses are not allowed without Sender address")
            }
            Self::FromNotCompliant => {
                row(550, (5, 7, 512), "Access denied, message must be RFC 5322 section 3.6.2 compliant")
            }
            Self::BareNewlineInMessage => row(
                550,
                (5, 6, 11),
                "SMTPSEND.BareLinefeedsAreIllegal; message contains bare linefeeds, which cannot be sent via DATA",
            ),
            Self::SenderQuotaExceeded => row(
                554,
                (5, 2, 2),
                "mailbox full; STOREDRV.Submission.Exception:QuotaExceededException.\
                 MapiExceptionShutoffQuotaExceeded",
            ),
            Self::DailyRecipientsExceeded => {
                row(554, (5, 2, 0), "STOREDRV.Submission.Exception:SubmissionQuotaExceededException")
            }
            Self::DailyLimitReached => row(
                550,
                (5, 1, 90),
                "Your message can't be sent because you've reached your daily limit for message recipients (AS:46601)",
            ),
            Self::MessageRateExceeded => {
                row(421, (4, 4, 2), "Message submission rate for this client has exceeded the configured limit")
            }
            Self::RecipientRateExceeded => row(
                554,
                (5, 2, 122),
                "The recipient has exceeded their limit for the number of messages they can receive per hour.",
            ),
            Self::SenderToRecipientRateExceeded => row(
                554,
                (5, 2, 121),
                "The sender has exceeded the limit for the number of messages they can send to this recipient per \
                 hour.",
            ),
            Self::ConcurrentSessionsExceeded => row(
                432,
                (4, 3, 2),
                "Concurrent connections limit exceeded. Visit https://aka.ms/concurrent_sending for more information.",
            ),
            Self::BadOutboundSender => row(550, (5, 1, 8), "Access denied, bad outbound sender"),
            Self::ServerBusy(peer) => Row(
                451,
                EnhancedStatus(4, 7, 500),
                format!("Server busy. Please try again later from [{peer}].").into(),
            ),
            Self::ConnectionRateExceeded => {
                row(421, (4, 7, 0), "Too many connections from your network in a short time. Please try again later.")
            }
            Self::GivenUpByAdministrator => row(550, (5, 7, 1), "An administrator removed the message from the queue"),
            Self::MessageExpired => row(550, (4, 4, 7), "QUEUE.Expired; message expired"),
            Self::SenderNotAuthenticatedForGroup => restricted(
                row(
                    550,
                    (5, 7, 133),
                    "RESOLVER.RST.SenderNotAuthenticatedForGroup; authentication required; Delivery restriction \
                     check failed because the sender was not authenticated when sending to this group",
                ),
                AUTHENTICATION_REQUIRED,
            ),
            Self::SenderNotAuthenticatedForMailbox => restricted(
                row(
                    550,
                    (5, 7, 134),
                    "RESOLVER.RST.SenderNotAuthenticatedForMailbox; authentication required; Delivery restriction \
                     check failed because the sender was not authenticated when sending to this mailbox",
                ),
                AUTHENTICATION_REQUIRED,
            ),
            Self::SenderNotAuthenticatedForMailUser => restricted(
                row(550, (5, 7, 136), "authentication required; Sender was not authenticated"),
                AUTHENTICATION_REQUIRED,
            ),
            Self::UnifiedGroupOutsider => row(
                550,
                (5, 7, 193),
                "UnifiedGroupAgent; Delivery failed because the sender isn't a group member or external senders \
                 aren't permitted to send to this group.",
            ),
            Self::RestrictedToGroupPermission => restricted(
                row(550, (5, 7, 124), "RESOLVER.RST.RestrictedToGroupPermission; not authorized to send to this group"),
                NOT_AUTHORIZED,
            ),
            Self::RestrictedToRecipientsPermission => restricted(
                row(
                    550,
                    (5, 7, 129),
                    "RESOLVER.RST.RestrictedToRecipientsPermission; not authorized to send to the recipient because \
                     the sender isn't on the recipient's list of senders to accept mail from",
                ),
                NOT_AUTHORIZED,
            ),
            Self::NotAuthorized => row(550, (5, 7, 1), NOT_AUTHORIZED),
            Self::DeviceRecipientNotPermitted => row(550, (5, 7, 1), NOT_AUTHORIZED),
            Self::RecipientSizeLimit => {
                row(550, (5, 2, 3), "RESOLVER.RST.RecipSizeLimit; message too large for this recipient")
            }
            Self::SenderSendSizeLimit => {
                row(550, (5, 2, 11), "RESOLVER.RST.SendSizeLimit.Sender; message too large for this sender")
            }
            Self::OrganisationSendSizeLimit => {
                row(550, (5, 3, 4), "RESOLVER.RST.SendSizeLimit.Org; message too large for this organization")
            }
            // Which code Exchange's report carries here is not documented; the text says what would work.
            Self::GroupInBcc => row(550, (5, 7, 1), "This group does not accept mail in Bcc; name it in To or Cc"),
            Self::DirectSendNotAllowed => row(
                550,
                (5, 7, 68),
                "TenantInboundAttribution; Direct Send not allowed for this organization from unauthorized sources",
            ),
            // That it says recipient is Exchange's own slip.
            Self::PartnerRestricted => row(
                550,
                (5, 7, 51),
                "TenantInboundAttribution; There is a partner connector configured that matched the message's \
                 recipient domain. The connector had either the RestrictDomainsToIPAddresses or \
                 RestrictDomainsToCertificate set",
            ),
            Self::SendingFromDomainDisabled(domain) => texts::sending_from(domain),
            Self::SendingToDomainDisabled(domain) => texts::sending_to(domain),
        }
    }
}
