//! The judgement at the end of a run: what was promised against what is in mailboxes and with other hosts.

mod counts;
mod moderation;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use franking::model::directory::RecipientId;
use franking::model::mail::ReversePath;
use franking::model::queue::{Addressee, Hop, QueueId, State};
use franking::store::mailbox::MailboxName;
use franking::world::disk::Disk as _;

pub(super) use counts::Counts;

use super::answers;
use super::ledger::{Books, Ending, Letter, Receipt};
use super::organisation::{ALICE, BOB, End, INFO, MAILBOXES, SALES, ends};
use super::scenario::Draft;
use super::world::{MAIL, QUEUE, World};

/// A message in a mailbox.
#[derive(Clone, Debug)]
struct Mail {
    place: PathBuf,
    content: Vec<u8>,
}

struct Oracle<'a> {
    world: &'a World,
    books: &'a Books,
    mails: BTreeMap<(QueueId, u32), Vec<Mail>>,
    /// The mails and the receipts that belong to a known recipient.
    opened: BTreeSet<(QueueId, u32)>,
    used: BTreeSet<usize>,
    counts: Counts,
    violations: Vec<String>,
    /// What the disk destroyed, and the server said so, may be missing or come twice.
    lenient: bool,
}

/// The number of the oldest segment of the queue's journal.
pub(super) fn oldest_segment(world: &World) -> Option<u64> {
    let names = world.disk.list(Path::new(QUEUE)).ok()?;
    names.iter().find_map(|name| u64::from_str_radix(name.to_str()?.strip_suffix(".segment")?, 16).ok())
}

/// Judges a run that has ended; gives the counts and every breach.
pub(super) fn judge(world: &World) -> (Counts, Vec<String>) {
    let books = world.ledger.books();
    let mut oracle = Oracle {
        world,
        books: &books,
        mails: BTreeMap::new(),
        opened: BTreeSet::new(),
        used: BTreeSet::new(),
        counts: Counts::default(),
        violations: books.violations.clone(),
        lenient: books.damage_known,
    };
    oracle.open_mailboxes();
    oracle.no_body_is_left();
    for (id, letter) in &books.letters {
        oracle.letter(*id, letter);
    }
    oracle.nothing_else_is_there();
    // A disk that lies may lose who was answered; the journal cannot know of that.
    let (answers, breaches) = answers::judge(&books, books.damage_known || world.disk.lies() > 0);
    oracle.counts.answers = answers;
    oracle.counts.lost_unacknowledged += books.never_were;
    oracle.violations.extend(breaches);
    oracle.counts.damage_found = usize::from(books.damage_known);
    (oracle.counts, oracle.violations)
}

/// The queue id and the place that a file's name tells.
fn name_of(name: &str) -> Option<(QueueId, u32)> {
    let (id, rest) = name.split_once(".Q")?.1.split_once('R')?;
    Some((id.parse().ok()?, rest.split('.').next()?.parse().ok()?))
}

fn lf(wire: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(wire).replace("\r\n", "\n").into_bytes()
}

