//! Licences that the organisation has bought: how many seats of each label.
//!
//! A licence is a label on an account. What its plan gives is read from the label where it matters (quotas); a label
//! without seats can be assigned as often as anybody likes.

use serde::{Deserialize, Serialize};

/// More labels have no seats.
pub const SEATED_LABELS_MAX: usize = 256;
/// The longest label, in octets.
pub const LABEL_BYTES_MAX: usize = 64;

/// How many accounts may have a licence.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LicenceSeats {
    /// Its label, compared without letter case.
    pub label: Box<str>,
    /// How many.
    pub seats: u32,
}

/// Whether a text can name a licence.
pub fn is_label(text: &str) -> bool {
    (1..=LABEL_BYTES_MAX).contains(&text.len()) && text.trim() == text && !text.chars().any(char::is_control)
}
