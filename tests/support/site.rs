//! A server proper with the sample organisation, and domains whose mail goes to hosts of the test.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::process::run;
use super::server::{LISTENERS, PROGRAM, Server};
use super::smtp::Client;
use super::{Place, free_port};

/// The sample organisation, from the root of the project.
pub(crate) const CONTOSO: &str = "fixtures/directories/contoso.toml";

/// Its configuration and where it listens. It can be started again and again.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) config: PathBuf,
    ports: [u16; 3],
    /// Where a proxy that ended TLS hands accounts in.
    proxied: u16,
}

impl Site {
    /// Makes the configuration, with `more` at its end, and the organisation, with `domains` whose mail goes to a port
    /// of 127.0.0.1.
    pub(crate) fn set_up(place: &Place, domains: &[(&str, u16)], more: &str) -> Self {
        Self::set_up_at(place, free_port(), domains, more)
    }

    /// The same with the port where other servers deliver.
    pub(crate) fn set_up_at(place: &Place, inbound: u16, domains: &[(&str, u16)], more: &str) -> Self {
        let site = Self::lay_out(place, inbound, more);
        let contoso = Path::new(env!("CARGO_MANIFEST_DIR")).join(CONTOSO);
        let mut organisation = std::fs::read_to_string(contoso).unwrap();
        for (domain, port) in domains {
            organisation += &format!(
                "\n[[domain]]\ndomain = \"{domain}\"\ntype = \"InternalRelay\"\nnext_host = \"127.0.0.1:{port}\"\n"
            );
        }
        let organisation = place.file("organisation.toml", organisation);
        let (imported, text) = site.franking(&["import", organisation.to_str().unwrap()]);
        assert!(imported, "{text}");
        site
    }

    /// Makes the configuration alone.
    pub(crate) fn lay_out(place: &Place, inbound: u16, more: &str) -> Self {
        let data = place.directory("data");
        let (ports, proxied) = ([inbound, free_port(), free_port()], free_port());
        let listeners = LISTENERS.iter().zip(ports).map(|((role, tls), port)| {
            format!("[[listener]]\naddress = \"127.0.0.1:{port}\"\nrole = \"{role}\"\ntls = \"{tls}\"\n\n")
        });
        let text = format!(
            "hostname = \"mx.contoso.example\"\ndata = \"{}\"\n\n{}[[listener]]\naddress = \"127.0.0.1:{proxied}\"\n\
             tls = \"none\"\nproxy_from = [\"127.0.0.1\"]\nproxy_tls = true\n\n[log]\nformat = \"json\"\n\n{more}",
            data.display(),
            listeners.collect::<String>(),
        );
        let config = place.file("franking.toml", text);
        Self { config, ports, proxied }
    }

    pub(crate) fn start(&self, place: &Place) -> Server {
        Server::serve(place, &self.config, self.ports)
    }

    /// Where it listens: inbound, submission, submission with TLS from the first octet.
    pub(crate) const fn ports(&self) -> [u16; 3] {
        self.ports
    }

    /// Where accounts hand mail in after STARTTLS.
    pub(crate) fn submission(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.ports[1]).into()
    }

    /// Where other servers deliver.
    pub(crate) fn inbound(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.ports[0]).into()
    }

    /// A session of alice's.
    pub(crate) fn alice(&self) -> Client {
        self.try_alice().expect("a session")
    }

    /// The same; none while the server is gone.
    pub(crate) fn try_alice(&self) -> Option<Client> {
        self.sign_in("alice").ok()
    }

    /// A session over TLS that a proxy ended, so that the test need not speak it.
    pub(crate) fn session(&self) -> std::io::Result<Client> {
        Client::connect_by_proxy(([127, 0, 0, 1], self.proxied).into())
    }

    /// A session of an account of the sample organisation; the error is the reply that refused it.
    pub(crate) fn sign_in(&self, local: &str) -> std::io::Result<Client> {
        let mut client = self.session()?;
        client.sign_in(local)?;
        Ok(client)
    }

    /// Runs a command; whether it succeeded, and what it said.
    pub(crate) fn franking(&self, arguments: &[&str]) -> (bool, String) {
        let outcome = run(Command::new(PROGRAM).arg("--config").arg(&self.config).args(arguments), "");
        (outcome.status.success(), outcome.text)
    }

    /// Runs a command that answers in JSON, whatever it answers.
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<&str> = arguments.iter().copied().chain(["--json"]).collect();
        let (_, text) = self.franking(&arguments);
        let start = text.find('{').unwrap_or_else(|| panic!("{text}"));
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter();
        values.next().expect("an answer").unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// How many messages are in the queue.
    pub(crate) fn queued(&self) -> u64 {
        let list = self.json(&["queue", "list"]);
        list["total"].as_u64().unwrap_or_else(|| panic!("{list}"))
    }

    /// The last answer from each next host, or about it, by its port.
    pub(crate) fn answers(&self) -> Vec<(u16, String)> {
        let list = self.json(&["queue", "destinations"]);
        let of = |one: &Value| {
            let port = one["name"].as_str()?.rsplit_once(':')?.1.parse().ok()?;
            Some((port, one["last_answer"].as_str()?.to_owned()))
        };
        list["destinations"].as_array().unwrap_or_else(|| panic!("{list}")).iter().filter_map(of).collect()
    }
}
