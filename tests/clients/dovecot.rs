//! Dovecot serves the mailboxes that the server filled.

use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use franking::model::directory::RecipientId;
use franking::store::mailbox::{Delivery, DeliveryName, Flags, Folder, MailboxName, MailboxStore, Message, Repeat};
use franking::world::disk::RealDisk;

use super::imap::Imap;
use super::swaks::{Swaks, Tls};
use crate::support::maildir::{Stored, messages};
use crate::support::process::{Running, run};
use crate::support::server::Server;
use crate::support::site::Site;
use crate::support::smtp::Client;
use crate::support::{Place, free_port, parts, wait_for, wait_for_port};

const PASSWORD: &str = "imap-password";

/// Dovecot refuses to read mail as root; where tests run as root, mailboxes go to this user, which every system has.
const NOBODY: u32 = 65_534;

/// A running Dovecot with a configuration of its own.
struct Dovecot {
    process: Running,
    port: u16,
}

impl Dovecot {
    /// `None` after saying that the test is left out. Serves the Maildirs in `mail`, each under its name there.
    fn start(place: &Place, mail: &Path) -> Option<Self> {
        Self::start_with(place, mail, "")
    }

    /// The same with more configuration.
    fn start_with(place: &Place, mail: &Path, more: &str) -> Option<Self> {
        let program = parts::find("dovecot")?;
        let port = free_port();
        let run = place.directory("dovecot");
        let configuration = place.file("dovecot.conf", configuration(&run, mail, port) + more);
        let mut command = Command::new(program);
        command.arg("-F").arg("-c").arg(configuration);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let dovecot = Self { process: Running::start(&mut command), port };
        wait_for_port("dovecot", port);
        Some(dovecot)
    }

    fn sign_in(&self, user: &str) -> Imap {
        Imap::sign_in(self.port, user, PASSWORD)
    }
}

fn configuration(run: &Path, mail: &Path, port: u16) -> String {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    // Without root, everything runs as the user of the tests, and nothing can be locked in.
    let (identity, users) = if user.is_root() {
        (format!("uid={NOBODY} gid={NOBODY}"), String::new())
    } else {
        let name = std::env::var_os("USER").unwrap_or_default();
        let name = name.to_string_lossy();
        let users = format!("default_internal_user = {name}\ndefault_login_user = {name}\n");
        (format!("uid={} gid={}", user.as_raw(), group.as_raw()), users)
    };
    let (run, mail) = (run.display(), mail.display());
    format!(
        "base_dir = {run}/run\n\
         state_dir = {run}/state\n\
         log_path = {run}/log\n\
         protocols = imap\n\
         listen = 127.0.0.1\n\
         ssl = no\n\
         disable_plaintext_auth = no\n\
         {users}\
         first_valid_uid = 1\n\
         first_valid_gid = 0\n\
         mail_location = maildir:{mail}/%u:INDEX=MEMORY\n\
         passdb {{\n  driver = static\n  args = password={PASSWORD}\n}}\n\
         userdb {{\n  driver = static\n  args = {identity} home={mail}/%u\n}}\n\
         namespace inbox {{\n  inbox = yes\n  mailbox \"Sent Items\" {{\n    special_use = \\Sent\n  }}\n}}\n\
         service imap-login {{\n  chroot =\n  inet_listener imap {{\n    port = {port}\n  }}\n\
         \x20 inet_listener imaps {{\n    port = 0\n  }}\n}}\n\
         service anvil {{\n  chroot =\n}}\n"
    )
}

/// Gives everything below `path` to the user that Dovecot reads mail as, if this is root's.
fn hand_over(path: &Path) {
    if rustix::process::geteuid().is_root() {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
        if path.is_dir() {
            path.read_dir().unwrap().flatten().for_each(|entry| hand_over(&entry.path()));
        }
    }
}

/// A message on the wire: every line ends with CRLF.
fn on_the_wire(stored: &Stored) -> Vec<u8> {
    stored.text().replace('\n', "\r\n").into_bytes()
}

/// The name of a stored message promises both sizes, and keeps the promise.
fn assert_sizes(stored: &Stored) {
    let name = stored.path.display();
    assert_eq!(stored.promised('S'), Some(stored.bytes.len()), "{name}");
    assert_eq!(stored.promised('W'), Some(on_the_wire(stored).len()), "{name}");
}

