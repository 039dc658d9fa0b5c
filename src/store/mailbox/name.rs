//! Names on disk: of mailboxes, folders and messages. Whatever goes in, what comes out is one harmless file name.

use core::fmt::Write as _;
use std::ffi::OsStr;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::{GeneralPurpose, NO_PAD};
use sha2::{Digest as _, Sha256};

use crate::model::directory::RecipientId;

/// Why something cannot be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// It, or a part of it, is empty.
    #[error("a name, and every part of it, needs at least one character")]
    Empty,
    /// It has a character that cannot be stored.
    #[error("the name has a character that is not allowed")]
    Character,
    /// It is too long for a file name.
    #[error("the name is too long")]
    TooLong,
}

/// The directory name of a mailbox.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MailboxName(Box<str>);

/// Longer names are cut and made unique by a digest; file names end at 255 octets.
const MAILBOX_NAME_BYTES_MAX: usize = 200;
const CUT_NAME_BYTES: usize = 120;

impl MailboxName {
    /// The name of a recipient's mailbox. Identities are given once for ever, addresses are not: a new holder of an
    /// address must not find the mail of the former one.
    pub fn of_recipient(id: RecipientId) -> Self {
        Self(format!("recipient-{id}").into())
    }

    /// The name of the archive of a recipient, a mailbox of its own beside the primary one.
    pub fn of_archive(id: RecipientId) -> Self {
        Self(format!("archive-{id}").into())
    }

    /// The name of the server's own postmaster mailbox.
    pub fn postmaster() -> Self {
        Self("postmaster".into())
    }

    /// Names the mailbox of `identity` (usually an address, in one spelling): lower and upper case letters, digits and
    /// `@ - _ + =` stand for themselves, as does a dot that is not the first character; every other octet becomes `%`
    /// and two hexadecimal digits. Different identities never share a name; one that would become longer than 200
    /// octets ends in its digest.
    ///
    /// # Errors
    /// `Empty`.
    pub fn encode(identity: &str) -> Result<Self, NameError> {
        if identity.is_empty() {
            return Err(NameError::Empty);
        }
        let mut name = String::with_capacity(identity.len());
        let mut cut = 0;
        for (position, octet) in identity.bytes().enumerate() {
            if octet.is_ascii_alphanumeric() || b"@-_+=".contains(&octet) || (octet == b'.' && position > 0) {
                name.push(char::from(octet));
            } else {
                push_escaped(&mut name, octet);
            }
            if name.len() <= CUT_NAME_BYTES {
                cut = name.len();
            }
        }
        if name.len() > MAILBOX_NAME_BYTES_MAX {
            name.truncate(cut);
            // Two percent signs in a row cannot arise above, so no short name looks like a cut one.
            name.push('%');
            name.push_str(&digest_name(identity.as_bytes()));
        }
        Ok(Self(name.into()))
    }

    /// The recipient whose mailbox it is, if it is one's.
    pub fn recipient(&self) -> Option<RecipientId> {
        let number = self.0.strip_prefix("recipient-")?.parse().ok()?;
        // No other spelling of the number names the same directory.
        Some(RecipientId(number)).filter(|id| Self::of_recipient(*id) == *self)
    }

    /// The recipient whose mailbox or archive it is, if it is one's.
    pub fn owner(&self) -> Option<RecipientId> {
        let number = || Some(RecipientId(self.0.strip_prefix("archive-")?.parse().ok()?));
        self.recipient().or_else(|| number().filter(|id| Self::of_archive(*id) == *self))
    }

    /// The name of the directory.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn push_escaped(name: &mut String, octet: u8) {
    // Writing to a string cannot fail.
    let _ = write!(name, "%{octet:02X}");
}

/// A folder of a mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum Folder {
    /// The mailbox itself.
    #[default]
    Inbox,
    /// A Maildir++ folder below it.
    Named(FolderName),
}

/// More levels than this are not shown by readers (Dovecot: 20).
const FOLDER_LEVELS_MAX: usize = 20;

/// The directory name of a folder, with its leading dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FolderName(Box<str>);

impl Folder {
    /// Its directory in that of a mailbox.
    pub(super) fn within(&self, mailbox: PathBuf) -> PathBuf {
        match self {
            Self::Inbox => mailbox,
            Self::Named(name) => mailbox.join(name.as_str()),
        }
    }

