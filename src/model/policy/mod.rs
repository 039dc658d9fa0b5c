//! What the rules say: who may sign in, as whom one may send, where a recipient leads. Total functions, nothing else.
//!
//! Every function takes the [`Snapshot`](super::directory::Snapshot) of the moment and [`Settings`], and returns an
//! enum or a [`Refusal`]. The same functions run for a message and for `franking explain`: the latter passes a
//! [`Trail`] that writes down each rule as it is consulted.

pub mod admit;
pub mod authorship;
pub mod auto_reply;
pub mod connector;
pub mod delivery;
pub mod device;
pub mod domain_switch;
pub mod envelope;
pub mod expand;
pub mod forwarding;
pub mod limits;
pub mod lockout;
pub mod moderation;
pub mod posting;
pub mod quota;
pub mod refusal;
mod reserved;
pub mod resolve;
pub mod restricted;
pub mod restrictions;
pub mod routes;
pub mod scram;
pub mod sent_items;
pub mod settings;
pub mod sign_in;
pub mod srs;
pub mod submit_as;
pub mod token;
pub mod traffic;
pub mod trail;
pub mod ways_out;

pub use admit::{Permit, Sender, admit, admit_any, awaits_author};
pub use authorship::{Authored, author};
pub use auto_reply::{Audience, AutomaticReply, History, NoReply, Occasion, auto_reply};
pub use delivery::{Delivery, Destination, Expanded, Moderated, Passage, Route, Suppression};
pub use device::{AppPassword, Whence};
pub use envelope::{BodyKind, DsnRequest, Envelope, MessageParameters, Notify, Origin, Ret};
pub use expand::{Known, expand, expand_approved};
pub use limits::{AccountLimits, Tallies, TooSoon, Uncounted};
pub use moderation::Waiting;
pub use posting::Posting;
pub use refusal::{Refusal, Trailer};
pub use resolve::{Resolution, resolve};
pub use routes::{RoutePattern, RouteTable, SenderPattern};
pub use sent_items::{SentItems, sent_items};
pub use settings::{NoMailboxStep, Profile, Settings, SharedSignIn};
pub use sign_in::{Evidence, Proof, SignedIn, sign_in};
pub use submit_as::{SubmitAs, submit_as};
pub use trail::{Rule, Trail, Unrecorded};
