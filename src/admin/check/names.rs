//! Asks the system's resolver for names, all at once and within seconds.

use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::mpsc;
use std::time::Duration;

/// How long a name server may take to answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The addresses of each host, as text, or what is wrong; in the order of the hosts. The system's resolver cannot be
/// interrupted: a thread that is left behind ends with the command.
pub(super) fn resolve(hosts: Vec<String>) -> Vec<Result<String, String>> {
    let asked: Vec<_> = hosts.into_iter().map(ask).collect();
    // All are asked already: the first that waits waits for all, and the others only look.
    let mut patience = TIMEOUT;
    let mut found = Vec::with_capacity(asked.len());
    for receiver in asked {
        let answer = receiver.recv_timeout(patience);
        if answer.is_err() {
            patience = Duration::ZERO;
        }
        found.push(match answer {
            Ok(Ok(addresses)) if !addresses.is_empty() => {
                Ok(addresses.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))
            }
            Ok(Ok(_)) => Err("has no address".to_owned()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("no name server answered".to_owned()),
        });
    }
    found
}

fn ask(host: String) -> mpsc::Receiver<std::io::Result<Vec<IpAddr>>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let found = (host.as_str(), 25).to_socket_addrs();
        let _ = sender.send(found.map(|found| found.map(|address| address.ip()).collect()));
    });
    receiver
}
