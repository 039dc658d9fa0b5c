//! Where mail for other systems goes, and with it whether the server may be made to misbehave: only one that sends
//! nothing outside can hold a script of faults.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::serve::ServeError;
use super::stores::{Stores, World};
use crate::config::Config;
use crate::server::Rehearsing;
use crate::store::rehearsal::Rehearsal;
use crate::world::tls::SpoiltTls;

/// Where mail for other systems goes.
#[derive(Clone, Debug)]
pub enum WayOut {
    /// To the smart host of the configuration, or by mail exchangers.
    Relay,
    /// Into a directory.
    Outbox(PathBuf),
    /// The same for a server that applications are tested against, which obeys a script of faults. A server that sends
    /// mail on has no place for one.
    Rehearsal(PathBuf, Arc<Rehearsal>),
}

impl WayOut {
    /// The script of faults and what came in, where there is such a thing.
    pub(super) fn rehearsal(&self) -> Option<Arc<Rehearsal>> {
        match self {
            Self::Relay | Self::Outbox(_) => None,
            Self::Rehearsal(_, rehearsal) => Some(Arc::clone(rehearsal)),
        }
    }
}

/// The script of faults, with certificates that must not be trusted.
pub(super) fn rehearsing(
    world: &World,
    config: &Config,
    stores: &Stores,
    authority: &Path,
    rehearsal: &Arc<Rehearsal>,
) -> Result<Rehearsing, ServeError> {
    // Where the operator has certificates, an authority is made for these alone.
    let place = stores.data.root().join("spoilt");
    let authority = if config.certificates.is_empty() { authority } else { &place };
    let (now, random) = (world.clock.now(), &*world.random);
    let spoilt = SpoiltTls::make(authority, &place, &config.hostname, now, random)?;
    Ok(Rehearsing { rehearsal: Arc::clone(rehearsal), spoilt })
}
