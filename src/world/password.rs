//! Passwords: made into argon2id hashes in PHC form, and checked against them.
//!
//! Slow and hungry on purpose (19 MiB and some tens of milliseconds), so that stolen hashes are worth little. Every
//! function blocks for that long: they belong on a blocking pool, and no more at once than there are cores.

use std::sync::OnceLock;

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use core::fmt;

use super::random::Random;
use crate::model::directory::PasswordHash;

/// Longer passwords are refused before any work is done: nobody types them, and hashing them costs us.
pub const PASSWORD_BYTES_MAX: usize = 1024;

const SALT_BYTES: usize = 16;
/// Memory of one hash in KiB, passes over it, and lanes: the first choice for argon2id of the OWASP password sheet.
const COST: (u32, u32, u32) = (19 * 1024, 2, 1);
/// The most memory in KiB and the most passes that a stored hash may ask for; more would let an imported directory
/// stop the server.
const COST_MAX: (u32, u32) = (256 * 1024, 16);

/// Why a hash could not be made or used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Longer than [`PASSWORD_BYTES_MAX`] octets.
    #[error("a password has at most {PASSWORD_BYTES_MAX} octets")]
    TooLong,
    /// The stored hash is no argon2 hash in PHC form, or asks for more than this server gives.
    #[error("the stored password hash cannot be used ({0}); set the password again")]
    Malformed(String),
    /// The password library refused.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
}

/// Makes the argon2id hash of `password` with a fresh salt. Blocks for tens of milliseconds.
///
/// # Errors
/// `TooLong`; `Hash` when the library refuses, which it does not with these parameters.
pub fn hash(password: &str, random: &dyn Random) -> Result<PasswordHash, PasswordError> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::TooLong);
    }
    let mut salt = [0; SALT_BYTES];
    random.fill(&mut salt);
    let made = hasher()?.hash_password_with_salt(password.as_bytes(), &salt).map_err(refused)?;
    Ok(PasswordHash::from_phc(made.to_string()))
}

/// Whether `password` is the one that `hash` was made of. Blocks for tens of milliseconds, or as long as the parameters
/// in `hash` demand.
///
/// # Errors
/// `TooLong`, and `Malformed` for a hash that cannot be used; both come at once.
pub fn verify(password: &str, hash: &PasswordHash) -> Result<bool, PasswordError> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::TooLong);
    }
    let malformed = |error: &dyn fmt::Display| PasswordError::Malformed(error.to_string());
    let parsed = Phc::new(hash.phc()).map_err(|error| malformed(&error))?;
    if parsed.hash.is_none() || parsed.salt.is_none() {
        return Err(malformed(&"it lacks salt or hash"));
    }
    let params = Params::try_from(&parsed).map_err(|error| malformed(&error))?;
    if params.m_cost() > COST_MAX.0 || params.t_cost() > COST_MAX.1 || params.p_cost() > COST_MAX.1 {
        return Err(malformed(&"it costs more than this server spends on one password"));
    }
    match hasher()?.verify_password(password.as_bytes(), &parsed) {
        Ok(()) => Ok(true),
        Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
        Err(error) => Err(malformed(&error)),
    }
}

/// A hash that no password fits, for logins that nobody has: checking against it takes as long as checking a real one.
pub fn decoy() -> &'static PasswordHash {
    static DECOY: OnceLock<PasswordHash> = OnceLock::new();
    DECOY.get_or_init(|| {
        let (memory, passes, lanes) = COST;
        // A hash of zeros: finding a password for it means inverting argon2.
        let (salt, output) = ("A".repeat(22), "A".repeat(43));
        PasswordHash::from_phc(format!("$argon2id$v=19$m={memory},t={passes},p={lanes}${salt}${output}"))
    })
}

fn hasher() -> Result<Argon2<'static>, PasswordError> {
    let (memory, passes, lanes) = COST;
    let params = Params::new(memory, passes, lanes, None).map_err(refused)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

fn refused(error: impl fmt::Display) -> PasswordError {
    PasswordError::Hash(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::random::SeededRandom;
    use proptest::prelude::*;

    #[test]
    fn a_password_fits_its_own_hash_and_no_other() {
        let random = SeededRandom::new(1);
        let made = hash("correct horse", &random).unwrap();
        assert!(made.phc().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", made.phc());
        assert_eq!(verify("correct horse", &made), Ok(true));
        assert_eq!(verify("correct horsf", &made), Ok(false));
        assert_eq!(verify("", &made), Ok(false));
        assert_ne!(hash("correct horse", &random).unwrap(), made);
    }

    #[test]
    fn the_decoy_is_a_whole_hash_of_the_usual_cost_that_nothing_fits() {
        assert_eq!(verify("", decoy()), Ok(false));
        assert_eq!(verify("A", decoy()), Ok(false));
        let (own, made) = (decoy().phc(), hash("x", &SeededRandom::new(1)).unwrap());
        let cost = |phc: &str| phc.rsplitn(3, '$').last().map(str::to_owned);
        assert_eq!(cost(own), cost(made.phc()));
        assert_eq!(own.len(), made.phc().len());
    }

    #[test]
    fn long_passwords_are_refused_before_any_work() {
        let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
        assert_eq!(verify(&long, decoy()), Err(PasswordError::TooLong));
        assert_eq!(hash(&long, &SeededRandom::new(1)), Err(PasswordError::TooLong));
        assert_eq!(verify(&long[1..], decoy()), Ok(false));
    }

    #[test]
    fn hashes_that_cannot_be_used_are_errors_at_once() {
        let greedy = decoy().phc().replace("m=19456", "m=4000000000");
        let slow = decoy().phc().replace("t=2", "t=4000000000");
        let hungry = decoy().phc().replace("m=19456", "m=1048576");
        let unsalted = decoy().phc().rsplit_once('$').unwrap().0.to_owned();
        for text in
            ["", "$", "secret", "$2y$10$abc", "$argon2id$v=19$m=19456,t=2,p=1", &greedy, &slow, &hungry, &unsalted]
        {
            let outcome = verify("x", &PasswordHash::from_phc(text));
            assert!(matches!(outcome, Err(PasswordError::Malformed(_))), "{text}: {outcome:?}");
        }
    }

    proptest! {
        #[test]
        fn no_stored_text_makes_verification_panic(
            text in "(\\$argon2id\\$v=19\\$m=8,t=1,p=1)?[$A-Za-z0-9+/=,.]{0,60}",
        ) {
            let _ = verify("x", &PasswordHash::from_phc(text));
        }
    }
}
