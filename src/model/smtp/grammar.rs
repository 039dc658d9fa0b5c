//! One command line to one [`Command`], after the grammar of RFC 5321 section 4.1 and its extensions.
//!
//! Total over any octets. Strict, with three courtesies that devices in the field need: letter case of verbs and
//! keywords, blanks at the end of a line (RFC 5321 section 4.1.1), and one blank after `FROM:` and `TO:`.

mod parameters;
mod path;
mod xtext;

use core::net::IpAddr;

use super::limits::Limits;
use super::line::Line;
use crate::model::mail::{Domain, ForwardPath, ReversePath};
use crate::model::policy::{DsnRequest, MessageParameters, Refusal};

/// What a client can ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// `EHLO name`.
    Ehlo(ClientName),
    /// `HELO name`.
    Helo(ClientName),
    /// `MAIL FROM:<path> parameters`.
    Mail(MailCommand),
    /// `RCPT TO:<path> parameters`.
    Rcpt(RcptCommand),
    /// `DATA`.
    Data,
    /// `BDAT size [LAST]` (RFC 3030).
    Bdat {
        /// Octets that follow the line.
        bytes: u64,
        /// Whether they end the message.
        last: bool,
    },
    /// `RSET`.
    Rset,
    /// `NOOP`, with any text.
    Noop,
    /// `VRFY text`.
    Vrfy,
    /// `HELP`, with any text.
    Help,
    /// `QUIT`.
    Quit,
    /// `STARTTLS` (RFC 3207).
    StartTls,
    /// `AUTH mechanism [initial response]` (RFC 4954).
    Auth {
        /// The mechanism.
        mechanism: Mechanism,
        /// The initial response as sent, still in base64; `=` stands for an empty one.
        initial: Option<String>,
    },
}

/// A verb's arguments could not be read after `BDAT`: how many octets follow is unknown, so the session cannot go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParseFailure {
    /// The command is refused, and the next line is the next command.
    Refused(Refusal),
    /// The command is refused, and nobody can tell where the next one begins.
    OutOfStep(Refusal),
}

impl From<Refusal> for ParseFailure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

/// The argument of EHLO and HELO: printable ASCII by construction, so it can stand in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientName(Domain);

impl ClientName {
    /// The name or literal.
    pub const fn domain(&self) -> &Domain {
        &self.0
    }

    fn parse(text: &str) -> Result<Self, Refusal> {
        if let Ok(domain) = Domain::parse(text)
            && text.is_ascii()
        {
            return Ok(Self(domain));
        }
        // [2001:db8::1] without its tag: Java's mail library writes IPv6 literals so.
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        let address = bare.and_then(|bare| bare.split('%').next()?.parse::<IpAddr>().ok());
        address.map(|address| Self(address.into())).ok_or(Refusal::InvalidDomainName)
    }
}

/// A mechanism of AUTH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mechanism {
    /// RFC 4616.
    Plain,
    /// The mechanism that most devices speak.
    Login,
    /// A bearer token.
    Xoauth2,
    /// RFC 7628: a bearer token.
    OauthBearer,
    /// RFC 7677.
    ScramSha256,
    /// Anything else.
    Other,
}

impl Mechanism {
    fn parse(text: &str) -> Self {
        let named = |name: &str| text.eq_ignore_ascii_case(name);
        if named("PLAIN") {
            Self::Plain
        } else if named("LOGIN") {
            Self::Login
        } else if named("XOAUTH2") {
            Self::Xoauth2
        } else if named("OAUTHBEARER") {
            Self::OauthBearer
        } else if named("SCRAM-SHA-256") {
            Self::ScramSha256
        } else {
            Self::Other
        }
    }
}

/// MAIL FROM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MailCommand {
    /// The reverse-path.
    pub path: ReversePath,
    /// Octets announced with SIZE; 0 when nothing was.
    pub declared_bytes: u64,
    /// What travels with the message.
    pub parameters: MessageParameters,
}

/// RCPT TO.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RcptCommand {
    /// The forward-path.
    pub path: ForwardPath,
    /// It was written with octets above 127, which needs SMTPUTF8.
    pub in_utf8: bool,
    /// NOTIFY and ORCPT.
    pub dsn: DsnRequest,
}

/// Reads what came as a command line, without its CRLF, which may be as long as `limits` say.
///
/// # Errors
/// As [`parse`]; `LineTooLong`, and `BareNewlineInCommand` for a line that is spoilt.
pub fn read(line: Line<&[u8]>, limits: &Limits) -> Result<Command, ParseFailure> {
    match line {
        Line::Whole(line) => {
            let (verb, rest) = split_verb(line);
            if line.len() > line_bytes_max(verb, limits) {
                return Err(Refusal::LineTooLong.into());
            }
            parse_divided(verb, rest)
        }
        Line::TooLong => Err(Refusal::LineTooLong.into()),
        Line::Spoilt => Err(Refusal::BareNewlineInCommand.into()),
    }
}

/// Parses one line without its CRLF.
///
/// # Errors
/// The refusal to answer with, and whether the session is still in step.
pub fn parse(line: &[u8]) -> Result<Command, ParseFailure> {
    let (verb, rest) = split_verb(line);
    parse_divided(verb, rest)
}

