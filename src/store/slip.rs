//! A record of forty octets with a checksum, for files of counts that are appended to and can be lost.
//!
//! ```text
//! checksum u32 | kind u32 | four numbers u64        (little-endian)
//! ```

/// Octets of a slip.
pub(super) const SLIP_BYTES: usize = 40;

/// A kind and four numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Slip {
    pub(super) kind: u32,
    pub(super) numbers: [u64; 4],
}

impl Slip {
    pub(super) fn encode(&self) -> [u8; SLIP_BYTES] {
        let mut bytes = [0; SLIP_BYTES];
        let (checksum, rest) = bytes.split_at_mut(4);
        let mut fields = self.kind.to_le_bytes().to_vec();
        fields.extend(self.numbers.iter().flat_map(|number| number.to_le_bytes()));
        rest.copy_from_slice(&fields);
        checksum.copy_from_slice(&crc32fast::hash(rest).to_le_bytes());
        bytes
    }

    /// The slip at the start of `bytes`, unless it is damaged or cut off.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let (checksum, rest) = bytes.get(..SLIP_BYTES)?.split_first_chunk::<4>()?;
        if crc32fast::hash(rest) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let (kind, mut rest) = rest.split_first_chunk::<4>()?;
        let mut numbers = [0; 4];
        for number in &mut numbers {
            let (octets, others) = rest.split_first_chunk::<8>()?;
            (*number, rest) = (u64::from_le_bytes(*octets), others);
        }
        Some(Self { kind: u32::from_le_bytes(*kind), numbers })
    }
}

/// The slips of a file in order, up to the first that is damaged; and the octets that they take.
pub(super) fn read(bytes: &[u8]) -> (Vec<Slip>, usize) {
    let slips: Vec<Slip> = bytes.chunks(SLIP_BYTES).map_while(Slip::decode).collect();
    let sound = slips.len().saturating_mul(SLIP_BYTES);
    (slips, sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_read_as_it_was_written_and_no_changed_octet_passes() {
        let slip = Slip { kind: 7, numbers: [1, u64::MAX, 3, 0] };
        let bytes = slip.encode();
        assert_eq!(Slip::decode(&bytes), Some(slip));
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut damaged = bytes;
                damaged[place] ^= 1 << bit;
                assert_eq!(Slip::decode(&damaged), None);
            }
        }
        assert_eq!(Slip::decode(&[0; SLIP_BYTES]), None);
        let two_and_a_half = [&bytes[..], &bytes[..], &bytes[..20]].concat();
        assert_eq!(read(&two_and_a_half), (vec![slip, slip], 80));
    }
}
