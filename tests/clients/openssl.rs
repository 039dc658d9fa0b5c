//! OpenSSL's client, which tells more about TLS than any mail program.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::process::{Outcome, run};
use crate::support::server::Server;
use crate::support::{Place, parts};

struct OpenSsl {
    program: PathBuf,
    authority: PathBuf,
}

impl OpenSsl {
    /// Connects, and says QUIT once TLS is on.
    fn connect(&self, target: &[&str], more: &[&str]) -> Outcome {
        let mut command = Command::new(&self.program);
        command.arg("s_client").args(target).args(["-ign_eof", "-verify_return_error", "-CAfile"]);
        run(command.arg(&self.authority).args(more), "QUIT\r\n")
    }
}

fn with_demo(test: impl FnOnce(&OpenSsl, &[(&str, Vec<String>)])) {
    let Some(program) = parts::find("openssl") else { return };
    let place = Place::new();
    let server = Server::demo(&place);
    let open_ssl = OpenSsl { program, authority: server.authority() };
    let targets = [
        (
            "inbound",
            vec!["-connect".to_owned(), server.inbound().to_string(), "-starttls".to_owned(), "smtp".to_owned()],
        ),
        (
            "submission",
            vec!["-connect".to_owned(), server.submission().to_string(), "-starttls".to_owned(), "smtp".to_owned()],
        ),
        ("submissions", vec!["-connect".to_owned(), server.submissions().to_string()]),
    ];
    test(&open_ssl, &targets);
    server.stop();
}

fn strs(target: &[String]) -> Vec<&str> {
    target.iter().map(String::as_str).collect()
}

#[test]
fn every_listener_proves_itself_with_the_development_authority() {
    with_demo(|open_ssl, targets| {
        for (listener, target) in targets {
            for (version, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
                let more = [version, "-verify_hostname", "localhost"];
                let Outcome { status, text } = open_ssl.connect(&strs(target), &more);
                assert!(status.success(), "{listener} {version}: {text}");
                assert!(text.contains("Verify return code: 0 (ok)"), "{listener} {version}: {text}");
                assert!(text.contains(&format!("New, {name}, Cipher is ")), "{listener} {version}: {text}");
                assert!(text.lines().any(|line| line.starts_with("221 ")), "{listener} {version}: {text}");
            }
        }
    });
}

#[test]
fn a_client_that_wants_another_name_or_authority_is_not_deceived() {
    with_demo(|open_ssl, targets| {
        let nobodys = OpenSsl { program: open_ssl.program.clone(), authority: PathBuf::from("/dev/null") };
        for (listener, target) in targets {
            let other = open_ssl.connect(&strs(target), &["-verify_hostname", "mail.fabrikam.example"]);
            assert!(!other.status.success() && !other.text.contains("221 "), "{listener}: {}", other.text);
            let unknown = nobodys.connect(&strs(target), &["-no-CApath", "-no-CAstore"]);
            assert!(!unknown.status.success() && !unknown.text.contains("221 "), "{listener}: {}", unknown.text);
        }
    });
}

#[test]
fn what_is_older_than_tls_1_2_is_refused() {
    with_demo(|open_ssl, targets| {
        for (listener, target) in targets {
            for version in ["-tls1", "-tls1_1"] {
                // At security level 0 the client itself would still do it, so the refusal is the server's.
                let Outcome { status, text } =
                    open_ssl.connect(&strs(target), &[version, "-cipher", "DEFAULT:@SECLEVEL=0"]);
                assert!(!status.success() && !text.contains("221 "), "{listener} {version}: {text}");
                // "Protocol version", or "handshake failure" when the offer lacks what every later version has.
                let alerts = ["SSL alert number 70", "SSL alert number 40"];
                assert!(alerts.iter().any(|alert| text.contains(alert)), "{listener} {version}: {text}");
            }
        }
    });
}

#[test]
fn the_key_of_the_authority_is_not_where_others_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    let server = Server::demo(&place);
    let directory = server.authority().parent().map(Path::to_owned).unwrap();
    let keys: Vec<_> = directory.read_dir().unwrap().flatten().map(|entry| entry.path()).collect();
    let keys = keys.into_iter().filter(|path| path.extension().is_some_and(|extension| extension == "key"));
    let modes: Vec<_> = keys.map(|key| (key.metadata().unwrap().permissions().mode() & 0o777, key)).collect();
    assert!(!modes.is_empty() && modes.iter().all(|(mode, _)| mode & 0o077 == 0), "{modes:?}");
    server.stop();
}
