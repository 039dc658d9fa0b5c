//! Copies of a journal's segments while its owner writes to them.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;

const PART_BYTES: usize = 64 << 10;

/// Gives a segment as it is now, whatever is written to it while it is read. At its end are zeros, the headroom that
/// its owner made for more. He writes in order, but reading does not keep step with him: a part that was read while it
/// was still headroom, and one behind it that was not any more, would look like a hole in what was durable. So whatever
/// is behind the last octet of now is given as the headroom it was.
///
/// # Errors
/// The system's.
pub(super) fn as_it_is_now(mut file: File) -> io::Result<impl io::Read> {
    let length = file.metadata()?.len();
    let written = written(&file, length)?;
    file.seek(SeekFrom::Start(0))?;
    Ok(file.take(written).chain(io::repeat(0).take(length.saturating_sub(written))))
}

/// Where the zeros begin to which the file ends.
fn written(file: &File, length: u64) -> io::Result<u64> {
    let mut part = vec![0; PART_BYTES];
    let mut end = length;
    while end > 0 {
        let start = end.saturating_sub(PART_BYTES as u64);
        let bytes = usize::try_from(end.saturating_sub(start)).unwrap_or(PART_BYTES);
        let Some(part) = part.get_mut(..bytes) else { break };
        file.read_exact_at(part, start)?;
        if let Some(last) = part.iter().rposition(|octet| *octet != 0) {
            return Ok(start.saturating_add(last as u64).saturating_add(1));
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_while_a_segment_is_copied_is_not_copied_in_part() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("1.segment");
        for (written, headroom) in [(0, 0), (0, 9), (5, 0), (PART_BYTES + 7, 0), (5, 3 * PART_BYTES), (PART_BYTES, 1)] {
            let mut content = vec![b'x'; written];
            content.resize(written + headroom, 0);
            std::fs::write(&path, &content).unwrap();
            let mut copy = as_it_is_now(File::open(&path).unwrap()).unwrap();
            let owner = File::options().write(true).open(&path).unwrap();
            owner.write_all_at(&vec![b'y'; headroom + 20], written as u64).unwrap();
            let mut octets = Vec::new();
            copy.read_to_end(&mut octets).unwrap();
            assert!(octets == content, "{written} written, headroom for {headroom}");
        }
    }
}
