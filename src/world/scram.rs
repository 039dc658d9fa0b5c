//! Makes the keys by which SCRAM-SHA-256 recognises a password (RFC 5802 section 3, RFC 7677).

use core::num::NonZeroU32;

use ring::{hmac, pbkdf2};
use sha2::{Digest as _, Sha256};
use stringprep::saslprep;
use zeroize::Zeroizing;

use super::random::Random;
use crate::model::directory::{ScramKeys, ScramSalt};
use crate::model::policy::scram::{ITERATIONS, SALT_BYTES};

/// The keys of `password`, with the salt of the account's other secrets where it has any. Blocks for some milliseconds.
/// `None` for a password that no client could send so: SASLprep forbids some characters (RFC 4013).
pub fn keys(password: &str, salt: Option<ScramSalt>, random: &dyn Random) -> Option<ScramKeys> {
    let prepared = Zeroizing::new(saslprep(password).ok()?.into_owned());
    let salt = salt.unwrap_or_else(|| {
        let mut fresh = vec![0; SALT_BYTES];
        random.fill(&mut fresh);
        ScramSalt { salt: fresh, iterations: ITERATIONS }
    });
    let mut salted = Zeroizing::new([0; 32]);
    let rounds = NonZeroU32::new(salt.iterations)?;
    pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA256, rounds, &salt.salt, prepared.as_bytes(), &mut *salted);
    let made = hmac::Key::new(hmac::HMAC_SHA256, &*salted);
    let key = |name: &str| hmac::sign(&made, name.as_bytes());
    let stored = Sha256::digest(key("Client Key")).into();
    Some(ScramKeys { salt, stored, server: key("Server Key").as_ref().try_into().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::SeededRandom;

    fn made(password: &str, salt: &[u8], iterations: u32) -> String {
        let salt = ScramSalt { salt: salt.to_vec(), iterations };
        keys(password, Some(salt), &SeededRandom::new(1)).map_or_else(String::new, |keys| keys.text())
    }

    /// The password, salt and rounds of RFC 7677 section 3; the keys are those that PostgreSQL makes of them.
    #[test]
    fn the_keys_are_those_of_the_standard() {
        let salt = [0x5b, 0x6d, 0x99, 0x68, 0x9d, 0x12, 0x35, 0x8e, 0xec, 0xa0, 0x4b, 0x14, 0x12, 0x36, 0xfa, 0x81];
        let expected = "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:\
                        wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=";
        assert_eq!(made("pencil", &salt, 4_096), expected);
    }

    #[test]
    fn passwords_are_prepared_as_clients_prepare_them() {
        // RFC 4013 section 3, and a space that is no ASCII space.
        for (one, other) in [("I\u{ad}X", "IX"), ("\u{aa}", "a"), ("a\u{a0}b", "a b"), ("\u{2168}", "IX")] {
            assert_eq!(made(one, &[1; 16], 4_096), made(other, &[1; 16], 4_096));
        }
        assert_ne!(made("USER", &[1; 16], 4_096), made("user", &[1; 16], 4_096));
        for none in ["a\u{7}b", "\u{627}1", "\u{e000}"] {
            assert_eq!(made(none, &[1; 16], 4_096), "");
        }
    }

    #[test]
    fn a_fresh_salt_is_random_and_makes_keys_that_can_be_read_again() {
        let random = SeededRandom::new(1);
        let [one, two] = [keys("pencil", None, &random).unwrap(), keys("pencil", None, &random).unwrap()];
        assert_ne!(one.salt, two.salt);
        assert_eq!(ScramKeys::parse(&one.text()), Some(one));
    }
}
