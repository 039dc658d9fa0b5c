//! `franking recipient auto-reply`.

use std::io::Read;
use std::path::Path;

use clap::{Args, ValueEnum, ValueHint};

use crate::admin::office::{Failure, RecipientEdit, Request};
use crate::model::directory::auto_reply::MESSAGE_BYTES_MAX;
use crate::model::directory::document::{AutoReplyEntry, AutoReplyStateName};
use crate::model::directory::{ExternalAudience, ExternalOofOptions};
use crate::world::disk::open_regular;

/// `recipient auto-reply`.
#[derive(Debug, Args)]
pub struct AutoReplyArgs {
    /// The mailbox: an address, a login or a name
    #[arg(value_name = "RECIPIENT", value_hint = ValueHint::EmailAddress)]
    identity: String,
    /// Whether senders are answered; times alone mean scheduled
    #[arg(long, value_name = "STATE")]
    state: Option<State>,
    /// When it begins: ISO 8601 with Z or an offset
    #[arg(long, value_name = "TIME")]
    from_time: Option<String>,
    /// When it ends
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// What senders of the organisation are told: a text, plain or HTML, @FILE, or "" to answer none of them
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    internal: Option<String>,
    /// What senders outside are told
    #[arg(long, value_name = "TEXT", allow_hyphen_values = true)]
    external: Option<String>,
    /// Who outside is answered; known are those whom the directory has as contact, mail user or guest
    #[arg(long, value_name = "AUDIENCE")]
    external_audience: Option<Audience>,
    /// What the mailbox may do at all (`ExternalOofOptions`)
    #[arg(long, value_name = "OPTION")]
    oof_options: Option<Options>,
}

/// `AutoReplyState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    /// Nobody is answered.
    #[value(alias = "off")]
    Disabled,
    /// Until further notice.
    #[value(alias = "on")]
    Enabled,
    /// From one time to another.
    Scheduled,
}

/// `ExternalAudience`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Audience {
    /// Nobody.
    None,
    /// Whom the directory knows.
    Known,
    /// Everybody.
    All,
}

/// `ExternalOofOptions`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Options {
    /// Inside and outside.
    External,
    /// Inside only.
    InternalOnly,
}

impl AutoReplyArgs {
    /// The request; files that texts stand in are read here.
    ///
    /// # Errors
    /// A file that cannot be read, and no option at all.
    pub(super) fn request(self) -> Result<Request, Failure> {
        let auto_reply = AutoReplyEntry {
            state: self.state.map(|state| match state {
                State::Disabled => AutoReplyStateName::Disabled,
                State::Enabled => AutoReplyStateName::Enabled,
                State::Scheduled => AutoReplyStateName::Scheduled,
            }),
            start_time: self.from_time.map(Into::into),
            end_time: self.until.map(Into::into),
            internal_message: self.internal.map(text).transpose()?,
            external_message: self.external.map(text).transpose()?,
            external_audience: self.external_audience.map(|audience| match audience {
                Audience::None => ExternalAudience::None,
                Audience::Known => ExternalAudience::Known,
                Audience::All => ExternalAudience::All,
            }),
            external_oof_options: self.oof_options.map(|options| match options {
                Options::External => ExternalOofOptions::External,
                Options::InternalOnly => ExternalOofOptions::InternalOnly,
            }),
        };
        let edit = Box::new(RecipientEdit { auto_reply, ..RecipientEdit::default() });
        Ok(Request::RecipientSet { identity: self.identity, edit })
    }
}

/// A text as it was typed, or what a file holds.
fn text(given: String) -> Result<Box<str>, Failure> {
    let Some(name) = given.strip_prefix('@') else { return Ok(given.into()) };
    let file = open_regular(Path::new(name));
    let file = file.map_err(|error| Failure::not_found(format!("{name} cannot be opened: {error}")))?;
    let mut octets = Vec::new();
    // One octet more than is kept, so that a file that is too long is told to be.
    let read = file.take(MESSAGE_BYTES_MAX as u64 + 1).read_to_end(&mut octets);
    read.map_err(|error| Failure::refused(format!("{name} cannot be read: {error}")))?;
    let text = String::from_utf8(octets);
    text.map(Into::into).map_err(|_| Failure::refused(format!("{name} is not UTF-8; save it as UTF-8 text.")))
}
