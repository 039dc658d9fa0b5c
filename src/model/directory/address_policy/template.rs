//! Templates of addresses: `%g.%s@contoso.example`.
//!
//! | placeholder | stands for |
//! |---|---|
//! | `%m` | `Alias` |
//! | `%g` | `FirstName`, the given name |
//! | `%s` | `LastName`, the surname |
//! | `%i` | `Initials` |
//! | `%d` | `DisplayName`, or the name where there is none |
//! | `%1g`, `%2s` | so many first letters of the given name or surname |
//! | `%rxy` | nothing; in all that follows each `x` becomes `y`, and goes where both are the same |
//! | `%%` | a percent sign |
//!
//! Without anything before the `@` a template means `%m`, as in Exchange. Letter case counts in `%r` only.

use core::fmt;
use core::iter::Peekable;
use core::str::{Chars, FromStr};

use serde::{Deserialize, Serialize};

use crate::model::directory::address_book::AddressBookProperty;
use crate::model::directory::best_fit;
use crate::model::directory::recipient::Recipient;
use crate::model::mail::address::LOCAL_PART_BYTES_MAX;
use crate::model::mail::{AddressError, Domain};

/// Longest part of a template before the `@`, in octets.
const LOCAL_BYTES_MAX: usize = 256;
/// Most first letters that a placeholder can ask for: more do not fit into an address.
const LETTERS_MAX: usize = LOCAL_PART_BYTES_MAX;

/// Why a text is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// There is no `@`, or nothing that could be a domain behind it.
    #[error("a template ends in @ and a domain, such as %g.%s@contoso.example: {0}")]
    Domain(AddressError),
    /// Mail cannot be addressed to a whole network.
    #[error("a template ends in the name of a domain, not in an address in brackets")]
    Literal,
    /// Something behind a percent sign that means nothing.
    #[error(
        "%{0} stands for nothing: write %m (alias), %g (given name), %s (surname), %i (initials), %d (display name), \
         %1g or %1s (first letters), %rxy (x becomes y) or %%"
    )]
    Placeholder(Box<str>),
    /// `%r` needs two characters behind it.
    #[error("%r needs two characters behind it: %rxy makes each x a y, and %rxx takes each x away")]
    Replacement,
    /// It is longer than any template needs to be.
    #[error("the part before the @ is longer than {LOCAL_BYTES_MAX} octets or has control characters")]
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Variable {
    Alias,
    GivenName,
    Surname,
    Initials,
    DisplayName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// With how many of its first letters; all of them without.
    Value(Variable, Option<usize>),
    /// From here on; to nothing takes it away.
    Replace(char, Option<char>),
}

/// A template that was understood. Its text form is what was typed, without a type, the domain in A-labels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct AddressTemplate {
    typed: Box<str>,
    tokens: Box<[Token]>,
    domain: Domain,
}

impl AddressTemplate {
    /// The domain of the addresses that are made of it.
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// What is before the `@` for a recipient: ASCII, at most 64 octets, and either empty or a dot-atom. What an
    /// address cannot have without quotes is left out, as are periods that have nothing before or behind them.
    pub(super) fn local_text(&self, recipient: &Recipient) -> String {
        let mut press = Press::default();
        for token in &self.tokens {
            match *token {
                Token::Literal(character) => press.print(character),
                Token::Replace(from, to) => press.replacements.push((from, to)),
                Token::Value(variable, letters) => {
                    let text = variable.text(recipient);
                    let characters = text.chars().filter(|character| !character.is_whitespace() || letters.is_none());
                    characters.take(letters.unwrap_or(usize::MAX)).for_each(|character| press.print(character));
                }
            }
        }
        press.dot_atom()
    }
}

impl Variable {
    fn of(letter: char) -> Option<Self> {
        Some(match letter {
            'm' => Self::Alias,
            'g' => Self::GivenName,
            's' => Self::Surname,
            'i' => Self::Initials,
            'd' => Self::DisplayName,
            _ => return None,
        })
    }

