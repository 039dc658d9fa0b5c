//! A script of faults for a server that applications are tested against: from TOML to rules.
//!
//! A script is no part of the configuration: it stands in a file of its own, or comes over the local socket. Whatever
//! is wrong with it is reported like everything else, with line, key and cure.

use core::ops::{Range, RangeInclusive};
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::super::report;
use super::super::{ConfigError, ConfigErrors};
use super::{COUNT_MAX, Judge};
use crate::model::faults::{
    Conditions, Deed, Door, NAMED, NAMELESS, Pattern, REPLY_LINES_MAX, RULES_MAX, Rule, STEPS, Step, TRICKLE_MAX,
    TlsFault, WAIT_MAX, Words, named,
};
use crate::model::mail::{EnhancedStatus, Reply};

/// A script is read up to this many octets.
pub const SCRIPT_BYTES_MAX: usize = 256 << 10;
/// Characters of one line of a scripted reply: with code and status it fits into what RFC 5321 allows.
const REPLY_CHARACTERS_MAX: usize = 400;
/// How long a stall lasts unless it says otherwise: longer than applications wait.
const STALL_SECONDS_USUAL: u64 = 600;
const NAME_CHARACTERS_MAX: usize = 64;

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawScript {
    fault: Vec<Spanned<RawFault>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawFault {
    name: Option<Spanned<String>>,
    step: Option<Spanned<Step>>,
    sender: Option<Spanned<String>>,
    recipient: Option<Spanned<String>>,
    login: Option<Spanned<String>>,
    client: Option<Spanned<String>>,
    port: Option<Spanned<u64>>,
    listener: Option<Spanned<Door>>,
    session: Option<Spanned<u64>>,
    every_session: Option<Spanned<u64>>,
    message: Option<Spanned<u64>>,
    every_message: Option<Spanned<u64>>,
    octets: Option<Spanned<u64>>,
    every_octets: Option<Spanned<u64>>,
    skip: Option<Spanned<u64>>,
    every: Option<Spanned<u64>>,
    times: Option<Spanned<u64>>,
    delay_milliseconds: Option<Spanned<u64>>,
    trickle_milliseconds: Option<Spanned<u64>>,
    refuse: Option<Spanned<String>>,
    reply: Option<Spanned<OneOrMore>>,
    drop: Option<Spanned<Drop>>,
    stall_seconds: Option<Spanned<u64>>,
    tls: Option<Spanned<TlsFault>>,
    hide: Option<Spanned<OneOrMore>>,
    discard: Option<Spanned<bool>>,
}

/// How a connection ends without a word.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Drop {
    Close,
    Reset,
}

/// What a rule does, and the step at which that is usual.
type Usual = (Deed, Option<Step>);

/// A text, or several.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(text) => vec![text],
            Self::More(texts) => texts,
        }
    }
}

/// Reads `text` as the script in the file `file`, which need not exist. Total: any text has an answer.
///
/// # Errors
/// [`ConfigErrors`]: everything that is wrong with it, as far as it can be seen at once.
pub fn fault_script(text: &str, file: &Path) -> Result<Vec<Rule>, ConfigErrors> {
    if text.len() > SCRIPT_BYTES_MAX {
        let problem = format!("larger than {SCRIPT_BYTES_MAX} octets");
        return Err(ConfigErrors::one(ConfigError::whole(file, problem, "use patterns: sender = \"*@…\"".to_owned())));
    }
    let raw: RawScript =
        toml::from_str(text).map_err(|error| ConfigErrors::one(report::of_toml(file, text, &error)))?;
    let mut judge = Judge { text, file, problems: Vec::new() };
    if let Some(first) = raw.fault.get(RULES_MAX) {
        judge.refuse(&first.span(), format!("more than {RULES_MAX} rules"), "use patterns: sender = \"*@…\"");
    }
    let numbered = raw.fault.into_iter().take(RULES_MAX).enumerate();
    let rules: Vec<Rule> = numbered.filter_map(|(index, raw)| judge.fault(index + 1, raw)).collect();
    if judge.problems.is_empty() {
        return Ok(rules);
    }
    judge.problems.sort_by_key(|(offset, _)| *offset);
    Err(ConfigErrors(judge.problems.into_iter().map(|(_, problem)| problem).collect()))
}

