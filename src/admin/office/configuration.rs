//! Which configuration a running server goes by, and whether it took the one that it was told to read last.

use std::sync::{Mutex, MutexGuard, PoisonError};

use serde::{Deserialize, Serialize};

/// A configuration that is in force.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigurationView {
    /// Tells its text from others, see [`Config::checksum`](crate::config::Config::checksum).
    pub checksum: u32,
    /// Since when it is in force.
    pub since: String,
    /// The keys whose change since the start counts after a restart only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after_restart: Vec<String>,
    /// Why what the server was told to read last is not in force; none when it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What administrators are told of it; nothing where no server runs, or where it has no file.
#[derive(Debug, Default)]
pub struct InForce(Mutex<Option<ConfigurationView>>);

impl InForce {
    fn lock(&self) -> MutexGuard<'_, Option<ConfigurationView>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Another configuration is in force.
    pub fn took(&self, view: ConfigurationView) {
        *self.lock() = Some(view);
    }

    /// The former one stays in force, since the other has a fault.
    pub fn refused(&self, reason: &str) {
        if let Some(view) = &mut *self.lock() {
            view.refused = Some(reason.to_owned());
        }
    }

    /// The configuration in force.
    pub fn view(&self) -> Option<ConfigurationView> {
        self.lock().clone()
    }
}
