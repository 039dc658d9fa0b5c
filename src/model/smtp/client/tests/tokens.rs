//! Signing in with access tokens: what is said, what is never said, and what a refused one means.

use super::*;

fn with_token(mechanism: TokenMechanism, token: &str) -> ClientOptions {
    let secret = Secret::Token { mechanism, token: token.to_owned() };
    let credentials = Some(Credentials { login: "scanner@contoso.example".into(), secret });
    ClientOptions { tls: TlsPolicy::Required, credentials, ..options() }
}

/// As far as the second EHLO, under TLS; the host offers these mechanisms.
fn up_to_auth(options: ClientOptions, mechanisms: &str, expected: &str) -> Play {
    let mut play = Play::new(options, message());
    play.say("220 x\r\n", EHLO).say("250-x\r\n250 STARTTLS\r\n", "STARTTLS\r\n").say("220 go\r\n", EHLO);
    play.say(&format!("250-x\r\n250 AUTH {mechanisms}\r\n"), expected);
    play
}

fn said_of(play: &Play) -> String {
    match &play.outcomes()[0] {
        Outcome::Deferred(trouble) | Outcome::Failed(trouble) => trouble.to_string(),
        Outcome::Delivered { .. } => "delivered".to_owned(),
    }
}

const XOAUTH2: &str = "dXNlcj1zY2FubmVyQGNvbnRvc28uZXhhbXBsZQFhdXRoPUJlYXJlciB0MGsubgEB";
const BEARER: &str = "bixhPXNjYW5uZXJAY29udG9zby5leGFtcGxlLAFob3N0PW14LmZhYnJpa2FtLmV4YW1wbGUBcG9ydD01ODcBYXV0aD1CZWFyZXIgdDB\
                      rLm4BAQ==";

#[test]
fn a_token_is_given_as_the_operator_chose() {
    let command = format!("AUTH XOAUTH2 {XOAUTH2}\r\n");
    let mut play = up_to_auth(with_token(TokenMechanism::Xoauth2, "t0k.n"), "LOGIN XOAUTH2", &command);
    play.say("235 2.7.0 Authentication successful\r\n", MAIL);
    let command = format!("AUTH OAUTHBEARER {BEARER}\r\n");
    let bearer = TokenMechanism::OauthBearer { port: 587 };
    up_to_auth(with_token(bearer, "t0k.n"), "PLAIN OAUTHBEARER", &command).say("235 ok\r\n", MAIL);
}

#[test]
fn a_long_token_waits_for_its_prompt() {
    let token = "x".repeat(2_000);
    let mut play = up_to_auth(with_token(TokenMechanism::Xoauth2, &token), "XOAUTH2", "AUTH XOAUTH2\r\n");
    play.session.receive(b"334 \r\n");
    let sent = play.sent();
    assert!(sent.starts_with(XOAUTH2.split_at(40).0) && sent.ends_with("\r\n") && sent.len() > 2_600, "{sent}");
    play.say("235 ok\r\n", MAIL);
    // A host may refuse instead of asking.
    let mut play = up_to_auth(with_token(TokenMechanism::Xoauth2, &token), "XOAUTH2", "AUTH XOAUTH2\r\n");
    play.say("504 5.7.4 Unrecognized authentication type\r\n", "");
    assert_eq!((statuses(&play).remove(0).as_str(), play.settlements[0].sign_in_refused), ("deferred 4.7.8", true));
}

