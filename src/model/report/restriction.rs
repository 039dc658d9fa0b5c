//! The notice to administrators that somebody sent too much outside and is restricted. The same facts make the same
//! octets.

use super::encode::{ascii_line, one_line, quoted_printable};
use super::{Reporter, line};
use crate::model::mail::{Address, Reply, Timestamp};

/// Everything that a notice is made of.
#[derive(Clone, Debug)]
pub struct RestrictionFacts<'a> {
    /// Who writes.
    pub reporter: &'a Reporter,
    /// Who reads it.
    pub to: &'a Address,
    /// The primary address of the account; it does not matter for a connector.
    pub account: &'a str,
    /// The device whose credential was used.
    pub device: Option<&'a str>,
    /// The connector whose clients it was, who do not sign in.
    pub connector: Option<&'a str>,
    /// Since when.
    pub since: Timestamp,
    /// Recipients outside within the hour before.
    pub of_hour: u32,
    /// The same within the day before.
    pub of_day: u32,
    /// What its clients are told.
    pub reply: &'a Reply,
}

/// Writes the notice: a whole message with CRLF line ends.
pub fn restriction_notice(facts: &RestrictionFacts<'_>) -> Vec<u8> {
    let mut output = Vec::new();
    let host = ascii_line(&facts.reporter.host, 255);
    let subject = facts.connector.map_or_else(|| facts.account.to_owned(), |name| format!("connector {name}"));
    line(&mut output, "MIME-Version: 1.0");
    line(&mut output, &format!("From: Outbound Mail <{}>", facts.reporter.author));
    line(&mut output, &format!("To: <{}>", facts.to));
    line(&mut output, &format!("Date: {}", facts.since.rfc5322()));
    let of = facts.device.map_or_else(String::new, |device| format!(".{}", ascii_line(device, 64)));
    let local = ascii_line(&subject, 255).replace(['@', '<', '>', ' ', '"'], ".");
    line(&mut output, &format!("Message-ID: <{}.{local}{of}.restricted@{host}>", facts.since.unix_seconds()));
    line(&mut output, &format!("Subject: User restricted from sending email: {}", ascii_line(&subject, 200)));
    line(&mut output, "Importance: high");
    // RFC 3834 section 5: nobody answers this.
    line(&mut output, "Auto-Submitted: auto-generated");
    line(&mut output, "X-Auto-Response-Suppress: All");
    line(&mut output, "Content-Language: en-US");
    line(&mut output, "Content-Type: text/plain; charset=utf-8");
    line(&mut output, "Content-Transfer-Encoding: quoted-printable");
    line(&mut output, "");
    quoted_printable(&body(facts), &mut output);
    output
}

const OTHERS_OF_THE_ACCOUNT: &str =
    "Other devices of the account, and the account itself beside a device, are not restricted.";
const OTHERS_OF_A_CONNECTOR: &str = "It is all clients of the connector; whoever signs in is not restricted.";

fn body(facts: &RestrictionFacts<'_>) -> String {
    let account = one_line(facts.account, 320);
    let (who, what, named, others) = match (facts.connector, facts.device) {
        (Some(connector), _) => {
            let connector = one_line(connector, 64);
            let who = format!("The clients of the connector {connector}");
            (who, "what is in its networks", format!("--connector {connector}"), OTHERS_OF_A_CONNECTOR)
        }
        (None, Some(device)) => {
            let device = one_line(device, 64);
            let (who, named) = (format!("The device {device} of {account}"), format!("{account} --device {device}"));
            (who, "its credential and what it is configured with", named, OTHERS_OF_THE_ACCOUNT)
        }
        (None, None) => (account.clone(), "its password, and who else may know it", account, OTHERS_OF_THE_ACCOUNT),
    };
    format!(
        "{who} sent to too many recipients outside your organisation, and {} restricted from sending since {}.\n\n\
         Recipients outside in the hour before: {}\nRecipients outside in the day before: {}\n\n\
         Nothing more is accepted from it: its client gets \"{}\". What was \
         accepted before and has not left is held as far as it goes outside. {others}\n\n\
         Find out what happened before you release it: look at {what}. What it sent: franking trace.\n\n\
         franking restricted show {named}\nfranking restricted release {named}\n",
        if facts.connector.is_some() { "are" } else { "is" },
        facts.since,
        facts.of_hour,
        facts.of_day,
        facts.reply,
    )
}
