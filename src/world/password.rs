//! Passwords: made into argon2id hashes in PHC form, and checked against them.
//!
//! Slow and hungry on purpose (19 MiB and some tens of milliseconds), so that stolen hashes are worth little. Every
//! function blocks for that long: they belong on a blocking pool, and no more at once than there are cores.

use std::sync::OnceLock;

use argon2::password_hash::phc::{Output, PasswordHash as Phc};
use argon2::{Algorithm, Argon2, Block, Params, PasswordHasher as _, Version};
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

/// Blocks of 1 KiB for which room is asked at least, though none of it is touched beyond what a hash needs: glibc gives
/// what has more than 32 MiB back to the system when it is freed, and keeps anything smaller for the thread that had
/// it.
const RESERVED_BLOCKS: usize = 33 * 1024;

/// The memory in which a password is checked. It grows to what the largest hash so far needed, and is of use for the
/// next one as it is.
#[derive(Default)]
pub struct Workspace(Vec<Block>);

impl fmt::Debug for Workspace {
    /// Shows how much there is, not what.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Workspace").field("blocks", &self.0.len()).finish_non_exhaustive()
    }
}

impl Workspace {
    /// Whether it is larger than this server's own hashes need.
    pub fn is_large(&self) -> bool {
        self.0.len() > usize::try_from(COST.0).unwrap_or(usize::MAX)
    }

    /// This many blocks, with whatever is in them; `None` when there is no memory.
    fn blocks(&mut self, count: usize) -> Option<&mut [Block]> {
        if self.0.len() < count {
            // What there is goes first, so that there are never two at once.
            self.0 = Vec::new();
            self.0.try_reserve_exact(count.max(RESERVED_BLOCKS)).ok()?;
            self.0.resize(count, Block::new());
        }
        self.0.get_mut(..count)
    }

    /// Grows beyond what this server's own hashes need.
    #[cfg(test)]
    pub(crate) fn make_large(&mut self) {
        let more = usize::try_from(COST.0).unwrap() + 1;
        assert!(self.blocks(more).is_some());
    }
}

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

/// Whether `password` is the one that `hash` was made of, worked out in `workspace`. Blocks for tens of milliseconds,
/// or as long as the parameters in `hash` demand.
///
/// # Errors
/// `TooLong`, and `Malformed` for a hash that cannot be used; both come at once. `Hash` when there is no memory.
pub fn verify(password: &str, hash: &PasswordHash, workspace: &mut Workspace) -> Result<bool, PasswordError> {
    if password.len() > PASSWORD_BYTES_MAX {
        return Err(PasswordError::TooLong);
    }
    let malformed = |error: &dyn fmt::Display| PasswordError::Malformed(error.to_string());
    let parsed = Phc::new(hash.phc()).map_err(|error| malformed(&error))?;
    let (Some(salt), Some(known)) = (&parsed.salt, &parsed.hash) else {
        return Err(malformed(&"it lacks salt or hash"));
    };
    let params = Params::try_from(&parsed).map_err(|error| malformed(&error))?;
    if params.m_cost() > COST_MAX.0 || params.t_cost() > COST_MAX.1 || params.p_cost() > COST_MAX.1 {
        return Err(malformed(&"it costs more than this server spends on one password"));
    }
    let algorithm = Algorithm::try_from(parsed.algorithm.as_str()).map_err(|error| malformed(&error))?;
    let version = parsed.version.map(Version::try_from).transpose().map_err(|error| malformed(&error))?;
    let mut output = [0; Output::MAX_LENGTH];
    let output = output.get_mut(..known.len()).ok_or_else(|| malformed(&"its hash is too long"))?;
    let blocks = workspace.blocks(params.block_count()).ok_or_else(|| refused("there is no memory"))?;
    let hasher = Argon2::new(algorithm, version.unwrap_or_default(), params);
    let made = hasher.hash_password_into_with_memory(password.as_bytes(), salt, output, blocks);
    made.map_err(|error| malformed(&error))?;
    // Compared in constant time.
    Ok(Output::new(output).map_err(|error| malformed(&error))? == *known)
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

    fn verify(password: &str, hash: &PasswordHash) -> Result<bool, PasswordError> {
        super::verify(password, hash, &mut Workspace::default())
    }

    #[test]
    fn memory_that_was_used_before_changes_no_verdict() {
        let random = SeededRandom::new(1);
        let (one, other) = (hash("correct horse", &random).unwrap(), hash("battery staple", &random).unwrap());
        // As the reference implementation makes it: another kind and version, less memory, more lanes.
        let cheap = "$argon2i$v=16$m=256,t=2,p=2$c29tZXNhbHQ$tsEVYKap1h6scGt5ovl9aLRGOqOth+AMB+KwHpDFZPs";
        let (cheap, mut workspace) = (PasswordHash::from_phc(cheap), Workspace::default());
        for _ in 0..2 {
            for (stored, password) in [(&one, "correct horse"), (&cheap, "password"), (&other, "battery staple")] {
                assert_eq!(super::verify(password, stored, &mut workspace), Ok(true), "{password}");
                assert_eq!(super::verify("guess", stored, &mut workspace), Ok(false), "{password}");
            }
        }
        assert!(!workspace.is_large());
        workspace.make_large();
        assert_eq!(super::verify("correct horse", &one, &mut workspace), Ok(true));
        assert!(workspace.is_large());
    }

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