impl Oracle<'_> {
    fn breach(&mut self, text: String) {
        self.violations.push(text);
    }

    fn open_mailboxes(&mut self) {
        let names = MAILBOXES.map(MailboxName::of_recipient).into_iter().chain([MailboxName::postmaster()]);
        for name in names {
            for part in ["new", "cur", ".Sent Items/new", ".Sent Items/cur"] {
                let directory = Path::new(MAIL).join(name.as_str()).join(part);
                for file in self.world.disk.list(&directory).unwrap_or_default() {
                    let place = directory.join(&file);
                    let content = self.world.disk.read(&place).unwrap();
                    match file.to_str().and_then(name_of) {
                        Some(key) => self.mails.entry(key).or_default().push(Mail { place, content }),
                        None => self.breach(format!("{} is no message of ours", place.display())),
                    }
                }
            }
        }
    }

    fn no_body_is_left(&mut self) {
        let left = self.world.disk.list(&Path::new(QUEUE).join("bodies")).unwrap_or_default();
        if !left.is_empty() {
            self.breach(format!("bodies that nobody needs are left: {left:?}"));
        }
    }

    fn letter(&mut self, id: QueueId, letter: &Letter) {
        if !letter.committed {
            if letter.acknowledged && !self.lenient {
                self.breach(format!("{id} was acknowledged and is lost"));
            }
            self.counts.lost_unacknowledged += 1;
            return;
        }
        self.counts.letters += 1;
        let Some(endings) = &letter.endings else {
            if !self.lenient && letter.acknowledged {
                self.breach(format!("{id} was never expanded"));
            }
            return;
        };
        if let Some(draft) = &letter.draft {
            self.leads_where_it_should(id, letter, endings);
            if draft.envelope.reverse_path() == &ReversePath::Null {
                self.no_report_about(id, letter);
            }
        }
        for (place, ending) in (0_u32..).zip(endings) {
            self.recipient(id, place, letter, ending);
        }
        self.reports_about(id, letter, endings);
    }

    /// Against the table that was written by hand.
    fn leads_where_it_should(&mut self, id: QueueId, letter: &Letter, endings: &[Ending]) {
        let Some(draft) = &letter.draft else { return };
        let given_up = letter.commands.contains("remove") || letter.commands.contains("give up");
        if given_up && endings.iter().all(|ending| ending.addressee.hop == Hop::Nowhere) {
            // Before it was expanded.
            return;
        }
        let mut expected: BTreeSet<End> = draft.paths.iter().flat_map(|path| ends(path)).collect();
        moderation::lead_on(&mut expected, draft, endings);
        let copies = copies_of(draft);
        let mut sent = BTreeSet::new();
        for ending in endings {
            let end = match &ending.addressee.hop {
                Hop::Mailbox(id) => End::Mailbox(*id),
                Hop::Relay { address, .. } => End::Outside(address.to_string()),
                Hop::Nowhere => End::Nowhere,
                Hop::Approval(_) => End::Moderators,
                Hop::SentItems(owner) => {
                    sent.insert(*owner);
                    continue;
                }
                Hop::Postmaster => return self.breach(format!("{id} goes to the postmaster")),
            };
            if !expected.remove(&end) {
                self.breach(format!("{id} goes to {end:?}, where it should not"));
            }
        }
        if !expected.is_empty() || sent != copies {
            self.breach(format!("{id} does not go to {expected:?}; copies go to {sent:?} and should to {copies:?}"));
        }
    }

    fn recipient(&mut self, id: QueueId, place: u32, letter: &Letter, ending: &Ending) {
        let mails = self.mails.get(&(id, place)).cloned().unwrap_or_default();
        self.opened.insert((id, place));
        for mail in &mails {
            self.is_intact(id, letter, &ending.addressee, mail);
        }
        if mails.len() > 1 {
            let places: Vec<_> = mails.iter().map(|mail| &mail.place).collect();
            self.breach(format!("{id} {place} is more than once in its mailbox: {places:?}"));
        }
        self.is_as_decided(id, place, letter, ending);
        let taken = self.receipts_of(letter, &ending.addressee);
        let (mut excused, mut plain) = (0, 0);
        for index in &taken {
            let receipt = &self.books.receipts[*index];
            if self.is_excused(receipt, ending) { excused += 1 } else { plain += 1 }
        }
        let forced = letter.commands.contains("remove") || letter.commands.contains("give up");
        let at = format!("{id} {place} to {} ({:?})", ending.addressee.address, ending.fate);
        match ending.fate {
            None if self.lenient => {}
            None => self.breach(format!("{at} has not ended")),
            Some(State::Delivered) => {
                self.counts.delivered += 1;
                if mails.len() != 1 && !self.lenient {
                    self.breach(format!("{at} is said to be delivered and is not there"));
                }
            }
            Some(State::Relayed) => {
                self.counts.relayed += 1;
                if taken.is_empty() && !self.lenient {
                    self.breach(format!("{at} is said to be relayed and nobody has it"));
                }
                if plain > 1 && !self.lenient {
                    self.breach(format!("{at} was taken {plain} times without a reason"));
                }
                self.counts.duplicates += taken.len().saturating_sub(1);
            }
            Some(State::Failed) => {
                self.counts.failed += 1;
                if !mails.is_empty() && !self.lenient {
                    self.breach(format!("{at} is said to have failed and is in the mailbox"));
                }
                if plain > 0 && !forced && !self.lenient {
                    self.breach(format!("{at} is said to have failed and was taken without a reason"));
                }
                self.counts.duplicates += excused;
                self.may_fail(id, place, letter, ending);
            }
            Some(State::Removed) if letter.commands.contains("remove") => {}
            Some(State::Branched | State::Rejected) => {}
            Some(other) => self.breach(format!("{at} ended as {other:?}")),
        }
    }

    /// Mailboxes take everything, sooner or later, unless the time is up.
    fn may_fail(&mut self, id: QueueId, place: u32, letter: &Letter, ending: &Ending) {
        let local = matches!(ending.addressee.hop, Hop::Mailbox(_) | Hop::SentItems(_));
        // A body that a lying disk destroyed cannot be delivered: its sender is told.
        let destroyed = self.world.disk.lies() > 0;
        if local && !destroyed && !letter.commands.contains("give up") && !letter.commands.contains("hold") {
            self.breach(format!("{id} {place} to a mailbox has failed"));
        }
    }

    /// The answer was lost or never given, or the machine went dark before the outcome was durable.
    fn is_excused(&self, receipt: &Receipt, ending: &Ending) -> bool {
        let recorded = ending.fate == Some(State::Relayed) && ending.ended_in <= receipt.life;
        !receipt.answered || (self.books.broken_off.contains(&receipt.life) && !recorded)
    }

    fn receipts_of(&mut self, letter: &Letter, addressee: &Addressee) -> Vec<usize> {
        let Hop::Relay { address, .. } = &addressee.hop else { return Vec::new() };
        let mark = match (&letter.draft, &letter.report) {
            (Some(draft), _) => format!("Message-ID: <{}@draft.example>\r\n", draft.token),
            (None, Some(report)) => format!("Message-ID: <{}>\r\n", report.message_id),
            (None, None) => return Vec::new(),
        };
        let own = |receipt: &Receipt| {
            let head = receipt.content.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(receipt.content.len());
            let head = String::from_utf8_lossy(&receipt.content[..head]).into_owned() + "\r\n";
            receipt.recipient == address.to_string() && head.contains(&mark)
        };
        let found: Vec<usize> = self
            .books
            .receipts
            .iter()
            .enumerate()
            .filter(|(_, receipt)| own(receipt))
            .map(|(index, _)| index)
            .collect();
        let mut wrong = Vec::new();
        for index in &found {
            let receipt = &self.books.receipts[*index];
            self.used.insert(*index);
            if receipt.reverse_path != addressee.reverse_path.to_string() {
                wrong.push(format!("{} came with the reverse-path {}", receipt.recipient, receipt.reverse_path));
            }
            if let Some(draft) = &letter.draft {
                let resent = addressee.resent_from.as_ref().map(|from| format!("Resent-From: <{from}>\r\n"));
                let mut expected = resent.unwrap_or_default().into_bytes();
                expected.extend_from_slice(&draft.head);
                expected.extend_from_slice(&draft.body);
                if receipt.content != expected {
                    wrong.push(format!("token {} came to {} altered", draft.token, receipt.recipient));
                }
            }
        }
        self.violations.extend(wrong);
        found
    }

    fn is_intact(&mut self, id: QueueId, letter: &Letter, addressee: &Addressee, mail: &Mail) {
        let (owner, sent) = match &addressee.hop {
            Hop::Mailbox(owner) => (MailboxName::of_recipient(*owner), false),
            Hop::SentItems(owner) => (MailboxName::of_recipient(*owner), true),
            Hop::Postmaster => (MailboxName::postmaster(), false),
            Hop::Relay { .. } | Hop::Nowhere | Hop::Approval(_) => {
                return self.breach(format!("{id} is in {}", mail.place.display()));
            }
        };
        let mailbox = Path::new(MAIL).join(owner.as_str());
        let folders: &[&str] = if sent { &[".Sent Items/cur"] } else { &["new", "cur"] };
        if !folders.iter().any(|folder| mail.place.parent() == Some(&mailbox.join(folder))) {
            self.breach(format!("{id} is in {}, not in {folders:?}", mail.place.display()));
        }
        let mut expected = Vec::new();
        if !sent {
            let path = match &addressee.reverse_path {
                ReversePath::Null => String::new(),
                ReversePath::Mailbox(address) => address.to_string(),
            };
            expected.extend_from_slice(format!("Return-Path: <{path}>\n").as_bytes());
            expected.extend_from_slice(format!("Delivered-To: {}\n", addressee.address).as_bytes());
            if let Some(from) = &addressee.resent_from {
                expected.extend_from_slice(format!("Resent-From: <{from}>\n").as_bytes());
            }
        }
        let intact = match (&letter.draft, &letter.report) {
            (Some(draft), _) => {
                // The author's own copies alone say who got the message in secret.
                if sent && draft.secret {
                    expected.extend_from_slice(b"Bcc: someone@contoso.example\n");
                }
                expected.extend_from_slice(&lf(&draft.head));
                expected.extend_from_slice(&lf(&draft.body));
                expected == mail.content
            }
            (None, Some(report)) => {
                let text = String::from_utf8_lossy(&mail.content);
                mail.content.starts_with(&expected)
                    && text.contains(&format!("\nMessage-ID: <{}>\n", report.message_id))
                    && (text.trim_end().ends_with("--") || report.is_answer())
            }
            (None, None) => false,
        };
        if !intact {
            self.breach(format!("{id} in {} is not what was sent", mail.place.display()));
        }
    }

    fn no_report_about(&mut self, id: QueueId, letter: &Letter) {
        let Some(draft) = &letter.draft else { return };
        let about = format!("{}@draft.example", draft.token);
        let any = self.books.letters.values().any(|other| other.report.as_ref().is_some_and(|own| own.about == about));
        if any {
            self.breach(format!("{id} has a null reverse-path and earned a report"));
        }
    }

    /// Who is owed a report has one, about the right recipients, once.
    fn reports_about(&mut self, id: QueueId, letter: &Letter, endings: &[Ending]) {
        let Some(draft) = &letter.draft else { return };
        let about = format!("{}@draft.example", draft.token);
        let mut owed: BTreeMap<(&str, String), Vec<String>> = BTreeMap::new();
        for ending in endings {
            let notice = ending.noticed.then_some("Delivery delayed");
            for kind in reported(ending).into_iter().chain(notice) {
                let to = ending.addressee.reverse_path.to_string();
                owed.entry((kind, to)).or_default().push(ending.addressee.address.to_string());
            }
        }
        let known = self.books.letters.iter();
        let written: Vec<(QueueId, &Letter)> = known
            .filter(|(_, other)| other.report.as_ref().is_some_and(|own| own.about == about && !own.is_answer()))
            .map(|(id, other)| (*id, other))
            .collect();
        self.counts.reports += written.len();
        if self.lenient {
            return;
        }
        for (report_id, other) in &written {
            let Some(report) = &other.report else { continue };
            if draft.suppressed || !owed.contains_key(&(report.kind.as_str(), report.to.clone())) {
                self.breach(format!("{report_id} reports about {id} unasked: {report:?}"));
            }
        }
        for ((kind, to), recipients) in owed {
            if draft.suppressed {
                continue;
            }
            self.is_told(id, kind, &to, &recipients, &written);
        }
    }

    fn is_told(&mut self, id: QueueId, kind: &str, to: &str, owed: &[String], written: &[(QueueId, &Letter)]) {
        let mine = |other: &Letter| other.report.as_ref().is_some_and(|own| own.kind == kind && own.to == to);
        let mut told: Vec<String> = Vec::new();
        let mut complete = true;
        let mut any = false;
        for (report_id, other) in written.iter().filter(|(_, other)| mine(other)) {
            any = true;
            match self.words_of(*report_id, other) {
                Some(words) => told.extend(words),
                None => complete = false,
            }
        }
        let mut owed = owed.to_vec();
        owed.sort_unstable();
        told.sort_unstable();
        if !any {
            self.breach(format!("{to} is owed a report ({kind}) about {id} to {owed:?} and there is none"));
        } else if complete && told != owed && !(kind == "Delivery delayed" && owed.iter().all(|one| told.contains(one)))
        {
            self.breach(format!("{to} is told ({kind}) about {told:?} of {id} and should be about {owed:?}"));
        }
    }

    /// The recipients that a report names; none when it reached nobody, which may happen to reports.
    fn words_of(&self, id: QueueId, letter: &Letter) -> Option<Vec<String>> {
        let message_id = &letter.report.as_ref()?.message_id;
        let mark = format!("Message-ID: <{message_id}>");
        let text = self
            .mails
            .iter()
            .filter(|((own, _), _)| *own == id)
            .flat_map(|(_, mails)| mails.iter().map(|mail| &mail.content))
            .chain(self.world_receipts())
            .map(|content| String::from_utf8_lossy(content).replace("\r\n", "\n"))
            .find(|text| text.contains(&mark))?;
        let field = |line: &str| line.strip_prefix("Final-Recipient: rfc822;").map(str::to_owned);
        Some(text.lines().filter_map(field).collect())
    }

    fn world_receipts(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.books.receipts.iter().map(|receipt| &receipt.content)
    }

    fn nothing_else_is_there(&mut self) {
        let strange: Vec<String> = self
            .mails
            .iter()
            .filter(|(key, _)| !self.opened.contains(key))
            .flat_map(|(_, mails)| mails)
            .map(|mail| format!("{} is for nobody", mail.place.display()))
            .collect();
        self.violations.extend(strange);
        for (index, receipt) in self.books.receipts.iter().enumerate() {
            if !self.used.contains(&index) {
                let text = format!("{} got something that was never sent there", receipt.recipient);
                self.violations.push(text);
            }
        }
    }
}

/// Whose Sent Items keep a copy: none of a receipt or report.
fn copies_of(draft: &Draft) -> BTreeSet<RecipientId> {
    let by_account = match draft.account {
        Some("alice@contoso.example") => Some(ALICE),
        Some("bob@contoso.example") => Some(BOB),
        Some(_) | None => None,
    };
    let by_author = match draft.author.as_str() {
        "info@contoso.example" => Some(INFO),
        "sales@contoso.example" => Some(SALES),
        _ => None,
    };
    let written = *draft.envelope.reverse_path() != ReversePath::Null;
    by_account.into_iter().chain(by_author).filter(|_| written).collect()
}

/// What its sender was told of a recipient, in the words of the report's subject.
fn reported(ending: &Ending) -> Option<&'static str> {
    if ending.state != State::Reported {
        return None;
    }
    Some(match ending.fate? {
        State::Failed => "Undeliverable",
        State::Delivered => "Delivered",
        State::Relayed => "Relayed",
        State::Rejected => "Rejected",
        State::Due
        | State::Deferred
        | State::Held
        | State::Removed
        | State::Reported
        | State::Moderated
        | State::Approved
        | State::Branched => return None,
    })
}
