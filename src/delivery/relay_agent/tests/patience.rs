//! An attempt ends within its time, several hosts together, and a host that has a whole message gets its own.

use super::*;

/// An agent with all the patience of the world at each step, and little for an attempt.
fn agent_in_a_hurry(hosts: &[SocketAddr], attempt_max: Duration) -> RelayAgent {
    let mut agent = agent_with(1, hosts[0].port(), hosts, any_certificate());
    agent.options.attempt_max = attempt_max;
    agent
}

#[tokio::test]
async fn several_slow_hosts_together_take_no_longer_than_one_attempt() {
    for script in [vec![Stall], vec![Drip], vec![Say("220 x\r\n"), Hear(1), Stall]] {
        let host = Host::play(vec![script]);
        // The same port at another loopback address is the next exchanger.
        let next = SocketAddr::new("127.0.0.2".parse().unwrap(), host.address.port());
        let listener = network::listen(next).unwrap();
        let agent = agent_in_a_hurry(&[host.address, next], Duration::from_millis(300));
        let statuses = tokio::time::timeout(Duration::from_secs(30), deliver(&agent, &to_domain(), 1)).await;
        assert_eq!(statuses.expect("an end"), ["deferred 4.4.2"]);
        tokio::select! {
            biased;
            _ = network::accept(&listener) => panic!("the next host was tried when the time was over"),
            () = core::future::ready(()) => {}
        }
    }
}

#[tokio::test]
async fn name_servers_that_never_answer_end_an_attempt_as_well() {
    struct Silent;
    impl Resolver for Silent {
        fn mx<'a>(&'a self, _: &'a str) -> crate::world::resolver::Lookup<'a, crate::world::resolver::MxAnswer> {
            Box::pin(core::future::pending())
        }
        fn addresses<'a>(&'a self, _: &'a str) -> crate::world::resolver::Lookup<'a, Vec<IpAddr>> {
            Box::pin(core::future::pending())
        }
    }
    let mut agent = agent_in_a_hurry(&["127.0.0.1:1".parse().unwrap()], Duration::from_millis(50));
    agent.resolver = Arc::new(Silent);
    let statuses = tokio::time::timeout(Duration::from_secs(30), deliver(&agent, &to_domain(), 2)).await;
    assert_eq!(statuses.expect("an end"), ["deferred 4.4.3", "deferred 4.4.3"]);
}

#[tokio::test]
async fn a_host_that_has_a_whole_message_is_heard_out() {
    let attempt_max = Duration::from_secs(2);
    let mut moves = plain("");
    moves.truncate(10);
    moves.extend([Move::Pause(attempt_max), Say("250 2.0.0 at last\r\n"), Hear(1), Say("221 bye\r\n")]);
    let host = Host::play(vec![moves]);
    let agent = agent_in_a_hurry(&[host.address], attempt_max);
    assert_eq!(deliver(&agent, &to_domain(), 1).await, ["delivered in clear"]);
}
