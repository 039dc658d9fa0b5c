//! What an auditor asks of the directory, page by page.

use super::response::{ForwardingAudit, Response};
use crate::model::directory::Snapshot;
use crate::model::policy::Settings;
use crate::model::policy::ways_out::{Place, page};

/// One page of the ways by which mail leaves.
pub(super) fn forwarding(snapshot: &Snapshot, settings: &Settings, place: Place) -> Response {
    let found = page(snapshot, settings, place);
    Response::ForwardingAudit(ForwardingAudit {
        auto_forwarding_mode: snapshot.organisation().auto_forwarding_mode,
        ways: found.ways,
        next: found.next,
    })
}
