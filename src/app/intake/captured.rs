//! What a rehearsal remembers of a message, taken before it is made durable.

use crate::model::directory::Snapshot;
use crate::model::mail::ReversePath;
use crate::model::policy::Origin;
use crate::model::smtp::Submission;
use crate::store::rehearsal::{CONTENT_BYTES_MAX, Draft};
use crate::store::spool::SpooledBody;
use crate::world::offload;

/// The message as it came, and its body back. A body that cannot be read is left out: the commit will say so.
pub(super) async fn draft(submission: &Submission, body: SpooledBody, snapshot: &Snapshot) -> (SpooledBody, Draft) {
    let envelope = &submission.envelope;
    let mut content = submission.head.clone();
    content.truncate(CONTENT_BYTES_MAX);
    let left = CONTENT_BYTES_MAX - content.len();
    let body = match body {
        SpooledBody::Memory(octets) => {
            content.extend(octets.iter().take(left));
            SpooledBody::Memory(octets)
        }
        SpooledBody::File(file) => {
            let (opened, bytes) = (file.read(), usize::try_from(file.bytes()).unwrap_or(usize::MAX));
            let read = offload(move || {
                let mut octets = vec![0; bytes.min(left)];
                opened.and_then(|opened| opened.read_exact_at(&mut octets, 0)).map(|()| octets)
            });
            content.extend(read.await.flatten().unwrap_or_default());
            SpooledBody::File(file)
        }
    };
    let account = match envelope.origin() {
        Origin::Account(account) => snapshot.recipient(account).map(|found| found.primary().to_string()),
        Origin::Anonymous | Origin::System | Origin::Connector { .. } => None,
    };
    let draft = Draft {
        session: envelope.parameters().session.as_deref().unwrap_or_default().to_owned(),
        account,
        sender: match envelope.reverse_path() {
            ReversePath::Null => "<>".to_owned(),
            ReversePath::Mailbox(address) => address.to_string(),
        },
        recipients: envelope.permits().iter().map(|permit| permit.path().to_string()).collect(),
        bytes: submission.body_bytes.saturating_add(submission.head.len() as u64),
        content,
    };
    (body, draft)
}
