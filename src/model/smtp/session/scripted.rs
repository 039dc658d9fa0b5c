//! What a script of faults does to a session. Without a script nothing of this runs.
//!
//! The session asks where it is about to say yes, so whatever policy refuses is refused as ever; and what is said here
//! refuses, except for a message that a script discards by that name.

use std::sync::Arc;

use super::super::interface::{Action, Misbehaviour, SessionOptions, Waiting};
use super::Session;
use crate::model::faults::{
    Circumstances, Deed, FaultSource, Occasion, Rule, Step, Visit, Worded, Words, named_reply, own_reply,
};
use crate::model::mail::{Address, ForwardPath, ReversePath, Timestamp};
use crate::model::policy::{SignedIn, Trailer};

/// The script as one session sees it.
#[derive(Debug)]
pub(super) struct Scripted {
    source: Arc<dyn FaultSource>,
    visit: Visit,
    /// Octets of the content so far.
    octets: u64,
    /// The message that is being made durable.
    committing: Option<About>,
}

/// Whom and what the step is about.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    pub(super) login: Option<Address>,
    pub(super) sender: Option<ReversePath>,
    /// The recipients so far; at RCPT the one that it names.
    pub(super) recipients: Vec<ForwardPath>,
    message: u64,
    octets: (u64, u64),
}

/// What becomes of a message at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is made durable.
    Stored,
    /// It was answered; nothing of it is kept.
    Refused,
    /// It is acknowledged, and nothing of it is kept.
    Discarded,
}

impl Session {
    /// Begins a session that obeys a script of faults, for a server that applications are tested against.
    pub fn scripted(options: SessionOptions, now: Timestamp, source: Arc<dyn FaultSource>, visit: Visit) -> Self {
        let mut session = Self::silent(options, now);
        session.script = Some(Box::new(Scripted { source, visit, octets: 0, committing: None }));
        if !session.is_struck(now, Step::Banner, |_| {}) {
            session.greet(now);
        }
        session.outbox.flush();
        session
    }

    /// Whether a fault answers instead at `step`. `amend` adds what the session does not know yet.
    pub(super) fn is_struck(&mut self, now: Timestamp, step: Step, amend: impl FnOnce(&mut About)) -> bool {
        if self.script.is_none() {
            return false;
        }
        let mut about = self.about();
        amend(&mut about);
        self.strike(now, step, &about).is_some_and(|rule| self.suffer(now, step, &rule, &about))
    }

    /// The same at EHLO, where keywords may be left out as well.
    pub(super) fn is_struck_at_hello(&mut self, now: Timestamp, keywords: &mut Vec<String>) -> bool {
        if self.script.is_none() {
            return false;
        }
        let about = self.about();
        let Some(rule) = self.strike(now, Step::Ehlo, &about) else { return false };
        if let Deed::Hide(hidden) = &rule.deed {
            let name_of = |keyword: &str| keyword.split(' ').next().unwrap_or_default().to_owned();
            keywords.retain(|keyword| !hidden.iter().any(|hidden| hidden.eq_ignore_ascii_case(&name_of(keyword))));
        }
        self.suffer(now, Step::Ehlo, &rule, &about)
    }

    /// Counts `taken` octets of the content; whether the session has ended by it.
    pub(super) fn is_struck_in_content(&mut self, now: Timestamp, taken: usize) -> bool {
        let Some(script) = self.script.as_mut() else { return false };
        let before = script.octets;
        script.octets = before.saturating_add(taken as u64);
        let octets = (before, script.octets);
        self.is_struck(now, Step::Content, |about| about.octets = octets)
    }

    /// What a script knows of the message that ends now; `None` without a script.
    pub(super) fn about_message(&self) -> Option<About> {
        self.script.is_some().then(|| self.about())
    }

    /// What becomes of the message that was judged.
    pub(super) fn fate(&mut self, now: Timestamp, about: Option<About>) -> Fate {
        let Some(about) = about else { return Fate::Stored };
        let rule = self.strike(now, Step::EndOfData, &about);
        let fate = match rule {
            Some(rule) if rule.deed == Deed::Discard => Fate::Discarded,
            Some(rule) if self.suffer(now, Step::EndOfData, &rule, &about) => Fate::Refused,
            Some(_) | None => Fate::Stored,
        };
        if let Some(script) = self.script.as_mut() {
            script.committing = Some(about);
        }
        fate
    }

