//! The notice to administrators that somebody was restricted.

use franking::model::policy::{Refusal, Settings};
use franking::model::report::{Reporter, RestrictionFacts, restriction_notice};
use mail_parser::MessageParser;

use super::{address, at, golden};

fn notice(account: &str, device: Option<&str>) -> Vec<u8> {
    notice_of(account, device, None)
}

fn notice_of(account: &str, device: Option<&str>, connector: Option<&str>) -> Vec<u8> {
    let author = address("postmaster@contoso.example");
    restriction_notice(&RestrictionFacts {
        reporter: &Reporter { host: "mx.contoso.example".into(), author: author.clone() },
        to: &author,
        account,
        device,
        connector,
        since: at("2026-01-05T09:00:00Z"),
        of_hour: 501,
        of_day: 640,
        reply: &Refusal::BadOutboundSender.bare_reply(&Settings::default()),
    })
}

#[test]
fn administrators_are_told_who_is_restricted_why_and_what_to_do() {
    golden("restricted.eml", &notice("alice@contoso.example", None));
    golden("restricted-device.eml", &notice("alice@contoso.example", Some("scanner-2")));
    golden("restricted-connector.eml", &notice_of("", None, Some("printers")));
}

/// Whatever an account is called, it stays within its place.
#[test]
fn no_name_adds_a_field_or_a_line() {
    for account in ["a\r\nBcc: eve@fabrikam.example\r\n\r\nx@contoso.example", "j\u{fc}rgen@b\u{fc}cher.example", "<@>"]
    {
        let written = notice(account, Some("x\r\nTo: y"));
        let parsed = MessageParser::default().parse(&written).unwrap();
        assert!(parsed.bcc().is_none() && parsed.to().unwrap().iter().count() == 1, "{account}");
        assert!(parsed.subject().unwrap().starts_with("User restricted from sending email: "));
        let usual =
            MessageParser::default().parse(&notice("alice@contoso.example", Some("y"))).unwrap().headers().len();
        assert_eq!(parsed.headers().len(), usual);
        assert!(written.is_ascii());
    }
}
