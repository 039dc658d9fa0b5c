//! Reads mailboxes as any Maildir reader would, independently of the code that wrote them.

use std::path::{Path, PathBuf};

use super::wait_for;

/// The mailbox of one address, wherever the server put it: directories are named by identity, not by address, so it is
/// the one whose messages say `Delivered-To` this address. Nothing until the first message is there.
#[derive(Clone, Debug)]
pub(crate) struct Mailbox {
    root: PathBuf,
    address: String,
}

/// One message as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct Stored {
    pub(crate) path: PathBuf,
    pub(crate) bytes: Vec<u8>,
}

impl Mailbox {
    pub(crate) fn new(root: PathBuf, address: &str) -> Self {
        Self { root, address: address.to_owned() }
    }

    /// Its directory, the Maildir itself.
    pub(crate) fn directory(&self) -> Option<PathBuf> {
        let entries = std::fs::read_dir(&self.root).ok()?;
        let is_ours = |path: &PathBuf| messages(path).iter().any(|message| self.is_addressed(message));
        entries.flatten().map(|entry| entry.path()).find(is_ours)
    }

    fn is_addressed(&self, message: &Stored) -> bool {
        message.header("Delivered-To").iter().any(|address| address.eq_ignore_ascii_case(&self.address))
    }

    /// Everything in its inbox.
    pub(crate) fn messages(&self) -> Vec<Stored> {
        self.directory().map_or_else(Vec::new, |directory| messages(&directory))
    }

    /// Waits for the one message in the inbox that contains `token`; panics if there are several.
    pub(crate) fn wait_for(&self, token: &str) -> Stored {
        let what = format!("a message with {token} for {}", self.address);
        let mut found = wait_for(&what, || {
            let found: Vec<_> = self.messages().into_iter().filter(|message| message.contains(token)).collect();
            (!found.is_empty()).then_some(found)
        });
        assert_eq!(found.len(), 1, "{token} is there more than once");
        found.remove(0)
    }
}

/// Everything in `new` and `cur` of a Maildir.
pub(crate) fn messages(maildir: &Path) -> Vec<Stored> {
    ["new", "cur"].iter().flat_map(|part| files(&maildir.join(part))).collect()
}

/// The files of a directory with their content; none if it is not there.
pub(crate) fn files(directory: &Path) -> Vec<Stored> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    // A file may move from `new` to `cur`, or be removed, between the listing and this.
    paths.filter_map(|path| Some(Stored { bytes: std::fs::read(&path).ok()?, path })).collect()
}

impl Stored {
    pub(crate) fn contains(&self, text: &str) -> bool {
        memchr::memmem::find(&self.bytes, text.as_bytes()).is_some()
    }

    /// The whole message as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// The values of a header field, unfolded, in the order in which they stand.
    pub(crate) fn header(&self, name: &str) -> Vec<String> {
        let text = self.text().replace("\r\n", "\n");
        let head = text.split("\n\n").next().unwrap_or_default().replace("\n ", " ").replace("\n\t", " ");
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        fields.filter(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned()).collect()
    }

    /// The octets that a field of the file name promises, such as `S` or `W`.
    pub(crate) fn promised(&self, field: char) -> Option<usize> {
        let name = self.path.file_name()?.to_str()?;
        let begin = name.find(&format!(",{field}="))? + 3;
        let rest = name.get(begin..)?;
        let end = rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse().ok()
    }
}

#[test]
fn a_stored_message_is_read_field_by_field() {
    let stored = Stored {
        path: PathBuf::from("new/1.a.host,S=12,W=34:2,S"),
        bytes: b"Received: one\nRECEIVED: two\n\tand more\nSubject: x\n\nReceived: not this\n".to_vec(),
    };
    assert_eq!(stored.header("received"), ["one", "two and more"]);
    assert_eq!((stored.promised('S'), stored.promised('W'), stored.promised('T')), (Some(12), Some(34), None));
}