#[test]
fn dovecot_shows_what_was_delivered_octet_by_octet() {
    let (Some(swaks), Some(_)) = (Swaks::find(), parts::find("dovecot")) else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    let alice = "alice@contoso.example";
    let body = "umlaut: ä\\n.\\n..\\n   indented\\n\\nlast";
    for token in ["read-1", "read-2", "read-3"] {
        let subject = format!("Subject: {token}");
        let more = ["--header", &subject, "--body", body];
        swaks.submit(server.submission(), Tls::Starttls, "alice", alice, &more).must_be_accepted();
        server.mailbox("alice").wait_for(token);
    }
    let maildir = server.mailbox("alice").directory().expect("a mailbox");
    let sent = maildir.join(".Sent Items");
    wait_for("copies in Sent Items", || (messages(&sent).len() == 3).then_some(()));
    server.stop();

    let mail = place.directory("mail");
    hand_over(place.path().join("data").as_path());
    symlink(&maildir, mail.join("alice")).unwrap();
    let Some(mut dovecot) = Dovecot::start(&place, &mail) else { return };
    let mut imap = dovecot.sign_in("alice");
    for listed in ["LIST \"\" *", "LSUB \"\" *"] {
        let folders = imap.command(listed);
        assert!(folders.iter().any(|folder| folder.line.ends_with("\"Sent Items\"")), "{folders:?}");
    }
    assert!(imap.command("LIST \"\" *").iter().any(|folder| folder.line.contains("\\Sent")));
    for (folder, path) in [("INBOX", &maildir), ("Sent Items", &sent)] {
        assert_eq!(imap.select(folder), 3);
        let fetched: Vec<_> = (1..=3).map(|number| imap.fetch(number)).collect();
        assert!(fetched.iter().all(|(message, size)| message.len() == *size), "a size is wrong");
        let stored = messages(path);
        assert_eq!(stored.len(), 3);
        for stored in &stored {
            assert_sizes(stored);
            let wire = on_the_wire(stored);
            assert_eq!(fetched.iter().filter(|(message, _)| *message == wire).count(), 1, "{}", stored.path.display());
            assert!(stored.text().contains("umlaut: ä\n.\n..\n   indented\n\nlast\n"), "{}", stored.text());
        }
    }
    // What one has written oneself is not unread.
    assert_eq!(
        imap.command("SEARCH SEEN").iter().map(|found| found.line.as_str()).collect::<Vec<_>>(),
        ["* SEARCH 1 2 3"]
    );
    imap.command("SELECT INBOX");
    // A reader that flags and removes is at peace with the names of the files.
    imap.command("STORE 1 +FLAGS (\\Seen \\Deleted)");
    imap.command("EXPUNGE");
    assert_eq!(imap.select("INBOX"), 2);
    imap.command("LOGOUT");
    assert!(dovecot.process.stop().is_some(), "dovecot did not stop");
    let log = std::fs::read_to_string(place.path().join("dovecot/log")).unwrap();
    assert!(!log.contains("Error") && !log.contains("Corrupt"), "{log}");
}

#[test]
fn what_doveadm_removes_makes_room_for_mail() {
    let (Some(_), Some(doveadm)) = (parts::find("dovecot"), parts::find("doveadm")) else { return };
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    let (succeeded, text) = site.franking(&[
        "recipient",
        "set",
        "alice",
        "--quota-receive",
        "2000",
        "--quota-send",
        "2000",
        "--quota-warning",
        "unlimited",
    ]);
    assert!(succeeded, "{text}");
    let eve = "eve@fabrikam.example";
    let send = |token: &str| {
        let content = format!("From: {eve}\r\nSubject: {token}\r\n\r\n{}\r\n", "seventy octets or so. ".repeat(100));
        Client::connect(site.inbound()).unwrap().send(eve, &["alice@contoso.example"], &content)
    };
    send("fills").unwrap();
    server.mailbox("alice").wait_for("fills");
    let refused = send("too-much").unwrap_err().to_string();
    assert!(refused.contains("5.2.2"), "{refused}");
    let maildir = server.mailbox("alice").directory().expect("a mailbox");
    let mail = place.directory("mail");
    hand_over(place.path().join("data/mailboxes").as_path());
    open_up(&place);
    symlink(&maildir, mail.join("alice")).unwrap();
    let Some(mut dovecot) = Dovecot::start(&place, &mail) else { return };
    let configuration = place.path().join("dovecot.conf");
    let mut command = Command::new(doveadm);
    command.arg("-c").arg(&configuration).args(["expunge", "-u", "alice", "mailbox", "INBOX", "all"]);
    let outcome = run(&mut command, "");
    assert!(outcome.status.success(), "{}", outcome.text);
    assert_eq!(messages(&maildir).len(), 0);
    // Nobody told the server: it looks at the mailbox when somebody wants to put something in.
    wait_for("room for mail", || send("fits-again").ok());
    server.mailbox("alice").wait_for("fits-again");
    let shown = site.json(&["mailbox", "show", "alice"]);
    let held = shown.pointer("/mailboxes/0/messages").and_then(serde_json::Value::as_u64);
    assert_eq!(held, Some(1), "{shown}");
    assert!(dovecot.process.stop().is_some(), "dovecot did not stop");
    server.stop();
}