impl Judge<'_> {
    fn fault(&mut self, number: usize, raw: Spanned<RawFault>) -> Option<Rule> {
        let span = raw.span();
        let mut raw = raw.into_inner();
        let name = match raw.name.take() {
            Some(name) => self.rule_name(&name),
            None => format!("{NAMELESS}{number}"),
        };
        let delay = self.milliseconds(raw.delay_milliseconds.take(), WAIT_MAX);
        let trickle_span = raw.trickle_milliseconds.as_ref().map(Spanned::span);
        let trickle = self.milliseconds(raw.trickle_milliseconds.take(), TRICKLE_MAX);
        let (deed, usual) = self.deed(&span, &mut raw, delay.or(trickle).is_some())?;
        let Some(step) = raw.step.as_ref().map(|step| *step.get_ref()).or(usual) else {
            let known: Vec<&str> = STEPS.iter().map(|step| step.name()).collect();
            self.refuse(&span, "the rule says no step", format!("name one: step = \"{}\"", known.join("\", \"")));
            return None;
        };
        let step_span = raw.step.as_ref().map_or(span, Spanned::span);
        if !deed.fits(step) {
            let fitting: Vec<&str> = STEPS.iter().filter(|step| deed.fits(**step)).map(|step| step.name()).collect();
            let problem = format!("{} does nothing at the step {step}", deed.name());
            self.refuse(&step_span, problem, format!("steps that know it: {}", fitting.join(", ")));
        }
        if let (Some(span), false) = (trickle_span, step.takes_trickle()) {
            self.refuse(&span, format!("nothing is said at the step {step}"), "use delay_milliseconds there");
        }
        let when = self.conditions(step, &mut raw);
        Some(Rule {
            name: name.into(),
            step,
            when,
            skip: self.number(raw.skip, 0, 0..=COUNT_MAX),
            every: self.number(raw.every, 1, 1..=COUNT_MAX),
            times: self.optional(raw.times, 1..=COUNT_MAX),
            delay: delay.unwrap_or_default(),
            trickle,
            deed,
        })
    }

    fn rule_name(&mut self, name: &Spanned<String>) -> String {
        let text = name.get_ref();
        let is_fit = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
        if text.is_empty() || text.len() > NAME_CHARACTERS_MAX || !text.chars().all(is_fit) {
            let cure = format!("letters, digits, hyphens, {NAME_CHARACTERS_MAX} at most");
            self.refuse(&name.span(), "this is no name for a rule", cure);
        }
        text.clone()
    }

    fn optional(&mut self, value: Option<Spanned<u64>>, range: RangeInclusive<u64>) -> Option<u64> {
        let value = value?;
        let (span, number) = (value.span(), *value.get_ref());
        if !range.contains(&number) {
            let cure = format!("give a number from {} to {}", range.start(), range.end());
            self.refuse(&span, format!("{number} is out of range"), cure);
        }
        Some(number)
    }

    fn milliseconds(&mut self, value: Option<Spanned<u64>>, longest: Duration) -> Option<Duration> {
        let longest = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
        self.optional(value, 0..=longest).map(Duration::from_millis)
    }

    /// What the rule does, and the step at which that is usual.
    fn deed(&mut self, span: &Range<usize>, raw: &mut RawFault, is_slow: bool) -> Option<Usual> {
        let mut found: Vec<(Range<usize>, Option<Usual>)> = Vec::new();
        if let Some(refuse) = raw.refuse.take() {
            found.push((refuse.span(), self.named(&refuse)));
        }
        if let Some(reply) = raw.reply.take() {
            let span = reply.span();
            let own = self.reply(&span, reply.into_inner().into_vec());
            found.push((span, own.map(|reply| (Deed::Reply(Words::Own(reply)), None))));
        }
        if let Some(drop) = raw.drop.take() {
            let deed = match drop.get_ref() {
                Drop::Close => Deed::Close,
                Drop::Reset => Deed::Reset,
            };
            found.push((drop.span(), Some((deed, None))));
        }
        if let Some(stall) = raw.stall_seconds.take() {
            let span = stall.span();
            let seconds = self.seconds(Some(stall), STALL_SECONDS_USUAL, 1..=WAIT_MAX.as_secs());
            found.push((span, Some((Deed::Stall(seconds), None))));
        }
        if let Some(tls) = raw.tls.take() {
            found.push((tls.span(), Some((Deed::Tls(*tls.get_ref()), Some(Step::Tls)))));
        }
        if let Some(hide) = raw.hide.take() {
            let span = hide.span();
            let keywords = hide.into_inner().into_vec().into_iter().map(String::into_boxed_str).collect();
            found.push((span, Some((Deed::Hide(keywords), Some(Step::Ehlo)))));
        }
        if let Some(discard) = raw.discard.take().filter(|discard| *discard.get_ref()) {
            found.push((discard.span(), Some((Deed::Discard, Some(Step::EndOfData)))));
        }
        if let Some((second, _)) = found.get(1) {
            let cure = "one of refuse, reply, drop, stall_seconds, tls, hide, discard; the next rule can say the other";
            self.refuse(second, "the rule does two things", cure);
        }
        match (found.into_iter().next(), is_slow) {
            (Some((_, deed)), _) => deed,
            (None, true) => Some((Deed::Slow, None)),
            (None, false) => {
                let cure = "say what: refuse = \"ServerBusy\", reply = \"451 …\", drop = \"close\", stall_seconds, \
                            delay_milliseconds, trickle_milliseconds, tls, hide, discard";
                self.refuse(span, "the rule does nothing", cure);
                None
            }
        }
    }

    fn named(&mut self, refuse: &Spanned<String>) -> Option<Usual> {
        let name = refuse.get_ref();
        if let Some(named) = named(name) {
            return Some((Deed::Reply(Words::Named(named)), Some(named.step)));
        }
        let near = NAMED.iter().map(|named| (report::distance(name, named.name), named.name)).min();
        let cure = match near {
            Some((steps, near)) if steps * 2 <= near.len() => format!("did you mean \"{near}\"?"),
            Some(_) | None => "franking faults names lists them; any other words: reply = \"451 …\"".to_owned(),
        };
        self.refuse(&refuse.span(), format!("\"{name}\" is the name of no fault"), cure);
        None
    }

    fn reply(&mut self, span: &Range<usize>, lines: Vec<String>) -> Option<Reply> {
        let is_fit = |line: &String| {
            line.len() <= REPLY_CHARACTERS_MAX && line.bytes().all(|octet| (b' '..=b'~').contains(&octet))
        };
        if lines.is_empty() || lines.len() > REPLY_LINES_MAX || !lines.iter().all(is_fit) {
            let cure = format!("{REPLY_LINES_MAX} lines at most, each of {REPLY_CHARACTERS_MAX} printable characters");
            self.refuse(span, "the reply cannot be sent", cure);
            return None;
        }
        let parsed = parsed(&lines);
        if parsed.is_none() {
            let cure = "a code from 400 to 599, then a status of the same class if you like, then the text: \
                        \"451 Server busy\"; further lines have text alone";
            self.refuse(span, "the reply is no refusal, and a fault never says yes", cure);
        }
        parsed
    }

    fn conditions(&mut self, step: Step, raw: &mut RawFault) -> Conditions {
        self.unknown_yet(step, "sender", &raw.sender, step.knows_sender(), Step::Mail);
        self.unknown_yet(step, "recipient", &raw.recipient, step.knows_recipients(), Step::Rcpt);
        self.unknown_yet(step, "login", &raw.login, step.knows_login(), Step::Auth);
        self.unknown_yet(step, "octets", &raw.octets, step == Step::Content, Step::Content);
        self.unknown_yet(step, "every_octets", &raw.every_octets, step == Step::Content, Step::Content);
        self.unknown_yet(step, "message", &raw.message, step.knows_sender() && step.has_client(), Step::Mail);
        self.unknown_yet(
            step,
            "every_message",
            &raw.every_message,
            step.knows_sender() && step.has_client(),
            Step::Mail,
        );
        self.unknown_yet(step, "client", &raw.client, step.has_client(), Step::Connect);
        self.unknown_yet(step, "port", &raw.port, step.has_client(), Step::Connect);
        self.unknown_yet(step, "listener", &raw.listener, step.has_client(), Step::Connect);
        self.unknown_yet(step, "session", &raw.session, step.has_client(), Step::Connect);
        self.unknown_yet(step, "every_session", &raw.every_session, step.has_client(), Step::Connect);
        let port = self.optional(raw.port.take(), 1..=u64::from(u16::MAX));
        Conditions {
            sender: self.pattern(raw.sender.as_ref()),
            recipient: self.pattern(raw.recipient.as_ref()),
            login: self.pattern(raw.login.as_ref()),
            client: raw.client.as_ref().and_then(|client| self.network(client)),
            port: port.and_then(|port| u16::try_from(port).ok()),
            listener: raw.listener.as_ref().map(|listener| *listener.get_ref()),
            session: self.optional(raw.session.take(), 1..=COUNT_MAX),
            every_session: self.optional(raw.every_session.take(), 1..=COUNT_MAX),
            message: self.optional(raw.message.take(), 1..=COUNT_MAX),
            every_message: self.optional(raw.every_message.take(), 1..=COUNT_MAX),
            octets: self.optional(raw.octets.take(), 1..=COUNT_MAX),
            every_octets: self.optional(raw.every_octets.take(), 1..=COUNT_MAX),
        }
    }

    /// Refuses a condition that can never hold.
    fn unknown_yet<T>(&mut self, step: Step, what: &str, value: &Option<Spanned<T>>, is_known: bool, from: Step) {
        if let (Some(value), false) = (value, is_known) {
            let problem = format!("{what} says nothing at the step {step}, so the rule would never strike");
            self.refuse(&value.span(), problem, format!("leave it out, or use the step {from}"));
        }
    }

    fn pattern(&mut self, value: Option<&Spanned<String>>) -> Option<Pattern> {
        let value = value?;
        let pattern = Pattern::parse(value.get_ref());
        if pattern.is_none() {
            let cure = "an address, or a part of one with * and ?: \"*@fabrikam.example\"";
            self.refuse(&value.span(), "this is no pattern", cure);
        }
        pattern
    }
}

/// Code, status and text of the first line, the text of all others.
fn parsed(lines: &[String]) -> Option<Reply> {
    let (first, others) = lines.split_first()?;
    let code = first.get(..3)?.parse::<u16>().ok().filter(|code| (400..=599).contains(code))?;
    let text = first.get(3..)?;
    let text = if text.is_empty() { text } else { text.strip_prefix(' ')? };
    let status = EnhancedStatus::parse_prefix(text);
    if status.is_some_and(|EnhancedStatus(class, ..)| u16::from(class) != code / 100) {
        return None;
    }
    let text = if status.is_some() { text.split_once(' ').map_or("", |(_, text)| text) } else { text };
    let texts = core::iter::once(text).chain(others.iter().map(String::as_str));
    Some(Reply::of_lines(code, status, texts.map(str::to_owned).collect()))
}

#[cfg(test)]
mod tests;