#[test]
fn what_the_host_says_of_a_refused_token_is_heard_to_the_end_and_kept() {
    // {"status":"401","schemes":"bearer","scope":"https://mail.example/"}
    let challenge =
        "334 eyJzdGF0dXMiOiI0MDEiLCJzY2hlbWVzIjoiYmVhcmVyIiwic2NvcGUiOiJodHRwczovL21haWwuZXhhbXBsZS8ifQ==\r\n";
    let bearer = TokenMechanism::OauthBearer { port: 587 };
    let cases = [
        (TokenMechanism::Xoauth2, format!("AUTH XOAUTH2 {XOAUTH2}\r\n"), "\r\n"),
        (bearer, format!("AUTH OAUTHBEARER {BEARER}\r\n"), "AQ==\r\n"),
    ];
    for (mechanism, command, answer) in cases {
        let mut play = up_to_auth(with_token(mechanism, "t0k.n"), mechanism.name(), &command);
        play.say(challenge, answer).say("535 5.7.3 Authentication unsuccessful\r\n", "");
        assert_eq!(statuses(&play), ["deferred 4.7.8"]);
        assert!(play.settlements[0].sign_in_refused && play.settlements[0].another_host && play.closed);
        assert_eq!(
            said_of(&play),
            "mx.fabrikam.example: 4.7.8 535 5.7.3 Authentication unsuccessful (in reply to AUTH), and of the token: \
             {\"status\":\"401\",\"schemes\":\"bearer\",\"scope\":\"https://mail.example/\"}"
        );
    }
    let mut play =
        up_to_auth(with_token(TokenMechanism::Xoauth2, "t0k.n"), "XOAUTH2", &format!("AUTH XOAUTH2 {XOAUTH2}\r\n"));
    play.say("535 5.7.3 Authentication unsuccessful\r\n", "");
    assert!(said_of(&play).ends_with("535 5.7.3 Authentication unsuccessful (in reply to AUTH)"), "{}", said_of(&play));
}

#[test]
fn a_host_that_takes_back_its_refusal_makes_no_sense() {
    for end in ["235 welcome\r\n", "334 again\r\n"] {
        let options = with_token(TokenMechanism::Xoauth2, "t0k.n");
        let mut play = up_to_auth(options, "XOAUTH2", &format!("AUTH XOAUTH2 {XOAUTH2}\r\n"));
        play.say("334 e30=\r\n", "\r\n").say(end, "");
        assert_eq!(
            (statuses(&play).remove(0).as_str(), play.settlements[0].sign_in_refused),
            ("deferred 4.5.0", false)
        );
    }
}

#[test]
fn a_refusal_for_now_says_nothing_against_the_token() {
    let command = format!("AUTH XOAUTH2 {XOAUTH2}\r\n");
    for reply in ["454 4.7.0 Temporary authentication failure\r\n", "421 4.7.0 busy\r\n"] {
        let mut play = up_to_auth(with_token(TokenMechanism::Xoauth2, "t0k.n"), "XOAUTH2", &command);
        play.say(reply, "");
        assert!(statuses(&play)[0].starts_with("deferred 4.7.") && !play.settlements[0].sign_in_refused);
    }
}

#[test]
fn a_token_is_never_sent_in_clear_nor_where_it_is_not_taken() {
    for tls in [TlsPolicy::Off, TlsPolicy::Opportunistic] {
        let mut play = Play::new(ClientOptions { tls, ..with_token(TokenMechanism::Xoauth2, "t0k.n") }, message());
        play.say("220 x\r\n", EHLO).say("250-x\r\n250 AUTH XOAUTH2\r\n", "");
        assert_eq!(statuses(&play), ["deferred 4.7.10"]);
    }
    for offered in ["PLAIN LOGIN", "OAUTHBEARER"] {
        let play = up_to_auth(with_token(TokenMechanism::Xoauth2, "t0k.n"), offered, "");
        assert_eq!(statuses(&play), ["deferred 4.7.0"]);
        assert!(said_of(&play).contains("offers no AUTH XOAUTH2"), "{}", said_of(&play));
    }
    // Nor is a token passed off as a password.
    let password = Secret::Password("secret".into());
    let credentials = Some(Credentials { login: "relay".into(), secret: password });
    let play = up_to_auth(ClientOptions { credentials, ..with_token(TokenMechanism::Xoauth2, "") }, "XOAUTH2", "");
    assert!(said_of(&play).contains("neither AUTH PLAIN nor AUTH LOGIN"), "{}", said_of(&play));
}