    fn text(self, recipient: &Recipient) -> std::borrow::Cow<'_, str> {
        let book = |property| recipient.address_book.text(property).unwrap_or_default().into();
        match self {
            Self::Alias => recipient.alias(),
            Self::GivenName => book(AddressBookProperty::FirstName),
            Self::Surname => book(AddressBookProperty::LastName),
            Self::Initials => book(AddressBookProperty::Initials),
            Self::DisplayName => recipient.display_name.as_deref().unwrap_or(&recipient.name).into(),
        }
    }
}

/// Where a local part comes together, character by character.
#[derive(Default)]
struct Press {
    replacements: Vec<(char, Option<char>)>,
    text: String,
}

impl Press {
    fn print(&mut self, character: char) {
        let Some(next) = self.replaced(character) else { return };
        let fitting = best_fit::ascii(next).unwrap_or_default();
        for plain in fitting.chars() {
            // Who takes apostrophes away means the typographic ones as well.
            let printed = if next == character && plain != next { self.replaced(plain) } else { Some(plain) };
            let room = self.text.len() < LOCAL_PART_BYTES_MAX;
            self.text.extend(printed.filter(|printed| room && is_permitted(*printed)));
        }
    }

    fn replaced(&self, character: char) -> Option<char> {
        self.replacements.iter().try_fold(character, |next, (from, to)| if next == *from { *to } else { Some(next) })
    }

    fn dot_atom(&self) -> String {
        let atoms: Vec<&str> = self.text.split('.').filter(|atom| !atom.is_empty()).collect();
        atoms.join(".")
    }
}

/// What an address can have before the `@` without quotes, periods among it.
fn is_permitted(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~.".contains(character)
}

fn tokens(local: &str) -> Result<Box<[Token]>, TemplateError> {
    if local.len() > LOCAL_BYTES_MAX || local.chars().any(char::is_control) {
        return Err(TemplateError::Text);
    }
    let (mut tokens, mut rest) = (Vec::new(), local.chars().peekable());
    while let Some(character) = rest.next() {
        tokens.push(if character == '%' { placeholder(&mut rest)? } else { Token::Literal(character) });
    }
    if tokens.is_empty() {
        tokens.push(Token::Value(Variable::Alias, None));
    }
    Ok(tokens.into())
}

fn placeholder(rest: &mut Peekable<Chars<'_>>) -> Result<Token, TemplateError> {
    let mut digits = String::new();
    while let Some(digit) = rest.next_if(char::is_ascii_digit) {
        digits.push(digit);
    }
    let letter = rest.next();
    let unknown = || {
        let shown: String = digits.chars().take(9).chain(letter).collect();
        TemplateError::Placeholder(shown.into())
    };
    let variable = letter.and_then(Variable::of);
    if digits.is_empty() {
        return match (letter, variable) {
            (Some('%'), _) => Ok(Token::Literal('%')),
            (Some('r'), _) => match (rest.next(), rest.next()) {
                (Some(from), Some(to)) => Ok(Token::Replace(from, (from != to).then_some(to))),
                _ => Err(TemplateError::Replacement),
            },
            (_, Some(variable)) => Ok(Token::Value(variable, None)),
            (_, None) => Err(unknown()),
        };
    }
    let letters = digits.parse().ok().filter(|letters| (1..=LETTERS_MAX).contains(letters)).ok_or_else(unknown)?;
    match variable {
        Some(variable @ (Variable::GivenName | Variable::Surname)) => Ok(Token::Value(variable, Some(letters))),
        Some(Variable::Alias | Variable::Initials | Variable::DisplayName) | None => Err(unknown()),
    }
}

