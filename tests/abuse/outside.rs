//! A host of another organisation, which takes everything and counts it.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use crate::support::free_port;

/// The host. It can be away, as if nobody listened; it ends with the test program.
#[derive(Clone, Debug, Default)]
pub(super) struct Outside {
    pub(super) port: u16,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    recipients: Vec<String>,
    is_away: bool,
}

impl Outside {
    pub(super) fn start() -> Self {
        let outside = Self { port: free_port(), state: Arc::default() };
        let listener = TcpListener::bind(("127.0.0.1", outside.port)).unwrap();
        let own = outside.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let own = own.clone();
                std::thread::spawn(move || own.converse(&stream));
            }
        });
        outside
    }

    /// Answers nothing but 421 from now on, or everything again.
    pub(super) fn be_away(&self, is_away: bool) {
        self.state.lock().unwrap().is_away = is_away;
    }

    /// Recipients of what it took, in order.
    pub(super) fn recipients(&self) -> Vec<String> {
        self.state.lock().unwrap().recipients.clone()
    }

    fn converse(&self, stream: &TcpStream) -> Option<()> {
        let (mut writer, mut lines) = (stream.try_clone().ok()?, BufReader::new(stream).lines().map_while(Result::ok));
        let mut say = |text: &str| writer.write_all(format!("{text}\r\n").as_bytes()).ok();
        if self.state.lock().unwrap().is_away {
            return say("421 4.3.2 away");
        }
        say("220 mx.fabrikam.example ESMTP")?;
        let mut named = Vec::new();
        while let Some(line) = lines.next() {
            if self.state.lock().unwrap().is_away {
                return say("421 4.3.2 away");
            }
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "RCPT" => named.push(line.split(['<', '>']).nth(1)?.to_owned()),
                "DATA" => {
                    say("354 go on")?;
                    lines.by_ref().find(|line| line == ".")?;
                    self.state.lock().unwrap().recipients.append(&mut named);
                }
                "QUIT" => return say("221 bye"),
                _ => {}
            }
            say("250 OK")?;
        }
        None
    }

    /// A configuration by which all mail for others comes here.
    pub(super) fn route(&self) -> String {
        format!(
            "[relay]\nsmart_host = \"127.0.0.1\"\nport = {}\ntls = \"none\"\n\n[queue]\nretry_seconds = [1]\n",
            self.port
        )
    }
}
