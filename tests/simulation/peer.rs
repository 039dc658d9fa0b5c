//! Another mail server on one connection: what it offers, and how it misbehaves.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufStream, DuplexStream};
use tokio::time::sleep;

use super::dice::Dice;
use super::ledger::Receipt;
use super::network::Network;

/// What a host offers after EHLO.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offer {
    pipelining: bool,
    eight_bit: bool,
    chunking: bool,
    dsn: bool,
    size: Option<u64>,
    /// More recipients than this are turned away, in one transaction.
    recipients: usize,
    starttls: bool,
    ehlo: bool,
}

impl Offer {
    pub(super) fn draw(dice: &Dice) -> Self {
        Self {
            pipelining: !dice.chance(3),
            eight_bit: !dice.chance(5),
            chunking: dice.chance(4),
            dsn: dice.chance(2),
            size: dice.chance(4).then(|| dice.between(3_000, 60_000)),
            recipients: if dice.chance(5) { 1 } else { 100 },
            starttls: dice.chance(6),
            ehlo: !dice.chance(12),
        }
    }
}

/// A moment of the dialogue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Greeting,
    Hello,
    Mail,
    Recipient,
    Data,
    /// The message is complete, and the host has not taken it.
    Dot,
    /// The host has taken the message.
    Taken,
    Quit,
}

const STEPS: [Step; 10] = [
    Step::Greeting,
    Step::Hello,
    Step::Mail,
    Step::Recipient,
    Step::Recipient,
    Step::Data,
    Step::Dot,
    Step::Taken,
    Step::Taken,
    Step::Quit,
];

/// What a host does instead of answering well.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    Answer(u16),
    Hang,
    Drop,
    Late(u64),
    /// The good answer, an octet a second.
    Drip,
    Garbage,
    /// The good answer, without having taken anything.
    Lie,
}

const ACTS: [Act; 14] = [
    Act::Answer(421),
    Act::Answer(451),
    Act::Answer(452),
    Act::Answer(550),
    Act::Answer(554),
    Act::Hang,
    Act::Drop,
    Act::Drop,
    Act::Late(7),
    Act::Late(290),
    Act::Late(700),
    Act::Drip,
    Act::Garbage,
    Act::Lie,
];

/// How a host behaves on one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    trouble: Option<(Step, Act)>,
    /// So many seconds pass before each answer.
    slow: u64,
}

impl Manner {
    pub(super) const fn good() -> Self {
        Self { trouble: None, slow: 0 }
    }

    pub(super) fn draw(dice: &Dice) -> Self {
        let slow = if dice.chance(6) { *dice.pick(&[20, 110, 290]) } else { 0 };
        let trouble = (slow == 0 || dice.chance(2)).then(|| (*dice.pick(&STEPS), *dice.pick(&ACTS)));
        Self { trouble, slow }
    }

    fn at(self, step: Step) -> Option<Act> {
        self.trouble.and_then(|(troubled, act)| (troubled == step).then_some(act))
    }
}

/// One connection, from the other side.
pub(super) struct Connection {
    pub(super) number: u32,
    pub(super) address: IpAddr,
    pub(super) offer: Offer,
    pub(super) manner: Manner,
    pub(super) network: Arc<Network>,
}

/// The connection is over.
struct Over;

type Wire = BufStream<DuplexStream>;

#[derive(Default)]
struct Transaction {
    reverse_path: Option<String>,
    recipients: Vec<String>,
    content: Vec<u8>,
}

/// Speaks SMTP until the connection ends.
pub(super) async fn serve(stream: DuplexStream, connection: Connection) {
    let mut wire = BufStream::new(stream);
    let _ = connection.converse(&mut wire).await;
    connection.note("ends");
}

/// For longer than anybody waits.
const FOR_EVER: Duration = Duration::from_secs(30 * 86_400);

impl Connection {
    fn note(&self, text: &str) {
        self.network.chronicle().note(&format!("connection {} {text}", self.number));
    }

    async fn say(&self, wire: &mut Wire, text: &str) -> Result<(), Over> {
        wire.write_all(text.as_bytes()).await.map_err(|_| Over)?;
        wire.flush().await.map_err(|_| Over)
    }

