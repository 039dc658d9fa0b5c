//! Signing in with SCRAM-SHA-256 (RFC 5802, RFC 7677): which salt a client is told, and whether its proof is right.
//!
//! **Nobody learns who is who.** A login that nobody has, and an account without keys, get a salt made of the login by
//! a secret of this server, the same every time, with the rounds of everybody else; the exchange goes on to its end and
//! fails there as with a wrong password, after the same work.
//!
//! **Devices.** Before the challenge a client says its login and not which of the account's secrets it has. They share
//! one salt, so one challenge serves all of them, and the proof tells which it is: it is tried with each, at a few
//! microseconds a key. Over SCRAM a secret counts as it was shown, hyphens and small letters included, since the client
//! makes its keys of what is typed.

use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::settings::Scram;
use super::sign_in::{address_of, find_account};
use crate::model::directory::{Account, PasswordHash, ScramSalt, Selector, Snapshot};

/// Rounds of PBKDF2 for keys that are made here. Clients compute them at every sign-in, scanners with slow processors
/// among them, for whom RFC 7677 asks no more than 4,096; what a thief of the keys computes for every guess is the
/// other side of it. This is what others chose that have both to serve.
pub const ITERATIONS: u32 = 15_000;
/// Octets of a salt that is made here.
pub const SALT_BYTES: usize = 16;
/// Each proof is tried with so many keys at least, so that the time tells nothing of most accounts.
const TRIED_LEAST: usize = 8;

/// Secrets of this server.
#[derive(Clone, Copy)]
pub struct ScramSecrets {
    /// Makes the salts of logins that have none. Kept over restarts, as true salts are.
    pub salts: [u8; 32],
    /// Makes this server's part of a nonce; one for each session.
    pub nonces: [u8; 32],
}

impl core::fmt::Debug for ScramSecrets {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        formatter.write_str("ScramSecrets(hidden)")
    }
}

/// What a client showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScramProof {
    /// What it was told.
    pub salt: ScramSalt,
    /// All that was said before, in the words of RFC 5802 section 3 the AuthMessage.
    pub said: String,
    /// The ClientProof.
    pub proof: [u8; 32],
}

/// Which secret of an account a proof is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proven {
    /// The account's password.
    Password,
    /// A device's.
    Device(Selector),
}

/// Whether SCRAM is spoken at all.
pub const fn is_offered(scram: Scram) -> bool {
    match scram {
        Scram::Off | Scram::Prepare => false,
        Scram::On => true,
    }
}

/// The salt of the account's secrets, if any has keys: the password's, else the first device's.
pub fn salt_of(account: &Account) -> Option<ScramSalt> {
    secrets(account).find_map(|(_, hash)| Some(hash.scram()?.salt))
}

/// What a client that says this login is told.
pub fn salt(snapshot: &Snapshot, secrets: &ScramSecrets, login: &str) -> ScramSalt {
    let account = find_account(snapshot, login).and_then(|found| found.account.as_deref());
    account.and_then(salt_of).unwrap_or_else(|| {
        // The same for every way to write it, as it is for accounts.
        let address = account.map(|account| account.login.clone()).or_else(|| address_of(snapshot, login));
        let name = address.map_or_else(|| login.to_lowercase(), |address| address.key().as_str().to_owned());
        let made = keyed(&secrets.salts, &[name.as_bytes()]);
        let salt = made.first_chunk::<SALT_BYTES>().map_or_else(Vec::new, |salt| salt.to_vec());
        ScramSalt { salt, iterations: ITERATIONS }
    })
}

/// Which of the account's secrets the proof is of. Takes the same time for every account with few secrets, and for
/// none.
///
/// Where others listen (`in_clear`) the password of an account is never right: they could try passwords on its proof
/// for as long as they like. The secret of a device is too long for that.
pub fn verify(account: Option<&Account>, shown: &ScramProof, in_clear: bool) -> Option<Proven> {
    let counts = |whose: &Proven| !in_clear || *whose != Proven::Password;
    let own = account.into_iter().flat_map(secrets).filter(|(whose, _)| counts(whose));
    let keys = own.filter_map(|(whose, hash)| Some((whose, hash.scram().filter(|keys| keys.salt == shown.salt)?)));
    let mut tried = 0_usize;
    let mut proven = None;
    for (whose, keys) in keys {
        tried = tried.saturating_add(1);
        let right = is_right(&keys.stored, shown);
        if right && proven.is_none() {
            proven = Some(whose);
        }
    }
    for _ in tried..TRIED_LEAST {
        let _ = is_right(&[0; 32], shown);
    }
    proven
}

/// What proves to the client that this server has its keys (ServerSignature).
pub fn signature(account: &Account, proven: Proven, said: &str) -> Option<[u8; 32]> {
    let (_, hash) = secrets(account).find(|(whose, _)| *whose == proven)?;
    Some(keyed(&hash.scram()?.server, &[said.as_bytes()]))
}

/// This server's part of the nonce of its `number`th exchange.
pub fn nonce(secrets: &ScramSecrets, number: u32) -> [u8; 18] {
    let made = keyed(&secrets.nonces, &[&number.to_le_bytes()]);
    made.first_chunk().copied().unwrap_or_default()
}

fn secrets(account: &Account) -> impl Iterator<Item = (Proven, &PasswordHash)> {
    let own = account.password.iter().map(|hash| (Proven::Password, hash));
    let devices = account.devices.iter().filter_map(|device| device.verifier.as_ref());
    own.chain(devices.map(|own| (Proven::Device(own.selector), &own.hash)))
}

/// RFC 5802 section 3: ClientKey is the proof without the ClientSignature, and its hash the StoredKey.
fn is_right(stored: &[u8; 32], shown: &ScramProof) -> bool {
    let signature = keyed(stored, &[shown.said.as_bytes()]);
    let mut client = shown.proof;
    client.iter_mut().zip(signature).for_each(|(octet, own)| *octet ^= own);
    Sha256::digest(client).as_slice().ct_eq(stored).into()
}

fn keyed(key: &[u8; 32], texts: &[&[u8]]) -> [u8; 32] {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    texts.iter().for_each(|text| mac.update(text));
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests;
