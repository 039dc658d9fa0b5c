//! A name server on loopback, and what becomes of its answers.

use super::*;
use hickory_resolver::proto::op::{Message, ResponseCode};
use hickory_resolver::proto::rr::rdata::tlsa::{CertUsage, Matching, Selector};
use hickory_resolver::proto::rr::rdata::{A, CNAME, MX, TLSA, TXT};
use tokio::net::UdpSocket;

const ADDRESS: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));

/// A name server with four domains, on loopback, until the test ends.
async fn name_server() -> SocketAddr {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, peer)) = socket.recv_from(&mut buffer).await {
            let Ok(question) = Message::from_vec(&buffer[..length]) else { continue };
            let reply = answer(&question);
            socket.send_to(&reply.to_vec().unwrap(), peer).await.unwrap();
        }
    });
    address
}

fn answer(question: &Message) -> Message {
    let query = question.queries[0].clone();
    let mut reply = Message::response(question.metadata.id, question.metadata.op_code);
    let name = query.name().clone();
    let mx = |preference, host: &str| {
        Record::from_rdata(name.clone(), 60, RData::MX(MX::new(preference, Name::from_ascii(host).unwrap())))
    };
    match (name.to_ascii().to_ascii_lowercase().as_str(), query.query_type()) {
        ("fabrikam.example.", RecordType::MX) => {
            reply.add_answers([mx(20, "B.fabrikam.example."), mx(10, "a.fabrikam.example."), mx(0, ".")]);
        }
        ("quiet.example.", RecordType::MX) => {
            reply.add_answers([mx(0, ".")]);
        }
        ("a.fabrikam.example.", RecordType::A) => {
            reply.add_answers([Record::from_rdata(name.clone(), 60, RData::A(A::new(192, 0, 2, 7)))]);
        }
        ("signed.example.", RecordType::MX) => {
            reply.add_answers([mx(10, "mail.signed.example.")]);
            reply.metadata.authentic_data = question.metadata.authentic_data;
        }
        ("mail.signed.example.", RecordType::A | RecordType::AAAA) => {
            let real = Name::from_ascii("mx.signed.example.").unwrap();
            reply.add_answers([Record::from_rdata(name.clone(), 60, RData::CNAME(CNAME(real.clone())))]);
            if query.query_type() == RecordType::A {
                reply.add_answers([Record::from_rdata(real, 60, RData::A(A::new(192, 0, 2, 7)))]);
                let stray = Name::from_ascii("stray.example.").unwrap();
                reply.add_answers([Record::from_rdata(stray, 60, RData::A(A::new(192, 0, 2, 9)))]);
            }
            reply.metadata.authentic_data = question.metadata.authentic_data;
        }
        ("_25._tcp.mx.signed.example.", RecordType::TLSA) => {
            let own = TLSA::new(CertUsage::from(3), Selector::from(1), Matching::from(1), vec![7; 32]);
            let odd = TLSA::new(CertUsage::from(200), Selector::from(9), Matching::from(8), vec![]);
            reply.add_answers([own, odd].map(|record| Record::from_rdata(name.clone(), 60, RData::TLSA(record))));
            reply.metadata.authentic_data = question.metadata.authentic_data;
        }
        ("_mta-sts.fabrikam.example.", RecordType::TXT) => {
            let text = TXT::new(vec!["v=STSv1; ".to_owned(), "id=7".to_owned()]);
            reply.add_answers([Record::from_rdata(name.clone(), 60, RData::TXT(text))]);
        }
        ("a.fabrikam.example." | "broken.example." | "_25._tcp.bogus.example.", _) => {
            reply.metadata.response_code = ResponseCode::ServFail;
        }
        ("plain.example.", _) => {}
        _ => reply.metadata.response_code = ResponseCode::NXDomain,
    }
    reply.add_query(query);
    reply
}

#[tokio::test]
async fn answers_of_a_name_server_are_told_apart() {
    let resolver = SystemResolver::open(&[name_server().await], Duration::from_secs(2)).unwrap();
    let MxAnswer::Exchangers(hosts) = resolver.mx("fabrikam.example").await.unwrap() else { panic!() };
    assert_eq!(hosts, [(10, "a.fabrikam.example".to_owned()), (20, "b.fabrikam.example".to_owned())]);
    assert_eq!(resolver.mx("quiet.example").await, Ok(MxAnswer::NullMx));
    assert_eq!(resolver.mx("plain.example").await, Ok(MxAnswer::None));
    assert_eq!(resolver.mx("nowhere.example").await, Ok(MxAnswer::NoSuchDomain));
    assert!(resolver.mx("broken.example").await.is_err());
    assert_eq!(resolver.mx(&"x.".repeat(200)).await, Ok(MxAnswer::NoSuchDomain));
}

#[tokio::test]
async fn one_address_family_is_enough() {
    let resolver = SystemResolver::open(&[name_server().await], Duration::from_secs(2)).unwrap();
    assert_eq!(resolver.addresses("a.fabrikam.example").await, Ok(vec![ADDRESS]));
    assert_eq!(resolver.addresses("plain.example").await, Ok(vec![]));
    assert!(resolver.addresses("broken.example").await.is_err());
}

#[tokio::test]
async fn a_fixed_table_answers_like_the_dns() {
    let table = FixedResolver::new()
        .with_exchanger("Fabrikam.example", 10, "mx.fabrikam.example.")
        .with_addresses("mx.fabrikam.example", [ADDRESS])
        .with_mx("quiet.example", MxAnswer::NullMx)
        .with_failure("broken.example", "timed out");
    let hosts = vec![(10, "mx.fabrikam.example".to_owned())];
    assert_eq!(table.mx("fabrikam.example").await, Ok(MxAnswer::Exchangers(hosts)));
    assert_eq!(table.mx("mx.fabrikam.example").await, Ok(MxAnswer::None));
    assert_eq!(table.mx("nowhere.example").await, Ok(MxAnswer::NoSuchDomain));
    assert_eq!(table.addresses("MX.fabrikam.example").await, Ok(vec![ADDRESS]));
    assert!(table.mx("broken.example").await.is_err() && table.addresses("broken.example").await.is_err());
}

