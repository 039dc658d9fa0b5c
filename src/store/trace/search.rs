//! Search: one line for each message and recipient, newest first.
//!
//! Files are read from the newest back, and each from its end: so the first that is met of a recipient is its last
//! status, and with the record of its acceptance a message is complete and can be forgotten. What is held is what has
//! not come to that yet, and the answer; a file is in memory as long as it is read.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::path::Path;
use std::time::Duration;

use unicode_normalization::UnicodeNormalization as _;

use super::file::{self, Day};
use super::record::{self, ACCEPTED, Accepted, EXPANDED, Expanded, GAP, Gap, Given, MOVED, Moved, Prefix, Said, Way};
use super::view::{Line, Page, Status};
use crate::model::mail::{ForwardPath, Timestamp};
use crate::model::queue::{Party, QueueId};
use crate::store::journal::format::Found;
use crate::world::disk::Disk;

/// What to look for; everything given must hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// Accepted at this time or later.
    pub since: Timestamp,
    /// Accepted at this time or earlier.
    pub until: Timestamp,
    /// From here.
    pub sender: Option<Party>,
    /// To here, as given or after expansion.
    pub recipient: Option<Party>,
    /// With this in the subject, letter case aside.
    pub subject: Option<String>,
    /// With this last status.
    pub status: Option<Status>,
    /// The most lines of the answer.
    pub limit: usize,
}

/// What a search cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Scanned {
    /// Files read.
    pub files: usize,
    /// Octets read.
    pub bytes: u64,
    /// Records read.
    pub records: u64,
    /// The most recipients that were held at once.
    pub held_max: usize,
}

/// Recipients that are held at most; more are left out of the answer, which says so.
const HELD_MAX: usize = 200_000;
/// A message has ended, or has expired, within 4 weeks (the longest expiry); two more days for clocks.
pub(super) const LIFE_DAYS: u64 = 30;
/// Ids say when they were given; clocks may be wrong by so much.
const ID_LEEWAY: Duration = Duration::from_secs(3_600);

/// Searches the trace in `directory`, which may not exist. `progress` hears how many octets of how many were read.
/// Blocks.
///
/// # Errors
/// The system's.
pub fn search(
    disk: &dyn Disk,
    directory: &Path,
    query: &Query,
    progress: &mut dyn FnMut(u64, u64),
) -> io::Result<(Page, Scanned)> {
    let (first, last) = (Day::of(query.since).back(1), Day::of(query.until).on(LIFE_DAYS));
    let mut reading = Reading::open(disk, directory, |day| first <= day && day <= last)?;
    let mut search = Search::new(query);
    while let Some(content) = reading.next_back(progress)? {
        let sound = content.sound();
        search.page.damaged = search.page.damaged.saturating_add(reading.damaged(&sound));
        for found in sound.records.iter().rev() {
            reading.scanned.records = reading.scanned.records.saturating_add(1);
            search.take(found);
            if search.lines.len() >= query.limit {
                search.page.more = true;
                break;
            }
        }
        if search.page.more && search.lines.len() >= query.limit {
            break;
        }
    }
    let scanned = Scanned { held_max: search.held_max, ..reading.scanned };
    Ok((search.finish(), scanned))
}

/// The files of some days, one after the other.
pub(super) struct Reading<'disk> {
    disk: &'disk dyn Disk,
    directory: &'disk Path,
    names: std::collections::VecDeque<file::Name>,
    /// The last file of all, whose end may be unfinished.
    newest: Option<file::Name>,
    current: Option<file::Name>,
    total: u64,
    pub(super) scanned: Scanned,
}

impl<'disk> Reading<'disk> {
    pub(super) fn open(
        disk: &'disk dyn Disk,
        directory: &'disk Path,
        wanted: impl Fn(Day) -> bool,
    ) -> io::Result<Self> {
        let names = file::list(disk, directory)?;
        let newest = names.last().copied();
        let names: std::collections::VecDeque<_> = names.into_iter().filter(|name| wanted(name.day)).collect();
        // A file that goes meanwhile counts for nothing.
        let total = names.iter().filter_map(|name| disk.length(&name.within(directory)).ok()).sum();
        Ok(Self { disk, directory, names, newest, current: None, total, scanned: Scanned::default() })
    }

    pub(super) fn next(&mut self, progress: &mut dyn FnMut(u64, u64)) -> io::Result<Option<file::Content>> {
        self.read(std::collections::VecDeque::pop_front, progress)
    }

    pub(super) fn next_back(&mut self, progress: &mut dyn FnMut(u64, u64)) -> io::Result<Option<file::Content>> {
        self.read(std::collections::VecDeque::pop_back, progress)
    }