impl FromStr for AddressTemplate {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let (local, domain) = text.rsplit_once('@').ok_or(TemplateError::Domain(AddressError::NoAt))?;
        let domain = Domain::parse(domain.trim()).map_err(TemplateError::Domain)?;
        if domain.name().is_none() {
            return Err(TemplateError::Literal);
        }
        Ok(Self { typed: local.into(), tokens: tokens(local)?, domain })
    }
}

impl fmt::Display for AddressTemplate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}@{}", self.typed, self.domain)
    }
}

impl From<AddressTemplate> for String {
    fn from(template: AddressTemplate) -> Self {
        template.to_string()
    }
}

impl TryFrom<String> for AddressTemplate {
    type Error = TemplateError;
    fn try_from(text: String) -> Result<Self, TemplateError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::directory::{MailNickname, RecipientId, RecipientType};

    fn juergen() -> Recipient {
        let address = "jm@contoso.example".parse().unwrap();
        let mut own = Recipient::new(RecipientId(7), RecipientType::UserMailbox, "J\u{fc}rgen M\u{fc}ller", address);
        own.mail_nickname = Some(Box::new(MailNickname::parse("juergen").unwrap()));
        own.address_book.set(AddressBookProperty::FirstName, "J\u{fc}rgen");
        own.address_book.set(AddressBookProperty::LastName, "von M\u{fc}ller-O\u{2019}Hara");
        own.address_book.set(AddressBookProperty::Initials, "A.");
        own
    }

    fn made(template: &str) -> String {
        let template: AddressTemplate = format!("{template}@contoso.example").parse().unwrap();
        template.local_text(&juergen())
    }

    #[test]
    fn every_placeholder_stands_for_what_exchange_says() {
        let expected = [
            ("", "juergen"),
            ("%m", "juergen"),
            ("%g.%s", "Jurgen.vonMuller-O'Hara"),
            ("%1g%s", "JvonMuller-O'Hara"),
            ("%1g%3s", "Jvon"),
            ("%1g%4s", "JvonM"),
            ("%g.%i.%2s", "Jurgen.A.vo"),
            ("%d", "JurgenMuller"),
            ("%r .%d", "Jurgen.Muller"),
            ("%r--%r''%s", "vonMullerOHara"),
            ("%r\u{2019}'%r'x%s", "vonMuller-OxHara"),
            ("%r\u{fc}y%g", "Jyrgen"),
            ("x%%y", "x%y"),
            ("..%i..", "A"),
            ("\"(),:;<>[]\\ x", "x"),
            ("\u{674e}", ""),
        ];
        for (template, local) in expected {
            assert_eq!(made(template), local, "{template}");
        }
        assert_eq!(made(&"x".repeat(200)).len(), LOCAL_PART_BYTES_MAX);
    }

    #[test]
    fn what_is_no_template_is_refused_with_its_reason() {
        let domain = |error| TemplateError::Domain(error);
        let placeholder = |text: &str| TemplateError::Placeholder(text.into());
        for (text, error) in [
            ("%m", domain(AddressError::NoAt)),
            ("%m@", domain(AddressError::Domain)),
            ("%m@[192.0.2.1]", TemplateError::Literal),
            ("%x@contoso.example", placeholder("x")),
            ("%@contoso.example", placeholder("")),
            ("%2m@contoso.example", placeholder("2m")),
            ("%0g@contoso.example", placeholder("0g")),
            ("%65g@contoso.example", placeholder("65g")),
            ("%ra@contoso.example", TemplateError::Replacement),
            ("a\u{7}@contoso.example", TemplateError::Text),
        ] {
            assert_eq!(text.parse::<AddressTemplate>(), Err(error), "{text}");
        }
        let long = format!("{}@contoso.example", "x".repeat(257));
        assert_eq!(long.parse::<AddressTemplate>(), Err(TemplateError::Text));
        let unicode: AddressTemplate = "%m@B\u{fc}cher.example".parse().unwrap();
        assert_eq!(unicode.to_string(), "%m@xn--bcher-kva.example");
    }
}