#[test]
fn address_families_take_turns() {
    let ip = |text: &str| text.parse::<IpAddr>().unwrap();
    let found = alternate([vec![ip("192.0.2.1")], vec![ip("2001:db8::1"), ip("2001:db8::2")]]);
    assert_eq!(found, [ip("192.0.2.1"), ip("2001:db8::1"), ip("2001:db8::2")]);
    assert_eq!(alternate([vec![ADDRESS; 40], vec![]]).len(), ADDRESSES_MAX);
}

#[test]
fn names_that_are_no_host_are_passed_over() {
    assert_eq!(host_text("MX.Fabrikam.example."), Some("mx.fabrikam.example".to_owned()));
    for name in [".", "", "a b.example.", "a\\000.example.", "a\r\n.example."] {
        assert_eq!(host_text(name), None, "{name:?}");
    }
}

const PATIENCE: Duration = Duration::from_secs(2);

#[tokio::test]
async fn the_word_of_a_name_server_counts_only_if_it_is_trusted() {
    let server = [name_server().await];
    for (resolver, trusted) in [
        (SystemResolver::trusting(&server, PATIENCE).unwrap(), true),
        (SystemResolver::open(&server, PATIENCE).unwrap(), false),
    ] {
        let mx = resolver.authenticated_mx("signed.example").await.unwrap();
        assert_eq!(mx.value, MxAnswer::Exchangers(vec![(10, "mail.signed.example".to_owned())]));
        let host = resolver.authenticated_addresses("mail.signed.example").await.unwrap();
        let tlsa = resolver.tlsa("_25._tcp.mx.signed.example").await.unwrap();
        assert_eq!((mx.authenticated, host.authenticated, tlsa.authenticated), (trusted, trusted, trusted));
        assert_eq!(tlsa.value.is_empty(), !trusted, "records that nobody vouches for are not even asked for");
    }
}

#[tokio::test]
async fn a_trusted_name_server_answers_all_questions() {
    let resolver = SystemResolver::trusting(&[name_server().await], PATIENCE).unwrap();
    let host = resolver.authenticated_addresses("mail.signed.example").await.unwrap().value;
    assert_eq!(host, HostAddresses { addresses: vec![ADDRESS], canonical: Some("mx.signed.example".to_owned()) });
    let tlsa = resolver.tlsa("_25._tcp.mx.signed.example").await.unwrap().value;
    assert_eq!(tlsa[0], Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] });
    assert_eq!(tlsa[1], Tlsa { usage: 200, selector: 9, matching: 8, data: vec![] });
    assert_eq!(tlsa.len(), 2);
    // Forged or withheld is another thing than absent.
    assert!(resolver.tlsa("_25._tcp.bogus.example").await.is_err());
    for absent in ["_25._tcp.plain.example", "plain.example"] {
        let answer = resolver.tlsa(absent).await.unwrap();
        assert!(answer.value.is_empty() && !answer.authenticated, "{absent}");
    }
    let unsigned = resolver.authenticated_mx("fabrikam.example").await.unwrap();
    assert!(matches!(unsigned.value, MxAnswer::Exchangers(_)) && !unsigned.authenticated);
    assert_eq!(resolver.authenticated_mx("quiet.example").await.unwrap().value, MxAnswer::NullMx);
    assert_eq!(resolver.authenticated_mx("plain.example").await.unwrap().value, MxAnswer::None);
    assert_eq!(resolver.authenticated_mx("nowhere.example").await.unwrap().value, MxAnswer::NoSuchDomain);
    assert!(resolver.authenticated_mx("broken.example").await.is_err());
    let one_family = resolver.authenticated_addresses("a.fabrikam.example").await.unwrap();
    assert_eq!((one_family.value.addresses, one_family.authenticated), (vec![ADDRESS], false));
}

#[tokio::test]
async fn the_strings_of_a_text_are_one() {
    let resolver = SystemResolver::open(&[name_server().await], PATIENCE).unwrap();
    assert_eq!(resolver.texts("_mta-sts.fabrikam.example").await, Ok(vec![b"v=STSv1; id=7".to_vec()]));
    assert_eq!(resolver.texts("_mta-sts.nowhere.example").await, Ok(vec![]));
    assert_eq!(resolver.texts("plain.example").await, Ok(vec![]));
    assert!(resolver.texts("broken.example").await.is_err());
}

#[tokio::test]
async fn a_fixed_table_vouches_for_its_signed_zones() {
    let table = FixedResolver::new()
        .with_exchanger("signed.example", 10, "mx.signed.example")
        .with_addresses("mx.signed.example", [ADDRESS])
        .with_addresses("elsewhere.example", [ADDRESS])
        .with_alias("away.signed.example", "elsewhere.example")
        .with_signed("signed.example");
    assert!(table.authenticated_mx("Signed.example").await.unwrap().authenticated);
    assert!(table.authenticated_addresses("mx.signed.example").await.unwrap().authenticated);
    let away = table.authenticated_addresses("away.signed.example").await.unwrap();
    assert_eq!((away.value.addresses, away.authenticated), (vec![ADDRESS], false));
    assert!(!table.authenticated_addresses("unsigned.example").await.unwrap().authenticated);
}
