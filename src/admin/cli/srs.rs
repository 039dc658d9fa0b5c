//! `franking srs`.

use clap::{Args, Subcommand};

use crate::admin::office::{Request, Rotation};

/// The keys that sign rewritten reverse-paths.
#[derive(Debug, Subcommand)]
#[command(after_help = "Examples:\n  franking srs show")]
pub enum SrsCommand {
    /// Which keys are in use, and until when; never the keys themselves
    #[command(after_help = "\
A running server and a backup have them in keys/ of the data directory.

Examples:
  franking srs show --json")]
    Show,
    /// Sign with a new key from the next message on, in open sessions, too
    #[command(after_help = "\
Addresses that the key so far has signed count until their time is up, 21 days, so that no report gets lost. When the \
key has come into foreign hands, --forget-former makes them worthless at once. A new key is durable before it signs; \
other servers of the same domain need a copy of keys/.

Examples:
  franking srs rotate
  franking srs rotate --forget-former")]
    Rotate(RotateArgs),
}

/// `srs rotate`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// Let nothing count any more that former keys have signed
    #[arg(long)]
    forget_former: bool,
}

impl SrsCommand {
    pub(super) const fn request(&self) -> Request {
        match self {
            Self::Show => Request::SrsShow,
            Self::Rotate(RotateArgs { forget_former: true }) => Request::SrsRotate(Rotation::ForgetFormer),
            Self::Rotate(RotateArgs { forget_former: false }) => Request::SrsRotate(Rotation::KeepFormer),
        }
    }
}
