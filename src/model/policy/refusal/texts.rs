//! Rows that are put together, since they name an address or a domain.

use std::borrow::Cow;

use super::Row;
use crate::model::mail::{Address, Domain, EnhancedStatus};

/// Exchange documents the two switches of an accepted domain, and not what it answers. So the texts are ours: the name
/// of the switch, as its own texts begin, and the code of RFC 3463 for mail that an administrator does not permit.
pub(super) fn sending_from(domain: &Domain) -> Row {
    row(format!("SendingFromDomainDisabled; sending from {domain} is disabled"))
}

/// As [`sending_from`].
pub(super) fn sending_to(domain: &Domain) -> Row {
    row(format!("SendingToDomainDisabled; sending to {domain} is disabled"))
}

fn row(text: String) -> Row {
    Row(550, EnhancedStatus(5, 7, 1), Cow::Owned(text))
}

/// The cloud's text for a send-as denial, without the diagnostic data that follows it there.
pub(super) fn send_as_denied(account: &Address, from: &Address) -> String {
    format!(
        "SendAsDenied; {account} not allowed to send as {from}; \
         STOREDRV.Submission.Exception:SendAsDeniedException.MapiExceptionSendAsDenied; Failed to process message due \
         to a permanent exception with message Cannot submit message."
    )
}
