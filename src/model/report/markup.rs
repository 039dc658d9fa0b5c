//! HTML that somebody wrote or pasted, as it may leave under a mailbox's name: what is formatted stays, and nothing is
//! left that runs, fetches or asks. What is not known is left out, so that whatever readers of mail learn to do next is
//! not done by this. Linear in the text's length, however it is broken.

use mail_parser::decoders::html::html_to_text;

/// A text in its two forms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Harmless {
    /// A whole document.
    pub(super) html: String,
    /// What a reader sees of it.
    pub(super) plain: String,
}

/// Elements that format text. Their attributes are judged one by one.
const FORMATTING: [&str; 44] = [
    "p",
    "div",
    "span",
    "br",
    "hr",
    "b",
    "strong",
    "i",
    "em",
    "u",
    "s",
    "strike",
    "small",
    "big",
    "sub",
    "sup",
    "font",
    "center",
    "a",
    "ul",
    "ol",
    "li",
    "dl",
    "dt",
    "dd",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "pre",
    "code",
    "table",
    "thead",
    "tbody",
    "tfoot",
    "tr",
    "td",
    "th",
    "caption",
    "col",
    "colgroup",
];
/// Elements that go with all that is in them: it is not there to be read.
const UNREAD: [&str; 16] = [
    "script",
    "style",
    "title",
    "template",
    "iframe",
    "object",
    "applet",
    "noscript",
    "noembed",
    "noframes",
    "svg",
    "math",
    "textarea",
    "select",
    "xmp",
    "plaintext",
];
/// Attributes whose values are words, numbers and colours.
const PLAIN: [&str; 14] = [
    "align", "valign", "color", "face", "size", "dir", "lang", "width", "height", "border", "bgcolor", "colspan",
    "rowspan", "style",
];
/// Where a link may lead, as it is written: an entity within a scheme makes it none of these.
const SCHEMES: [&str; 4] = ["http://", "https://", "mailto:", "tel:"];

/// Both forms of a text in HTML.
pub(super) fn harmless(text: &str) -> Harmless {
    let mut body = String::with_capacity(text.len().saturating_add(64));
    let mut rest = text;
    while let Some(open) = memchr::memchr(b'<', rest.as_bytes()) {
        let (before, from) = rest.split_at(open);
        push_text(before, &mut body);
        rest = markup(from, &mut body);
    }
    push_text(rest, &mut body);
    let plain = html_to_text(&body);
    // Entities can stand for controls.
    let shown = plain.chars().filter(|one| !one.is_control() || matches!(one, '\n' | '\t')).collect::<String>();
    let html = format!("<html>\n<body>\n{}\n</body>\n</html>\n", body.trim());
    Harmless { html, plain: shown.trim().to_owned() }
}

fn push_text(text: &str, body: &mut String) {
    body.push_str(&text.replace('>', "&gt;"));
}

/// Takes what begins with `<`, and gives what is behind it.
fn markup<'a>(from: &'a str, body: &mut String) -> &'a str {
    let inner = from.get(1..).unwrap_or_default();
    if let Some(comment) = inner.strip_prefix("!--") {
        return comment.split_once("-->").map_or("", |(_, rest)| rest);
    }
    if inner.starts_with(['!', '?']) {
        return inner.split_once('>').map_or("", |(_, rest)| rest);
    }
    let (closes, name_on) = inner.strip_prefix('/').map_or((false, inner), |rest| (true, rest));
    if !name_on.starts_with(|one: char| one.is_ascii_alphabetic()) {
        body.push_str("&lt;");
        return inner;
    }
    let end = name_on.find(|one: char| !one.is_ascii_alphanumeric()).unwrap_or(name_on.len());
    let (name, attributes) = name_on.split_at(end);
    let name = name.to_ascii_lowercase();
    let formats = FORMATTING.contains(&name.as_str());
    let mut kept = String::new();
    let Some(rest) = take_attributes(attributes, &mut |key, value| {
        if formats && !closes && may_stay(&name, key, value) {
            let value = value.replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
            kept.push_str(&format!(" {key}=\"{value}\""));
        }
    }) else {
        // A tag that never ends swallows the rest, as in a browser.
        return "";
    };
    if UNREAD.contains(&name.as_str()) {
        return if closes { rest } else { behind_end_of(rest, &name) };
    }
    if formats {
        let slash = if closes { "/" } else { "" };
        body.push_str(&format!("<{slash}{name}{kept}>"));
    }
    rest
}

/// What is behind the end tag of an element, or nothing.
fn behind_end_of<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some((_, tag)) = rest.split_once("</") {
        if tag.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
            return tag.split_once('>').map_or("", |(_, rest)| rest);
        }
        rest = tag;
    }
    ""
}