/// Lets the user that Dovecot reads mail as pass through the data directory, which nobody else may.
fn open_up(place: &Place) {
    if rustix::process::geteuid().is_root() {
        use std::os::unix::fs::PermissionsExt as _;
        let data = place.path().join("data");
        std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o711)).unwrap();
    }
}

/// What was removed from a mailbox and is kept: subjects, in order, and what is read of each.
fn recoverable(store: &MailboxStore, mailbox: &MailboxName) -> Vec<(String, String)> {
    let listed = store.recoverable(mailbox, None, 100).unwrap();
    let read = |name: &str| {
        let file = store.recoverable_message(mailbox, name).unwrap().expect("a message that is listed");
        let mut content = vec![0; usize::try_from(file.length().unwrap()).unwrap()];
        file.read_exact_at(&mut content, 0).unwrap();
        String::from_utf8(content).unwrap()
    };
    let mut found: Vec<_> = listed.into_iter().map(|message| (message.subject, read(&message.name))).collect();
    found.sort();
    found
}

#[test]
fn what_is_expunged_from_a_mailbox_on_hold_stays_readable_until_the_hold_is_released() {
    let place = Place::new();
    let mail = place.directory("mail");
    let (owner, mailbox) = (RecipientId(7), MailboxName::of_recipient(RecipientId(7)));
    let store = MailboxStore::open(Arc::new(RealDisk), &mail, "mx.contoso.example", 1).unwrap();
    store.set_on_hold(Arc::new([owner].into()));
    for token in ["kept-1", "kept-2", "kept-3"] {
        let text = format!("Subject: {token}\r\n\r\nbody of {token}\r\n");
        let delivery = Delivery {
            mailbox: mailbox.clone(),
            folder: Folder::Inbox,
            name: DeliveryName::new(token, 0, 1_767_603_600).unwrap(),
            head: Vec::new(),
            message: Message::Bytes(text.into_bytes().into()),
            flags: Flags::NONE,
            repeat: Repeat::Never,
            full_at: None,
        };
        store.deliver_blocking(delivery).unwrap().wait().unwrap();
    }
    hand_over(&mail);
    let Some(mut dovecot) = Dovecot::start(&place, &mail) else { return };
    let mut imap = dovecot.sign_in(mailbox.as_str());
    assert_eq!(imap.select("INBOX"), 3);
    assert!(imap.command("LIST \"\" *").iter().all(|folder| !folder.line.contains("held")));

    // Kept in another folder, and written by the reader itself.
    imap.command("CREATE Archive");
    imap.command("COPY 1 Archive");
    let draft = "Subject: kept-4\r\n\r\nbody of kept-4\r\n";
    imap.command(&format!("APPEND INBOX {{{}+}}\r\n{draft}", draft.len()));
    let held = mail.join(".held").join(mailbox.as_str());
    wait_for("the draft to be kept", || {
        store.tend();
        (held.read_dir().unwrap().count() == 4).then_some(())
    });
    assert_eq!(imap.select("INBOX"), 4);
    assert!(recoverable(&store, &mailbox).is_empty());
    imap.command("STORE 1:4 +FLAGS (\\Seen \\Deleted)");
    imap.command("EXPUNGE");
    assert_eq!(imap.select("INBOX"), 0);
    let found = recoverable(&store, &mailbox);
    let subjects: Vec<&str> = found.iter().map(|(subject, _)| subject.as_str()).collect();
    assert_eq!(subjects, ["kept-2", "kept-3", "kept-4"], "the first is still in the archive");
    assert!(found.iter().all(|(subject, text)| text.contains(&format!("body of {subject}"))));
    imap.select("Archive");
    imap.command("STORE 1 +FLAGS (\\Deleted)");
    imap.command("EXPUNGE");
    assert_eq!(recoverable(&store, &mailbox).len(), 4);

    store.set_on_hold(Arc::default());
    store.release_hold(owner, &mut |_| core::ops::ControlFlow::Continue(())).unwrap();
    assert!(recoverable(&store, &mailbox).is_empty() && !held.exists());
    imap.command("LOGOUT");
    assert!(dovecot.process.stop().is_some(), "dovecot did not stop");
    let log = std::fs::read_to_string(place.path().join("dovecot/log")).unwrap();
    assert!(!log.contains("Error") && !log.contains("Corrupt"), "{log}");
}

