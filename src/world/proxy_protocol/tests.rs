//! What the specification permits and forbids, octet by octet.

use proptest::prelude::*;

use super::*;

/// A header of version 2 with this command, family and rest.
fn binary(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
    let mut octets = SIGNATURE.to_vec();
    octets.extend([command, family]);
    octets.extend(u16::try_from(rest.len()).unwrap().to_be_bytes());
    octets.extend(rest);
    octets
}

fn field(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut octets = vec![kind];
    octets.extend(u16::try_from(value.len()).unwrap().to_be_bytes());
    octets.extend(value);
    octets
}

const V4: [u8; 12] = [192, 0, 2, 7, 10, 0, 0, 1, 0x30, 0x39, 0, 25];

fn v4_with(fields: &[u8]) -> Vec<u8> {
    binary(0x21, 0x11, &[&V4, fields].concat())
}

fn v6(client: &str) -> Vec<u8> {
    let mut rest = client.parse::<Ipv6Addr>().unwrap().octets().to_vec();
    rest.extend(Ipv6Addr::LOCALHOST.octets());
    rest.extend([0x30, 0x39, 0, 25]);
    binary(0x21, 0x21, &rest)
}

/// Feeds octets as a socket would, never more at once than was asked for.
fn fed(octets: &[u8], most: usize) -> Result<Option<(Header, usize)>, ProxyHeaderError> {
    let mut held = 0;
    loop {
        match read(&octets[..held])? {
            Reading::Whole(header, length) => return Ok(Some((header, length))),
            Reading::Needs(count) => {
                assert!(count > 0 && held + count <= HEADER_BYTES_MAX, "{count} after {held}");
                if held == octets.len() {
                    return Ok(None);
                }
                held = (held + count.min(most)).min(octets.len());
            }
        }
    }
}

fn client_of(octets: &[u8]) -> Option<String> {
    let (header, length) = fed(octets, 7).unwrap().expect("a whole header");
    assert_eq!(length, octets.len());
    header.client.map(|client| client.to_string())
}

#[test]
fn the_client_is_where_the_proxy_says() {
    for (line, client) in [
        ("PROXY TCP4 192.0.2.7 10.0.0.1 12345 25", Some("192.0.2.7:12345")),
        ("PROXY TCP6 2001:db8::7 ::1 65535 0", Some("[2001:db8::7]:65535")),
        ("PROXY TCP6 ::ffff:192.0.2.7 ::ffff:10.0.0.1 1 25", Some("192.0.2.7:1")),
        ("PROXY UNKNOWN", None),
        ("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535", None),
    ] {
        assert_eq!(client_of(format!("{line}\r\n").as_bytes()).as_deref(), client, "{line}");
    }
    assert_eq!(client_of(&v4_with(&[])).as_deref(), Some("192.0.2.7:12345"));
    assert_eq!(client_of(&v6("2001:db8::7")).as_deref(), Some("[2001:db8::7]:12345"));
    assert_eq!(client_of(&v6("::ffff:192.0.2.7")).as_deref(), Some("192.0.2.7:12345"));
}

#[test]
fn a_proxy_that_speaks_for_itself_or_knows_nobody_names_no_client() {
    for header in [
        binary(0x20, 0x00, &[]),
        binary(0x20, 0x11, &V4),
        binary(0x20, 0xff, b"whatever"),
        binary(0x21, 0x00, &[]),
        binary(0x21, 0x00, b"whatever"),
        binary(0x21, 0x31, &[b'/'; UNIX_BYTES]),
        binary(0x21, 0x32, &[0; UNIX_BYTES]),
        binary(0x21, 0x12, &V4),
        binary(0x21, 0x22, &[1; 36]),
    ] {
        assert_eq!(client_of(&header), None, "{header:02x?}");
    }
}

