//! Variations of inputs: what a fuzzer without knowledge of the program tries, from a seed.

/// Octets and words that readers are known to stumble over.
const INTERESTING: [&[u8]; 24] = [
    b"\r\n",
    b"\n",
    b"\r",
    b"\0",
    b".",
    b"\r\n.\r\n",
    b"<",
    b">",
    b"@",
    b"\"",
    b"\\",
    b"(",
    b")",
    b":",
    b" ",
    b"=",
    b"[",
    b"\xff\xff\xff\xff",
    b"\x80",
    "\u{202e}".as_bytes(),
    "\u{fc}".as_bytes(),
    b"{}",
    b"18446744073709551615",
    b"-1",
];
/// Longer inputs cost time and find nothing new.
const BYTES_MAX: usize = 16 * 1_024;

/// A source of variations, the same for the same name.
pub(super) struct Mutator(u64);

impl Mutator {
    pub(super) fn new(name: &str) -> Self {
        // FNV-1a, so that each target has a sequence of its own.
        Self(
            name.bytes()
                .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)),
        )
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }

    fn of<'a>(&mut self, seeds: &'a [Vec<u8>]) -> &'a [u8] {
        &seeds[self.below(seeds.len())]
    }

    /// One of the inputs, altered at one to eight places.
    pub(super) fn vary(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let mut input = self.of(seeds).to_vec();
        for _ in 0..=self.below(8) {
            self.alter(&mut input, seeds);
        }
        input.truncate(BYTES_MAX);
        input
    }

    fn alter(&mut self, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
        let at = self.below(input.len() + 1);
        let end = (at + self.below(32)).min(input.len());
        match self.below(8) {
            0 if at < input.len() => input[at] ^= 1 << self.below(8),
            1 if at < input.len() => input[at] = u8::try_from(self.below(256)).unwrap(),
            2 => drop(input.splice(at..at, INTERESTING[self.below(INTERESTING.len())].iter().copied())),
            3 => drop(input.drain(at..end)),
            4 => {
                let piece = input[at..end].repeat(1 + self.below(40));
                input.splice(at..at, piece);
            }
            5 => {
                let other = self.of(seeds).to_vec();
                let from = self.below(other.len() + 1);
                input.splice(at..end, other[from..].iter().copied().take(200));
            }
            6 => input.truncate(at),
            _ => drop(input.splice(at..end, INTERESTING[self.below(INTERESTING.len())].iter().copied())),
        }
    }
}
