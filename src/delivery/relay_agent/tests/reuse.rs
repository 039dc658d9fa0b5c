//! Connections that serve again: when they do, when they must not, and that no message pays for it.

use tokio::sync::Notify;

use super::host::{Sink, within_patience};
use super::*;

fn reuse() -> ReuseOptions {
    ReuseOptions { idle: Duration::from_secs(30), ..ReuseOptions::default() }
}

fn agent_of(sink: &Sink, reuse: ReuseOptions) -> RelayAgent {
    agent_with(30, sink.address.port(), &[sink.address], any_certificate()).reusing(reuse)
}

/// One message, without a goodbye.
async fn send(agent: &RelayAgent, route: &Route) -> String {
    status(&agent.deliver(route, message_to(1), &source(CONTENT)).await[0])
}

fn to_host(sink: &Sink, security: HopSecurity, login: Option<&str>) -> Route {
    let credentials =
        login.map(|login| Credentials { login: login.to_owned(), secret: Secret::Password("secret".to_owned()) });
    let (host, port) = (sink.address.ip().to_string(), sink.address.port());
    let sign_in = credentials.map(SignIn::Fixed);
    Route::SmartHost(SmartHost { host, port, security, sign_in, identity: None })
}

#[tokio::test]
async fn messages_share_a_connection_up_to_the_limit() {
    let sink = Sink::open(None);
    let agent = agent_of(&sink, ReuseOptions { messages_max: 3, ..reuse() });
    for _ in 0..7 {
        assert_eq!(send(&agent, &to_domain()).await, "delivered in clear");
    }
    agent.close().await;
    assert_eq!(sink.count("MAIL"), [3, 3, 1]);
    // One greeting each, a goodbye each, and nothing to reset after a message that went well.
    assert_eq!((sink.count("EHLO"), sink.count("QUIT"), sink.count("RSET")), (vec![1; 3], vec![1; 3], vec![0; 3]));
}

#[tokio::test]
async fn domains_with_the_same_host_share_its_connection() {
    let sink = Sink::open(None);
    let agent = agent_of(&sink, reuse());
    let ways = [to_host(&sink, HopSecurity::Plain, None), to_host(&sink, HopSecurity::Plain, None)];
    for way in &ways {
        assert_eq!(send(&agent, way).await, "delivered in clear");
    }
    assert_eq!(sink.count("MAIL"), [2]);
}

#[tokio::test]
async fn one_message_never_waits_for_another() {
    let mut first = plain("250 ok\r\n");
    first.splice(10.., [Stall]);
    let slow = Host::play(vec![first]);
    let sink = Sink::open(None);
    let agent = agent_with(1, slow.address.port(), &[slow.address], any_certificate()).reusing(reuse());
    let (to_sink, to_slow) = (to_host(&sink, HopSecurity::Plain, None), to_domain());
    let all = async { tokio::join!(send(&agent, &to_sink), send(&agent, &to_sink), send(&agent, &to_sink)) };
    tokio::select! {
        stuck = send(&agent, &to_slow) => panic!("{stuck}"),
        statuses = all => assert_eq!(statuses.1, "delivered in clear"),
    }
    // At once means on connections of their own; the next one finds all of them idle and takes one.
    assert_eq!(sink.count("MAIL"), [1, 1, 1]);
    assert_eq!(send(&agent, &to_sink).await, "delivered in clear");
    assert_eq!(sink.count("MAIL").iter().sum::<usize>(), 4);
    assert_eq!(sink.count("EHLO").len(), 3);
}