    /// Names a folder as people see it, `/` between levels: `Sent Items`, `Archive/2026`. `INBOX`, in any case, is the
    /// mailbox itself. On disk the levels are joined by dots, and other than ASCII is written as IMAP does (modified
    /// UTF-7, RFC 3501 section 5.1.3).
    ///
    /// # Errors
    /// `Empty` for an empty level, `Character` for a dot or a control character, `TooLong` beyond 255 octets on disk.
    pub fn named(name: &str) -> Result<Self, NameError> {
        if name.eq_ignore_ascii_case("inbox") {
            return Ok(Self::Inbox);
        }
        let mut encoded = String::new();
        for level in name.split('/') {
            if level.is_empty() {
                return Err(NameError::Empty);
            }
            if level.chars().any(|character| character == '.' || character.is_control()) {
                return Err(NameError::Character);
            }
            encoded.push('.');
            encode_level(&mut encoded, level);
        }
        if encoded.len() > 255 {
            return Err(NameError::TooLong);
        }
        Ok(Self::Named(FolderName(encoded.into())))
    }

    /// The folder of a directory that was found in a mailbox, unless its name is one that no reader shows or that could
    /// do harm: too many or empty levels, other than printable ASCII.
    pub(super) fn of_directory(name: &OsStr) -> Option<Self> {
        let name = name.to_str()?;
        let mut levels = name.strip_prefix('.')?.split('.');
        let harmless = name.len() <= 255 && name.bytes().all(|octet| matches!(octet, b' '..=b'~'));
        let shown = levels.clone().count() <= FOLDER_LEVELS_MAX && levels.all(|level| !level.is_empty());
        (harmless && shown).then(|| Self::Named(FolderName(name.into())))
    }
}

impl FolderName {
    /// The name of the directory.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn encode_level(encoded: &mut String, level: &str) {
    const MODIFIED: GeneralPurpose = GeneralPurpose::new(&base64::alphabet::IMAP_MUTF7, NO_PAD);
    let is_direct = |character: char| (' '..='~').contains(&character);
    let mut rest = level;
    while let Some(first) = rest.chars().next() {
        let run = rest.find(|character| is_direct(character) != is_direct(first)).unwrap_or(rest.len());
        let (now, later) = rest.split_at_checked(run).unwrap_or((rest, ""));
        if is_direct(first) {
            encoded.push_str(&now.replace('&', "&-"));
        } else {
            let units: Vec<u8> = now.encode_utf16().flat_map(u16::to_be_bytes).collect();
            encoded.push('&');
            encoded.push_str(&MODIFIED.encode(units));
            encoded.push('-');
        }
        rest = later;
    }
}

/// Flags that a message has from the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flags(u8);

impl Flags {
    /// None: the message is new.
    pub const NONE: Self = Self(0);
    /// A draft.
    pub const DRAFT: Self = Self(1);
    /// Marked as important.
    pub const FLAGGED: Self = Self(1 << 1);
    /// Passed on to someone else.
    pub const PASSED: Self = Self(1 << 2);
    /// Answered.
    pub const REPLIED: Self = Self(1 << 3);
    /// Read.
    pub const SEEN: Self = Self(1 << 4);
    /// To be removed.
    pub const TRASHED: Self = Self(1 << 5);

    /// These flags and those.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Their letters in ASCII order, as Maildir demands.
    pub(super) fn letters(self) -> String {
        let letters = "DFPRST".chars().enumerate();
        letters.filter(|(bit, _)| self.0 & (1 << bit) != 0).map(|(_, letter)| letter).collect()
    }
}

/// What makes a delivered message this one and no other.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct DeliveryName {
    queue_id: Box<str>,
    recipient: u32,
    seconds: u64,
}

const QUEUE_ID_BYTES_MAX: usize = 64;
const HOSTNAME_BYTES_MAX: usize = 80;

impl DeliveryName {
    /// Takes the queue id (1 to 64 letters, digits, `-`, `_`), the recipient's number in it, and when the message was
    /// accepted (seconds since 1970, the same at every attempt).
    ///
    /// # Errors
    /// `Empty`, `TooLong` and `Character`, all about the queue id.
    pub fn new(queue_id: &str, recipient: u32, seconds: u64) -> Result<Self, NameError> {
        if queue_id.is_empty() {
            return Err(NameError::Empty);
        }
        if queue_id.len() > QUEUE_ID_BYTES_MAX {
            return Err(NameError::TooLong);
        }
        if !queue_id.bytes().all(|octet| octet.is_ascii_alphanumeric() || octet == b'-' || octet == b'_') {
            return Err(NameError::Character);
        }
        Ok(Self { queue_id: queue_id.into(), recipient, seconds })
    }