    /// Gives the good answer, or does what the manner wants.
    async fn answer(&self, wire: &mut Wire, step: Step, good: &str) -> Result<bool, Over> {
        // DATA is waited for in less patience than everything else.
        let slow = if step == Step::Data { self.manner.slow.min(110) } else { self.manner.slow };
        if slow > 0 {
            sleep(Duration::from_secs(slow)).await;
        }
        match self.manner.at(step) {
            None | Some(Act::Lie) => self.say(wire, good).await.map(|()| true),
            Some(Act::Answer(code)) => {
                let class = code / 100;
                self.say(wire, &format!("{code} {class}.3.0 not like this\r\n")).await?;
                if code == 421 { Err(Over) } else { Ok(false) }
            }
            Some(Act::Hang) => {
                // Whoever waits in vain hangs up.
                let mut octet = [0; 64];
                while tokio::time::timeout(FOR_EVER, wire.read(&mut octet))
                    .await
                    .is_ok_and(|read| read.is_ok_and(|n| n > 0))
                {}
                Err(Over)
            }
            Some(Act::Drop) => Err(Over),
            Some(Act::Late(seconds)) => {
                sleep(Duration::from_secs(seconds)).await;
                self.say(wire, good).await.map(|()| true)
            }
            Some(Act::Drip) => {
                for octet in good.as_bytes() {
                    sleep(Duration::from_secs(1)).await;
                    wire.write_all(&[*octet]).await.map_err(|_| Over)?;
                    wire.flush().await.map_err(|_| Over)?;
                }
                Ok(true)
            }
            Some(Act::Garbage) => {
                self.say(wire, "\u{1}\u{2}garbage\r\n").await?;
                Ok(false)
            }
        }
    }

    async fn line(&self, wire: &mut Wire) -> Result<Vec<u8>, Over> {
        let mut line = Vec::new();
        match wire.read_until(b'\n', &mut line).await {
            Ok(count) if count > 0 && line.ends_with(b"\n") => {}
            Ok(_) | Err(_) => return Err(Over),
        }
        if !line.ends_with(b"\r\n") || line[..line.len() - 2].contains(&b'\r') {
            self.network.ledger().violation(format!("connection {} got a bare CR or LF", self.number));
        }
        line.truncate(line.len() - 2);
        Ok(line)
    }

