//! Exports that nobody's Exchange made: broken, huge, or meant to do harm. None may panic, and each is told apart.

use franking::admin::exchange::Kind;
use franking::model::directory::Snapshot;
use proptest::prelude::*;

use super::{find, import, import_as, lines};

const HEADER: &str = "Name,PrimarySmtpAddress,RecipientTypeDetails,EmailAddresses\n";

fn csv(rows: &str) -> franking::admin::exchange::Report {
    import(&[("a.csv", format!("{HEADER}{rows}").as_bytes())], &Snapshot::default())
}

fn whole(bytes: &[u8]) -> String {
    let report = import(&[("a.csv", bytes)], &Snapshot::default());
    assert_eq!(report.refused.len(), 1, "{report}");
    report.refused[0].to_string()
}

#[test]
fn an_address_in_use_is_refused_in_exchanges_words() {
    let second = csv(
        "info,info@contoso.example,SharedMailbox,\nsales,sales@contoso.example,SharedMailbox,SMTP:sales@contoso.example smtp:INFO@contoso.example\n",
    );
    let in_use = "The proxy address \"SMTP:INFO@contoso.example\" is already being used by the proxy addresses or \
                  LegacyExchangeDN of \"info\". Please choose another proxy address.";
    assert_eq!(lines(&second.refused), [format!("a.csv, row 3, sales@contoso.example: {in_use}")]);
    let twice = csv("info,info@contoso.example,SharedMailbox,\nother,info@contoso.example,SharedMailbox,\n");
    assert_eq!(
        lines(&twice.refused),
        [format!("a.csv, row 3, info@contoso.example: {}", in_use.replace("INFO", "info"))]
    );
}

#[test]
fn broken_encodings_are_named() {
    assert_eq!(
        whole(b"Name,PrimarySmtpAddress\nM\xFCller,x"),
        "a.csv, row 2: this is not UTF-8; save it as \"CSV UTF-8\", or export with -Encoding UTF8"
    );
    assert_eq!(whole(b"\xFF\xFEN\0a"), "a.csv: this is broken UTF-16; export it again");
    assert_eq!(whole(b"\xFF\xFE\x00\xD8"), "a.csv: this is broken UTF-16; export it again");
    assert!(whole(b"N\0a\0m\0e\0").contains("NUL characters"));
    assert!(whole(b"").contains("these columns are of none of"));
}

#[test]
fn control_characters_in_names_and_addresses_are_refused() {
    let report = csv(
        "\"alice\r\nBcc: x\",alice@contoso.example,UserMailbox,\nbob,\"bob@contoso.example\r\nRCPT TO:<x>\",UserMailbox,\n",
    );
    assert_eq!(report.counts.created, 0);
    assert_eq!(report.refused.len(), 2);
    assert!(report.to_string().lines().all(|line| !line.chars().any(char::is_control)), "{report:?}");
}

#[test]
fn cells_that_look_like_formulas_are_texts() {
    let report = csv(
        "\"=HYPERLINK(\"\"http://fabrikam.example\"\")\",alice@contoso.example,UserMailbox,\n@bob,bob@contoso.example,UserMailbox,\n",
    );
    assert_eq!(report.refused, []);
    let snapshot = Snapshot::default().apply(&report.changes).unwrap();
    assert_eq!(&*find(&snapshot, "alice").name, "=HYPERLINK(\"http://fabrikam.example\")");
    assert_eq!(&*find(&snapshot, "bob").name, "@bob");
}

#[test]
fn a_megabyte_in_one_line_refuses_that_row_only() {
    let long =
        format!("{},alice@contoso.example,UserMailbox,\nbob,bob@contoso.example,UserMailbox,\n", "x".repeat(1 << 20));
    let report = csv(&long);
    assert_eq!(lines(&report.refused), ["a.csv, row 2: a cell is longer than 262144 octets; is a quote left open?"]);
    assert_eq!(report.counts.created, 1);
    let open = csv(&format!(
        "\"alice,alice@contoso.example,UserMailbox,\n{}",
        "bob,b@contoso.example,UserMailbox,\n".repeat(20_000)
    ));
    assert_eq!(open.counts.created, 0);
    assert_eq!(open.refused.len(), 1);
}

