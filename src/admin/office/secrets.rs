//! What is kept of a secret that is known in clear text for a moment: its hash, and SCRAM keys where they are wanted.

use super::Office;
use super::response::Response;
use crate::model::directory::{Account, PasswordHash, Snapshot};
use crate::model::policy::scram::salt_of;
use crate::model::policy::settings::Scram;
use crate::world::password::{self, PasswordError};
use crate::world::scram;

/// Secrets of one answer.
const SHOWN_MAX: usize = 1_000;

/// Secrets that a client of SCRAM could not use: without keys, or with another salt than the account's clients hear.
pub(super) fn unready(snapshot: &Snapshot) -> Response {
    let (mut secrets, mut total) = (Vec::new(), 0);
    for account in snapshot.recipients().filter_map(|recipient| recipient.account.as_deref()) {
        let salt = salt_of(account);
        let own = account.password.iter().map(|hash| (hash, None));
        let devices = account.devices.iter().filter_map(|own| Some((&own.verifier.as_ref()?.hash, Some(&own.name))));
        for (hash, device) in own.chain(devices) {
            if salt.is_some() && hash.scram().map(|keys| keys.salt) == salt {
                continue;
            }
            total += 1;
            if secrets.len() < SHOWN_MAX {
                let login = &account.login;
                secrets.push(device.map_or_else(|| login.to_string(), |device| format!("{login}: {device}")));
            }
        }
    }
    secrets.sort_unstable();
    Response::ScramUnready { secrets, total }
}

/// Hashes `text`, which a client types as `typed`; `account` has the secrets beside which it will stand. Blocks for
/// tens of milliseconds.
///
/// # Errors
/// As [`password::hash`].
pub(super) fn hashed(
    office: &Office,
    (text, typed): (&str, &str),
    account: Option<&Account>,
) -> Result<PasswordHash, PasswordError> {
    let hash = password::hash(text, &*office.random)?;
    let keys = match office.settings().scram {
        Scram::Off => None,
        // What no client could send has none.
        Scram::Prepare | Scram::On => scram::keys(typed, account.and_then(salt_of), &*office.random),
    };
    Ok(keys.map_or_else(|| hash.clone(), |keys| hash.with_scram(&keys)))
}

#[cfg(test)]
mod tests {
    use super::super::tests::office;
    use super::super::{DeviceEdit, DeviceOrder, Request, Secret, handle};
    use super::*;
    use crate::model::policy::Settings;

    fn ask(office: &Office, request: Request) -> Response {
        handle(office, "root", request, &mut |_| {})
    }

    fn with(scram: Scram) -> Office {
        let office = office();
        office.settings.reload(&Settings { scram, ..Settings::default() });
        office
    }

    fn account(office: &Office) -> Account {
        let snapshot = office.directory.snapshot();
        Account::clone(snapshot.find_by_name("alice").unwrap().account.as_deref().unwrap())
    }

    fn set(office: &Office, password: &str) -> Option<crate::model::directory::ScramKeys> {
        let password = Some(Secret::new(password));
        ask(office, Request::AccountPassword { identity: "alice".to_owned(), password });
        account(office).password.unwrap().scram()
    }

    fn unready(office: &Office) -> Vec<String> {
        match ask(office, Request::ScramUnready) {
            Response::ScramUnready { secrets, total } => {
                assert_eq!(secrets.len(), total);
                secrets.into_iter().filter(|own| own.starts_with("alice")).collect()
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn keys_are_made_where_they_are_wanted_and_all_of_an_account_share_a_salt() {
        let office = with(Scram::Off);
        assert!(set(&office, "correct horse").is_none());
        assert_eq!(unready(&office), ["alice@contoso.example"]);
        let office = with(Scram::Prepare);
        let first = set(&office, "correct horse").unwrap();
        let add = |name: &str| {
            let order =
                DeviceOrder::Add { account: "alice".to_owned(), name: name.to_owned(), edit: DeviceEdit::default() };
            ask(&office, Request::Device(order))
        };
        add("scanner-2");
        let second = set(&office, "battery staple").unwrap();
        assert!(first.salt == second.salt && first.stored != second.stored);
        let device = account(&office).devices[0].verifier.clone().unwrap();
        assert_eq!(device.hash.scram().unwrap().salt, first.salt);
        assert!(unready(&office).is_empty());
        // What no client could send has a hash and no keys.
        assert!(set(&office, "correct\u{e000}horse").is_none());
        assert_eq!(unready(&office), ["alice@contoso.example"]);
    }
}
