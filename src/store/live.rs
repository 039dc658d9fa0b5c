//! The directory and the settings as they are at this moment, for everyone who judges by them.
//!
//! Readers take an `Arc` and never wait; a published snapshot is what the very next reader sees. Who publishes has made
//! the change durable before.

use core::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::model::directory::Snapshot;
use crate::model::policy::Settings;
use crate::model::policy::settings::SrsKey;

/// The current snapshot.
pub struct LiveDirectory {
    current: ArcSwap<Snapshot>,
}

impl LiveDirectory {
    /// Starts with `snapshot`.
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self { current: ArcSwap::new(snapshot) }
    }

    /// The snapshot of this moment. It stays whole for as long as it is held, whatever is published meanwhile.
    pub fn current(&self) -> Arc<Snapshot> {
        self.current.load_full()
    }

    /// Puts `snapshot` in force from the next [`Self::current`] on. For the one writer of the directory: two that
    /// publish at once would overtake each other.
    pub fn publish(&self, snapshot: Arc<Snapshot>) {
        self.current.store(snapshot);
    }
}

impl fmt::Debug for LiveDirectory {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = self.current.load().version();
        formatter.debug_struct("LiveDirectory").field("version", &version).finish_non_exhaustive()
    }
}

/// The settings in force: those of the configuration that was read last, with this server's own keys.
pub struct LiveSettings {
    current: ArcSwap<Settings>,
}

impl LiveSettings {
    /// Starts with `settings`.
    pub fn new(settings: Settings) -> Self {
        Self { current: ArcSwap::from_pointee(settings) }
    }

    /// The settings of this moment. Whoever judges twice in one piece of work holds on to them.
    pub fn current(&self) -> Arc<Settings> {
        self.current.load_full()
    }

    /// Goes by a configuration that was read again. Keys are the server's own, and stay.
    pub fn reload(&self, settings: &Settings) {
        self.current.rcu(|former| Settings { srs_keys: former.srs_keys.clone(), ..settings.clone() });
    }

    /// Signs with the first of these keys from now on.
    pub fn rekey(&self, srs_keys: &[SrsKey]) {
        self.current.rcu(|former| Settings { srs_keys: srs_keys.to_vec(), ..Settings::clone(former) });
    }
}

impl Default for LiveSettings {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl fmt::Debug for LiveSettings {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("LiveSettings").finish_non_exhaustive()
    }
}