    fn read(
        &mut self,
        pop: fn(&mut std::collections::VecDeque<file::Name>) -> Option<file::Name>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> io::Result<Option<file::Content>> {
        while let Some(name) = pop(&mut self.names) {
            progress(self.scanned.bytes, self.total);
            let content = match file::read(self.disk, &name.within(self.directory)) {
                // Too old by now.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                content => content?,
            };
            self.current = Some(name);
            self.scanned.files = self.scanned.files.saturating_add(1);
            self.scanned.bytes = self.scanned.bytes.saturating_add(content.bytes.len() as u64);
            return Ok(Some(content));
        }
        Ok(None)
    }

    /// How many places of the current file are damaged.
    pub(super) fn damaged(&self, sound: &file::Sound<'_>) -> usize {
        let torn = sound.torn_at.is_some() && self.current != self.newest;
        sound.damaged.saturating_add(usize::from(torn))
    }
}

/// Whether `path` is meant.
pub(super) fn is_path(party: &Party, path: &ForwardPath) -> bool {
    match path {
        ForwardPath::Mailbox(address) => party.is_address(address),
        ForwardPath::Postmaster => matches!(party, Party::Address(key) if key.eq_ignore_ascii_case("postmaster")),
    }
}

/// Whether a recipient is meant, by its address or by the path that led to it.
pub(super) fn is_recipient(party: Option<&Party>, recipient: &record::Recipient) -> bool {
    let given = |party| recipient.given.as_ref().is_some_and(|path| is_path(party, path));
    party.is_none_or(|party| party.is_address(&recipient.address) || given(party))
}

/// The text without regard to letter case and to how its characters are put together.
fn folded(text: &str) -> String {
    text.nfkc().collect::<String>().to_lowercase().nfkc().collect()
}

/// A message whose acceptance has not been met yet.
#[derive(Debug, Default)]
struct Pending {
    /// The recipients that are meant, by place.
    rows: BTreeMap<u32, Row>,
    /// Whether it was expanded, and to anybody.
    expanded: bool,
    populated: bool,
    /// Parts of the recipients given, the last first.
    given: Vec<ForwardPath>,
}

#[derive(Debug)]
struct Row {
    recipient: record::Recipient,
    status: Option<Status>,
    /// Deferred, unless a hold that stays came before.
    tentative: bool,
    at: Timestamp,
    said: Option<Said>,
}

struct Search<'query> {
    query: &'query Query,
    subject: Option<String>,
    ids: core::ops::RangeInclusive<QueueId>,
    pending: HashMap<QueueId, Pending>,
    held: usize,
    held_max: usize,
    /// Messages that were told again, and may be met again.
    done: HashSet<QueueId>,
    lines: Vec<(Timestamp, QueueId, u32, Line)>,
    page: Page,
}

impl<'query> Search<'query> {
    fn new(query: &'query Query) -> Self {
        let since = query.since.unix_milliseconds().saturating_sub(u64::try_from(ID_LEEWAY.as_millis()).unwrap_or(0));
        let first = QueueId::after(QueueId(0), Timestamp::from_unix_milliseconds(since));
        Self {
            query,
            subject: query.subject.as_deref().map(folded),
            ids: first..=QueueId::after(QueueId(0), query.until.plus(ID_LEEWAY)),
            pending: HashMap::new(),
            held: 0,
            held_max: 0,
            done: HashSet::new(),
            lines: Vec::new(),
            page: Page::default(),
        }
    }

    fn take(&mut self, found: &Found<'_>) {
        let Some((prefix, body)) = record::divide(found.payload) else { return };
        if found.label.kind == GAP {
            let count = record::body::<Gap>(body).map_or(0, |gap| gap.count);
            self.page.lost = self.page.lost.saturating_add(count);
            return;
        }
        if !self.ids.contains(&prefix.id) || self.done.contains(&prefix.id) {
            return;
        }
        match (found.label.kind, found.label.group_position) {
            (MOVED, _) => record::body(body).into_iter().for_each(|moved| self.moved(prefix, moved)),
            (EXPANDED, _) => record::body(body).into_iter().for_each(|expanded| self.expanded(prefix, expanded)),
            (ACCEPTED, 0) => {
                if let Some(accepted) = record::body(body) {
                    if !found.label.first_of_batch {
                        self.done.insert(prefix.id);
                    }
                    self.accepted(prefix, &accepted);
                }
            }
            (ACCEPTED, _) => {
                if let Some(Given { given }) = record::body(body) {
                    self.pending.entry(prefix.id).or_default().given.extend(given.into_iter().rev());
                }
            }
            (_, _) => {}
        }
    }

