//! The queue's law: what may become of each recipient of an accepted message, when it is tried again, in which order.
//!
//! Nothing here touches a disk, a clock or a socket. The store makes every step durable *before* it is applied, by the
//! very same function that replays it after a crash, so memory and journal cannot tell two stories.

pub mod approval;
pub mod dispatcher;
pub mod encoding;
pub mod entry;
pub mod finding;
pub mod lane;
pub mod retry;
pub mod selection;
pub mod shelf;
pub mod state;
pub mod suspension;
pub mod target;
pub mod work;

pub use approval::{Answer, Approval, ApprovalId, ApprovalIdError, Decision, Verdict};
pub use dispatcher::{Destination, Dispatcher, Resumption, Undecidable};
pub use entry::{Entry, EntryFacts, QueueId};
pub use finding::Finding;
pub use lane::{LaneKey, Limits, Paused};
pub use retry::Schedule;
pub use selection::{DestinationName, Party, Selection};
pub use shelf::{Seen, Shelf, Shelved};
pub use state::{State, TransitionError};
pub use suspension::{Suspendable, Suspension, Suspensions};
pub use target::{Addressee, Attempt, Event, Hop, Outcome, ReportKind, Target};
pub use work::{Command, Effect, FindJob, Input, Job, Lease, ReplyJob, ReportJob, Sight};
