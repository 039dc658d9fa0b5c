//! A host that follows a script: it can do what no mail program does on purpose.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::PATIENCE;

/// What it does wrong until it is mended.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    /// These octets instead of the reply at a step; then it hangs up.
    Says(Step, &'static [u8]),
    /// An octet of the reply at a step now and then, never the whole.
    Drips(Step),
    /// A reply at a step that has no end.
    Chatters(Step),
    /// It takes connections and never says anything.
    Silent,
    /// Agrees to STARTTLS and sends these octets instead of a handshake; nothing at all when empty.
    BreaksTls(&'static [u8]),
    /// Agrees to STARTTLS and hangs up.
    LeavesTls,
    /// Takes the whole message and hangs up without a word; it keeps the message or not.
    LeavesAfterDot {
        /// It is responsible for the message.
        keeps: bool,
    },
    /// Reads nothing of the message.
    IsDeaf,
    /// Refuses after the first octets of the message, and reads no more.
    Interrupts,
}

/// Where in the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Greeting,
    Ehlo,
    Mail,
    Rcpt,
    Data,
    Dot,
}

struct Shared {
    fault: Fault,
    mended: AtomicBool,
    over: AtomicBool,
    connections: AtomicUsize,
    taken: Mutex<Vec<String>>,
}

/// A host that runs until this is dropped.
pub(super) struct Host {
    pub(super) port: u16,
    shared: Arc<Shared>,
}

impl Host {
    pub(super) fn start(fault: Fault) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            fault,
            mended: AtomicBool::new(false),
            over: AtomicBool::new(false),
            connections: AtomicUsize::new(0),
            taken: Mutex::default(),
        });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if own.over.load(Ordering::Relaxed) {
                    return;
                }
                own.connections.fetch_add(1, Ordering::Relaxed);
                let shared = Arc::clone(&own);
                // Whatever goes wrong with a connection ends the connection.
                std::thread::spawn(move || Visit::begin(&shared, stream).and_then(|mut visit| visit.serve()));
            }
        });
        Self { port, shared }
    }

    /// From the next connection on it behaves.
    pub(super) fn mend(&self) {
        self.shared.mended.store(true, Ordering::Relaxed);
    }

    /// The messages that it has taken responsibility for.
    pub(super) fn taken(&self) -> Vec<String> {
        self.shared.taken.lock().unwrap().clone()
    }

    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::Relaxed);
        // Wakes the thread that listens.
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

/// One connection.
struct Visit<'a> {
    shared: &'a Shared,
    fault: Option<Fault>,
    stream: BufReader<TcpStream>,
}

impl<'a> Visit<'a> {
    fn begin(shared: &'a Shared, stream: TcpStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let fault = (!shared.mended.load(Ordering::Relaxed)).then_some(shared.fault);
        Ok(Self { shared, fault, stream: BufReader::new(stream) })
    }

    fn say(&mut self, octets: &[u8]) -> io::Result<()> {
        self.stream.get_mut().write_all(octets)
    }

    /// The reply at a step, or what the script says instead; then the visit ends with an error.
    fn reply(&mut self, step: Step, usual: &[u8]) -> io::Result<()> {
        let over = || Err(io::ErrorKind::ConnectionAborted.into());
        match self.fault {
            Some(Fault::Says(at, octets)) if at == step => {
                self.say(octets)?;
                over()
            }
            Some(Fault::Drips(at)) if at == step => loop {
                self.say(b"2")?;
                std::thread::sleep(Duration::from_millis(100));
            },
            Some(Fault::Chatters(at)) if at == step => loop {
                self.say(b"250-and another thing\r\n")?;
            },
            Some(_) | None => self.say(usual),
        }
    }

    fn serve(&mut self) -> io::Result<()> {
        if matches!(self.fault, Some(Fault::Silent)) {
            return self.wait_for_end();
        }
        self.reply(Step::Greeting, b"220 scripted.example ESMTP\r\n")?;
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" if self.breaks_tls() => {
                    self.say(b"250-scripted.example\r\n250-STARTTLS\r\n250 ENHANCEDSTATUSCODES\r\n")?;
                }
                "EHLO" => self.reply(Step::Ehlo, b"250-scripted.example\r\n250 ENHANCEDSTATUSCODES\r\n")?,
                "STAR" => {
                    self.say(b"220 2.0.0 Go ahead\r\n")?;
                    return self.spoil_tls();
                }
                "MAIL" => self.reply(Step::Mail, b"250 2.1.0 ok\r\n")?,
                "RCPT" => self.reply(Step::Rcpt, b"250 2.1.5 ok\r\n")?,
                "DATA" => self.take()?,
                "QUIT" => return self.say(b"221 2.0.0 bye\r\n"),
                _ => self.say(b"250 2.0.0 ok\r\n")?,
            }
        }
    }

    const fn breaks_tls(&self) -> bool {
        matches!(self.fault, Some(Fault::BreaksTls(_) | Fault::LeavesTls))
    }

    fn spoil_tls(&mut self) -> io::Result<()> {
        if let Some(Fault::BreaksTls(octets)) = self.fault {
            self.say(octets)?;
            return self.wait_for_end();
        }
        Ok(())
    }

    fn take(&mut self) -> io::Result<()> {
        self.reply(Step::Data, b"354 go on\r\n")?;
        match self.fault {
            Some(Fault::IsDeaf) => {
                // Until the other side has had enough, which is heard without reading.
                let mut octet = [0; 1];
                while self.stream.get_ref().peek(&mut octet).is_ok_and(|count| count > 0) {
                    std::thread::sleep(Duration::from_millis(50));
                    if self.shared.mended.load(Ordering::Relaxed) {
                        break;
                    }
                }
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            Some(Fault::Interrupts) => {
                self.stream.read_exact(&mut [0; 10])?;
                self.say(b"552 5.3.4 That is too much\r\n")?;
                return self.wait_for_end();
            }
            Some(_) | None => {}
        }
        let mut message = String::new();
        loop {
            let mut line = String::new();
            if self.stream.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if line == ".\r\n" {
                break;
            }
            message += &line;
        }
        if let Some(Fault::LeavesAfterDot { keeps }) = self.fault {
            if keeps {
                self.shared.taken.lock().unwrap().push(message);
            }
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        self.reply(Step::Dot, b"250 2.0.0 taken\r\n")?;
        self.shared.taken.lock().unwrap().push(message);
        Ok(())
    }

    /// Reads until the other side hangs up.
    fn wait_for_end(&mut self) -> io::Result<()> {
        io::copy(&mut self.stream, &mut io::sink()).map(|_| ())
    }
}
