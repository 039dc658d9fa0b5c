//! What a script may say, and what it is told otherwise.

use std::path::Path;

use proptest::prelude::*;

use super::fault_script;
use crate::model::faults::{Deed, Rule, Step, Words};

fn read(text: &str) -> Result<Vec<Rule>, Vec<String>> {
    fault_script(text, Path::new("faults.toml")).map_err(|errors| errors.0.iter().map(ToString::to_string).collect())
}

fn complaint(text: &str) -> String {
    read(text).expect_err(text).join("\n")
}

#[test]
fn a_script_says_where_when_and_what() {
    let rules = read(
        "[[fault]]\nrefuse = \"ConcurrentSessionsExceeded\"\ntimes = 2\n\
         [[fault]]\nname = \"slow\"\nstep = \"rcpt\"\nrecipient = \"*@fabrikam.example\"\ndelay_milliseconds = 50\n\
         [[fault]]\nstep = \"mail\"\nreply = [\"451 4.7.500 Server busy\", \"come back\"]\n\
         [[fault]]\ntls = \"expired\"\nevery_session = 3\n",
    )
    .unwrap();
    let [throttled, slow, own, tls] = &rules[..] else { panic!("{rules:?}") };
    assert_eq!((&*throttled.name, throttled.step, throttled.times), ("fault-1", Step::EndOfData, Some(2)));
    assert_eq!((&*slow.name, &slow.deed, slow.delay.as_millis()), ("slow", &Deed::Slow, 50));
    let Deed::Reply(Words::Own(reply)) = &own.deed else { panic!("{own:?}") };
    assert_eq!(reply.to_string(), "451 4.7.500 Server busy / come back");
    assert_eq!((tls.step, tls.when.every_session), (Step::Tls, Some(3)));
    assert!(read("").unwrap().is_empty());
}

#[test]
fn a_fault_never_says_yes() {
    for reply in ["250 2.0.0 OK", "235 2.7.0 in", "354 go on", "451 5.7.1 two classes", "600 x", "4511 x", "45", ""] {
        let text = complaint(&format!("[[fault]]\nstep = \"rcpt\"\nreply = \"{reply}\"\n"));
        assert!(text.contains("faults.toml:3: fault[1].reply: the reply is no refusal"), "{text}");
    }
    assert!(read("[[fault]]\nstep = \"rcpt\"\nreply = \"550\"\n").is_ok());
    assert!(complaint("[[fault]]\nstep = \"rcpt\"\nreply = \"550 a\\r\\n250 b\"").contains("cannot be sent"));
    assert!(
        complaint("[[fault]]\nstep = \"accepted\"\nreply = \"550 no\"").contains("does nothing at the step accepted")
    );
}

#[test]
fn what_is_wrong_is_said_with_line_key_and_cure() {
    let wrong = [
        (
            "[[fault]]\nstep = \"rcpt\"\nrefuse = \"SendAsDenid\"",
            "faults.toml:3: fault[1].refuse: \"SendAsDenid\" is the name of no fault; did you mean \"SendAsDenied\"?",
        ),
        ("[[fault]]\nstep = \"rcpt\"", "faults.toml:1: fault[1]: the rule does nothing; say what: refuse"),
        ("[[fault]]\ndrop = \"close\"", "the rule says no step; name one: step = \"connect"),
        (
            "[[fault]]\nstep = \"rctp\"\ndrop = \"close\"",
            "faults.toml:2: fault[1].step: unknown value `rctp`; did you mean `rcpt`?",
        ),
        ("[[fault]]\nstep = \"mail\"\ndrop = \"close\"\ntls = \"alert\"", "the rule does two things; one of refuse"),
        (
            "[[fault]]\nstep = \"mail\"\nrecipient = \"*\"\ndrop = \"close\"",
            "faults.toml:3: fault[1].recipient: recipient says nothing at the step mail, so the rule would never strike; leave it out, or use the step rcpt",
        ),
        ("[[fault]]\nstep = \"mail\"\ntls = \"alert\"", "tls does nothing at the step mail; steps that know it: tls"),
        (
            "[[fault]]\nstep = \"content\"\ntrickle_milliseconds = 1",
            "nothing is said at the step content; use delay_milliseconds",
        ),
        (
            "[[fault]]\nstep = \"mail\"\ndelay_milliseconds = 99999999",
            "99999999 is out of range; give a number from 0 to 3600000",
        ),
        ("[[fault]]\nstep = \"mail\"\ndrop = \"close\"\ntimes = 0", "faults.toml:4: fault[1].times: 0 is out of range"),
        ("[[fault]]\nstep = \"mail\"\ndrop = \"close\"\nclient = \"10.0.0.1/8\"", "has address bits beyond its prefix"),
        ("[[fault]]\nname = \"a b\"\nstep = \"mail\"\ndrop = \"close\"", "this is no name for a rule"),
        ("[[rule]]", "unknown key `rule`"),
    ];
    for (text, expected) in wrong {
        let said = complaint(text);
        assert!(said.contains(expected), "{text}\n{said}");
    }
    let many = "[[fault]]\nstep = \"mail\"\ndrop = \"close\"\n".repeat(201);
    assert!(complaint(&many).contains("more than 200 rules"));
}

proptest! {
    #[test]
    fn any_text_has_an_answer(text in "(\\[\\[fault\\]\\]\n|[a-z_]{1,12} = |\"[ -~]{0,9}\"|[0-9]{1,9}|\n|.){0,40}") {
        let _ = read(&text);
    }
}