    fn moved(&mut self, prefix: Prefix, moved: Moved) {
        for (place, recipient, step) in moved.happened.into_iter().rev() {
            let (status, said) = (Status::after(&step), step.said().cloned());
            let at = said.as_ref().map_or(prefix.at, |said| said.at);
            let tentative = status == Some(Status::Deferred);
            self.row(prefix.id, place, Row { recipient, status, tentative, at, said });
        }
    }

    fn expanded(&mut self, prefix: Prefix, expanded: Expanded) {
        let pending = self.pending.entry(prefix.id).or_default();
        pending.expanded = true;
        for (place, (recipient, state, said)) in (expanded.first..).zip(expanded.recipients) {
            let status = Some(Status::of(state, &recipient.way, said.as_ref()));
            let at = said.as_ref().map_or(prefix.at, |said| said.at);
            self.row(prefix.id, place, Row { recipient, status, tentative: false, at, said });
        }
    }

    /// Takes in what was before that which is known of a recipient.
    fn row(&mut self, id: QueueId, place: u32, former: Row) {
        let pending = self.pending.entry(id).or_default();
        (pending.expanded, pending.populated) = (true, true);
        // A sender's own copy is nobody's mail.
        let meant = is_recipient(self.query.recipient.as_ref(), &former.recipient);
        if !meant || matches!(former.recipient.way, Way::SentItems(_)) {
            return;
        }
        if let Some(row) = pending.rows.get_mut(&place) {
            if row.tentative && former.status.is_some() {
                row.status = if former.status == Some(Status::Held) { former.status } else { row.status };
                row.tentative = false;
            }
            row.tentative |= row.status.is_none() && former.tentative;
            row.status = row.status.or(former.status);
            row.said = row.said.take().or(former.said);
        } else if self.held < HELD_MAX {
            pending.rows.insert(place, former);
            self.held = self.held.saturating_add(1);
            self.held_max = self.held_max.max(self.held);
        } else {
            self.page.more = true;
        }
    }

    /// A message is complete.
    fn accepted(&mut self, prefix: Prefix, accepted: &Accepted) {
        let pending = self.pending.remove(&prefix.id).unwrap_or_default();
        self.held = self.held.saturating_sub(pending.rows.len());
        let query = self.query;
        let in_time = query.since <= prefix.at && prefix.at <= query.until;
        let from_there = query.sender.as_ref().is_none_or(|party| party.is_reverse_path(&accepted.reverse_path));
        let named = self.subject.as_ref().is_none_or(|subject| folded(&accepted.subject).contains(subject.as_str()));
        if !(in_time && from_there && named) {
            return;
        }
        let base = Line {
            id: prefix.id.to_string(),
            accepted_at: prefix.at.to_string(),
            from: accepted.reverse_path.to_string(),
            recipient: String::new(),
            given: None,
            status: Status::Accepted,
            at: prefix.at.to_string(),
            subject: accepted.subject.to_string(),
            message_id: accepted.message_id.to_string(),
            bytes: accepted.bytes,
            destination: String::new(),
            host: None,
            reply: None,
        };
        if !pending.populated {
            let status = if pending.expanded { Status::Expanded } else { Status::Accepted };
            let paths = accepted.given.iter().chain(pending.given.iter().rev());
            for (place, path) in (0..).zip(paths) {
                if query.recipient.as_ref().is_none_or(|party| is_path(party, path)) {
                    self.line(prefix, place, Line { recipient: path.to_string(), status, ..base.clone() });
                }
            }
        }
        for (place, row) in pending.rows {
            let Row { recipient, status, at, said, .. } = row;
            self.line(
                prefix,
                place,
                Line {
                    recipient: recipient.address.to_string(),
                    given: recipient.given.map(|path| path.to_string()),
                    status: status.unwrap_or(Status::Due),
                    at: at.to_string(),
                    destination: recipient.way.to_string(),
                    host: said.as_ref().and_then(|said| said.host.as_deref()).map(str::to_owned),
                    reply: said.map(|said| said.reply.into()),
                    ..base.clone()
                },
            );
        }
    }

    fn line(&mut self, prefix: Prefix, place: u32, line: Line) {
        let wanted = self.query.status.is_none_or(|status| status == line.status);
        if wanted && self.lines.len() < self.query.limit {
            self.lines.push((prefix.at, prefix.id, place, line));
        }
    }

    fn finish(mut self) -> Page {
        self.lines.sort_by(|(at, id, place, _), (other_at, other_id, other_place, _)| {
            (other_at, other_id, place).cmp(&(at, id, other_place))
        });
        self.page.lines = self.lines.into_iter().map(|(.., line)| line).collect();
        self.page
    }
}
