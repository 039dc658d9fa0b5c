//! The encoding of what the queue writes down and packs: postcard, appended to what is there.

use postcard::ser_flavors::Flavor;
use serde::Serialize;

/// Takes pieces as they come; postcard's own appends octet by octet.
struct Appended(Vec<u8>);

impl Flavor for Appended {
    type Output = Vec<u8>;

    fn try_push(&mut self, octet: u8) -> postcard::Result<()> {
        self.0.push(octet);
        Ok(())
    }

    fn try_extend(&mut self, octets: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(octets);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<Vec<u8>> {
        Ok(self.0)
    }
}

/// `bytes` with the encoding of a value behind them.
///
/// # Errors
/// When the value cannot be encoded; what the queue keeps can.
pub fn append(value: &impl Serialize, bytes: Vec<u8>) -> postcard::Result<Vec<u8>> {
    postcard::serialize_with_flavor(value, Appended(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_postcard_writes() {
        let value = (7_u8, 300_u32, "text", vec![1_i64, -1], Some("x".repeat(40)));
        let expected = [b"before".to_vec(), postcard::to_stdvec(&value).unwrap()].concat();
        assert_eq!(append(&value, b"before".to_vec()).unwrap(), expected);
    }
}