/// What the host does on the connection of the first message once that is delivered; the second one follows.
#[tokio::test]
async fn a_connection_that_is_no_good_any_more_costs_no_message_its_attempt() {
    let pipelined = |second: Vec<Move>| {
        let mut moves = vec![Say("220 x\r\n"), Hear(1), Say("250-x\r\n250 PIPELINING\r\n"), Hear(3)];
        moves.extend([Say("250 ok\r\n250 ok\r\n354 go\r\n"), HearContent, Say("250 ok\r\n")]);
        moves.extend(second);
        moves
    };
    let go = "250 ok\r\n250 ok\r\n354 go\r\n";
    for (what, second) in [
        ("closed while idle", vec![]),
        ("421 while idle", vec![Say("421 4.4.2 idle for too long\r\n")]),
        ("closed at MAIL", vec![Hear(1)]),
        ("421 at MAIL", vec![Hear(3), Say("421 4.7.0 too many messages\r\n")]),
        ("MAIL refused for now", vec![Hear(3), Say("451 4.7.1 too many messages\r\n503 no\r\n503 no\r\n"), Hear(1)]),
        ("MAIL refused", vec![Hear(3), Say("550 5.7.1 too many messages\r\n503 no\r\n503 no\r\n"), Hear(1)]),
        ("421 at RCPT", vec![Hear(3), Say("250 ok\r\n421 4.3.2 shutting down\r\n")]),
        ("nonsense", vec![Hear(3), Say("what?\r\n")]),
        ("closed at DATA", vec![Hear(3), Say("250 ok\r\n250 ok\r\n")]),
        ("421 in the content", vec![Hear(3), Say(go), Hear(2), Say("421 4.3.2 shutting down\r\n")]),
    ] {
        let host = Host::play(vec![pipelined(second), plain("250 2.0.0 fresh\r\n")]);
        let agent = agent_for(&host).reusing(reuse());
        assert_eq!(send(&agent, &to_domain()).await, "delivered in clear", "{what}");
        // Larger than the buffers on the way, so that a host which does not read on is noticed before the end.
        let content = if what.ends_with("content") { "0123456789\r\n".repeat(3 << 20) } else { "Hi\r\n".to_owned() };
        let outcomes = agent.deliver(&to_domain(), message_to(1), &source(content.as_bytes())).await;
        let Outcome::Delivered { reply, .. } = &outcomes[0] else { panic!("{what}: {outcomes:?}") };
        assert_eq!(reply.to_string(), "250 2.0.0 fresh", "{what}");
    }
}

#[tokio::test]
async fn a_whole_message_without_a_verdict_is_never_sent_again() {
    for verdict in ["", "421 4.3.2 shutting down\r\n", "what?\r\n"] {
        let mut moves = plain("250 ok\r\n");
        moves.truncate(11);
        moves.extend([Hear(1), Say("250 ok\r\n"), Hear(1), Say("250 ok\r\n"), Hear(1), Say("354 go\r\n")]);
        moves.extend([HearContent, Say(verdict)]);
        let host = Host::play(vec![moves, plain("250 ok\r\n")]);
        let agent = agent_for(&host).reusing(reuse());
        assert_eq!(send(&agent, &to_domain()).await, "delivered in clear");
        let second = send(&agent, &to_domain()).await;
        assert!(second.starts_with("deferred"), "{verdict}: {second}");
        assert_eq!(host.heard().matches("EHLO").count(), 1, "{verdict}");
        assert_eq!(host.heard().matches("\r\n.\r\n").count(), 2, "{verdict}");
    }
}

#[tokio::test]
async fn refused_recipients_are_not_asked_for_again_on_another_connection() {
    let mut moves = plain("250 ok\r\n");
    moves.truncate(11);
    moves.extend([Hear(1), Say("250 ok\r\n"), Hear(1), Say("550 5.1.1 nobody\r\n"), Hear(1), Say("221 bye\r\n")]);
    let host = Host::play(vec![moves, plain("250 ok\r\n")]);
    let agent = agent_for(&host).reusing(reuse());
    assert_eq!(send(&agent, &to_domain()).await, "delivered in clear");
    assert_eq!(send(&agent, &to_domain()).await, "failed 5.1.1");
    assert_eq!(host.heard().matches("EHLO").count(), 1);
}

