//! Loading: the snapshot that the index holds, read and put together by as many threads as there are cores.

use core::ops::ControlFlow;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, available_parallelism, scope};

use serde::de::DeserializeOwned;

use super::form::Reader;
use super::index::{
    ABOUT, ADDRESS_POLICY, AUTHENTICATION_POLICY, BUILDING, DOMAIN, OBJECTS, ORGANISATION, RECIPIENT, REMOTE_DOMAIN,
    VERSION, recipient_key,
};
use crate::model::directory::{Objects, Portion, RecipientId, Restoration, Snapshot};
use crate::store::engine::{Engine, EngineError, KeyRange};

/// The recipients are read in parts of so many identities, small ones: what a part is gathered in lies between its
/// recipients, who stay, and its place is good for the next part and for nothing else.
const PART: u64 = 1_000;
/// And in no more parts than this.
const PARTS_MAX: u64 = 1_024;
/// More threads would only wait for the engine.
const THREADS_MAX: usize = 8;

/// For more recipients than this, room is made when they come: the next identity tells only how many there ever were.
const ROOM_MAX: usize = 1 << 20;

/// A number of a part, and what is in it.
type Read = (usize, Result<Portion, EngineError>);

/// The version of the snapshot in the index, and the identity that its next recipient takes; none when the index is new
/// or unfinished.
pub(super) fn version(engine: &dyn Engine) -> Result<Option<(u64, RecipientId)>, EngineError> {
    let stamp = engine.read(ABOUT, VERSION)?.and_then(|value| value.try_into().ok()).map(u128::from_be_bytes);
    let unfinished = engine.read(ABOUT, BUILDING)?.is_some();
    let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or(0);
    Ok(stamp.filter(|_| !unfinished).map(|stamp| (half(stamp >> 64), RecipientId(half(stamp)))))
}

/// The snapshot in the index; an empty one when the index is new or unfinished.
pub(super) fn load(engine: &dyn Engine) -> Result<Snapshot, EngineError> {
    let Some((version, next_id)) = version(engine)? else {
        return Ok(Snapshot::default());
    };
    let mut objects = Objects::default();
    each(engine, &[], Some(&[RECIPIENT]), &mut |key, value| {
        match key.first().copied().unwrap_or(0) {
            ORGANISATION => objects.organisation = decode(value)?,
            DOMAIN => objects.domains.push(decode(value)?),
            REMOTE_DOMAIN => objects.remote_domains.push(decode(value)?),
            AUTHENTICATION_POLICY => objects.authentication_policies.push(decode(value)?),
            ADDRESS_POLICY => objects.address_policies.push(decode(value)?),
            kind => return Err(corrupt(&format!("there are no objects of the kind {kind}"))),
        }
        Ok(())
    })?;
    recipients(engine, next_id, Restoration::new(version, next_id, objects))
}

/// Adds the recipients.
fn recipients(
    engine: &dyn Engine,
    next_id: RecipientId,
    mut restoration: Restoration,
) -> Result<Snapshot, EngineError> {
    let bounds = bounds(next_id);
    restoration.reserve(usize::try_from(next_id.0).unwrap_or(ROOM_MAX).min(ROOM_MAX));
    let (empty, next) = (restoration.portion(), AtomicUsize::new(0));
    let reader = Reader::new(restoration.domains());
    let work = |mut reader: Reader, sender: Sender<Read>| {
        loop {
            let part = next.fetch_add(1, Ordering::Relaxed);
            let Some(from) = bounds.get(part) else { return };
            let until = bounds.get(part + 1).map(Vec::as_slice);
            let read = portion(engine, from, until, &mut reader, empty.clone());
            let failed = read.is_err();
            // Nobody listens any more once something failed.
            if sender.send((part, read)).is_err() || failed {
                return;
            }
        }
    };
    scope(|scope| {
        let (sender, receiver) = channel();
        for _ in 0..available_parallelism().map_or(1, usize::from).min(THREADS_MAX) {
            let (work, reader, sender) = (&work, reader.clone(), sender.clone());
            let started = Builder::new().name("index".to_owned()).spawn_scoped(scope, move || work(reader, sender));
            started.map_err(|error| failed(&error.to_string()))?;
        }
        drop(sender);
        join(&mut restoration, receiver, bounds.len())
    })?;
    Ok(restoration.finish())
}