    /// The part of the file name that is the same at every attempt.
    pub(super) fn unique(&self, hostname: &str) -> String {
        format!("{}.Q{}R{}.{hostname}", self.seconds, self.queue_id, self.recipient)
    }
}

/// The whole file name of a message, and the directory that it belongs to.
pub(super) fn file_name(unique: &str, bytes: u64, wire_bytes: u64, flags: Flags) -> (&'static str, String) {
    let name = format!("{unique},S={bytes},W={wire_bytes}");
    match flags {
        Flags::NONE => ("new", name),
        flags => ("cur", format!("{name}:2,{}", flags.letters())),
    }
}

/// The unique part of a file's name: what stands before sizes and flags.
pub(super) fn unique_of(name: &OsStr) -> &[u8] {
    let name = name.as_encoded_bytes();
    let end = name.iter().position(|octet| matches!(octet, b',' | b':')).unwrap_or(name.len());
    name.get(..end).unwrap_or(name)
}

/// The name under which a message is kept elsewhere: the unique part of its name where that is harmless and short, else
/// its digest. Different parts never share a name, which has printable ASCII alone.
pub(super) fn kept_name(unique: &[u8]) -> String {
    let harmless = |octet: &u8| octet.is_ascii_alphanumeric() || b".-_+=@".contains(octet);
    let plain = unique.len() <= MAILBOX_NAME_BYTES_MAX && unique.iter().all(harmless);
    match core::str::from_utf8(unique) {
        Ok(unique) if plain && !unique.is_empty() && !unique.starts_with('.') => unique.to_owned(),
        Ok(_) | Err(_) => digest_name(unique),
    }
}

/// Whether a text can be a name under which a message is kept: nothing in it leads elsewhere.
pub(super) fn is_kept_name(name: &str) -> bool {
    let harmless = |octet: u8| octet.is_ascii_alphanumeric() || b".-_+=@%".contains(&octet);
    !name.is_empty() && name.len() <= MAILBOX_NAME_BYTES_MAX && !name.starts_with('.') && name.bytes().all(harmless)
}

/// Begins as no harmless name does.
fn digest_name(octets: &[u8]) -> String {
    Sha256::digest(octets).iter().fold("%".to_owned(), |mut name, octet| {
        let _ = write!(name, "{octet:02x}");
        name
    })
}

/// The letters of the flags in a file's name, without those whose meaning another mailbox does not know (keywords).
pub(super) fn flags_of(name: &OsStr) -> Flags {
    let name = name.as_encoded_bytes();
    let info = memchr::memmem::rfind(name, b":2,").and_then(|at| name.get(at.saturating_add(3)..)).unwrap_or_default();
    let letters = "DFPRST".bytes().enumerate().filter(|(_, letter)| info.contains(letter));
    letters.fold(Flags::NONE, |flags, (bit, _)| flags.with(Flags(1 << bit)))
}

/// The file name of a message of so many octets that is copied from another mailbox. What makes it this one and no
/// other is a function of the original's name, so that a repeated copy finds the first.
pub(super) fn copied_name(original: &OsStr, bytes: u64) -> String {
    let unique = kept_name(unique_of(original));
    // The size that it says need not be true; then the other one is none either.
    match wire_bytes(original).filter(|_| stored_bytes(original) == Some(bytes)) {
        Some(wire_bytes) => format!("{unique},S={bytes},W={wire_bytes}"),
        None => format!("{unique},S={bytes}"),
    }
}

/// When a message came, in seconds since 1970, as its name tells: readers and this server begin with it.
pub(super) fn seconds_of(name: &str) -> Option<u64> {
    name.split(['.', ',']).next()?.parse().ok()
}

/// The size that a file name tells (`,S=`), if it does.
pub(super) fn stored_bytes(name: &OsStr) -> Option<u64> {
    number_in(name, "S=")
}

fn wire_bytes(name: &OsStr) -> Option<u64> {
    number_in(name, "W=")
}

fn number_in(name: &OsStr, field: &str) -> Option<u64> {
    let name = name.to_str()?;
    let base = name.split_once(':').map_or(name, |(base, _)| base);
    base.split(',').skip(1).find_map(|part| part.strip_prefix(field)?.parse().ok())
}

/// A host name with only what file names of messages may have.
pub(super) fn in_file_name(hostname: &str) -> String {
    let harmless =
        |character: char| if character.is_ascii_alphanumeric() || ".-".contains(character) { character } else { '_' };
    let name: String = hostname.chars().map(harmless).take(HOSTNAME_BYTES_MAX).collect();
    if name.is_empty() { "localhost".to_owned() } else { name }
}
