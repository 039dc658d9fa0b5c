//! Finds the recipient that a row means, by whatever name Exchange used for it.

use std::collections::HashMap;

use crate::model::directory::{Recipient, RecipientType};
use crate::model::mail::{Address, AddressKey};

/// What an import must know of a recipient that others refer to.
#[derive(Clone, Debug)]
pub(super) struct Holder {
    pub(super) primary: Address,
    pub(super) name: Box<str>,
    pub(super) recipient_type: Option<RecipientType>,
    pub(super) has_account: bool,
}

impl Holder {
    /// A recipient of the directory.
    pub(super) fn existing(recipient: &Recipient) -> Self {
        Self {
            primary: recipient.primary().clone(),
            name: recipient.name.as_str().into(),
            recipient_type: Some(recipient.recipient_type),
            has_account: recipient.account.is_some(),
        }
    }

    /// Whether permissions can be granted to it (spec section 4.1).
    pub(super) fn is_trustee(&self) -> bool {
        let inside = self.has_account && self.recipient_type != Some(RecipientType::GuestMailUser);
        inside || self.recipient_type.is_some_and(RecipientType::is_security_principal_group)
    }
}

/// All names under which a holder goes.
#[derive(Clone, Debug, Default)]
pub(super) struct Names<'a> {
    pub(super) addresses: Vec<AddressKey>,
    pub(super) login: Option<AddressKey>,
    pub(super) name: &'a str,
    pub(super) alias: Option<&'a str>,
    pub(super) display_name: Option<&'a str>,
    /// Texts that name an object exactly: ids, distinguished and legacy distinguished names.
    pub(super) identifiers: Vec<&'a str>,
}

/// Why an identity leads to nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unresolved {
    #[error("no recipient goes by this identity")]
    Unknown,
    #[error("several recipients go by this identity; use an address")]
    Ambiguous,
}

/// Holders by their names.
#[derive(Debug, Default)]
pub(super) struct Index {
    holders: Vec<Holder>,
    addresses: HashMap<AddressKey, usize>,
    /// By name, alias and display name, in order of precedence. `None` marks a name that several go by.
    by_name: [HashMap<String, Option<usize>>; 3],
    identifiers: HashMap<String, Option<usize>>,
}

impl Index {
    pub(super) fn add(&mut self, holder: Holder, names: Names<'_>) {
        let place = self.holders.len();
        self.holders.push(holder);
        // Addresses before logins: a login that is another's address must not hide it.
        for key in names.addresses {
            self.addresses.insert(key, place);
        }
        if let Some(login) = names.login {
            self.addresses.entry(login).or_insert(place);
        }
        for identifier in names.identifiers.into_iter().filter(|identifier| !identifier.is_empty()) {
            self.identifiers.entry(identifier.to_lowercase()).and_modify(|slot| *slot = None).or_insert(Some(place));
        }
        let given = [Some(names.name), names.alias, names.display_name];
        for (map, name) in self.by_name.iter_mut().zip(given) {
            if let Some(name) = name.filter(|name| !name.is_empty()) {
                map.entry(name.to_lowercase()).and_modify(|slot| *slot = None).or_insert(Some(place));
            }
        }
    }

    /// Who goes by `identity`: an address or login, then an id or distinguished name of the same export, a name, alias
    /// or display name, then the parts of a distinguished name, canonical name, legacy distinguished name or
    /// `DOMAIN\user` that name the object.
    pub(super) fn find(&self, identity: &str) -> Result<&Holder, Unresolved> {
        let identity = identity.trim();
        let bare = identity.get(..5).filter(|start| start.eq_ignore_ascii_case("smtp:"));
        let identity = bare.and_then(|_| identity.get(5..)).unwrap_or(identity);
        match self.find_whole(identity) {
            Err(Unresolved::Unknown) => {}
            known => return known,
        }
        match last_component(identity) {
            Some(component) => self.find_whole(&component),
            None => Err(Unresolved::Unknown),
        }
    }

    fn find_whole(&self, identity: &str) -> Result<&Holder, Unresolved> {
        let by_address = Address::parse(identity).ok().and_then(|address| self.addresses.get(&address.key()));
        if let Some(place) = by_address {
            return self.holders.get(*place).ok_or(Unresolved::Unknown);
        }
        let folded = identity.to_lowercase();
        for map in core::iter::once(&self.identifiers).chain(&self.by_name) {
            match map.get(&folded) {
                Some(Some(place)) => return self.holders.get(*place).ok_or(Unresolved::Unknown),
                Some(None) => return Err(Unresolved::Ambiguous),
                None => {}
            }
        }
        Err(Unresolved::Unknown)
    }
}

/// The part that names the object itself.
pub(super) fn last_component(identity: &str) -> Option<String> {
    // CN=Liddell\, Alice,OU=Users,DC=contoso,DC=example
    if identity.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("cn=")) {
        return Some(unescape_until_comma(identity.get(3..)?));
    }
    // contoso.example/Users/alice, /o=Contoso/ou=Recipients/cn=alice
    if let Some((_, last)) = identity.rsplit_once('/') {
        let named = last.get(..3).filter(|start| start.eq_ignore_ascii_case("cn="));
        return Some(named.and_then(|_| last.get(3..)).unwrap_or(last).to_owned());
    }
    // CONTOSO\alice
    identity.split_once('\\').map(|(_, user)| user.to_owned())
}

fn unescape_until_comma(text: &str) -> String {
    let mut component = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            ',' => break,
            '\\' => component.extend(characters.next()),
            other => component.push(other),
        }
    }
    component
}
