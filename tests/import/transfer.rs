//! Directories as TOML and JSON text, and what is said of texts that are none.

use franking::admin::transfer::{Form, TransferError, parse, read_bounded, write};
use franking::model::directory::Document;
use franking::model::directory::document::Secrets;
use proptest::prelude::*;

use crate::directory::{directory, fixture};

fn complaint(form: Form, text: &str) -> String {
    parse(form, text.as_bytes(), "staff.toml").unwrap_err().to_string()
}

#[test]
fn both_forms_carry_every_fixture() {
    for name in ["contoso", "fabrikam", "lifecycle", "types"] {
        let document = Document::of(&directory(&fixture(name)), Secrets::Include);
        for form in [Form::Toml, Form::Json] {
            let text = write(form, &document).unwrap();
            assert_eq!(parse(form, text.as_bytes(), name).unwrap(), document);
        }
    }
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_read() {
    let text = "\u{feff}[[domain]]\r\ndomain = \"contoso.example\"\r\n";
    assert_eq!(parse(Form::Toml, text.as_bytes(), "x").unwrap().domains.len(), 1);
}

#[test]
fn complaints_name_file_line_key_and_cure() {
    let text = "[[recipient]]\naddress = \"alice@contoso.example\"\nlicenses = []\n";
    let unknown = complaint(Form::Toml, text);
    assert!(
        unknown.starts_with("staff.toml, line 3, column 1: unknown field `licenses`, expected one of"),
        "{unknown}"
    );
    assert!(unknown.ends_with("check its spelling, or that it stands under the right heading"), "{unknown}");
    let variant = complaint(Form::Toml, "[[recipient]]\naddress = \"a@contoso.example\"\n\ntype = \"Mailbox\"\n");
    assert!(
        variant.starts_with("staff.toml, line 4, column 8: unknown variant `Mailbox`, expected one of"),
        "{variant}"
    );
    let twice = complaint(Form::Toml, "[organisation]\nname = \"a\"\nname = \"b\"\n");
    assert!(twice.starts_with("staff.toml, line 3, column 1: duplicate key"), "{twice}");
    let size =
        complaint(Form::Toml, "[[recipient]]\naddress = \"ü@contoso.example\"\nquota = { prohibit_send = \"much\" }\n");
    assert!(size.starts_with("staff.toml, line 3, column ") && size.contains("\"49.5 GB\""), "{size}");
    let json = complaint(Form::Json, "{\n \"domain\": [\n  {\"domain\": \"x\", \"kind\": 1}]}");
    assert!(json.starts_with("staff.toml, line 3, column ") && json.contains("unknown field `kind`"), "{json}");
    assert!(!json.contains("at line"), "{json}");
}

#[test]
fn broken_and_bottomless_texts_are_refused() {
    let error = parse(Form::Toml, b"[organisation]\nname = \"\xFF\"", "x").unwrap_err();
    assert_eq!(error.to_string(), "x, line 2: this is not UTF-8; save the file as UTF-8");
    for (form, text) in [
        (Form::Json, format!("{{\"a\":{}", "[".repeat(1 << 20))),
        (Form::Toml, format!("a = {}", "[".repeat(1 << 20))),
        (Form::Toml, format!("\n\na = {}", "{b=".repeat(1 << 18))),
    ] {
        assert!(matches!(parse(form, text.as_bytes(), "x"), Err(TransferError::TooDeep { .. })));
    }
    let brackets = "[".repeat(1000);
    let quoted = format!(
        "# {brackets}\n[organisation]\nname = '''\n{brackets}'''\n[[recipient]]\naddress = \"\\\"{brackets}\"\n"
    );
    assert_eq!(parse(Form::Toml, quoted.as_bytes(), "x").unwrap().recipients.len(), 1);
    assert!(parse(Form::Toml, b"name = \"a\0b\"", "x").is_err());
    let key = complaint(Form::Toml, &format!("{} = 1", "k".repeat(1 << 20)));
    assert!(key.len() < 2000, "{}", key.len());
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    struct Failing;
    impl std::io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the disk is gone"))
        }
    }
    assert_eq!(read_bounded(Failing, "x.toml").unwrap_err().to_string(), "x.toml: the disk is gone");
    assert_eq!(read_bounded(&b"abc"[..], "x.toml").unwrap(), b"abc");
}

#[test]
fn the_form_follows_from_the_name() {
    assert_eq!(Form::of_file("a/b.TOML"), Some(Form::Toml));
    assert_eq!(Form::of_file("b.json"), Some(Form::Json));
    assert_eq!(Form::of_file("toml"), None);
}

proptest! {
    #[test]
    fn no_text_makes_parsing_panic(text in any::<String>(), toml in any::<bool>()) {
        let _ = parse(if toml { Form::Toml } else { Form::Json }, text.as_bytes(), "x");
    }

    #[test]
    fn no_nearly_right_text_makes_parsing_panic(
        text in "(\\[\\[recipient\\]\\]|address|type|quota|=|\"|'''|\"\"\"|\\{|\\}|\\[|\\]|\\\\|\n|#|1|,| |\u{fc}){0,30}",
        toml in any::<bool>(),
    ) {
        let _ = parse(if toml { Form::Toml } else { Form::Json }, text.as_bytes(), "x");
    }
}
