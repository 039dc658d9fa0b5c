//! The test double: scripted faults over real sockets, from the command line and the local socket, and what came in.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "tests may stop at the first surprise")]

mod application;
mod named;
mod server;

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::support::Place;
use crate::support::process::{Outcome, run};
use crate::support::server::{PROGRAM, Server};

/// Where accounts may sign in without TLS, so that a test can talk by hand, and where other servers deliver.
const LISTENERS: &str = "hostname = \"mail.contoso.example\"\n\
    [[listener]]\naddress = \"127.0.0.1:0\"\nrole = \"inbound\"\n\
    [[listener]]\naddress = \"127.0.0.1:0\"\nrole = \"submission\"\n\
    auth_without_tls = true\nnetworks = [\"127.0.0.0/8\"]\n\
    [[listener]]\naddress = \"127.0.0.1:0\"\nrole = \"submission\"\ntls = \"implicit\"\n\
    [policy]\nsent_items_copy = false\n";

/// A running test double and its socket.
struct Double {
    server: Server,
    socket: PathBuf,
}

impl Double {
    fn start(place: &Place) -> Self {
        let config = place.file("ephemeral.toml", LISTENERS);
        let server = Server::ephemeral(place, &["--config", config.to_str().unwrap()]);
        let socket = server.path("socket");
        Self { server, socket }
    }

    /// What `franking --socket … --json` answers; it must have been done.
    fn ask(&self, arguments: &[&str]) -> Value {
        let outcome = self.try_to(arguments);
        assert!(outcome.status.success(), "{arguments:?}: {}", outcome.text);
        serde_json::from_str(&outcome.text).unwrap_or_else(|error| panic!("{error}: {}", outcome.text))
    }

    fn try_to(&self, arguments: &[&str]) -> Outcome {
        run(Command::new(PROGRAM).arg("--socket").arg(&self.socket).arg("--json").args(arguments), "")
    }

    /// The one rule that there is from now on.
    fn only(&self, keys: &[&str]) {
        self.ask(&["faults", "clear"]);
        self.ask(&[&["faults", "add"], keys].concat());
    }
}