/// Adds the portions in their order, so that the same index always gives the same snapshot.
fn join(restoration: &mut Restoration, receiver: Receiver<Read>, parts: usize) -> Result<(), EngineError> {
    let (mut early, mut joined) = (BTreeMap::new(), 0);
    for (part, read) in receiver {
        early.insert(part, read?);
        while let Some(portion) = early.remove(&joined) {
            restoration.join(portion);
            joined += 1;
        }
    }
    // A thread that panicked has sent nothing.
    if joined == parts { Ok(()) } else { Err(failed("the index could not be read")) }
}

/// Where the parts begin. The last one has no end: whatever lies there must be a recipient.
fn bounds(next_id: RecipientId) -> Vec<Vec<u8>> {
    let parts = next_id.0.div_ceil(PART).clamp(1, PARTS_MAX);
    let width = next_id.0.div_ceil(parts).max(1);
    let key = |part: u64| match part {
        0 => vec![RECIPIENT],
        part => recipient_key(RecipientId(width.saturating_mul(part))),
    };
    (0..parts).map(key).collect()
}

/// The recipients from one key up to before another.
fn portion(
    engine: &dyn Engine,
    from: &[u8],
    until: Option<&[u8]>,
    reader: &mut Reader,
    mut portion: Portion,
) -> Result<Portion, EngineError> {
    each(engine, from, until, &mut |key, value| {
        let recipient = reader.decode(value).map_err(|error| {
            let id = key.get(1..).and_then(|id| id.try_into().ok()).map(u64::from_be_bytes);
            corrupt(&format!("recipient {} cannot be read: {error}", id.unwrap_or(0)))
        })?;
        if key != recipient_key(recipient.id) {
            return Err(corrupt("a recipient has another identity than its key"));
        }
        portion.take(recipient);
        Ok(())
    })?;
    Ok(portion)
}

/// Takes the key, without the number of a piece, and the encoding of one object.
type Show<'a> = &'a mut dyn FnMut(&[u8], &[u8]) -> Result<(), EngineError>;

/// Shows every object from one key up to before another, its pieces joined.
fn each(engine: &dyn Engine, from: &[u8], until: Option<&[u8]>, show: Show<'_>) -> Result<(), EngineError> {
    let (mut open, mut joined, mut failed) = (Vec::new(), Vec::new(), None);
    engine.walk(OBJECTS, KeyRange::Between { from, until }, &mut |key, piece| {
        let identity = key.get(..key.len().saturating_sub(PIECE_BYTES)).unwrap_or_default();
        if identity.is_empty() {
            failed = Some(corrupt("an object has no identity"));
            return ControlFlow::Break(());
        }
        if identity != open {
            if !open.is_empty()
                && let Err(error) = show(&open, &joined)
            {
                failed = Some(error);
                return ControlFlow::Break(());
            }
            open.clear();
            open.extend_from_slice(identity);
            joined.clear();
        }
        joined.extend_from_slice(piece);
        ControlFlow::Continue(())
    })?;
    match failed {
        Some(error) => Err(error),
        None if open.is_empty() => Ok(()),
        None => show(&open, &joined),
    }
}

/// The number of a piece, at the end of its key.
const PIECE_BYTES: usize = 2;

fn decode<T: DeserializeOwned>(value: &[u8]) -> Result<T, EngineError> {
    serde_json::from_slice(value).map_err(|error| corrupt(&format!("an object cannot be read: {error}")))
}

fn corrupt(reason: &str) -> EngineError {
    EngineError::Corrupt { directory: PathBuf::new(), reason: reason.into() }
}

fn failed(reason: &str) -> EngineError {
    EngineError::Io { reason: reason.into() }
}
