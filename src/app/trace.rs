//! Gives the administrators' office the message trace, with a running server and without one.

use std::path::PathBuf;
use std::sync::Arc;

use crate::admin::office::TraceDesk;
use crate::model::queue::{Party, QueueId};
use crate::store::trace::{History, Page, Query, Trace, history, search};
use crate::world::disk::Disk;

/// The trace as the office sees it: its files, and the one who writes them where there is one.
pub(super) struct TraceCounter {
    pub(super) disk: Arc<dyn Disk>,
    pub(super) directory: PathBuf,
    /// Writes what was told a moment ago before anybody reads.
    pub(super) writer: Option<Arc<Trace>>,
}

impl TraceCounter {
    fn flush(&self) {
        if let Some(writer) = &self.writer
            && !writer.flush()
        {
            tracing::warn!("the message trace was read without the last events: its disk is too slow");
        }
    }
}

impl TraceDesk for TraceCounter {
    fn search(&self, query: &Query, progress: &mut dyn FnMut(u64, u64)) -> Result<Page, String> {
        self.flush();
        let found = search(&*self.disk, &self.directory, query, progress).map_err(|error| error.to_string())?;
        let (page, scanned) = found;
        tracing::debug!(?scanned, "the message trace was searched");
        Ok(page)
    }

    fn history(
        &self,
        id: QueueId,
        recipient: Option<&Party>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Option<History>, String> {
        self.flush();
        history(&*self.disk, &self.directory, id, recipient, progress).map_err(|error| error.to_string())
    }
}
