//! Which hosts a domain has, and what it demands of them.

use super::*;
use crate::model::transport_security::Tlsa;
use crate::world::{FixedResolver, SeededRandom};

fn options() -> ExchangerOptions {
    ExchangerOptions {
        own_names: vec![Domain::parse("mx.contoso.example").unwrap()],
        own_addresses: vec!["192.0.2.25".parse().unwrap()],
        port: 25,
        loopback_allowed: false,
    }
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn world() -> FixedResolver {
    FixedResolver::new()
        .with_exchanger("fabrikam.example", 20, "backup.fabrikam.example")
        .with_exchanger("fabrikam.example", 10, "mx1.fabrikam.example")
        .with_exchanger("fabrikam.example", 10, "mx2.fabrikam.example")
        .with_addresses("mx1.fabrikam.example", [ip("2001:db8::1"), ip("192.0.2.1")])
        .with_addresses("mx2.fabrikam.example", [ip("192.0.2.2")])
        .with_addresses("backup.fabrikam.example", [ip("192.0.2.3")])
        .with_addresses("plain.example", [ip("192.0.2.4")])
        .with_mx("quiet.example", MxAnswer::NullMx)
        .with_failure("broken.example", "timed out")
        .with_exchanger("half.example", 10, "broken.example")
        .with_exchanger("half.example", 20, "mx2.fabrikam.example")
        .with_exchanger("dead.example", 10, "nowhere.example")
}

async fn find(resolver: FixedResolver, domain: &str, seed: u64) -> Result<Vec<String>, String> {
    let route = Route::Mx(Domain::parse(domain).unwrap());
    match candidates(&route, &resolver, &SeededRandom::new(seed), &options(), &TransportSecurity::default()).await {
        Ok(found) => Ok(found.iter().map(|candidate| candidate.address.to_string()).collect()),
        Err(Outcome::Failed(trouble) | Outcome::Deferred(trouble)) => Err(trouble.status.to_string()),
        Err(Outcome::Delivered { .. }) => panic!(),
    }
}

#[tokio::test]
async fn better_exchangers_come_first_and_equal_ones_share_the_load() {
    let mut firsts = HashSet::new();
    for seed in 0..20 {
        let found = find(world(), "fabrikam.example", seed).await.unwrap();
        assert_eq!((found.len(), found[3].as_str()), (4, "192.0.2.3:25"));
        firsts.insert(found[0].clone());
    }
    assert_eq!(firsts, HashSet::from(["[2001:db8::1]:25".to_owned(), "192.0.2.2:25".to_owned()]));
}

#[tokio::test]
async fn every_answer_of_the_dns_has_its_status() {
    assert_eq!(find(world(), "plain.example", 0).await, Ok(vec!["192.0.2.4:25".to_owned()]));
    for (domain, status) in [
        ("quiet.example", "5.1.10"),
        ("nowhere.example", "5.1.2"),
        ("broken.example", "4.4.3"),
        ("dead.example", "5.4.4"),
    ] {
        assert_eq!(find(world(), domain, 0).await, Err(status.to_owned()), "{domain}");
    }
    assert_eq!(find(world(), "half.example", 0).await, Ok(vec!["192.0.2.2:25".to_owned()]));
}

#[tokio::test]
async fn mail_never_comes_back_to_us() {
    let by_name = world().with_exchanger("fabrikam.example", 10, "mx.contoso.example");
    assert_eq!(find(by_name, "fabrikam.example", 0).await, Err("5.4.6".to_owned()));
    let as_backup = world().with_exchanger("fabrikam.example", 15, "mx.contoso.example");
    assert_eq!(find(as_backup, "fabrikam.example", 0).await.unwrap().len(), 3);
    let by_address = world().with_addresses("plain.example", [ip("192.0.2.25")]);
    assert_eq!(find(by_address, "plain.example", 0).await, Err("5.4.6".to_owned()));
    for seed in 0..8 {
        // One of two equal exchangers is us under another name: the other one would send it back.
        let equal = world().with_addresses("mx2.fabrikam.example", [ip("192.0.2.25")]);
        assert_eq!(find(equal, "fabrikam.example", seed).await, Err("5.4.6".to_owned()));
    }
    assert_eq!(find(world(), "[192.0.2.25]", 0).await, Err("5.4.6".to_owned()));
    assert_eq!(find(world(), "[IPv6:::ffff:192.0.2.25]", 0).await, Err("5.4.6".to_owned()));
}

#[tokio::test]
async fn a_strangers_dns_cannot_point_at_this_machine() {
    for address in ["127.0.0.1", "0.0.0.0", "::1", "::", "::ffff:127.0.0.1", "255.255.255.255", "224.0.0.1"] {
        let table = FixedResolver::new().with_addresses("evil.example", [ip(address)]);
        assert_eq!(find(table, "evil.example", 0).await, Err("5.4.4".to_owned()), "{address}");
    }
    assert_eq!(find(world(), "[127.0.0.1]", 0).await, Err("5.4.4".to_owned()));
    assert_eq!(find(world(), "[192.0.2.9]", 0).await, Ok(vec!["192.0.2.9:25".to_owned()]));
}

#[tokio::test]
async fn a_smart_host_may_be_anywhere_and_waits_for_its_name() {
    let of = |host: &str| {
        Route::SmartHost(SmartHost {
            host: host.to_owned(),
            port: 587,
            security: HopSecurity::Plain,
            sign_in: None,
            identity: None,
        })
    };
    let random = SeededRandom::new(0);
    for host in ["127.0.0.1", "[127.0.0.1]"] {
        let found = candidates(&of(host), &world(), &random, &options(), &TransportSecurity::default()).await.unwrap();
        assert_eq!(found[0].address.to_string(), "127.0.0.1:587");
    }
    let found =
        candidates(&of("plain.example"), &world(), &random, &options(), &TransportSecurity::default()).await.unwrap();
    assert_eq!((found[0].host.as_str(), found[0].address.port()), ("plain.example", 587));
    for host in ["nowhere.example", "broken.example"] {
        let outcome =
            candidates(&of(host), &world(), &random, &options(), &TransportSecurity::default()).await.unwrap_err();
        assert!(matches!(outcome, Outcome::Deferred(_)), "{host}");
    }
}

#[tokio::test]
async fn no_domain_gets_more_than_a_few_connections() {
    let crowd = (1..=200).map(|last| IpAddr::from([198, 51, 100, last]));
    let table = FixedResolver::new().with_addresses("crowd.example", crowd);
    assert_eq!(find(table, "crowd.example", 0).await.unwrap().len(), CANDIDATES_MAX);
}

#[tokio::test]
async fn a_host_comes_with_what_its_domain_demands() {
    let record = |usage| Tlsa { usage, selector: 1, matching: 1, data: vec![7; 32] };
    let table = world()
        .with_signed("fabrikam.example")
        .with_tlsa("_25._tcp.mx1.fabrikam.example", record(3))
        .with_tlsa("_25._tcp.mx2.fabrikam.example", record(1))
        .with_failure("_25._tcp.backup.fabrikam.example", "SERVFAIL");
    let route = Route::Mx(Domain::parse("fabrikam.example").unwrap());
    let demands = TransportSecurity { dane: true, ..TransportSecurity::default() };
    let found = candidates(&route, &table, &SeededRandom::new(1), &options(), &demands).await.unwrap();
    let mut demanded: Vec<_> = found
        .iter()
        .map(|candidate| (candidate.host.as_str(), candidate.demand.to_string(), candidate.security))
        .collect();
    demanded.sort_by_key(|(host, ..)| *host);
    demanded.dedup();
    assert_eq!(
        demanded,
        [
            ("mx1.fabrikam.example", "dane".to_owned(), HopSecurity::StartTls),
            ("mx2.fabrikam.example", "dane-unusable".to_owned(), HopSecurity::AnyTls),
        ]
    );
}

#[tokio::test]
async fn our_own_host_is_found_before_anything_is_demanded() {
    let table = world()
        .with_addresses("plain.example", [ip("192.0.2.25")])
        .with_signed("plain.example")
        .with_failure("_25._tcp.plain.example", "SERVFAIL");
    let route = Route::Mx(Domain::parse("plain.example").unwrap());
    let demands = TransportSecurity { dane: true, ..TransportSecurity::default() };
    let outcome = candidates(&route, &table, &SeededRandom::new(1), &options(), &demands).await.unwrap_err();
    assert!(matches!(outcome, Outcome::Failed(trouble) if trouble.status == EnhancedStatus(5, 4, 6)));
}