    async fn converse(&self, wire: &mut Wire) -> Result<(), Over> {
        self.answer(wire, Step::Greeting, "220 peer ready\r\n").await?;
        let mut transaction = Transaction::default();
        loop {
            let line = self.line(wire).await?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" if !self.offer.ehlo => self.say(wire, "502 5.5.1 what?\r\n").await?,
                "EHLO" => {
                    self.answer(wire, Step::Hello, &self.keywords()).await?;
                }
                "HELO" => {
                    self.answer(wire, Step::Hello, "250 peer\r\n").await?;
                }
                "STARTTLS" => self.break_tls(wire).await?,
                "MAIL" => {
                    transaction = Transaction::default();
                    if self.answer(wire, Step::Mail, "250 2.1.0 fine\r\n").await? {
                        transaction.reverse_path = Some(path_of(&line));
                    }
                }
                "RCPT" => self.recipient(wire, &mut transaction, path_of(&line)).await?,
                "DATA" => self.data(wire, &mut transaction).await?,
                "BDAT" => self.chunk(wire, &mut transaction, &line).await?,
                "RSET" => {
                    transaction = Transaction::default();
                    self.say(wire, "250 2.0.0 forgotten\r\n").await?;
                }
                "QUIT" => {
                    self.answer(wire, Step::Quit, "221 2.0.0 bye\r\n").await?;
                    return Err(Over);
                }
                _ => self.say(wire, "500 5.5.2 what?\r\n").await?,
            }
        }
    }

    fn keywords(&self) -> String {
        let offer = &self.offer;
        let mut words = vec!["peer".to_owned()];
        let mut put = |offered: bool, word: &str| words.extend(offered.then(|| word.to_owned()));
        put(offer.pipelining, "PIPELINING");
        put(offer.eight_bit, "8BITMIME");
        put(offer.chunking, "CHUNKING");
        put(offer.dsn, "DSN");
        put(offer.starttls, "STARTTLS");
        words.extend(offer.size.map(|size| format!("SIZE {size}")));
        let last = words.len() - 1;
        let line = |(index, word): (usize, String)| format!("250{}{word}\r\n", if index == last { ' ' } else { '-' });
        words.into_iter().enumerate().map(line).collect()
    }

    /// Agrees to TLS and cannot do it, each host in its way.
    async fn break_tls(&self, wire: &mut Wire) -> Result<(), Over> {
        if self.number.is_multiple_of(3) {
            return self.say(wire, "454 4.7.0 not now\r\n").await;
        }
        self.say(wire, "220 2.0.0 go on\r\n").await?;
        let mut octets = [0; 5];
        wire.read_exact(&mut octets).await.map_err(|_| Over)?;
        if self.number % 3 == 1 {
            self.say(wire, "this is not TLS\r\n").await?;
        }
        Err(Over)
    }

    async fn recipient(&self, wire: &mut Wire, transaction: &mut Transaction, path: String) -> Result<(), Over> {
        if transaction.reverse_path.is_none() {
            return self.say(wire, "503 5.5.1 MAIL first\r\n").await;
        }
        if transaction.recipients.len() >= self.offer.recipients {
            return self.say(wire, "452 4.5.3 too many\r\n").await;
        }
        if self.network.is_greylisted(self.address, &path) {
            return self.say(wire, "451 4.7.1 come back later\r\n").await;
        }
        if self.answer(wire, Step::Recipient, "250 2.1.5 fine\r\n").await? {
            transaction.recipients.push(path);
        }
        Ok(())
    }

    async fn data(&self, wire: &mut Wire, transaction: &mut Transaction) -> Result<(), Over> {
        if transaction.recipients.is_empty() {
            return self.say(wire, "554 5.5.1 nobody to send to\r\n").await;
        }
        if !self.answer(wire, Step::Data, "354 go on\r\n").await? {
            return Ok(());
        }
        loop {
            let line = self.line(wire).await?;
            if line == b"." {
                return self.complete(wire, transaction).await;
            }
            transaction.content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
            transaction.content.extend_from_slice(b"\r\n");
        }
    }

    async fn chunk(&self, wire: &mut Wire, transaction: &mut Transaction, line: &str) -> Result<(), Over> {
        let mut words = line.split(' ').skip(1);
        let length = words.next().and_then(|word| word.parse().ok()).ok_or(Over)?;
        let last = words.next().is_some();
        let mut octets = vec![0; length];
        wire.read_exact(&mut octets).await.map_err(|_| Over)?;
        if transaction.recipients.is_empty() {
            return self.say(wire, "554 5.5.1 nobody to send to\r\n").await;
        }
        transaction.content.extend_from_slice(&octets);
        if last {
            return self.complete(wire, transaction).await;
        }
        if !self.answer(wire, Step::Data, "250 2.0.0 more\r\n").await? {
            *transaction = Transaction::default();
        }
        Ok(())
    }

    /// The message is complete.
    async fn complete(&self, wire: &mut Wire, transaction: &mut Transaction) -> Result<(), Over> {
        let Transaction { reverse_path, recipients, content } = core::mem::take(transaction);
        let reverse_path = reverse_path.unwrap_or_default();
        // A host that lies says well and takes nothing: for us the message is with it.
        if let Some(act) = self.manner.at(Step::Dot)
            && !matches!(act, Act::Lie | Act::Late(_) | Act::Drip)
        {
            return self.answer(wire, Step::Dot, "").await.map(|_| ());
        }
        self.note(&format!("takes a message for {recipients:?}"));
        let receipt = |recipient| Receipt {
            life: 0,
            recipient,
            reverse_path: reverse_path.clone(),
            content: content.clone(),
            answered: false,
        };
        let ledger = self.network.ledger();
        let places: Vec<usize> = recipients.into_iter().map(|one| ledger.received(receipt(one))).collect();
        let step = if self.manner.at(Step::Dot).is_some() { Step::Dot } else { Step::Taken };
        if self.answer(wire, step, "250 2.0.0 taken\r\n").await? {
            self.note("says that it took it");
            ledger.answered(&places);
        }
        Ok(())
    }
}

/// What stands between the angle brackets.
fn path_of(line: &str) -> String {
    let inner = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
    inner.map_or_else(String::new, |(path, _)| path.to_owned())
}
