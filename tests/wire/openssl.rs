//! The TLS that others speak: `openssl s_client` on both kinds of port. Left out with a word where it is not installed.

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::rig::Rig;

/// Whether the program is there; where everything must be, its absence is a failure.
fn is_installed() -> bool {
    let found = Command::new("openssl").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    let installed = found.is_ok_and(|status| status.success());
    let required = std::env::var_os("FRANKING_REQUIRE_REAL_PARTS").is_some();
    assert!(installed || !required, "openssl is not installed: apt-get install openssl");
    if !installed {
        eprintln!("left out: openssl is not installed");
    }
    installed
}

/// What `openssl s_client` prints when it is told to say EHLO and QUIT.
fn talk(arguments: Vec<String>, authority: PathBuf) -> String {
    let mut child = Command::new("timeout")
        .args(["20", "openssl", "s_client", "-quiet", "-crlf", "-verify_return_error", "-CAfile"])
        .args([authority.as_os_str(), OsStr::new("-verify_hostname"), OsStr::new("mx.contoso.example")])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(b"EHLO client.fabrikam.example\nQUIT\n").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_negotiates_a_session_anew() {
    if !is_installed() {
        return;
    }
    let rig = Rig::start().await;
    let address = rig.implicit.to_string();
    let asked = tokio::task::spawn_blocking(move || {
        // "R" at the start of a line makes this client ask; it then waits for a handshake that never comes.
        let mut child = Command::new("timeout")
            .args(["3", "openssl", "s_client", "-tls1_2", "-crlf", "-connect", &address])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        for line in [&b"EHLO a.example\n"[..], b"R\n", b"NOOP\n"] {
            input.write_all(line).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(300));
        }
        let output = child.wait_with_output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
    });
    let said = asked.await.unwrap();
    assert!(said.contains("RENEGOTIATING") && said.contains("Hello [127.0.0.1]"), "{said}");
    assert_eq!(
        said.matches("verify return:").count(),
        said.split("RENEGOTIATING").next().unwrap().matches("verify return:").count()
    );
    rig.wait_until(|rig| rig.services.admission.open_sessions() == 0).await;
    rig.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_speaks_with_both_kinds_of_port_in_both_versions() {
    if !is_installed() {
        return;
    }
    let rig = Rig::start().await;
    for version in ["-tls1_2", "-tls1_3"] {
        for (address, how) in [(rig.starttls, &["-starttls", "smtp"][..]), (rig.implicit, &[])] {
            let mut arguments = vec![version.to_owned(), "-connect".to_owned(), address.to_string()];
            arguments.extend(how.iter().map(|&word| word.to_owned()));
            let authority = rig.directory.path().join("ca.pem");
            let said = tokio::task::spawn_blocking(move || talk(arguments, authority)).await.unwrap();
            assert!(said.contains("AUTH ") && said.contains("221 2.0.0 "), "{version} {address}: {said}");
        }
    }
    assert_eq!(rig.end().await.cut_off, 0);
}