#[tokio::test]
async fn a_dead_idle_connection_is_noticed_without_a_message() {
    for farewell in ["", "421 4.4.2 idle for too long\r\n", "250 what was the question?\r\n"] {
        let (mut moves, signal) = (plain("250 ok\r\n"), Arc::new(Notify::new()));
        moves.truncate(11);
        moves.extend([Move::Await(Arc::clone(&signal)), Say(farewell)]);
        let host = Host::play(vec![moves]);
        let agent = agent_for(&host).reusing(reuse());
        assert_eq!(send(&agent, &to_domain()).await, "delivered in clear");
        assert_eq!(agent.pool.open(), 1, "{farewell}");
        signal.notify_one();
        within_patience("the end of the connection", || agent.pool.open() == 0).await;
    }
}

#[tokio::test]
async fn a_connection_never_serves_where_more_is_asked_of_it() {
    let tls = tls();
    let roots = Roots::File(tls.directory.path().join("ca.pem"));
    let trusting = RelayTls { verified: Some(verified(&roots).unwrap()), ..any_certificate() };
    let verified_mx = Route::VerifiedMx(Domain::parse("fabrikam.example").unwrap());
    // In clear text, since the host offers nothing else: no way into what must be verified.
    let sink = Sink::open(None);
    let agent = agent_with(30, sink.address.port(), &[sink.address], trusting.clone()).reusing(reuse());
    assert_eq!(send(&agent, &to_domain()).await, "delivered in clear");
    assert_eq!(send(&agent, &verified_mx).await, "deferred 4.7.10");
    assert_eq!(sink.count("MAIL"), [1, 0]);
    // Encrypted with a certificate that nobody looked at: no more so, though the proof succeeds when it is asked for.
    let sink = Sink::open(Some(tls.acceptor.clone()));
    let agent = agent_with(30, sink.address.port(), &[sink.address], trusting).reusing(reuse());
    for route in [to_domain(), verified_mx.clone(), to_domain(), verified_mx] {
        assert_eq!(send(&agent, &route).await, "delivered over TLS");
    }
    assert_eq!((sink.count("MAIL"), sink.count("STARTTLS")), (vec![2, 2], vec![1, 1]));
    // Clear text by choice, and TLS where it is offered.
    for security in [HopSecurity::Plain, HopSecurity::Opportunistic] {
        send(&agent, &to_host(&sink, security, None)).await;
    }
    assert_eq!(sink.count("MAIL"), [2, 2, 1, 1]);
}

#[tokio::test]
async fn broken_tls_does_not_turn_a_kept_connection_in_clear_text_into_a_usual_one() {
    let broken =
        || vec![Say("220 x\r\n"), Hear(1), Say("250-x\r\n250 STARTTLS\r\n"), Hear(1), Say("220 go\r\nnot TLS\r\n")];
    let mut in_clear = plain("250 ok\r\n");
    in_clear[2] = Say("250-x\r\n250 STARTTLS\r\n");
    let host = Host::play(vec![broken(), in_clear]);
    let agent = agent_for(&host).reusing(reuse());
    assert_eq!(send(&agent, &to_domain()).await, "delivered in clear");
    // The next message asks for TLS again, on a connection of its own, before it may go in clear text.
    let again = agent.pool.take(&door(&host, HopSecurity::Opportunistic)).await;
    assert!(again.is_none(), "a connection in clear text was kept as one that had asked for TLS");
    assert!(agent.pool.take(&door(&host, HopSecurity::Plain)).await.is_some());
}

fn door(host: &Host, security: HopSecurity) -> Door {
    let (name, demand) = ("mx0.fabrikam.example".to_owned(), Demand::None);
    let candidate = Candidate { host: name, address: host.address, security, demand, identity: None };
    Door { candidate, credentials: None, local: Some(IpAddr::V4(Ipv4Addr::LOCALHOST)) }
}

#[tokio::test]
async fn nothing_is_shared_between_passwords() {
    let sink = Sink::open(None);
    let agent = agent_of(&sink, reuse());
    for login in [Some("alice"), Some("bob"), None, Some("alice"), Some("bob"), None] {
        // In clear text by the operator's choice, as within one machine.
        assert_eq!(send(&agent, &to_host(&sink, HopSecurity::Plain, login)).await, "delivered in clear");
    }
    assert_eq!((sink.count("MAIL"), sink.count("AUTH")), (vec![2, 2, 2], vec![1, 1, 0]));
}

