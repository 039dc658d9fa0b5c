//! Headers as honest programs and attackers write them.

use super::*;

fn read(value: &str) -> Option<Vec<String>> {
    match mailboxes(value.as_bytes()) {
        Mailboxes::List(list) => Some(list.iter().map(ToString::to_string).collect()),
        Mailboxes::Unreadable => None,
    }
}

#[test]
fn honest_forms_are_read() {
    for (value, expected) in [
        (" alice@contoso.example\r\n", vec!["alice@contoso.example"]),
        (" first.last@contoso.example\r\n", vec!["first.last@contoso.example"]),
        (" a.b@x.example,\r\n c.d@y.example\r\n", vec!["a.b@x.example", "c.d@y.example"]),
        ("alice@[192.0.2.1]", vec!["alice@[192.0.2.1]"]),
        ("Alice <alice@contoso.example>", vec!["alice@contoso.example"]),
        ("Alice Liddell <alice@contoso.example>", vec!["alice@contoso.example"]),
        ("\"Liddell, Alice\" <alice@contoso.example> (home)", vec!["alice@contoso.example"]),
        ("(x) alice@contoso.example (y (z))", vec!["alice@contoso.example"]),
        ("\"alice@fabrikam.example\" <alice@contoso.example>", vec!["alice@contoso.example"]),
        ("=?utf-8?q?Al=C3=ADce?= <alice@contoso.example>", vec!["alice@contoso.example"]),
        ("Alice\r\n <alice@contoso.example>", vec!["alice@contoso.example"]),
        ("Dr. A. Liddell <alice@contoso.example>", vec!["alice@contoso.example"]),
        ("a@x.example, B <b@y.example>", vec!["a@x.example", "b@y.example"]),
        ("\"a b\"@x.example", vec!["\"a b\"@x.example"]),
        ("\"alice\"@x.example", vec!["alice@x.example"]),
        ("a.b@x.example", vec!["a.b@x.example"]),
        ("m\u{fc}ller@x.example", vec!["m\u{fc}ller@x.example"]),
    ] {
        assert_eq!(read(value), Some(expected.iter().map(ToString::to_string).collect()), "{value:?}");
    }
}

#[test]
fn what_readers_differ_about_is_unreadable() {
    for value in [
        "",
        "Alice",
        "group: a@x.example;",
        "<@relay.example:a@x.example>",
        "a@x.example b@y.example",
        "a@x.example <b@y.example>",
        "Alice <a@x.example> <b@y.example>",
        "<a@x.example",
        "a@x.example,",
        ",a@x.example",
        "\"a@x.example",
        "(a@x.example",
        "a b@x.example",
        "<>",
        "a@x.example\0",
        "a .b@x.example",
        "a@x. example",
        "a(b)c@x.example",
        "Alice <a@x.example> (x) b",
        "a@",
    ] {
        assert_eq!(read(value), None, "{value:?}");
    }
    assert_eq!(read(&format!("{}a@x.example", "(".repeat(10_000))), None);
    assert_eq!(read(&format!("{}<a@x.example>", "a ".repeat(100_000))), Some(vec!["a@x.example".to_owned()]));
}

#[test]
fn a_name_in_an_old_character_set_is_not_the_address() {
    for (value, expected) in [
        (&b"M\xfcller <alice@x.example>"[..], Some(1)),
        (b"\"M\xfcller, Ren\xe9\" <alice@x.example>,\r\n Bob <bob@x.example>\r\n", Some(2)),
        (b"(M\xfcller) <alice@x.example>", Some(1)),
        (b"\x83\x5c <alice@x.example>", None),
        (b"M\xfcller <\xe4lice@x.example>", None),
        (b"M\xfcller <alice@x\xe4.example>", None),
        (b"M\xfcller <alice@x.example> (\xe4)", None),
        (b"m\xfcller@x.example", None),
        (b"M\xfcller <alice@x.example>, bob@x.example", None),
        (b"\"M\xfcller bob@x.example\" <alice@x.example>", None),
        (b"\"M\xfc\" \"<bob>\" <alice@x.example>", None),
        (b"\"M\xfc \\\" Bob\" <alice@x.example>", None),
    ] {
        let found = elements(value).map(|list| list.len());
        assert_eq!(found, expected, "{}", value.escape_ascii());
    }
}

#[test]
fn fields_keep_their_octets_and_their_faults() {
    let header = b"From: a\r\n b\r\nFr om: c\r\nTo : d\r\nbroken\r\nX:\r\n";
    let found = fields(header);
    let all: Vec<u8> = found.iter().flat_map(|field| field.raw.to_vec()).collect();
    assert_eq!(all, header);
    assert_eq!(found.len(), 5);
    assert_eq!(found[0].text(), "a b");
    assert!(found[0].is("from") && found[0].well_formed);
    assert!(!found[1].well_formed && found[1].resembles("From"));
    assert!(!found[2].well_formed && found[2].resembles("to"));
    assert!(!found[3].well_formed && found[4].well_formed);
    assert!(!found.iter().any(Field::is_adrift));
}

fn only_field(text: &str) -> Field<'_> {
    match fields(text.as_bytes())[..] {
        [field] => field,
        ref all => panic!("{} fields", all.len()),
    }
}

#[test]
fn the_first_word_is_found_behind_comments_and_before_everything_else() {
    for (value, word) in [
        ("bulk", "bulk"),
        (" bulk, list", "bulk"),
        ("(sent by a robot (v2)) bulk(x)", "bulk"),
        ("\r\n (x)\r\n multipart/report; report-type=x", "multipart/report"),
        ("(never closed bulk", ""),
        ("", ""),
    ] {
        assert_eq!(only_field(&format!("X:{value}\r\n")).first_word(), word, "{value:?}");
    }
    let named = |name: &str| fields(name.as_bytes())[0].resembles_start("List-");
    assert!(named("List-Id: x") && named("Li st-Help : x") && !named("Listen: x") && !named("List"));
}

#[test]
fn readers_are_found_in_lists_groups_and_crowds() {
    let crowd: Vec<String> = (0..300).map(|number| format!("r{number}@x.example")).collect();
    for (value, expected) in [
        ("\"Liddell, Alice\" <alice@x.example>, \"a b\"@x.example", vec!["alice@x.example", "\"a b\"@x.example"]),
        // A name is not the address.
        ("\"bob@x.example\" <alice@x.example>", vec!["alice@x.example"]),
        ("team: alice@x.example,\r\n 'bob@b\u{fc}cher.example';", vec!["alice@x.example", "bob@xn--bcher-kva.example"]),
        ("undisclosed-recipients:;", vec![]),
        ("team: \"alice@x.example.\";", vec!["alice@x.example"]),
        (",,<>,@,a@,@b", vec![]),
    ] {
        let found: Vec<String> =
            only_field(&format!("To: {value}\r\n")).addressees().iter().map(ToString::to_string).collect();
        assert_eq!(found, expected, "{value:?}");
    }
    assert_eq!(only_field(&format!("To: {}\r\n", crowd.join(", "))).addressees().len(), 300);
}

#[test]
fn only_the_first_line_can_be_adrift() {
    for (header, expected) in [
        (" by mx.contoso.example\r\nFrom: a\r\n", true),
        ("\tFrom: a\r\n b\r\n", true),
        (" \r\nFrom: a\r\n", true),
        ("From: a\r\n b\r\n", false),
    ] {
        let found = fields(header.as_bytes());
        assert_eq!(found[0].is_adrift(), expected, "{header:?}");
        assert!(!found.iter().skip(1).any(Field::is_adrift), "{header:?}");
    }
}