#[test]
fn what_is_copied_from_a_removed_mailbox_its_reader_finds_in_the_same_folders() {
    let Some(_) = parts::find("dovecot") else { return };
    let place = Place::new();
    let site = Site::set_up(&place, &[], "");
    let server = site.start(&place);
    let eve = "eve@fabrikam.example";
    let send = |to: &str, token: &str| {
        let content = format!("From: {eve}\r\nSubject: {token}\r\n\r\nbody of {token}\r\n");
        Client::connect(site.inbound()).unwrap().send(eve, &[to], &content).unwrap();
        let local = to.split('@').next().unwrap();
        server.mailbox(local).wait_for(token);
    };
    send("alice@contoso.example", "own");
    send("bob@contoso.example", "inherited-1");
    let (target, source) = (server.mailbox("alice").directory().unwrap(), server.mailbox("bob").directory().unwrap());
    let filed = source.join(".Projects/cur");
    std::fs::create_dir_all(&filed).unwrap();
    let text = "Subject: inherited-2\n\nbody\n";
    std::fs::write(filed.join(format!("1767603600.M1P1.host,S={}:2,FS", text.len())), text).unwrap();
    let mail = place.directory("mail");
    hand_over(place.path().join("data/mailboxes").as_path());
    open_up(&place);
    symlink(&target, mail.join("alice")).unwrap();
    let Some(mut dovecot) = Dovecot::start(&place, &mail) else { return };
    let mut imap = dovecot.sign_in("alice");
    assert_eq!(imap.select("INBOX"), 1);
    let (removed, text) = site.franking(&["recipient", "remove", "bob"]);
    assert!(removed, "{text}");
    let (copied, text) =
        site.franking(&["mailbox", "copy", "bob", "--to", "alice", "--allow-legacy-dn-mismatch", "--json"]);
    assert!(copied && text.contains("\"messages\": 2"), "{text}");
    // What the server made is given to the reader's user, as an operator's umask and groups do.
    hand_over(&target);
    assert_eq!(imap.select("INBOX"), 2, "a session that was open sees it");
    assert_eq!(imap.select("Projects"), 1);
    let flags = imap.command("FETCH 1 (FLAGS BODY.PEEK[])");
    let (line, body) = (&flags[0].line, &flags[0].literals[0]);
    assert!(line.contains("\\Flagged") && line.contains("\\Seen"), "{line}");
    assert!(body.starts_with(b"Subject: inherited-2\r\n"), "{}", String::from_utf8_lossy(body));
    imap.command("LOGOUT");
    assert!(dovecot.process.stop().is_some(), "dovecot did not stop");
    server.stop();
}

/// What was removed before anybody could keep it, and what is kept, after a reader wrote a message and deleted it at once.
fn written_and_deleted_at_once(more: &str) -> Option<(usize, usize)> {
    let place = Place::new();
    let mail = place.directory("mail");
    let (owner, mailbox) = (RecipientId(7), MailboxName::of_recipient(RecipientId(7)));
    let store = MailboxStore::open(Arc::new(RealDisk), &mail, "mx.contoso.example", 1).unwrap();
    store.set_on_hold(Arc::new([owner].into()));
    store.create(&mailbox).unwrap();
    store.begin_hold(owner, &mut |_| core::ops::ControlFlow::Continue(())).unwrap();
    hand_over(&mail);
    let mut dovecot = Dovecot::start_with(&place, &mail, more)?;
    let mut imap = dovecot.sign_in(mailbox.as_str());
    assert_eq!(imap.select("INBOX"), 0);
    let draft = "Subject: hasty\r\n\r\nbody\r\n";
    imap.command(&format!("APPEND INBOX {{{}+}}\r\n{draft}", draft.len()));
    assert_eq!(imap.select("INBOX"), 1);
    imap.command("STORE 1 +FLAGS (\\Deleted)");
    imap.command("EXPUNGE");
    assert_eq!(imap.select("INBOX"), 0);
    // Only now somebody looks.
    (0..4).for_each(|_| store.tend());
    let in_folder = if more.is_empty() { 0 } else { imap.select("EXPUNGED") };
    if in_folder > 0 {
        imap.command("STORE 1 +FLAGS (\\Deleted)");
        imap.command("EXPUNGE");
        assert_eq!(imap.select("EXPUNGED"), 0);
    }
    imap.command("LOGOUT");
    assert!(dovecot.process.stop().is_some(), "dovecot did not stop");
    Some((in_folder, recoverable(&store, &mailbox).len()))
}

#[test]
fn what_a_reader_writes_and_deletes_at_once_is_kept_where_dovecot_expunges_lazily() {
    let lazily = "mail_plugins = lazy_expunge\nplugin {\n  lazy_expunge = EXPUNGED\n}\n";
    let Some(lazy) = written_and_deleted_at_once(lazily) else { return };
    assert_eq!(lazy, (1, 1), "it is moved first, kept there, and stays kept when its owner empties that folder");
    // The limit that the README tells.
    assert_eq!(written_and_deleted_at_once(""), Some((0, 0)));
}