/// Reads attributes up to the `>` that ends the tag, and gives what is behind it; none when it never ends.
fn take_attributes<'a>(text: &'a str, take: &mut dyn FnMut(&str, &str)) -> Option<&'a str> {
    let blank = |one: char| one.is_ascii_whitespace() || one == '/';
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(blank);
        if let Some(behind) = rest.strip_prefix('>') {
            return Some(behind);
        }
        // The first character belongs to a name whatever it is, so each round gets on.
        let first = rest.chars().next()?.len_utf8();
        let name_end = |one: char| one.is_ascii_whitespace() || matches!(one, '=' | '>' | '/');
        let end = rest.get(first..)?.find(name_end).map(|end| end + first)?;
        let (key, behind) = rest.split_at(end);
        rest = behind.trim_start_matches(|one: char| one.is_ascii_whitespace());
        let mut value = "";
        if let Some(given) = rest.strip_prefix('=') {
            let given = given.trim_start_matches(|one: char| one.is_ascii_whitespace());
            let quote = given.chars().next().filter(|one| matches!(one, '"' | '\''));
            (value, rest) = match quote {
                Some(quote) => given.get(1..)?.split_once(quote)?,
                None => given.split_at(given.find(|one: char| one.is_ascii_whitespace() || one == '>')?),
            };
        }
        take(&key.to_ascii_lowercase(), value);
    }
}

fn may_stay(element: &str, key: &str, value: &str) -> bool {
    if element == "a" && key == "href" {
        let leads = |scheme: &str| value.get(..scheme.len()).is_some_and(|own| own.eq_ignore_ascii_case(scheme));
        return SCHEMES.iter().any(|scheme| leads(scheme));
    }
    // Without parentheses, backslashes and slashes a style fetches nothing.
    let plain =
        |one: char| one.is_ascii_alphanumeric() || matches!(one, ' ' | '#' | '%' | ',' | '.' | '-' | ':' | ';' | '\'');
    PLAIN.contains(&key) && value.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(text: &str) -> String {
        let html = harmless(text).html;
        html.strip_prefix("<html>\n<body>\n").unwrap().strip_suffix("\n</body>\n</html>\n").unwrap().to_owned()
    }

    #[test]
    fn formatting_stays_and_what_acts_or_fetches_goes() {
        let cases = [
            ("<p>Back on <b>Monday</b>.</p>", "<p>Back on <b>Monday</b>.</p>"),
            ("<html><head><title>x</title></head><body>Away</body></html>", "Away"),
            ("<script>alert(1)</script>Away", "Away"),
            ("<SCRIPT src=//x>a</sCrIpT >Away", "Away"),
            ("<style>p{background:url(http://x)}</style>Away", "Away"),
            ("<img src=http://x/pixel.png>Away", "Away"),
            ("<p onclick=alert(1) align=center>Away</p>", "<p align=\"center\">Away</p>"),
            (
                "<a href=\"https://contoso.example/?a=1&amp;b=2\">x</a>",
                "<a href=\"https://contoso.example/?a=1&amp;b=2\">x</a>",
            ),
            ("<a href=\"javascript:alert(1)\">x</a>", "<a>x</a>"),
            ("<a href=\" java&#115;cript:alert(1)\">x</a>", "<a>x</a>"),
            ("<p style=\"color: red\">x", "<p style=\"color: red\">x"),
            ("<p style=\"background:url(x)\">x", "<p>x"),
            ("<p title='\">' align='left'>x", "<p align=\"left\">x"),
            ("<!-- <p> -->1 < 2 > 0<!DOCTYPE x>", "1 &lt; 2 &gt; 0"),
            ("<form action=x><input name=y>Away</form>", "Away"),
            ("Away<p align=\"left", "Away"),
            ("<iframe>x", ""),
            ("<b/>x</>", "<b>x&lt;/&gt;"),
        ];
        for (given, expected) in cases {
            assert_eq!(body(given), expected, "{given}");
        }
    }

    #[test]
    fn the_plain_form_reads_as_the_other_looks_and_has_no_controls() {
        let plain = harmless("<html><body><p>Back on <b>Monday</b>.</p><p>J&uuml;rgen&#27;[2J</p></body></html>").plain;
        assert_eq!(plain.split_whitespace().collect::<Vec<_>>(), ["Back", "on", "Monday.", "J\u{fc}rgen[2J"]);
    }

    proptest! {
        /// Only known elements come out, and making a text harmless a second time alters nothing of its markup.
        #[test]
        fn nothing_but_known_elements_comes_out(
            pieces in proptest::collection::vec(prop_oneof![
                Just("<"), Just(">"), Just("</"), Just("/>"), Just("\""), Just("'"), Just("="), Just(" "), Just("p"),
                Just("script"), Just("<script>"), Just("</script>"), Just("<a href="), Just("javascript:"),
                Just("onload"), Just("<!--"), Just("-->"), Just("<img"), Just("style="), Just("url("), Just("&lt;"),
                Just("\u{e9}"),
            ], 0..60),
        ) {
            let text: String = pieces.concat();
            let found = harmless(&text);
            let mut rest = found.html.as_str();
            while let Some((_, tag)) = rest.split_once('<') {
                let name: String =
                    tag.trim_start_matches('/').chars().take_while(|one| one.is_ascii_alphanumeric()).collect();
                let framed = ["html", "body"].contains(&name.as_str());
                prop_assert!(framed || FORMATTING.contains(&name.as_str()), "{text:?}: {}", found.html);
                let (within, behind) = tag.split_once('>').unwrap();
                prop_assert!(!within.contains("onload=\"") && !within.contains("href=\"javascript"), "{}", found.html);
                rest = behind;
            }
            prop_assert!(!found.plain.chars().any(|one| one.is_control() && one != '\n' && one != '\t'));
            prop_assert!(found.html.len() <= text.len() * 8 + 64);
        }
    }
}
