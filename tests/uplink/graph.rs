//! Graph: who gets what by a service that knows no envelope, and what its answers mean.

use super::provider::{LICENSED, Provider};
use super::{QUICK, end, send};
use crate::support::site::Site;
use crate::support::{Place, wait_for};

#[test]
fn a_message_goes_to_its_recipients_and_to_nobody_else() {
    let place = Place::new();
    let provider = Provider::start(&place);
    let route = provider.graph() + &format!("rewrite_sender = \"{LICENSED}\"\n");
    let site = Site::set_up(&place, &[], &(provider.token() + &route + QUICK));
    let said = site.franking(&["explain", "--as", "bob@contoso.example", "--to", "carol@fabrikam.example"]).1;
    let words =
        format!("Microsoft Graph at 127.0.0.1:{} with the token provider, in the name of {LICENSED}", provider.web);
    assert!(said.contains(&words), "{said}");
    let server = site.start(&place);
    let content = "From: Bob <bob@contoso.example>\r\nTo: carol@fabrikam.example\r\nBcc: eve@adatum.example\r\n\
                   Subject: by-graph\r\n\r\nhi\r\n.hidden\r\n"
        .replace("\r\n.", "\r\n..");
    let to = ["carol@fabrikam.example", "dave@fabrikam.example"];
    site.sign_in("bob").unwrap().send("bob@contoso.example", &to, &content).unwrap();
    let mail = provider.wait_for("by-graph");
    assert_eq!(mail.login, Some((LICENSED.to_owned(), "GRAPH".to_owned())));
    assert_eq!(mail.to, to);
    assert!(mail.content.contains(&format!("\r\nFrom: Bob <{LICENSED}>\r\n")), "{}", mail.content);
    assert!(mail.content.contains("\r\nReply-To: Bob <bob@contoso.example>\r\n"), "{}", mail.content);
    assert!(mail.content.ends_with("\r\n\r\nhi\r\n.hidden\r\n"), "{}", mail.content);
    wait_for("an empty queue", || (site.queued() == 0).then_some(()));
    let facts = provider.facts();
    assert_eq!((facts.posts, facts.asked.len()), (1, 1));
    drop(facts);
    end(&place, &site, &provider, server);
}

#[test]
fn who_would_get_it_twice_is_a_reason_to_refuse_or_is_hidden() {
    let place = Place::new();
    let provider = Provider::start(&place);
    let site = Site::set_up(&place, &[], &(provider.token() + &provider.graph() + QUICK));
    let server = site.start(&place);
    send(&site, "alice", &["carol@fabrikam.example", "bob@contoso.example"], "to-both");
    server.mailbox("alice").wait_for("who would get it a second time");
    server.mailbox("bob").wait_for("to-both");
    assert!(provider.facts().mail.is_empty());
    end(&place, &site, &provider, server);
    let place = Place::new();
    let provider = Provider::start(&place);
    let to = ["carol@fabrikam.example", "dave@adatum.example"];
    let route = provider.graph() + "other_recipients = \"hide\"\n";
    let site = Site::set_up(&place, &[], &(provider.token() + &route + QUICK));
    let server = site.start(&place);
    send(&site, "alice", &to, "to-both");
    wait_for("two messages", || (provider.facts().mail.len() == 2).then_some(()));
    let mut got: Vec<String> = provider.facts().mail.iter().flat_map(|mail| mail.to.clone()).collect();
    got.sort();
    assert_eq!(got, to);
    end(&place, &site, &provider, server);
}

#[test]
fn the_answers_of_graph_are_obeyed() {
    let place = Place::new();
    let provider = Provider::start(&place);
    let error = |code: &str| format!(r#"{{"error":{{"code":"{code}","message":"because"}}}}"#);
    provider.facts().graph_answers.extend([
        ("429 Too Many Requests\r\nRetry-After: 3".to_owned(), error("ApplicationThrottled")),
        ("503 Service Unavailable".to_owned(), String::new()),
    ]);
    let site = Site::set_up(&place, &[], &(provider.token() + &provider.graph() + QUICK));
    let server = site.start(&place);
    send(&site, "alice", &["carol@fabrikam.example"], "throttled");
    provider.wait_for("throttled");
    // Each turned one post away. What waits comes back every second, and asks nobody as long as Graph wished for.
    assert_eq!(provider.facts().posts, 3);
    let log = server.log();
    let alone = log.iter().filter(|line| line["message"] == "the host is left alone for a while");
    assert_eq!(alone.map(|line| line["seconds"].as_u64()).collect::<Vec<_>>(), [Some(3), Some(2)]);
    // The token is taken back: another one is fetched at once.
    provider.facts().good.clear();
    send(&site, "alice", &["carol@fabrikam.example"], "with-another-token");
    provider.wait_for("with-another-token");
    assert_eq!(provider.facts().asked.len(), 2);
    provider.facts().graph_answers.push_back(("400 Bad Request".to_owned(), error("ErrorInvalidRecipients")));
    send(&site, "alice", &["carol@fabrikam.example"], "refused");
    server.mailbox("alice").wait_for("400 ErrorInvalidRecipients: because");
    let large = format!("From: alice@contoso.example\r\nTo: carol@fabrikam.example\r\n\r\n{}", "x".repeat(78) + "\r\n");
    let large = large + &("y".repeat(998) + "\r\n").repeat(3_100);
    site.alice().send("alice@contoso.example", &["carol@fabrikam.example"], &large).unwrap();
    server.mailbox("alice").wait_for("that Graph takes; route it by SMTP");
    end(&place, &site, &provider, server);
}
