//! The trace field that this server writes on top of each message (RFC 5321 section 4.4, RFC 3848, RFC 6531, RFC 8314).
//!
//! Nothing that a client said gets in unless it was parsed into a value that cannot hold a line end; the rest is
//! sanitised here once more.

use core::fmt::Write as _;
use core::net::IpAddr;
use std::borrow::Cow;

use super::interface::TlsFacts;
use crate::model::mail::{Domain, ForwardPath, Timestamp};

/// The longest text of one kind that is shown, in characters.
const SHOWN_MAX: usize = 255;

/// Everything that the trace field tells.
#[derive(Debug)]
pub struct Trace<'session> {
    /// The name of EHLO or HELO.
    pub client_name: &'session Domain,
    /// The client's verified name.
    pub peer_name: Option<&'session Domain>,
    /// The client's network address.
    pub peer: IpAddr,
    /// This server's name.
    pub hostname: &'session str,
    /// The client said EHLO.
    pub extended: bool,
    /// SMTPUTF8 was given.
    pub utf8: bool,
    /// An account signed in.
    pub authenticated: bool,
    /// The connector that vouched for the client.
    pub connector: Option<&'session str>,
    /// TLS, when it is on.
    pub tls: Option<&'session TlsFacts>,
    /// The message's id on this server.
    pub id: &'session str,
    /// The recipient, when there is only one: otherwise blind copies would show.
    pub only_recipient: Option<&'session ForwardPath>,
    /// When the message arrived.
    pub at: Timestamp,
}

impl Trace<'_> {
    /// The field, folded, with its final CRLF.
    pub fn field(&self) -> String {
        let mut text = String::with_capacity(320);
        let name = self.peer_name.map_or_else(String::new, |name| format!("{} ", clean(&name.to_string())));
        let peer = Domain::from(self.peer.to_canonical());
        let client = self.client_name.to_string();
        // Writing to a String never fails.
        let _ = write!(text, "Received: from {} ({name}{peer})\r\n", clean(&client));
        let _ = write!(text, "\tby {} (Franking) with {} id {}", clean(self.hostname), self.protocol(), clean(self.id));
        if let Some(tls) = self.tls {
            let _ = write!(text, "\r\n\t(version={} cipher={})", clean(&tls.version), clean(&tls.cipher));
        }
        if let Some(connector) = self.connector {
            let _ = write!(text, "\r\n\t(connector={})", clean(connector));
        }
        if let Some(path) = self.only_recipient.map(ToString::to_string) {
            // A quoted local part can hold any printable character; what this message may not carry stays out.
            if path.chars().all(|character| !character.is_control() && (self.utf8 || character.is_ascii())) {
                let _ = write!(text, "\r\n\tfor <{path}>");
            }
        }
        let _ = write!(text, ";\r\n\t{}\r\n", self.at.rfc5322());
        text
    }

    /// The registered name of how the message came.
    fn protocol(&self) -> String {
        let base = match (self.utf8, self.extended) {
            (true, _) => "UTF8SMTP",
            (false, true) => "ESMTP",
            (false, false) => "SMTP",
        };
        let (tls, authenticated) = (self.tls.is_some(), self.authenticated);
        // Plain SMTP has no name for either.
        let extended = self.utf8 || self.extended;
        let tls = if tls && extended { "S" } else { "" };
        let authenticated = if authenticated && extended { "A" } else { "" };
        format!("{base}{tls}{authenticated}")
    }
}

/// Printable ASCII without blanks, brackets and semicolons of comments; the rest becomes `?`.
fn clean(text: &str) -> Cow<'_, str> {
    let is_clean = |octet: u8| matches!(octet, b'!'..=b'~') && !b"()<>;\\\"".contains(&octet);
    if text.len() <= SHOWN_MAX && text.bytes().all(is_clean) {
        return Cow::Borrowed(text);
    }
    let keep = |character: char| match character {
        '(' | ')' | '<' | '>' | ';' | '\\' | '"' => '?',
        '!'..='~' => character,
        _ => '?',
    };
    text.chars().take(SHOWN_MAX).map(keep).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::mail::Address;

    fn path(text: &str) -> ForwardPath {
        ForwardPath::Mailbox(Address::parse(text).unwrap())
    }

    #[test]
    fn the_field_tells_how_a_message_came() {
        let client_name = Domain::parse("laptop").unwrap();
        let tls =
            TlsFacts { version: "TLS1_3".into(), cipher: "TLS_AES_256_GCM_SHA384".into(), sni: None, client: None };
        let to = path("\"a b\"@contoso.example");
        let trace = Trace {
            client_name: &client_name,
            peer_name: None,
            peer: "192.0.2.7".parse().unwrap(),
            hostname: "mx.contoso.example",
            extended: true,
            utf8: false,
            authenticated: true,
            connector: None,
            tls: Some(&tls),
            id: "00000000000000A1-1",
            only_recipient: Some(&to),
            at: Timestamp::parse_iso8601("2026-01-05T09:00:00Z").unwrap(),
        };
        assert_eq!(
            trace.field(),
            "Received: from laptop ([192.0.2.7])\r\n\tby mx.contoso.example (Franking) with ESMTPSA id \
             00000000000000A1-1\r\n\t(version=TLS1_3 cipher=TLS_AES_256_GCM_SHA384)\r\n\tfor <\"a b\"@contoso.example>;\
             \r\n\tMon, 5 Jan 2026 09:00:00 +0000\r\n"
        );
        let inbound = Trace { extended: false, authenticated: false, connector: Some("printers"), ..trace };
        assert!(inbound.field().contains(" with SMTP id "));
        assert!(inbound.field().contains("_SHA384)\r\n\t(connector=printers)\r\n\tfor <"));
    }

    #[test]
    fn nothing_can_begin_a_line_of_its_own() {
        let client_name = Domain::Name("x\r\nBcc: y".into());
        let tls = TlsFacts { version: "a\r\nb".into(), cipher: "c)d\u{202e}".into(), sni: None, client: None };
        let to = path("\u{fc}@contoso.example");
        let trace = Trace {
            client_name: &client_name,
            peer_name: Some(&client_name),
            peer: "2001:db8::1".parse().unwrap(),
            hostname: "h\nh",
            extended: true,
            utf8: false,
            authenticated: false,
            connector: Some("a)\r\nb"),
            tls: Some(&tls),
            id: "1;2",
            only_recipient: Some(&to),
            at: Timestamp::EPOCH,
        };
        let field = trace.field();
        assert!(field.is_ascii());
        let lines: Vec<_> = field.split_terminator("\r\n").collect();
        assert!(lines[1..].iter().all(|line| line.starts_with('\t')), "{field}");
        assert!(!field.replace("\r\n", "").contains(['\r', '\n']));
        assert!(!field.contains(" for "));
    }
}