#[test]
fn what_is_no_header_is_refused_with_its_reason() {
    let malformed = |octets: &[u8]| match fed(octets, 1) {
        Err(Malformed(why)) => why,
        other => panic!("{:?}: {other:?}", octets.escape_ascii().to_string()),
    };
    for (line, why) in [
        ("PROXY TCP4 192.0.2.7 10.0.0.1 12345 25 x\r\n", "too many words"),
        ("PROXY TCP4  192.0.2.7 10.0.0.1 12345 25\r\n", "too many words"),
        ("PROXY TCP4 192.0.2.7 10.0.0.1 12345\r\n", "port"),
        ("PROXY TCP4 192.0.2.7 10.0.0.1 012345 25\r\n", "port"),
        ("PROXY TCP4 192.0.2.7 10.0.0.1 +1 25\r\n", "port"),
        ("PROXY TCP4 192.0.2.7 10.0.0.1 65536 25\r\n", "port"),
        ("PROXY TCP4 192.0.2.07 10.0.0.1 1 25\r\n", "address is none"),
        ("PROXY TCP4 ::1 ::1 1 25\r\n", "address is none"),
        ("PROXY TCP6 192.0.2.7 10.0.0.1 1 25\r\n", "address is none"),
        ("PROXY UDP4 192.0.2.7 10.0.0.1 1 25\r\n", "family"),
        ("PROXY UNKNOWNX\r\n", "family"),
        ("PROXY TCP4 0.0.0.0 10.0.0.1 1 25\r\n", "no client has"),
        ("PROXY TCP4 224.0.0.1 10.0.0.1 1 25\r\n", "no client has"),
        ("PROXY TCP6 ::ffff:255.255.255.255 ::1 1 25\r\n", "no client has"),
        ("PROXY TCP4 192.0.2.7 10.0.0.1 1 25\n", "CRLF"),
        ("PROXY TCP4 192.0.2.7 10.0.0.1 1 25\rX", "CRLF"),
        ("PROXY TCP4 192.0.2.7 10.0.0.\u{663} 1 25\r\n", "address is none"),
    ] {
        assert!(malformed(line.as_bytes()).contains(why), "{line:?}: {}", malformed(line.as_bytes()));
    }
    for (octets, why) in [
        (binary(0x22, 0x11, &V4), "command"),
        (binary(0x11, 0x11, &V4), "command"),
        (binary(0x21, 0x13, &V4), "family"),
        (binary(0x21, 0x41, &V4), "family"),
        (binary(0x21, 0x11, &V4[..11]), "addresses are cut off"),
        (binary(0x21, 0x21, &[1; 35]), "addresses are cut off"),
        (binary(0x21, 0x31, &[1; 215]), "addresses are cut off"),
        (v6("ff02::1"), "no client has"),
        (v4_with(&[4, 0]), "field is cut off"),
        (v4_with(&[4, 0, 5, 1, 2]), "field is cut off"),
        (v4_with(&field(0x20, &[1, 0, 0, 0])), "TLS is cut off"),
        (v4_with(&field(0x20, &[1, 0, 0, 0, 0, 0x21, 0, 9])), "field is cut off"),
        (v4_with(&field(0x03, &[0; 5])), "checksum has another length"),
        (v4_with(&field(0x03, &[0; 4])), "checksum is wrong"),
    ] {
        assert!(malformed(&octets).contains(why), "{octets:02x?}: {}", malformed(&octets));
    }
    for octets in
        [&b"EHLO a.example\r\n"[..], b"P", b"proxy TCP4", b"\r\n\r\n\0\r\nQUIT\r", b"\x16\x03\x01\x02\0", b"\n"]
    {
        let outcome = fed(octets, 1);
        assert!(outcome == Err(Missing) || octets == b"P" && outcome == Ok(None), "{octets:?}: {outcome:?}");
    }
}

#[test]
fn a_header_has_an_end() {
    let endless = format!("PROXY UNKNOWN {}", "x".repeat(200));
    assert_eq!(fed(endless.as_bytes(), 1), Err(TooLong));
    let longest = format!("PROXY UNKNOWN {}\r\n", "x".repeat(TEXT_BYTES_MAX - 16));
    assert_eq!((longest.len(), fed(longest.as_bytes(), 9).unwrap().unwrap().1), (TEXT_BYTES_MAX, TEXT_BYTES_MAX));
    let longer = format!("PROXY UNKNOWN {}\r\n", "x".repeat(TEXT_BYTES_MAX - 15));
    assert_eq!(fed(longer.as_bytes(), 9), Err(TooLong));
    let rest = HEADER_BYTES_MAX - FIXED_BYTES;
    assert!(fed(&binary(0x20, 0, &vec![0; rest]), 1_000).unwrap().is_some());
    assert_eq!(fed(&binary(0x20, 0, &vec![0; rest + 1]), 1_000), Err(TooLong));
}

