//! The grammar against what clients really send, and against what attackers send.

use super::*;
use crate::model::mail::Address;
use crate::model::policy::{BodyKind, Notify, Ret};

fn refused(line: &str) -> Refusal {
    match parse(line.as_bytes()) {
        Err(ParseFailure::Refused(refusal)) => refusal,
        other => panic!("{line}: {other:?}"),
    }
}

fn sender(line: &str) -> MailCommand {
    match parse(line.as_bytes()) {
        Ok(Command::Mail(mail)) => mail,
        other => panic!("{line}: {other:?}"),
    }
}

fn recipient(line: &str) -> RcptCommand {
    match parse(line.as_bytes()) {
        Ok(Command::Rcpt(rcpt)) => rcpt,
        other => panic!("{line}: {other:?}"),
    }
}

fn mailbox(text: &str) -> ReversePath {
    ReversePath::Mailbox(Address::parse(text).unwrap())
}

#[test]
fn reverse_paths_of_every_form_are_read() {
    assert_eq!(sender("MAIL FROM:<>").path, ReversePath::Null);
    assert_eq!(sender("mail from:<alice@contoso.example>").path, mailbox("alice@contoso.example"));
    assert_eq!(sender("MAIL FROM: <alice@contoso.example>  ").path, mailbox("alice@contoso.example"));
    assert_eq!(sender("MAIL FROM:<\"a > b\"@contoso.example>").path, mailbox("\"a > b\"@contoso.example"));
    assert_eq!(sender("MAIL FROM:<\"a\\\"> b\"@contoso.example>").path, mailbox("\"a\\\"> b\"@contoso.example"));
    assert_eq!(sender("MAIL FROM:<a@[192.0.2.1]>").path, mailbox("a@[192.0.2.1]"));
    let routed = "MAIL FROM:<@a.example,@[IPv6:2001:db8::1],@b.example:alice@contoso.example>";
    assert_eq!(sender(routed).path, mailbox("alice@contoso.example"));
}

#[test]
fn forward_paths_of_every_form_are_read() {
    assert_eq!(recipient("RCPT TO:<POSTMASTER>").path, ForwardPath::Postmaster);
    assert_eq!(
        recipient("rcpt to:<@x.example:bob@contoso.example>").path,
        ForwardPath::Mailbox(Address::parse("bob@contoso.example").unwrap())
    );
    assert!(recipient("RCPT TO:<b\u{f6}b@contoso.example>").in_utf8);
}

#[test]
fn malformed_paths_are_refused() {
    for path in [
        "alice@contoso.example",
        "<alice@contoso.example",
        "<alice>",
        "<a b@contoso.example>",
        "<a@b>x",
        "<a@b>SIZE=1",
        "<<a@b>>",
        "<@a.example alice@contoso.example>",
        "<@a.example:>",
        "<@:a@b>",
        "<\"a@b>",
        "  <a@b>",
        "",
    ] {
        assert_eq!(refused(&format!("MAIL FROM:{path}")), Refusal::InvalidSenderAddress, "{path}");
        assert_eq!(refused(&format!("RCPT TO:{path}")), Refusal::InvalidRecipientAddress, "{path}");
    }
    assert_eq!(refused("RCPT TO:<>"), Refusal::InvalidRecipientAddress);
    assert_eq!(refused("MAIL FROM:<postmaster>"), Refusal::InvalidSenderAddress);
    assert_eq!(refused("MAIL FORM:<a@b>"), Refusal::InvalidArguments);
    assert_eq!(refused("MAIL"), Refusal::InvalidArguments);
    assert_eq!(refused("MAIL FROM:<\u{fc}@contoso.example>"), Refusal::Utf8WithoutSmtpUtf8);
}

#[test]
fn parameters_of_mail_are_read() {
    let mail = sender("MAIL FROM:<a@b> size=1000 BODY=binarymime SMTPUTF8 RET=HDRS ENVID=QQ+2B+20x AUTH=<> ");
    assert_eq!(mail.declared_bytes, 1000);
    assert_eq!(mail.parameters.body, BodyKind::BinaryMime);
    assert!(mail.parameters.smtputf8);
    assert_eq!(mail.parameters.ret, Some(Ret::Headers));
    assert_eq!(mail.parameters.envelope_id.as_deref(), Some("QQ+ x"));
    assert_eq!(sender("MAIL FROM:<a@b> SIZE=99999999999999999999").declared_bytes, u64::MAX);
}

#[test]
fn parameters_of_rcpt_are_read() {
    let rcpt = recipient("RCPT TO:<a@b> NOTIFY=SUCCESS,delay ORCPT=rfc822;x+2By@contoso.example");
    assert_eq!(rcpt.dsn.notify, Notify::On { success: true, failure: false, delay: true });
    assert_eq!(rcpt.dsn.original_recipient, Some(("rfc822".into(), "x+y@contoso.example".into())));
    assert_eq!(recipient("RCPT TO:<a@b> NOTIFY=NEVER").dsn.notify, Notify::Never);
}

