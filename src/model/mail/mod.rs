//! The vocabulary of mail: addresses, paths, replies, trace fields and time.
//!
//! Nothing here knows the directory or the network. Values are parsed once, at the edge, and trusted after.

pub mod address;
pub mod borrowed_name;
pub mod domain_pattern;
pub mod encapsulated;
pub mod header;
pub mod network;
pub mod path;
pub mod recipient_fields;
pub mod reply;
pub mod second_reader;
pub mod short_text;
pub mod time;

pub use address::{Address, AddressError, AddressKey, Domain, LocalPart};
pub use domain_pattern::DomainPattern;
pub use network::{Network, NetworkError};
pub use path::{ForwardPath, ReversePath};
pub use reply::{EnhancedStatus, REPLY_LINE_BYTES_MAX, Reply};
pub use time::Timestamp;
