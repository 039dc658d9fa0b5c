//! How a dialogue is written.
//!
//! ```text
//! # Why this dialogue exists.
//! # directory: contoso   role: submission   profile: exchange-online   now: 2026-01-05T09:00:00Z   tls: active
//! X: recipient = [{ address = "alice@contoso.example", sign_in_blocked = true }]
//! C: EHLO laptop
//! S: 250 …
//! ```
//!
//! `C:` is a line of the client; lines without another kind between them arrive as one piece. `R:` is the same without
//! CRLF. Both know `\r \n \0 \\ \xNN`, and `{base64 …}`. `X:` changes the directory, `E:` is an event: `handshake`,
//! `silence SECONDS`, `drain`, `room BOOL`, `body-fails`, `next-check fails`, `holds MAILBOX OCTETS`, `received
//! MAILBOX COUNT FROM-SENDER`, `submitted ACCOUNT COUNT`, `restricted ACCOUNT [DEVICE]`, `released ACCOUNT`,
//! `used-up recipients|messages`, `next-commit temporary|no-room|sessions|quota|recipients`. The token `for.alice` is
//! right for alice where `set: issuer=SCOPE` says that tokens are believed. `S:` is what the server said and `Q:` what it
//! queued; those two are rewritten by `BLESS=1`. `# set: key=value,…` and `connectors: NAME` of a file in
//! `fixtures/connectors` may follow.
//! `faults: FILE.toml` names a script of faults in `dialogues/faults`.

use base64::Engine as _;

/// A dialogue: the head, then what happens.
pub(super) struct Script {
    /// The lines up to the first that is no comment, as written.
    pub(super) head: Vec<String>,
    pub(super) keys: Vec<(String, String)>,
    pub(super) steps: Vec<Step>,
}

/// One thing that happens, with the lines that say so.
pub(super) enum Step {
    Client { lines: Vec<String>, octets: Vec<u8> },
    Change { line: String, document: String },
    Event { line: String, words: Vec<String> },
    Comment(String),
}

impl Script {
    pub(super) fn key(&self, name: &str) -> Option<&str> {
        self.keys.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The pairs of `set:`.
    pub(super) fn settings(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.key("set").unwrap_or_default().split(',').filter(|pair| !pair.is_empty());
        pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "true")))
    }
}

/// Reads a dialogue; what the server said in it is passed over.
pub(super) fn parse(text: &str) -> Result<Script, String> {
    let lines: Vec<&str> = text.lines().collect();
    let head_length = lines.iter().position(|line| !line.starts_with('#')).unwrap_or(lines.len());
    let head: Vec<String> = lines[..head_length].iter().map(|line| (*line).to_owned()).collect();
    if head.len() < 2 {
        return Err("the first line says why, the second says where".to_owned());
    }
    let words: Vec<&str> = head[1..].iter().flat_map(|line| line[1..].split_whitespace()).collect();
    let mut keys = Vec::new();
    for pair in words.chunks(2) {
        let (Some(key), Some(value)) = (pair[0].strip_suffix(':'), pair.get(1)) else {
            return Err(format!("{pair:?} is no key and value"));
        };
        keys.push((key.to_owned(), (*value).to_owned()));
    }
    let mut script = Script { head, keys, steps: Vec::new() };
    let mut together = false;
    for line in &lines[head_length..] {
        together = step(&mut script.steps, line, together)?;
    }
    Ok(script)
}

/// Adds what a line says and tells whether the next `C:` continues the same piece.
fn step(steps: &mut Vec<Step>, line: &str, together: bool) -> Result<bool, String> {
    let (kind, rest) = line.split_once(':').unwrap_or((line, ""));
    let rest = rest.strip_prefix(' ').unwrap_or(rest);
    match kind {
        "C" | "R" => {
            let mut octets = unescape(rest)?;
            if kind == "C" {
                octets.extend_from_slice(b"\r\n");
            }
            match steps.last_mut() {
                Some(Step::Client { lines, octets: piece }) if together => {
                    lines.push(line.to_owned());
                    piece.extend(octets);
                }
                _ => steps.push(Step::Client { lines: vec![line.to_owned()], octets }),
            }
            return Ok(true);
        }
        "S" | "Q" => {}
        "X" => steps.push(Step::Change { line: line.to_owned(), document: rest.to_owned() }),
        "E" => {
            let words = rest.split_whitespace().map(str::to_owned).collect();
            steps.push(Step::Event { line: line.to_owned(), words });
        }
        _ if line.is_empty() || line.starts_with('#') => steps.push(Step::Comment(line.to_owned())),
        _ => return Err(format!("{line:?} is no line of a dialogue")),
    }
    Ok(false)
}

fn unescape(text: &str) -> Result<Vec<u8>, String> {
    if let Some((before, rest)) = text.split_once("{base64 ") {
        let (inside, after) = rest.split_once('}').ok_or("an open {base64")?;
        let encoded = base64::engine::general_purpose::STANDARD.encode(unescape(inside)?);
        return Ok([unescape(before)?, encoded.into_bytes(), unescape(after)?].concat());
    }
    if let Some((before, rest)) = text.split_once("{times ") {
        let (inside, after) = rest.split_once('}').ok_or("an open {times")?;
        let (count, piece) = inside.split_once(' ').ok_or("{times needs a count and a text")?;
        let count: usize = count.parse().map_err(|_| "{times needs a number")?;
        return Ok([unescape(before)?, unescape(piece)?.repeat(count), unescape(after)?].concat());
    }
    let mut octets = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            octets.push(byte);
            continue;
        }
        octets.push(match bytes.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'0') => 0,
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits = [bytes.next().ok_or("\\x")?, bytes.next().ok_or("\\x")?];
                let digits = core::str::from_utf8(&digits).map_err(|fault| fault.to_string())?;
                u8::from_str_radix(digits, 16).map_err(|fault| fault.to_string())?
            }
            other => return Err(format!("an unknown escape {other:?}")),
        });
    }
    Ok(octets)
}