fn parse_divided(verb: &[u8], rest: &[u8]) -> Result<Command, ParseFailure> {
    let rest = core::str::from_utf8(rest);
    let named = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
    if named("RCPT")
        && let Ok(rest) = rest
    {
        return Ok(Command::Rcpt(rcpt(rest)?));
    }
    if named("BDAT") {
        return bdat(rest.unwrap_or_default()).ok_or(ParseFailure::OutOfStep(Refusal::InvalidArguments));
    }
    let Ok(rest) = rest else {
        return Err(if is_known(verb) { Refusal::InvalidArguments } else { Refusal::UnrecognizedCommand }.into());
    };
    let without_arguments =
        |command| if rest.is_empty() { Ok(command) } else { Err(ParseFailure::from(Refusal::InvalidArguments)) };
    if named("EHLO") {
        Ok(Command::Ehlo(ClientName::parse(rest)?))
    } else if named("HELO") {
        Ok(Command::Helo(ClientName::parse(rest)?))
    } else if named("MAIL") {
        Ok(Command::Mail(mail(rest)?))
    } else if named("AUTH") {
        Ok(auth(rest)?)
    } else if named("DATA") {
        without_arguments(Command::Data)
    } else if named("RSET") {
        without_arguments(Command::Rset)
    } else if named("QUIT") {
        without_arguments(Command::Quit)
    } else if named("STARTTLS") {
        without_arguments(Command::StartTls)
    } else if named("NOOP") {
        Ok(Command::Noop)
    } else if named("HELP") {
        Ok(Command::Help)
    } else if named("VRFY") {
        if rest.is_empty() { Err(Refusal::InvalidArguments.into()) } else { Ok(Command::Vrfy) }
    } else if is_known(verb) {
        Err(Refusal::CommandNotImplemented.into())
    } else {
        Err(Refusal::UnrecognizedCommand.into())
    }
}

/// How many octets, without CRLF, a line with this verb may have.
fn line_bytes_max(verb: &[u8], limits: &Limits) -> usize {
    let named = |name: &str| verb.eq_ignore_ascii_case(name.as_bytes());
    let with_line_end = if named("RCPT") || named("MAIL") {
        limits.path_line_bytes_max
    } else if named("AUTH") {
        limits.auth_line_bytes_max
    } else {
        limits.command_line_bytes_max
    };
    with_line_end.saturating_sub(2)
}

/// Verbs of RFC 5321 and its extensions, those included that are off here.
fn is_known(verb: &[u8]) -> bool {
    const KNOWN: [&str; 18] = [
        "EHLO", "HELO", "MAIL", "RCPT", "DATA", "BDAT", "RSET", "NOOP", "VRFY", "HELP", "QUIT", "STARTTLS", "AUTH",
        "EXPN", "ETRN", "TURN", "SEND", "SOML",
    ];
    KNOWN.iter().any(|known| verb.eq_ignore_ascii_case(known.as_bytes()))
}

/// The verb, and its arguments without blanks around them.
fn split_verb(line: &[u8]) -> (&[u8], &[u8]) {
    let line = line.trim_ascii_end();
    // Verbs are short.
    match line.iter().position(|octet| *octet == b' ') {
        Some(blank) => {
            let (verb, rest) = line.split_at(blank);
            (verb, rest.trim_ascii_start())
        }
        None => (line, &[]),
    }
}

fn mail(rest: &str) -> Result<MailCommand, Refusal> {
    let rest = after_keyword(rest, "FROM:")?;
    let (text, words) = path::split(rest).ok_or(Refusal::InvalidSenderAddress)?;
    let path = path::reverse(text).ok_or(Refusal::InvalidSenderAddress)?;
    let (declared_bytes, parameters) = parameters::of_mail(words)?;
    if !text.is_ascii() && !parameters.smtputf8 {
        return Err(Refusal::Utf8WithoutSmtpUtf8);
    }
    Ok(MailCommand { path, declared_bytes, parameters })
}

fn rcpt(rest: &str) -> Result<RcptCommand, Refusal> {
    let rest = after_keyword(rest, "TO:")?;
    let (text, words) = path::split(rest).ok_or(Refusal::InvalidRecipientAddress)?;
    let path = path::forward(text).ok_or(Refusal::InvalidRecipientAddress)?;
    let dsn = parameters::of_rcpt(words)?;
    Ok(RcptCommand { path, in_utf8: !text.is_ascii(), dsn })
}

/// What follows `FROM:` or `TO:`, with one blank passed over.
fn after_keyword<'text>(rest: &'text str, keyword: &str) -> Result<&'text str, Refusal> {
    match rest.split_at_checked(keyword.len()) {
        Some((found, after)) if found.eq_ignore_ascii_case(keyword) => {
            let one = usize::from(after.as_bytes().first() == Some(&b' '));
            Ok(after.get(one..).unwrap_or(after))
        }
        _ => Err(Refusal::InvalidArguments),
    }
}

fn bdat(rest: &str) -> Option<Command> {
    let mut words = rest.split(' ');
    let digits = words.next().filter(|digits| parameters::is_number(digits))?;
    let last = match words.next() {
        None => false,
        Some(word) if word.eq_ignore_ascii_case("LAST") => true,
        Some(_) => return None,
    };
    // More octets than a u64 counts are as impossible as u64::MAX of them.
    let bytes = digits.parse().unwrap_or(u64::MAX);
    words.next().is_none().then_some(Command::Bdat { bytes, last })
}

fn auth(rest: &str) -> Result<Command, Refusal> {
    let mut words = rest.split(' ').filter(|word| !word.is_empty());
    let mechanism = Mechanism::parse(words.next().ok_or(Refusal::InvalidArguments)?);
    let initial = words.next().map(str::to_owned);
    if words.next().is_some() {
        return Err(Refusal::InvalidArguments);
    }
    Ok(Command::Auth { mechanism, initial })
}

#[cfg(test)]
mod tests;
