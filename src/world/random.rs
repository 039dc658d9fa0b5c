//! Randomness: unguessable from the operating system, repeatable from a seed for tests, and passwords made of it.

use std::sync::{Mutex, PoisonError};

/// A source of random numbers, shared by all tasks.
pub trait Random: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);

    /// A number from 0 to `u64::MAX`, each equally likely.
    fn next_u64(&self) -> u64 {
        let mut bytes = [0; 8];
        self.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }

    /// A number from 0 to `bound - 1`, each equally likely; 0 when `bound` is 0 or 1.
    fn below(&self, bound: u64) -> u64 {
        if bound < 2 {
            return 0;
        }
        // The top of the range that is not a whole multiple of `bound` would favour small numbers: draw again.
        let fair = u64::MAX - u64::MAX % bound;
        loop {
            let drawn = self.next_u64();
            if drawn < fair {
                return drawn % bound;
            }
        }
    }
}

/// The operating system has no randomness to give.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gives no random numbers ({0}); a sandbox may forbid the getrandom call")]
pub struct RandomError(getrandom::Error);

/// The randomness of the operating system, fit for keys and passwords.
#[derive(Clone, Copy, Debug)]
pub struct SystemRandom {
    // Only `open` makes one, after a successful draw.
    _drawn: (),
}

impl SystemRandom {
    /// Draws once, so that a system without randomness is found at start and not in the middle of a session.
    ///
    /// # Errors
    /// [`RandomError`] when the operating system refuses.
    pub fn open() -> Result<Self, RandomError> {
        getrandom::fill(&mut [0; 16]).map_err(RandomError)?;
        Ok(Self { _drawn: () })
    }
}

impl Random for SystemRandom {
    /// # Panics
    /// When the operating system gave randomness at start and refuses it now. No caller could go on: identifiers and
    /// passwords would become guessable, and TLS needs the same source.
    fn fill(&self, bytes: &mut [u8]) {
        let outcome = getrandom::fill(bytes);
        assert!(outcome.is_ok(), "randomness that was there at start stays there: {outcome:?}");
    }
}

/// A repeatable sequence (splitmix64) for tests and simulations. Guessable: never for secrets of a real system.
#[derive(Debug)]
pub struct SeededRandom {
    state: Mutex<u64>,
}

impl SeededRandom {
    /// The sequence of `seed`; equal seeds give equal sequences.
    pub const fn new(seed: u64) -> Self {
        Self { state: Mutex::new(seed) }
    }
}

impl Random for SeededRandom {
    fn fill(&self, bytes: &mut [u8]) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut mixed = *state;
            mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            mixed ^= mixed >> 31;
            for (byte, drawn) in chunk.iter_mut().zip(mixed.to_le_bytes()) {
                *byte = drawn;
            }
        }
    }
}

/// What generated passwords are made of: no pair that looks alike on a printed sheet or a copier's panel (0 O, 1 l I),
/// no capitals (many panels have no shift), nothing that a device's form or a shell would change.
const PASSWORD_ALPHABET: &[u8; 31] = b"abcdefghjkmnpqrstuvwxyz23456789";
const PASSWORD_GROUP: usize = 4;
/// The least entropy a generated password has, in bits, whatever is asked for.
pub const PASSWORD_ENTROPY_BITS_MIN: u32 = 80;

/// Makes a password of lower-case letters and digits in groups of four, for example `k7mq-x2rt-…`, with at least
/// `entropy_bits` of entropy and never less than [`PASSWORD_ENTROPY_BITS_MIN`]; more than 256 bits are cut to 256.
pub fn password(random: &dyn Random, entropy_bits: u32) -> String {
    let bits = entropy_bits.clamp(PASSWORD_ENTROPY_BITS_MIN, 256);
    // One of 31 characters carries a little more than 4.95 bits.
    let characters = (bits as usize * 100).div_ceil(495).next_multiple_of(PASSWORD_GROUP);
    let mut text = String::with_capacity(characters + characters / PASSWORD_GROUP);
    for index in 0..characters {
        if index > 0 && index % PASSWORD_GROUP == 0 {
            text.push('-');
        }
        let drawn = random.below(PASSWORD_ALPHABET.len() as u64);
        let letter = usize::try_from(drawn).ok().and_then(|place| PASSWORD_ALPHABET.get(place));
        // `below` stays under the alphabet's length, so there is always a letter.
        text.extend(letter.map(|&byte| char::from(byte)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_sequences() {
        let (one, two, other) = (SeededRandom::new(7), SeededRandom::new(7), SeededRandom::new(8));
        let drawn: Vec<u64> = (0..4).map(|_| one.next_u64()).collect();
        assert_eq!(drawn, (0..4).map(|_| two.next_u64()).collect::<Vec<_>>());
        assert_ne!(drawn, (0..4).map(|_| other.next_u64()).collect::<Vec<_>>());
    }

    #[test]
    fn below_reaches_every_number_under_its_bound_and_none_above() {
        let random = SeededRandom::new(1);
        let mut seen = [0_u32; 31];
        for _ in 0..31_000 {
            seen[usize::try_from(random.below(31)).unwrap()] += 1;
        }
        assert!(seen.iter().all(|&count| (800..1200).contains(&count)), "{seen:?}");
        assert_eq!((random.below(0), random.below(1)), (0, 0));
    }

    #[test]
    fn below_draws_again_at_the_unfair_end_of_the_range() {
        struct Script(Mutex<Vec<u64>>);
        impl Random for Script {
            fn fill(&self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.0.lock().unwrap().remove(0).to_le_bytes());
            }
        }
        let script = Script(Mutex::new(vec![u64::MAX, u64::MAX - 1, 5]));
        assert_eq!(script.below(u64::MAX / 2), 5);
    }

    #[test]
    fn passwords_can_be_typed_on_a_device_and_carry_their_entropy() {
        let random = SystemRandom::open().unwrap();
        for bits in [0, 80, 96, 128, 999] {
            let text = password(&random, bits);
            let letters = text.bytes().filter(|&byte| byte != b'-').count();
            assert!(letters as f64 * 31_f64.log2() >= f64::from(bits.clamp(80, 256)), "{bits}");
            assert!(text.split('-').all(|group| group.len() == 4), "{text}");
            assert!(text.bytes().all(|byte| byte == b'-' || PASSWORD_ALPHABET.contains(&byte)), "{text}");
        }
        assert_eq!(password(&random, 80).len(), 24);
        assert_ne!(password(&random, 80), password(&random, 80));
    }

    #[test]
    fn the_alphabet_has_no_look_alikes() {
        assert!(!PASSWORD_ALPHABET.iter().any(|byte| b"0O1lIo".contains(byte)));
    }
}
