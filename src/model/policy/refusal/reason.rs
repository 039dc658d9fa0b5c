//! The reasons.

use core::net::IpAddr;

use crate::model::mail::{Address, Domain};

/// A reason to refuse. The documentation of each variant says when it arises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// Connect: the server is draining.
    ServiceNotAvailable,
    /// Connect: too many sessions, in all or from one address.
    TooManyConnections,
    /// Connect: the listener is not there for where the client is.
    NetworkNotServed,
    /// Any step: the client was silent for too long.
    SessionTimedOut,
    /// Any step: too many errors in one session.
    TooManyErrors,
    /// Any step: more commands than one session may send.
    TooManyCommands,
    /// MAIL FROM: disk space or memory run low.
    InsufficientSystemResources,
    /// Any step: this server failed at something that may work later.
    TemporaryServerError,
    /// MAIL before EHLO or HELO.
    SendHelloFirst,
    /// RCPT before MAIL.
    NeedMailCommand,
    /// DATA or BDAT before RCPT.
    NeedRcptCommand,
    /// A second MAIL in one transaction.
    SenderAlreadySpecified,
    /// Any other command out of order.
    BadSequence,
    /// EHLO or HELO with something that is neither a domain nor an address literal.
    InvalidDomainName,
    /// Arguments that do not follow the grammar.
    InvalidArguments,
    /// A parameter of MAIL or RCPT that this server does not know (RFC 5321 section 4.1.1.11).
    UnsupportedParameter,
    /// RCPT with something that is no address.
    InvalidRecipientAddress,
    /// MAIL with something that is no address.
    InvalidSenderAddress,
    /// A verb that is none.
    UnrecognizedCommand,
    /// A verb that exists, but is off here.
    CommandNotImplemented,
    /// A command line over the limit.
    LineTooLong,
    /// A bare CR, bare LF or NUL in a command line.
    BareNewlineInCommand,
    /// An address with UTF-8 without SMTPUTF8 (RFC 6531 section 3.5).
    Utf8WithoutSmtpUtf8,
    /// DATA for a message announced as BINARYMIME (RFC 3030 section 3).
    BinaryNeedsBdat,
    /// MAIL without TLS from a client, or for a partner's domain, whose connector demands it.
    TlsRequired,
    /// STARTTLS while TLS is on.
    TlsAlreadyActive,
    /// STARTTLS while no certificate can be used.
    TlsNotAvailable,
    /// AUTH without TLS where TLS is needed (RFC 4954 section 4).
    EncryptionRequired,
    /// AUTH without TLS with something that cannot be the secret of a device: it is not looked at.
    DeviceSecretRequired,
    /// AUTH with credentials that are not right, or for an account that is blocked.
    AuthenticationUnsuccessful,
    /// AUTH with a mechanism that is not offered.
    UnrecognizedAuthenticationType,
    /// AUTH with base64 that cannot be decoded.
    AuthenticationNotDecodable,
    /// AUTH XOAUTH2 with something that is no XOAUTH2.
    InvalidXoauth2Data,
    /// AUTH that the client broke off with `*`.
    AuthenticationCancelled,
    /// AUTH after a successful AUTH.
    AlreadyAuthenticated,
    /// AUTH while credentials cannot be checked.
    TemporaryAuthenticationFailure,
    /// Decision D2, row 2.
    SecurityDefaults,
    /// Decision D2, row 3.
    BasicAuthenticationDisabled,
    /// Decision D2, row 4.
    SmtpAuthDisabledForMailbox,
    /// Decision D2, row 5.
    SmtpAuthDisabledForTenant,
    /// Decision D2, rows 6 and 7: an account without a mailbox to open (spec S0-2).
    MailboxCannotBeAccessed,
    /// MAIL on the submission port without AUTH; carries the refusal of the last AUTH.
    NotAuthenticated(Option<Box<Self>>),
    /// A message larger than the limit, by SIZE or by count.
    MessageTooLarge,
    /// A header larger than the limit.
    HeaderTooLarge,
    /// More recipients than one message may have.
    TooManyRecipients,
    /// RCPT from a stranger to an address that nobody has.
    UnknownRecipientInbound,
    /// A recipient that nobody is, told to an account.
    RecipientNotFound(Address),
    /// A legacy distinguished name that nobody has, encapsulated in a mail address.
    ExRecipientNotFound,
    /// RCPT from a stranger to a domain that is not ours.
    RelayRefused,
    /// RCPT in a top-level domain that is reserved, which the organisation refuses.
    ReservedTopLevelRecipientDomain,
    /// RCPT in a second-level domain that is.
    ReservedSecondLevelRecipientDomain,
    /// RCPT in a domain of one label, which the organisation refuses.
    SingleLabelRecipientDomain,
    /// A group that takes mail from authenticated senders only.
    SenderNotAuthenticatedForGroup,
    /// A mailbox that does.
    SenderNotAuthenticatedForMailbox,
    /// A mail user or contact that does.
    SenderNotAuthenticatedForMailUser,
    /// A Microsoft 365 group that does.
    UnifiedGroupOutsider,
    /// A group whose accept list lacks the sender.
    RestrictedToGroupPermission,
    /// A mailbox, mail user or contact whose accept list lacks the sender.
    RestrictedToRecipientsPermission,
    /// A recipient whose reject list has the sender.
    NotAuthorized,
    /// RCPT: a device whose credential is bound to other recipients.
    DeviceRecipientNotPermitted,
    /// A message larger than the recipient accepts.
    RecipientSizeLimit,
    /// A message larger than the account may send.
    SenderSendSizeLimit,
    /// A message larger than the organisation lets any account send.
    OrganisationSendSizeLimit,
    /// A group that an account put into Bcc only, and that does not want this.
    GroupInBcc,
    /// RCPT: a stranger uses an address of ours as reverse-path, which the organisation forbids.
    DirectSendNotAllowed,
    /// MAIL FROM in a partner's domain from anywhere but the partner's servers.
    PartnerRestricted,
    /// MAIL FROM, or From of an account, in a domain of ours from which nobody sends.
    SendingFromDomainDisabled(Domain),
    /// RCPT in a domain of ours to which nobody does.
    SendingToDomainDisabled(Domain),
    /// A mailbox at its receive quota.
    RecipientMailboxFull,
    /// A message that passed too many servers.
    HopLimitReached,
    /// Mailboxes that forward to each other without keeping a copy.
    ForwardingLoop,
    /// A mailbox that forwards outside while the organisation forbids it.
    ExternalForwardingBlocked,
    /// A From or reverse-path that the account has no right to.
    SendAsDenied {
        /// The account's login.
        account: Address,
        /// The address it tried to use.
        from: Address,
    },
    /// Several addresses in From and no permitted Sender.
    MultipleFromAddresses,
    /// No From, or one that cannot be read.
    FromNotCompliant,
    /// Bare CR or LF in the message.
    BareNewlineInMessage,
    /// The sender's own mailbox is at its send quota.
    SenderQuotaExceeded,
    /// MAIL FROM: the account's messages of the minute are used up, where such are refused.
    MessageRateExceeded,
    /// A mailbox that has taken as many messages within an hour as it may.
    RecipientRateExceeded,
    /// The same from this sender.
    SenderToRecipientRateExceeded,
    /// The account's recipients of the day are used up.
    DailyRecipientsExceeded,
    /// The same at RCPT, where an account is to hear early.
    DailyLimitReached,
    /// More sessions of one account than may submit at once.
    ConcurrentSessionsExceeded,
    /// A message that stayed in the queue until its time was up.
    MessageExpired,
    /// A message that an administrator gave up.
    GivenUpByAdministrator,
    /// A stranger whose name claims to be this server.
    BadHelo(IpAddr),
    /// End of a message, or MAIL FROM where accounts are to hear early: the account, or the credential of its device,
    /// sent to too many recipients outside and was restricted until an administrator releases it.
    BadOutboundSender,
    /// RCPT: a stranger's network named too many recipients that were refused.
    ServerBusy(IpAddr),
    /// Connect: too many connections from one network within a minute.
    ConnectionRateExceeded,
}