#[tokio::test]
async fn stopping_says_goodbye_and_keeps_nothing_afterwards() {
    let sink = Sink::open(None);
    let agent = agent_of(&sink, reuse());
    assert_eq!(send(&agent, &to_domain()).await, "delivered in clear");
    assert_eq!((sink.count("QUIT"), agent.pool.open()), (vec![0], 1));
    agent.close().await;
    assert_eq!((sink.count("QUIT"), agent.pool.open()), (vec![1], 0));
    assert_eq!(send(&agent, &to_domain()).await, "delivered in clear");
    sink.hears(1, "QUIT").await;
    within_patience("the end of the connection", || agent.pool.open() == 0).await;
}

#[tokio::test]
async fn an_agent_that_is_dropped_says_goodbye_as_well() {
    let sink = Sink::open(None);
    let agent = agent_of(&sink, reuse());
    assert_eq!(send(&agent, &to_domain()).await, "delivered in clear");
    drop(agent);
    sink.hears(0, "QUIT").await;
}

#[tokio::test]
async fn an_idle_connection_leaves_when_its_time_is_over() {
    let sink = Sink::open(None);
    let agent = agent_of(&sink, ReuseOptions { idle: Duration::from_millis(50), ..reuse() });
    assert_eq!(send(&agent, &to_domain()).await, "delivered in clear");
    sink.hears(0, "QUIT").await;
    within_patience("the end of the connection", || agent.pool.open() == 0).await;
    let agent = agent_of(&sink, ReuseOptions { idle: Duration::ZERO, ..reuse() });
    assert_eq!(send(&agent, &to_domain()).await, "delivered in clear");
    sink.hears(1, "QUIT").await;
}

#[tokio::test]
async fn what_is_kept_open_is_bounded_for_each_host_and_in_all() {
    let sink = Sink::open(None);
    let agent = agent_of(&sink, ReuseOptions { per_host_max: 1, ..reuse() });
    let way = to_domain();
    tokio::join!(send(&agent, &way), send(&agent, &way), send(&agent, &way));
    within_patience("one connection", || agent.pool.open() == 1).await;
    assert_eq!(sink.count("MAIL"), [1, 1, 1]);

    let sinks = [Sink::open(None), Sink::open(None), Sink::open(None)];
    let agent = agent_of(&sinks[0], ReuseOptions { connections_max: 2, ..reuse() });
    for sink in &sinks {
        assert_eq!(send(&agent, &to_host(sink, HopSecurity::Plain, None)).await, "delivered in clear");
    }
    // The one that was idle for longest made room.
    sinks[0].hears(0, "QUIT").await;
    within_patience("two connections", || agent.pool.open() == 2).await;
    assert_eq!((sinks[1].count("QUIT"), sinks[2].count("QUIT")), (vec![0], vec![0]));
}

#[tokio::test]
async fn a_second_transaction_for_more_recipients_may_need_another_connection() {
    let mut moves = vec![Say("220 x\r\n"), Hear(1), Say("250-x\r\n250 PIPELINING\r\n"), Hear(4)];
    moves.extend([
        Say("250 ok\r\n250 ok\r\n452 4.5.3 too many\r\n354 go\r\n"),
        HearContent,
        Say("250 ok\r\n"),
        Hear(1),
    ]);
    let host = Host::play(vec![moves, plain("250 ok\r\n")]);
    // The host hangs up when it hears of the rest.
    let statuses = deliver(&agent_for(&host).reusing(reuse()), &to_domain(), 2).await;
    assert_eq!(statuses, ["delivered in clear", "delivered in clear"]);
    assert_eq!(host.heard().matches("RCPT TO:<user0@").count(), 1);
    let sink = Sink::open(None);
    let agent = agent_of(&sink, ReuseOptions { messages_max: 1, ..reuse() });
    assert_eq!(deliver(&agent, &to_domain(), 2).await, ["delivered in clear", "delivered in clear"]);
}
