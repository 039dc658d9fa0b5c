//! A way out for demonstrations and tests: mail that would leave is written into a directory.
//!
//! Each parcel becomes `<queue id>-<place>.eml` with its envelope beside it in a `.json` of the same name; both are
//! durable before the recipients count as relayed. Carrying a parcel again replaces its files.

use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Serialize;

use super::outgoing::{Outcomes, Outgoing, Parcel};
use crate::model::queue::{Attempt, Finding, Outcome};
use crate::world::disk::Disk;
use crate::world::offload;

/// The directory.
#[derive(Clone, Debug)]
pub struct Outbox {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
}

/// The envelope beside a message.
#[derive(Serialize)]
struct Sidecar {
    queue_id: String,
    at: String,
    reverse_path: String,
    recipients: Vec<String>,
}

impl Outbox {
    /// Opens or creates the directory. Blocks.
    ///
    /// # Errors
    /// The system's.
    pub fn open(disk: Arc<dyn Disk>, directory: &Path) -> io::Result<Self> {
        disk.create_directories(directory)?;
        Ok(Self { disk, directory: directory.to_owned() })
    }

    fn write(&self, parcel: &Parcel) -> io::Result<String> {
        let place = parcel.recipients.first().map_or(0, |(place, _)| *place);
        let name = format!("{}-{place}", parcel.id);
        let reverse_path = parcel.recipients.first().map(|(_, first)| first.reverse_path.to_string());
        let sidecar = Sidecar {
            queue_id: parcel.id.to_string(),
            at: parcel.at.to_string(),
            reverse_path: reverse_path.unwrap_or_default(),
            recipients: parcel.recipients.iter().map(|(_, addressee)| addressee.address.to_string()).collect(),
        };
        let mut envelope = serde_json::to_vec_pretty(&sidecar).map_err(io::Error::other)?;
        envelope.push(b'\n');
        self.write_file(&format!("{name}.json"), envelope.as_slice())?;
        self.write_file(&format!("{name}.eml"), parcel.source.open()?)?;
        self.disk.synchronize_directory(&self.directory)?;
        Ok(format!("{name}.eml"))
    }

    fn write_file(&self, name: &str, mut content: impl io::Read) -> io::Result<()> {
        let temporary = self.directory.join(format!("{name}.new"));
        if self.disk.exists(&temporary)? {
            self.disk.remove(&temporary)?;
        }
        let mut file = self.disk.create_new(&temporary)?;
        let mut part = Vec::new();
        loop {
            part.clear();
            content.by_ref().take(64 << 10).read_to_end(&mut part)?;
            if part.is_empty() {
                break;
            }
            file.append(&part)?;
        }
        file.synchronize()?;
        self.disk.rename(&temporary, &self.directory.join(name))
    }
}

impl Outgoing for Outbox {
    fn carry(&self, parcel: Parcel) -> Outcomes<'_> {
        Box::pin(async move {
            let (outbox, at) = (self.clone(), parcel.at);
            let places: Vec<u32> = parcel.recipients.iter().map(|(place, _)| *place).collect();
            let written = offload(move || outbox.write(&parcel)).await;
            let outcome = match written.flatten() {
                Ok(name) => {
                    let reply = Finding::InOutbox(name).reply();
                    Outcome::Relayed { attempt: Attempt { at, host: None, reply }, dsn_passed_on: false }
                }
                Err(error) => {
                    tracing::warn!(%error, "the outbox cannot be written");
                    Outcome::Deferred(Attempt { at, host: None, reply: Finding::OutboxFailed.reply() })
                }
            };
            places.into_iter().map(|place| (place, outcome.clone())).collect()
        })
    }
}
