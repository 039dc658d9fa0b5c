//! The keys by which reverse-paths of what is passed on are rewritten, as administrators see them: never their octets.

use serde::{Deserialize, Serialize};

use super::failure::Failure;
use super::response::Response;
use super::{Actor, Office};

/// What becomes of the keys so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rotation {
    /// They verify what they signed until its time is up.
    KeepFormer,
    /// They are forgotten: what they signed is no address any more.
    ForgetFormer,
}

/// The keys that are in use: one that signs, and those before it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SrsKeysView {
    /// Former keys that still verify, the newest first.
    pub former: Vec<FormerKey>,
}

/// A former key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormerKey {
    /// When it was replaced; none when nobody knows.
    pub signed_until: Option<String>,
    /// When nothing that it signed counts any more; none when somebody has to take it away.
    pub verifies_until: Option<String>,
}

/// A place that keeps the keys. Everything blocks.
pub trait KeyDesk: Send + Sync {
    /// The keys in use.
    ///
    /// # Errors
    /// A text that says why they cannot be read.
    fn srs(&self) -> Result<SrsKeysView, String>;

    /// Makes a new key, durable and in force for the next message that is passed on.
    ///
    /// # Errors
    /// A text that says why none was made; then the present one stays.
    fn rotate_srs(&self, rotation: Rotation) -> Result<(), String>;
}

/// A server that rewrites nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoKeys;

impl KeyDesk for NoKeys {
    fn srs(&self) -> Result<SrsKeysView, String> {
        Ok(SrsKeysView::default())
    }

    fn rotate_srs(&self, _: Rotation) -> Result<(), String> {
        Err("there are no keys".to_owned())
    }
}

pub(super) fn show(office: &Office) -> Result<Response, Failure> {
    office.keys.srs().map(Response::SrsKeys).map_err(Failure::unavailable)
}

pub(super) fn rotate(office: &Office, actor: Actor<'_>, rotation: Rotation) -> Result<Response, Failure> {
    office.keys.rotate_srs(rotation).map_err(Failure::refused)?;
    tracing::info!(actor, ?rotation, "a new key signs rewritten reverse-paths");
    show(office)
}
