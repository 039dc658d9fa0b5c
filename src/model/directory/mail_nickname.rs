//! `Alias`, the mail nickname: a short word for a recipient, which filters and Exchange's exports know (spec section
//! 4.5). It is no address, but the address of a new recipient can be made of it.

use core::fmt;
use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::best_fit;
use super::recipient::Recipient;
use crate::model::mail::LocalPart;

/// In characters.
const CHARACTERS_MAX: usize = 64;

/// A word of at most 64 characters.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct MailNickname(Box<str>);

/// A text that is no mail nickname.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "an alias has 1 to {CHARACTERS_MAX} letters, digits and characters of !#$%&'*+-/=?^_`{{|}}~, and a period only \
     between others"
)]
pub struct MailNicknameError;

impl MailNickname {
    /// Reads a nickname.
    ///
    /// # Errors
    /// It is empty or too long, or has a character that `Alias` cannot have.
    pub fn parse(text: &str) -> Result<Self, MailNicknameError> {
        let words = text.split('.').all(|word| !word.is_empty() && word.chars().all(is_permitted));
        if words && text.chars().count() <= CHARACTERS_MAX { Ok(Self(text.into())) } else { Err(MailNicknameError) }
    }

    /// The nickname as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What `Alias` is of an object with this name that has neither an alias nor an account.
    pub fn of_name(name: &str) -> String {
        let visible = name.chars().filter(|character| !character.is_whitespace());
        let mut alias: String = visible
            .map(|character| if character == '.' || is_permitted(character) { character } else { '?' })
            .collect();
        while let Some(place) = alias.find("..") {
            alias.replace_range(place..=place, "?");
        }
        alias
    }

    /// The part before the `@` of an address that is made of it, in ASCII; `None` when it grows too long by that.
    pub fn to_local_part(&self) -> Option<LocalPart> {
        let ascii: String = self.0.chars().flat_map(ascii).collect();
        LocalPart::parse(&ascii).ok()
    }
}

impl fmt::Display for MailNickname {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl From<MailNickname> for String {
    fn from(nickname: MailNickname) -> Self {
        nickname.0.into()
    }
}

impl TryFrom<String> for MailNickname {
    type Error = MailNicknameError;
    fn try_from(text: String) -> Result<Self, MailNicknameError> {
        Self::parse(&text)
    }
}

impl Recipient {
    /// `Alias`: the one that was given; else of types with accounts the left side of the login, of others the name
    /// without blanks, and a question mark for each character that `Alias` cannot have.
    pub fn alias(&self) -> Cow<'_, str> {
        match (&self.mail_nickname, &self.account) {
            (Some(given), _) => Cow::Borrowed(given.as_str()),
            (None, Some(account)) => Cow::Borrowed(account.login.local().as_str()),
            (None, None) => Cow::Owned(MailNickname::of_name(&self.name)),
        }
    }
}

fn is_permitted(character: char) -> bool {
    character.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(character)
        || ('\u{a1}'..='\u{ff}').contains(&character)
}

/// A character of an address in ASCII, with a question mark where nothing fits.
fn ascii(character: char) -> impl Iterator<Item = char> {
    let text = best_fit::ascii(character).unwrap_or(Cow::Borrowed("?"));
    text.chars().collect::<Vec<char>>().into_iter()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::directory::{RecipientId, RecipientType};
    use crate::model::mail::Address;

    #[test]
    fn what_is_an_alias_and_what_is_none() {
        for text in ["a", "alice.l", "o'neil", "{x}|~", "Z\u{fc}rich", &"x".repeat(64)] {
            assert_eq!(MailNickname::parse(text).unwrap().as_str(), text);
        }
        let long = "x".repeat(65);
        for text in ["", ".", "a.", ".a", "a..b", "a b", "a@b", "a,b", "\u{a0}", "\u{151}", "\"a\"", "a\n", &long] {
            assert_eq!(MailNickname::parse(text), Err(MailNicknameError), "{text:?}");
        }
        assert!(serde_json::from_str::<MailNickname>("\"a b\"").is_err());
    }

    #[test]
    fn an_address_is_made_of_it_in_ascii() {
        let local = |text: &str| MailNickname::parse(text).unwrap().to_local_part().map(|local| local.to_string());
        assert_eq!(local("J\u{fc}rgen.\u{c5}str\u{f6}m").as_deref(), Some("Jurgen.Astrom"));
        assert_eq!(local("Stra\u{df}e\u{e6}\u{a9}").as_deref(), Some("Strasseae?"));
        assert_eq!(local(&"\u{df}".repeat(33)), None, "66 octets");
        for character in '\u{a1}'..='\u{ff}' {
            assert!(local(&character.to_string()).is_some_and(|local| local.is_ascii()), "{character}");
        }
    }

    #[test]
    fn without_one_it_follows_from_login_or_name() {
        let address: Address = "info@contoso.example".parse().unwrap();
        let mut user = Recipient::new(RecipientId(1), RecipientType::UserMailbox, "Alice L", address.clone());
        user.account.as_mut().unwrap().login = "alice@contoso.example".parse().unwrap();
        assert_eq!(user.alias(), "alice");
        user.mail_nickname = Some(Box::new(MailNickname::parse("al").unwrap()));
        assert_eq!(user.alias(), "al");
        let kind = RecipientType::MailUniversalDistributionGroup;
        let group = Recipient::new(RecipientId(2), kind, "All staff, \u{151}...x", address);
        assert_eq!(group.alias(), "Allstaff????.x");
    }
}