    /// Whether the client does not hear that its message is durable.
    pub(super) fn is_struck_after_commit(&mut self, now: Timestamp) -> bool {
        let committed = self.script.as_mut().and_then(|script| script.committing.take());
        let Some(about) = committed else { return false };
        self.strike(now, Step::Accepted, &about).is_some_and(|rule| self.suffer(now, Step::Accepted, &rule, &about))
    }

    fn about(&self) -> About {
        let transaction = self.transaction.as_ref();
        let number = self.counts.messages;
        About {
            login: self.signed_in.as_ref().map(SignedIn::login).cloned(),
            sender: transaction.map(|transaction| transaction.reverse_path.clone()),
            recipients: transaction.map_or_else(Vec::new, |transaction| {
                transaction.permits.iter().map(|permit| permit.path().clone()).collect()
            }),
            message: if transaction.is_some() { number.saturating_add(1) } else { number },
            octets: (0, 0),
        }
    }

    /// The rule that strikes; what is slow about it has begun.
    fn strike(&mut self, now: Timestamp, step: Step, about: &About) -> Option<Arc<Rule>> {
        let script = self.script.as_mut()?;
        if step == Step::Data || step == Step::Mail {
            script.octets = 0;
        }
        let login = about.login.as_ref().map(ToString::to_string);
        let sender = about.sender.as_ref().map(written);
        let recipients: Vec<String> = about.recipients.iter().map(ToString::to_string).collect();
        let message = if step == Step::Mail { about.message.saturating_add(1) } else { about.message };
        let rule = script.source.strike(
            now,
            &Occasion {
                step,
                visit: Some(script.visit),
                message,
                login: login.as_deref(),
                sender: sender.as_deref(),
                recipients: &recipients,
                octets: about.octets,
            },
        )?;
        if !rule.delay.is_zero() {
            self.outbox.push(Action::Delay(rule.delay));
        }
        if let Some(pause) = rule.trickle {
            self.outbox.push(Action::Misbehave(Misbehaviour::Trickle(pause)));
        }
        Some(rule)
    }

    /// Does what the rule says; whether that was the answer.
    fn suffer(&mut self, now: Timestamp, step: Step, rule: &Rule, about: &About) -> bool {
        match &rule.deed {
            // The shell spoils handshakes; keywords and messages are left out where they would be said and stored.
            Deed::Slow | Deed::Hide(_) | Deed::Tls(_) | Deed::Discard => return false,
            Deed::Reply(words) => {
                let Worded { reply, refusal, closes } = self.words(now, words, about);
                self.outbox.say(&reply);
                if step == Step::Auth {
                    self.last_auth_refusal = refusal;
                }
                // Nobody waits for a reply in the middle of a message, and who was refused at the door does not stay.
                if closes || matches!(step, Step::Content | Step::Banner) {
                    self.close();
                }
            }
            Deed::Close => self.close(),
            Deed::Reset => self.end_by(Misbehaviour::Reset),
            Deed::Stall(longest) => self.end_by(Misbehaviour::Stall(*longest)),
        }
        true
    }

    fn words(&self, now: Timestamp, words: &Words, about: &About) -> Worded {
        match words {
            Words::Own(reply) => own_reply(reply),
            Words::Named(named) => {
                let trailer = Trailer { host: &self.options.hostname, at: now, session: &self.options.session_id };
                let recipient = about.recipients.iter().find_map(|path| match path {
                    ForwardPath::Mailbox(address) => Some(address),
                    ForwardPath::Postmaster => None,
                });
                let circumstances = Circumstances {
                    login: about.login.as_ref(),
                    sender: about.sender.as_ref(),
                    recipient,
                    client: Some(self.options.peer),
                };
                named_reply(named, &self.options.settings, &circumstances, Some(&trailer))
            }
        }
    }

    fn end_by(&mut self, misbehaviour: Misbehaviour) {
        if self.waits != Waiting::Nothing {
            self.end_transaction();
            self.outbox.push(Action::Misbehave(misbehaviour));
        }
        self.close();
    }
}

/// The reverse-path as conditions compare it.
fn written(path: &ReversePath) -> String {
    match path {
        ReversePath::Null => "<>".to_owned(),
        ReversePath::Mailbox(address) => address.to_string(),
    }
}
