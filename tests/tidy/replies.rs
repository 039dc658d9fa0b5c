//! Every reply the server can give is a row of a table: a code written anywhere else is a reply nobody reviewed.
//!
//! Looks at string literals that read like a reply, and at replies built from a number, outside the tables. Tests may
//! write down what they expect.

use super::lexer::Lexeme;
use super::sources::{self, RustFile};
use super::{Breach, assert_none};

/// Where replies are written down: refusals, what a session or a delivery says of its own, and the type itself.
const TABLES: &[&str] = &[
    "src/model/policy/refusal",
    "src/model/smtp/repl",
    "src/model/faults/named.rs",
    "src/model/queue/finding.rs",
    "src/model/mail/reply.rs",
];

fn replies_outside_the_tables(file: &RustFile) -> Vec<Breach> {
    if TABLES.iter().any(|table| file.path.starts_with(table)) {
        return Vec::new();
    }
    let written = file.tokens.iter().filter(|token| match &token.lexeme {
        Lexeme::Text(text) => !token.tested && reads_like_a_reply(text),
        Lexeme::Word(_) | Lexeme::Number(_) | Lexeme::Tick | Lexeme::Joint | Lexeme::Mark(_) => false,
    });
    let built = file.tokens.windows(5).filter_map(|run| {
        let constructor = run[2].is_word("new") || run[2].is_word("plain");
        let called = run[0].is_word("Reply") && run[1].lexeme == Lexeme::Joint && constructor && run[3].is_mark('(');
        let literal = matches!(run[4].lexeme, Lexeme::Number(_));
        (called && literal && !run[0].tested).then_some(&run[0])
    });
    let law = "a reply is a row of a table (model/policy/refusal, model/smtp/replies), not written on the spot";
    written.chain(built).map(|token| Breach::new(&file.path, token.line, law)).collect()
}

/// Whether somewhere in `text` stands a code, a blank or hyphen, and an enhanced status: `550 5.1.1`, `250-2.1.0`.
fn reads_like_a_reply(text: &str) -> bool {
    let bytes = text.as_bytes();
    (0..bytes.len()).any(|at| match &bytes[at..] {
        [class @ (b'2' | b'4' | b'5'), tens, units, b' ' | b'-', again, b'.', rest @ ..] => {
            let inside_a_number = at > 0 && bytes[at - 1].is_ascii_digit();
            let code = tens.is_ascii_digit() && units.is_ascii_digit() && class == again;
            code && !inside_a_number && ends_like_a_status(rest)
        }
        _ => false,
    })
}

/// `subject.detail` at the start of `rest`.
fn ends_like_a_status(rest: &[u8]) -> bool {
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    digits > 0 && rest.get(digits) == Some(&b'.') && rest.get(digits + 1).is_some_and(u8::is_ascii_digit)
}

#[test]
fn every_reply_is_a_row_of_a_table() {
    assert_none(sources::rust().iter().flat_map(replies_outside_the_tables));
}

#[test]
fn replies_written_on_the_spot_are_found() {
    let broken = |path: &str, text: &str| replies_outside_the_tables(&RustFile::new(path, text)).len();
    let text = "fn f() { b\"550 5.7.1 no\"; Reply::new(250, EnhancedStatus(2, 1, 0), \"\"); \"250-2.1.0\"; }";
    assert_eq!(broken("src/server/connection.rs", text), 3);
    assert_eq!(broken("src/model/policy/refusal.rs", text), 0);
    assert_eq!(broken("src/server/connection.rs", &format!("#[cfg(test)] mod tests {{ {text} }}")), 0);
    let harmless = "/// 550 5.1.1 gone\nfn f() { \"1550 5.1.1\"; \"5.1.1\"; Reply::new(code, status, text); }";
    assert_eq!(broken("src/server/connection.rs", harmless), 0);
}