#[test]
fn wrong_parameters_are_told_from_unknown_ones() {
    for words in [
        "SIZE",
        "SIZE=",
        "SIZE=-1",
        "SIZE=1x",
        "SIZE=123456789012345678901",
        "SIZE=1 SIZE=1",
        "BODY=9BIT",
        "SMTPUTF8=yes",
        "RET=SOME",
        "ENVID=a+0D+0Ab",
        "ENVID=a+0d",
        "ENVID=a+2",
        "ENVID=a=b",
        "AUTH=a=b",
        "=x",
        "-X=1",
    ] {
        assert_eq!(refused(&format!("MAIL FROM:<a@b> {words}")), Refusal::InvalidArguments, "{words}");
    }
    for words in
        ["NOTIFY=NEVER,DELAY", "NOTIFY=", "NOTIFY=DELAY,DELAY", "ORCPT=rfc822", "ORCPT=rfc822;", "ORCPT=rfc822;a+0Ab"]
    {
        assert_eq!(refused(&format!("RCPT TO:<a@b> {words}")), Refusal::InvalidArguments, "{words}");
    }
    assert_eq!(refused("MAIL FROM:<a@b> MT-PRIORITY=4"), Refusal::UnsupportedParameter);
    assert_eq!(refused("MAIL FROM:<a@b> NOTIFY=NEVER"), Refusal::UnsupportedParameter);
    assert_eq!(refused("RCPT TO:<a@b> SIZE=1"), Refusal::UnsupportedParameter);
    assert_eq!(refused(&format!("MAIL FROM:<a@b> ENVID={}", "x".repeat(101))), Refusal::InvalidArguments);
}

#[test]
fn client_names_are_domains_or_literals() {
    for name in
        ["localhost", "scanner_1", "mail.contoso.example", "[192.0.2.1]", "[IPv6:::1]", "[2001:db8::1]", "[fe80::1%4]"]
    {
        assert!(matches!(parse(format!("EHLO {name}").as_bytes()), Ok(Command::Ehlo(_))), "{name}");
    }
    for name in ["", "a b", "<x>", "a..b", "[x]", "m\u{fc}nchen.example", "x\u{1b}[2J", "a;b", "%s", "[]"] {
        assert_eq!(refused(&format!("HELO {name}")), Refusal::InvalidDomainName, "{name}");
    }
}

#[test]
fn a_chunk_of_unknown_length_leaves_the_session_out_of_step() {
    assert_eq!(parse(b"BDAT 0 LAST"), Ok(Command::Bdat { bytes: 0, last: true }));
    assert_eq!(parse(b"bdat 18446744073709551615"), Ok(Command::Bdat { bytes: u64::MAX, last: false }));
    assert_eq!(parse(b"BDAT 99999999999999999999"), Ok(Command::Bdat { bytes: u64::MAX, last: false }));
    for line in ["BDAT", "BDAT x", "BDAT -1", "BDAT 1 LAST x", "BDAT 1 LATS", "BDAT +1", "BDAT 0x10", "BDAT LAST"] {
        assert_eq!(parse(line.as_bytes()), Err(ParseFailure::OutOfStep(Refusal::InvalidArguments)), "{line}");
    }
}

#[test]
fn verbs_unknown_known_and_off_are_told_apart() {
    assert_eq!(refused("FOO"), Refusal::UnrecognizedCommand);
    assert_eq!(refused(""), Refusal::UnrecognizedCommand);
    assert_eq!(refused("GET / HTTP/1.1"), Refusal::UnrecognizedCommand);
    assert_eq!(refused("EXPN staff"), Refusal::CommandNotImplemented);
    assert_eq!(refused("DATA now"), Refusal::InvalidArguments);
    assert_eq!(refused("STARTTLS x"), Refusal::InvalidArguments);
    assert_eq!(refused("VRFY"), Refusal::InvalidArguments);
    assert_eq!(parse(b"quit  "), Ok(Command::Quit));
    assert_eq!(parse(b"NOOP anything at all"), Ok(Command::Noop));
    assert_eq!(parse(b"\xff\xfe"), Err(ParseFailure::Refused(Refusal::UnrecognizedCommand)));
    assert_eq!(parse(b"RCPT TO:<\xff@b>"), Err(ParseFailure::Refused(Refusal::InvalidArguments)));
}

#[test]
fn auth_takes_a_mechanism_and_at_most_one_response() {
    assert_eq!(parse(b"AUTH login"), Ok(Command::Auth { mechanism: Mechanism::Login, initial: None }));
    assert_eq!(parse(b"AUTH PLAIN ="), Ok(Command::Auth { mechanism: Mechanism::Plain, initial: Some("=".into()) }));
    assert_eq!(refused("AUTH"), Refusal::InvalidArguments);
    assert_eq!(refused("AUTH PLAIN a b"), Refusal::InvalidArguments);
}