#[test]
fn many_columns_or_addresses_are_bounded() {
    let columns: Vec<String> = (0..3000).map(|place| format!("c{place}")).collect();
    assert!(whole(columns.join(",").as_bytes()).contains("too many of them"));
    assert!(whole(b"Name,name,PrimarySmtpAddress\n").contains("two columns have the same name"));
    let addresses: Vec<String> = (0..5000).map(|place| format!("smtp:a{place}@contoso.example")).collect();
    let report = csv(&format!("alice,alice@contoso.example,UserMailbox,{}\n", addresses.join(" ")));
    assert!(lines(&report.refused)[0].contains("too many proxy addresses: 5001"), "{report}");
}

#[test]
fn a_row_of_the_wrong_width_does_not_stop_the_others() {
    let report = csv("alice\nbob,bob@contoso.example,UserMailbox,\n");
    assert_eq!(lines(&report.refused), ["a.csv, row 2: this row has 1 columns instead of 4"]);
    assert_eq!(report.counts.created, 1);
}

#[test]
fn lists_exported_as_type_names_are_noticed() {
    let report = csv("alice,alice@contoso.example,UserMailbox,Microsoft.Exchange.Data.ProxyAddressCollection\n");
    assert_eq!(report.counts.created, 1);
    assert!(
        lines(&report.notes)[0].starts_with("a.csv: column EmailAddresses holds the names of .NET types"),
        "{report}"
    );
}

#[test]
fn json_is_bounded_in_depth_and_must_be_objects() {
    assert!(whole("[".repeat(100_000).as_bytes()).contains("this is not JSON"));
    assert!(whole(b"[1, \"x\"").contains("this is not JSON"));
    let report = import_as(&[("a.json", b"[1, null, {}]")], Some(Kind::Recipients), &Snapshot::default());
    assert_eq!(
        lines(&report.refused),
        [
            "a.json, row 1: this is no object",
            "a.json, row 2: this is no object",
            "a.json, row 3: it has no mail address"
        ]
    );
    let nested = format!("{{\"PrimarySmtpAddress\":{}\"x\"{}}}", "{\"Value\":".repeat(100), "}".repeat(100));
    assert!(whole(nested.as_bytes()).contains("PrimarySmtpAddress"));
}

#[test]
fn a_file_of_a_known_kind_may_be_told_so() {
    let file = b"Identity,Trustee,AccessRights\nx,y,SendAs\n";
    let report = import_as(&[("a.csv", file)], Some(Kind::Recipients), &Snapshot::default());
    assert_eq!(lines(&report.refused), ["a.csv, row 2, x: it has no mail address"]);
}

proptest! {
    #[test]
    fn no_octets_make_an_import_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        import(&[("a.csv", &bytes)], &Snapshot::default());
    }

    #[test]
    fn no_rows_make_an_import_panic(
        cells in prop::collection::vec("(|alice|bob|alice@contoso.example|SMTP:|\\{|\\}|CN=|/|\\\\|,|;| |UserMailbox|True|1 GB|X500:/o=x y)", 9 * 4),
    ) {
        let mut text = "Name;PrimarySmtpAddress;EmailAddresses;RecipientTypeDetails;GrantSendOnBehalfTo;ManagedBy;ForwardingAddress;ProhibitSendQuota;UserPrincipalName\n".to_owned();
        for row in cells.chunks(9) {
            text += &row.iter().map(|cell| format!("\"{cell}\"")).collect::<Vec<_>>().join(";");
            text.push('\n');
        }
        let report = import(&[("a.csv", text.as_bytes())], &Snapshot::default());
        prop_assert!(Snapshot::default().apply(&report.changes).is_ok());
    }
}
