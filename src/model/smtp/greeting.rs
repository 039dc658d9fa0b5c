//! What EHLO lists, in the order of the cloud (spec section 1.2). AUTH takes the slot that STARTTLS had.

use super::interface::{Role, SessionOptions, TlsState};
use crate::model::policy::scram::is_offered;

/// The lines after the greeting. Nothing is listed that would be refused when used.
pub fn keywords(options: &SessionOptions) -> Vec<String> {
    let settings = &options.settings;
    let mut listed = vec![
        format!("SIZE {}", settings.message_bytes_max),
        "PIPELINING".to_owned(),
        "DSN".to_owned(),
        "ENHANCEDSTATUSCODES".to_owned(),
    ];
    if options.tls == TlsState::Offered {
        listed.push("STARTTLS".to_owned());
    }
    if offers_auth(options) {
        listed.push(format!("AUTH {}", mechanisms(options).join(" ")));
    }
    listed.extend(["8BITMIME", "BINARYMIME", "CHUNKING"].map(str::to_owned));
    if !options.emulate_exchange_online {
        // RFC 9422. The number of messages is not limited, so MAILMAX is left out (decision D10).
        listed.push(format!("LIMITS RCPTMAX={}", settings.recipients_max));
    }
    listed.push("SMTPUTF8".to_owned());
    listed
}

/// Whether AUTH is possible at this moment: on submission, under TLS or where clear text was permitted.
pub fn offers_auth(options: &SessionOptions) -> bool {
    let under_tls = matches!(options.tls, TlsState::Active(_));
    options.role == Role::Submission && (under_tls || options.auth_without_tls)
}

/// Whether tokens are taken: where an issuer is believed, and under TLS only, whatever the network (RFC 6750 section
/// 5.3). What is emulated lists them in any case.
pub fn offers_tokens(options: &SessionOptions) -> bool {
    let is_known = options.emulate_exchange_online || !options.settings.issuers.is_empty();
    is_known && offers_auth(options) && matches!(options.tls, TlsState::Active(_))
}

/// Whether SCRAM-SHA-256 is taken: wherever a password is. No password goes over the network with it, so a device that
/// signs in without TLS does better by it.
pub fn offers_scram(options: &SessionOptions) -> bool {
    is_offered(options.settings.scram) && offers_auth(options) && !options.emulate_exchange_online
}

/// Clients prefer what they know best; only what can be verified is offered (decision D10).
fn mechanisms(options: &SessionOptions) -> Vec<&'static str> {
    let tokens = offers_tokens(options);
    let all = match options.emulate_exchange_online {
        true => vec![("LOGIN", true), ("XOAUTH2", tokens)],
        // Where it is offered, it comes first: there are clients that take the first they know.
        false => vec![
            ("SCRAM-SHA-256", offers_scram(options)),
            ("PLAIN", true),
            ("LOGIN", true),
            ("XOAUTH2", tokens),
            ("OAUTHBEARER", tokens),
        ],
    };
    all.into_iter().filter(|(_, is_offered)| *is_offered).map(|(name, _)| name).collect()
}
