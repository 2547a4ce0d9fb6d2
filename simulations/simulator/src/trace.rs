//! The trace of a run: events with their virtual time, every delivery if wanted, and a hash of
//! every byte that left a link.

use std::{collections::BTreeMap, fmt};

use beringia_history::{History, Operation};
use beringia_network::Tap;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;
use xxhash_rust::xxh3::xxh3_64;

use crate::fingerprint::RunHash;

/// The trace of a run. Two runs of one seed must have the same trace.
pub struct Trace {
    began: Instant,
    /// Whether every delivery is kept.
    is_whole: bool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    /// Events with their times in microseconds.
    events: Vec<(u64, String)>,
    /// Events with their times, without the deliveries that only a whole trace keeps.
    noted: RunHash,
    wire: RunHash,
    wire_bytes: u64,
    /// Bytes by the places that they came from and went to.
    wire_bytes_by_pair: BTreeMap<String, BTreeMap<String, u64>>,
    deliveries: u64,
}

impl Trace {
    /// Creates an empty trace whose times count from now. With `is_whole` it keeps every delivery,
    /// each as a line.
    #[must_use]
    pub fn new(is_whole: bool) -> Self {
        Self {
            began: Instant::now(),
            is_whole,
            inner: Mutex::default(),
        }
    }

    /// Milliseconds of virtual time since the beginning.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Adds an event at the present virtual time.
    pub fn note(&self, event: fmt::Arguments<'_>) {
        let (at_us, event) = (self.now_us(), event.to_string());
        let mut inner = self.inner();
        inner.noted.number(at_us);
        inner.noted.bytes(event.as_bytes());
        inner.events.push((at_us, event));
    }

    fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// The events so far, the commits with their times in microseconds, and the operations of
    /// clients, which began at `load_began_us`, in order of their times; and last the bytes on the
    /// wires.
    #[must_use]
    pub fn lines(&self, history: &History, load_began_us: u64, commits: Vec<(u64, String)>) -> Vec<String> {
        let inner = self.inner();
        let mut events = inner.events.clone();
        let operations = history.operations.iter();
        events.extend(commits);
        events.extend(operations.map(|operation| (load_began_us + operation.done_us, shown(operation))));
        events.sort_by_key(|(at_us, _)| *at_us);
        let lines = events
            .into_iter()
            .map(|(at_us, event)| format!("{:>8}.{:03} {event}", at_us / 1000, at_us % 1000));
        let wire = format!(
            "wire: {} bytes in {} deliveries, xxh3 {:032x}",
            inner.wire_bytes,
            inner.deliveries,
            inner.wire.digest()
        );
        lines.chain([wire]).collect()
    }

    /// Adds the events so far and everything that links have delivered to the hash of a run. It is
    /// the same whether or not the trace is whole.
    pub(crate) fn hash(&self, hash: &mut RunHash) {
        let inner = self.inner();
        for part in [inner.noted.digest(), inner.wire.digest()] {
            hash.bytes(&part.to_le_bytes());
        }
        hash.number(inner.wire_bytes);
        hash.number(inner.deliveries);
    }

    /// Bytes that links have delivered so far, by the places that they came from and went to.
    #[must_use]
    pub fn wire_bytes(&self) -> BTreeMap<(String, String), u64> {
        let inner = self.inner();
        let pairs = inner.wire_bytes_by_pair.iter();
        pairs
            .flat_map(|(from, to)| to.iter().map(move |(to, bytes)| ((from.clone(), to.clone()), *bytes)))
            .collect()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock()
    }
}

fn shown(operation: &Operation) -> String {
    let Operation {
        workload,
        client,
        part,
        home,
        region,
        name,
        due_us,
        sent_us,
        done_us,
        outcome,
        cancellations,
        failure,
        reads,
        writes,
        checked,
    } = operation;
    let mut line = format!("{workload} {home}#{client}");
    if home != region {
        line += &format!(" in {region}");
    }
    line += &format!(" {name}: {outcome:?}, due {due_us} us, sent {sent_us} us, done {done_us} us");
    if *part > 0 {
        line += &format!("; part {part} of its request");
    }
    if !cancellations.is_empty() {
        line += &format!("; cancelled for {}", cancellations.join(", "));
    }
    if let Some(cause) = failure {
        line += &format!(", {}", cause.name());
    }
    for read in reads {
        let how = if read.is_consistent { " (consistent)" } else { "" };
        let marker = read.marker.as_deref().unwrap_or("nothing");
        line += &format!("; {} held {marker}{how}", read.key);
    }
    for write in writes {
        line += &format!("; {} {:?} {}", write.key, write.effect, write.marker);
    }
    if !checked.is_empty() {
        line += &format!("; checked {}", checked.join(", "));
    }
    line
}

impl Inner {
    fn count(&mut self, from: &str, to: &str, bytes: u64) {
        if let Some(count) = self
            .wire_bytes_by_pair
            .get_mut(from)
            .and_then(|pairs| pairs.get_mut(to))
        {
            *count += bytes;
        } else {
            let pairs = self.wire_bytes_by_pair.entry(from.to_owned()).or_default();
            pairs.insert(to.to_owned(), bytes);
        }
    }
}

impl Tap for Trace {
    fn delivered(&self, from: &str, to: &str, connection: u64, bytes: &[u8]) {
        let at_ns = self.began.elapsed().as_nanos();
        let delivery = self.is_whole.then(|| {
            let hash = xxh3_64(bytes);
            let line = format!(
                "{from} -> {to}, connection {connection}: {} bytes, xxh3 {hash:016x}",
                bytes.len()
            );
            (self.now_us(), line)
        });
        let mut inner = self.inner();
        inner.events.extend(delivery);
        for part in [
            &at_ns.to_le_bytes(),
            from.as_bytes(),
            to.as_bytes(),
            &connection.to_le_bytes(),
            bytes,
        ] {
            inner.wire.bytes(part);
        }
        inner.wire_bytes += bytes.len() as u64;
        inner.count(from, to, bytes.len() as u64);
        inner.deliveries += 1;
    }
}