#[test]
fn a_checksum_is_checked_where_there_is_one() {
    // The octets of RFC 3720 appendix B.4: 32 zeros.
    assert_eq!(checksum_of(&[0; 32], 28), 0x8a91_36aa);
    let mut octets = v4_with(&[field(0x04, b"pad"), field(0x03, &[0; 4]), field(0x05, b"id")].concat());
    let at = octets.len() - 5 - 4;
    let sum = checksum_of(&octets, at);
    octets[at..at + 4].copy_from_slice(&sum.to_be_bytes());
    assert_eq!(client_of(&octets).as_deref(), Some("192.0.2.7:12345"));
    // All but the octet that says that there is a checksum.
    for index in (FIXED_BYTES..octets.len()).filter(|index| *index != at - 3) {
        let mut altered = octets.clone();
        altered[index] ^= 1;
        assert!(!matches!(fed(&altered, 50), Ok(Some(_))), "octet {index}");
    }
    let twice = v4_with(&[field(0x03, &[0; 4]), field(0x03, &[0; 4])].concat());
    assert_eq!(fed(&twice, 50), Err(Malformed("it has two checksums")));
}

/// As HAProxy 2.6 sends it (`send-proxy-v2-ssl proxy-v2-options ssl-cipher,crc32c`), for a client with TLS 1.0.
#[test]
fn a_real_proxy_is_understood() {
    let mut octets = SIGNATURE.to_vec();
    octets.extend(b"!\x11\0:\x7f\0\0\t\x7f\0\0\x01\x99\xdf`K\x03\0\x04\x80\xb4oW \0$\x01\0\0\0\0!\0\x05TLSv1#\0\x14");
    octets.extend(b"ECDHE-RSA-AES256-SHA");
    let header = fed(&octets, 3).unwrap().unwrap().0;
    let tls = ClientTls::Active { version: "TLSv1".to_owned(), cipher: "ECDHE-RSA-AES256-SHA".to_owned() };
    assert_eq!(header, Header { client: "127.0.0.9:39391".parse().ok(), tls });
}

#[test]
fn what_the_proxy_says_of_tls_is_kept_apart() {
    let said = |flags: u8| {
        let more = [field(0x21, b"TLSv1"), field(0x22, b"cn"), field(0x23, b"AES128-SHA")].concat();
        let tls = field(0x20, &[&[flags, 0, 0, 0, 0][..], &more].concat());
        fed(&v4_with(&[field(0x01, b"smtp"), tls].concat()), 50).unwrap().unwrap().0.tls
    };
    let active = ClientTls::Active { version: "TLSv1".to_owned(), cipher: "AES128-SHA".to_owned() };
    assert_eq!((said(1), said(7), said(0), said(6)), (active.clone(), active, ClientTls::Absent, ClientTls::Absent));
}

fn headers() -> impl Strategy<Value = Vec<u8>> {
    let octets = || proptest::collection::vec(any::<u8>(), 0..120);
    prop_oneof![
        octets(),
        octets().prop_map(|rest| [TEXT_START, &rest[..]].concat()),
        "PROXY (TCP4|TCP6|UNKNOWN)( [0-9a-f.:]{1,12}){0,5}\r\n[A-Z\r\n]{0,9}".prop_map(String::into_bytes),
        (any::<u8>(), any::<u8>(), octets()).prop_map(|(command, family, rest)| binary(command, family, &rest)),
        octets().prop_map(|fields| v4_with(&fields)),
        (any::<u8>(), octets()).prop_map(|(kind, value)| v4_with(&field(kind, &value))),
        (any::<u8>(), octets())
            .prop_map(|(flags, rest)| v4_with(&field(0x20, &[&[flags, 0, 0, 0, 0], &rest[..]].concat()))),
        proptest::collection::vec(any::<u8>(), 16).prop_map(|rest| [SIGNATURE, &rest[..]].concat()),
    ]
}

proptest! {
    #[test]
    fn any_cut_of_any_octets_gives_the_same_and_takes_nothing_that_follows(
        octets in headers(), cut in 1_usize..20, follows in proptest::collection::vec(any::<u8>(), 0..20)
    ) {
        let whole = fed(&octets, usize::MAX);
        prop_assert_eq!(&fed(&octets, cut), &whole);
        if let Ok(Some((header, length))) = whole {
            let longer = [&octets[..length], &follows].concat();
            prop_assert_eq!(fed(&longer, cut), Ok(Some((header, length))));
        }
    }
}
