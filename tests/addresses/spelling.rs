//! Addresses of a few people, and every way in which they can be written.

use franking::model::mail::Address;
use proptest::prelude::*;
use unicode_normalization::UnicodeNormalization as _;

/// Local parts as they are meant: without quotes, in lower case, composed.
const LOCALS: [&str; 14] = [
    "ann",
    "anna",
    "o'neil",
    "first.last",
    "first..last",
    "two words",
    "quo\"te",
    "back\\slash",
    "m\u{fc}ller",
    "muller",
    "\u{e9}t\u{e9}",
    "\u{1e69}a",
    "\u{65e5}\u{672c}",
    "a@b",
];
const DOMAINS: [(&str, &str); 4] = [
    ("contoso.example", "contoso.example"),
    ("xn--bcher-kva.example", "b\u{fc}cher.example"),
    ("xn--wgv71a.example", "\u{65e5}\u{672c}.example"),
    ("mail.contoso.example", "mail.contoso.example"),
];

/// Who is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Identity {
    local: usize,
    domain: usize,
}

impl Identity {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..LOCALS.len()).flat_map(|local| (0..DOMAINS.len()).map(move |domain| Self { local, domain }))
    }

    /// The plainest way to write it.
    pub(super) fn address(self) -> Address {
        self.tagged("", &Spelling::default())
    }

    /// The same person with something behind the local part, in some spelling.
    pub(super) fn tagged(self, tag: &str, spelling: &Spelling) -> Address {
        let text = spelling.write(self, tag);
        Address::parse(&text).unwrap_or_else(|error| panic!("{text}: {error}"))
    }
}

/// How something is written. Every bit is used in turn for one letter.
#[derive(Clone, Debug, Default)]
pub(super) struct Spelling {
    capitals: u32,
    escapes: u32,
    quoted: bool,
    decomposed: bool,
    unicode: bool,
}

impl Spelling {
    fn write(&self, who: Identity, tag: &str) -> String {
        let local = format!("{}{tag}", LOCALS[who.local]);
        let local: String = if self.decomposed { local.nfd().collect() } else { local };
        let local = self.raise(&local);
        let plain = |c: char| c.is_alphanumeric() || !c.is_ascii() || "'+.".contains(c);
        let needs_quotes = !local.chars().all(plain) || local.contains("..");
        let mut text = if self.quoted || needs_quotes { self.quote(&local) } else { local };
        let (ascii, unicode) = DOMAINS[who.domain];
        text.push('@');
        text.push_str(&self.raise(if self.unicode { unicode } else { ascii }));
        text
    }

    /// Some letters as capitals, where a capital has one small form.
    fn raise(&self, text: &str) -> String {
        let raised = |(number, small): (usize, char)| {
            let mut upper = small.to_uppercase();
            let capital = upper.next().filter(|_| upper.next().is_none());
            let back = capital.filter(|capital| capital.to_lowercase().eq([small]));
            back.filter(|_| self.capitals >> (number % 32) & 1 == 1).unwrap_or(small)
        };
        text.chars().enumerate().map(raised).collect()
    }

    fn quote(&self, local: &str) -> String {
        let mut text = "\"".to_owned();
        for (number, character) in local.chars().enumerate() {
            if matches!(character, '"' | '\\') || self.escapes >> (number % 32) & 1 == 1 {
                text.push('\\');
            }
            text.push(character);
        }
        text.push('"');
        text
    }
}

pub(super) fn spelling() -> impl Strategy<Value = Spelling> {
    any::<(u32, u32, bool, bool, bool)>().prop_map(|(capitals, escapes, quoted, decomposed, unicode)| Spelling {
        capitals,
        escapes,
        quoted,
        decomposed,
        unicode,
    })
}

pub(super) fn identity() -> impl Strategy<Value = Identity> {
    (0..LOCALS.len(), 0..DOMAINS.len()).prop_map(|(local, domain)| Identity { local, domain })
}

/// Somebody, and one way to write it.
pub(super) fn spelled() -> impl Strategy<Value = (Identity, String)> {
    (identity(), spelling()).prop_map(|(who, spelling)| (who, spelling.write(who, "")))
}
