//! What a person reads when the demonstration starts: where everything is, and lines to paste.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::ready::Ready;
use super::serve::Bound;
use crate::config::{ListenerRole, ListenerTls};
use crate::model::mail::Address;
use crate::model::policy::{Refusal, Settings};

/// What a server says that a run of tests started by hand.
pub(super) fn of_ephemeral(ready: &Ready<'_>) -> String {
    let mut text = "Franking is running for tests; nothing leaves this machine, and nothing is kept.\n\n".to_owned();
    for Bound { role, tls, address } in ready.listeners {
        let what = match (role, tls) {
            (ListenerRole::Inbound, _) => "mail from other servers",
            (ListenerRole::Submission, ListenerTls::Starttls) => "submission (STARTTLS)",
            (ListenerRole::Submission, ListenerTls::Implicit) => "submission (TLS from the first byte)",
            (ListenerRole::Submission, ListenerTls::None) => "submission (no TLS)",
        };
        // Writing to a String never fails.
        let _ = writeln!(text, "  {address:<22} {what}");
    }
    let socket = ready.socket.display();
    let _ = write!(
        text,
        "\n  mailboxes   {}\n  sent out    {}\n  trust this  {}\n\n\
         # what came in, and what shall go wrong\n\
         franking --socket {socket} captured list\n\
         franking --socket {socket} faults add refuse=ServerBusy times=2\n\n",
        ready.mailboxes.display(),
        ready.outbox.unwrap_or(ready.data).display(),
        ready.authority.display(),
    );
    text
}

/// The whole text of the demonstration.
pub(super) fn text(address: IpAddr, ready: &Ready<'_>) -> String {
    let Ready { listeners: bound, mailboxes, authority, .. } = ready;
    let outbox = ready.outbox.unwrap_or(ready.data);
    let port = |role, tls| {
        let found = bound.iter().find(|bound| bound.role == role && bound.tls == tls);
        found.map_or(0, |bound| bound.address.port())
    };
    let inbound = port(ListenerRole::Inbound, ListenerTls::Starttls);
    let submission = port(ListenerRole::Submission, ListenerTls::Starttls);
    let submissions = port(ListenerRole::Submission, ListenerTls::Implicit);
    let host = match address {
        IpAddr::V4(address) => address.to_string(),
        IpAddr::V6(address) => format!("[{address}]"),
    };
    let mut text = format!(
        "Franking is running, on loopback only. Ctrl-C ends it.\n\n\
         \x20 {host}:{inbound:<6} mail from other servers (SMTP, STARTTLS)\n\
         \x20 {host}:{submission:<6} submission (STARTTLS)\n\
         \x20 {host}:{submissions:<6} submission (TLS from the first byte)\n\n\
         \x20 mailboxes   {}\n\x20 sent out    {} (nothing leaves this machine)\n\x20 trust this  {}\n\n\
         Accounts are alice, bob, carol, kiosk, … @contoso.example; the password is demo- and the name, for example\n\
         demo-alice. Lines to paste into another terminal:\n",
        mailboxes.display(),
        outbox.display(),
        authority.display(),
    );
    for (what, line) in lines(&host, inbound, submission) {
        // Writing to a String never fails.
        let _ = write!(text, "\n# {what}\n{line}\n");
    }
    let data = mailboxes.parent().unwrap_or(mailboxes).display();
    let _ = write!(
        text,
        "\n# why is that refused, and what would help?\n\
         franking --data {data} explain --as bob --from info --to alice\n\n\
         # what came in, and what shall go wrong next\n\
         franking --data {data} captured list\n\
         franking --data {data} faults add refuse=ServerBusy times=2\n\n"
    );
    text
}

/// Each line with what it shows; refusals are named by the codes of their table.
fn lines(host: &str, inbound: u16, submission: u16) -> Vec<(String, String)> {
    let submit = |login: &str, from: &str, to: &str| {
        format!(
            "swaks --server {host}:{submission} -tls -au {login}@contoso.example -ap demo-{login} \
             -f {from}@contoso.example -t {to}@contoso.example"
        )
    };
    let arrive = |to: &str| format!("swaks --server {host}:{inbound} -f bob@fabrikam.example -t {to}@contoso.example");
    let plain = |what: &str| what.to_owned();
    let refused = |what: &str, refusal: &Refusal| format!("{what}: {}", code_of(refusal));
    vec![
        (plain("a licensed mailbox submits"), submit("alice", "alice", "bob")),
        (refused("a mail user has no mailbox", &Refusal::MailboxCannotBeAccessed), submit("scanner", "scanner", "bob")),
        (plain("every mail app off: submission works"), submit("kiosk", "kiosk", "bob")),
        (plain("send as a shared mailbox, by grant"), submit("alice", "info", "bob")),
        (format!("the same without grant: {}", send_as_denied()), submit("bob", "info", "alice")),
        (plain("on behalf of a shared mailbox: a Sender field"), submit("alice", "sales", "bob")),
        (refused("SMTP AUTH switched off", &Refusal::SmtpAuthDisabledForMailbox), submit("quiet", "quiet", "bob")),
        (plain("mail comes in for a mailbox"), arrive("bob")),
        (plain("… for one that forwards outside"), arrive("carol")),
        (plain("… for a contact outside"), arrive("partner")),
        (refused("… for a group that refuses strangers", &Refusal::SenderNotAuthenticatedForGroup), arrive("staff")),
        (plain("the group takes mail from inside"), submit("alice", "alice", "staff")),
    ]
}

fn send_as_denied() -> String {
    let address = |text| Address::parse(text).ok();
    match (address("bob@contoso.example"), address("info@contoso.example")) {
        (Some(account), Some(from)) => code_of(&Refusal::SendAsDenied { account, from }),
        (None, _) | (_, None) => "refused".to_owned(),
    }
}

/// Code and enhanced status, as the demonstration's profile words them.
fn code_of(refusal: &Refusal) -> String {
    let reply = refusal.bare_reply(&Settings::default());
    let status = reply.enhanced().map(|status| format!(" {status}")).unwrap_or_default();
    format!("{}{status}", reply.code())
}
