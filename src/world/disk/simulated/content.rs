//! The content of a file: what is seen of it, and what of that would survive a power cut.

#[derive(Debug, Default)]
pub(super) struct Content {
    /// What readers see.
    pub(super) seen: Vec<u8>,
    pub(super) durable: Vec<u8>,
    /// What leads from one to the other.
    pub(super) pending: Vec<DataChange>,
}

impl Content {
    /// Makes everything durable.
    pub(super) fn settle(&mut self) {
        for change in core::mem::take(&mut self.pending) {
            change.apply(&mut self.durable);
        }
    }
}

#[derive(Debug)]
pub(super) enum DataChange {
    /// Octets at what was the end of the file.
    Write {
        offset: usize,
        bytes: Vec<u8>,
    },
    /// Octets over what was there.
    Over {
        offset: usize,
        bytes: Vec<u8>,
    },
    Cut {
        length: usize,
    },
}

impl DataChange {
    pub(super) fn apply(&self, durable: &mut Vec<u8>) {
        match self {
            Self::Write { bytes, .. } | Self::Over { bytes, .. } if bytes.is_empty() => {}
            Self::Write { offset, bytes } | Self::Over { offset, bytes } => {
                if durable.len() < *offset {
                    durable.resize(*offset, 0);
                }
                let (over, behind) = bytes.split_at(durable.len().saturating_sub(*offset).min(bytes.len()));
                if let Some(target) = durable.get_mut(*offset..offset.saturating_add(over.len())) {
                    target.copy_from_slice(over);
                }
                durable.extend_from_slice(behind);
            }
            Self::Cut { length } => durable.truncate(*length),
        }
    }
}
