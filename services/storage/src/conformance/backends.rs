//! Tests of the contract between storage backends and their committer, as documented in
//! [`backend`](crate::backend), without a store.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::ControlFlow,
    sync::{Arc, Weak, atomic::AtomicUsize, atomic::Ordering, mpsc},
    thread,
};

use beringia_clock::ManualClock;
use beringia_item::{KeyBytes, Transaction};
use bytes::Bytes;
use proptest::prelude::*;

use super::{
    Disk, DiskMaker,
    fixture::{START_MS, region},
    run::plain,
};
use crate::{
    StoreError, StoreOptions,
    backend::{
        CommitFailure, CommitNumber, Detail, ItemChange, ItemRow, KeyRange, Keyspace, LogRecord, MergedRow, ReadScope,
        RecordFlags, RecordHead, Snapshot, StorageBackend, StoredRecord, WriteSet, Writer,
    },
};

/// Keys of items, in order.
const ITEM_KEYS: [&[u8]; 6] = [&[0], &[0, 0], &[0, 255], &[1], &[255], &[255, 255]];
/// Keys of numbered rows, in order.
const NUMBERS: [u64; 6] = [0, 1, 255, 256, u32::MAX as u64, i64::MAX as u64];

/// The contents that a backend should have.
#[derive(Debug, Clone, Default)]
struct Model {
    items: BTreeMap<Vec<u8>, ItemRow>,
    rows: BTreeMap<(Keyspace, Vec<u8>), Vec<u8>>,
    log: BTreeMap<u64, LogRecord>,
    /// The last log position that was assigned.
    end: u64,
}

/// A write set, except for the parts that depend on the state.
#[derive(Debug, Clone)]
struct Writes {
    /// The index of a key, and the number from which its row is derived; `None` deletes the row.
    items: Vec<(usize, Option<u8>)>,
    /// The index of a keyspace, the index of a key, and its row.
    rows: Vec<(usize, usize, Option<Vec<u8>>)>,
    /// The numbers from which the records are derived.
    records: Vec<u8>,
    /// Positions to trim, as far as they were assigned.
    trimmed: BTreeSet<u64>,
}

#[derive(Debug, Clone)]
enum Step {
    Commit(Writes),
    /// A commit that is based on an outdated state.
    Stale(Writes),
    /// Closes the backend and opens it again.
    Reopen,
}

fn writes() -> impl Strategy<Value = Writes> {
    let row = prop::option::of(prop::collection::vec(any::<u8>(), 0..4));
    (
        prop::collection::vec((0..ITEM_KEYS.len(), prop::option::of(any::<u8>())), 0..4),
        prop::collection::vec((0..Keyspace::ALL.len(), 0..NUMBERS.len(), row), 0..6),
        prop::collection::vec(any::<u8>(), 0..4),
        prop::collection::btree_set(1_u64..12, 0..3),
    )
        .prop_map(|(items, rows, records, trimmed)| Writes {
            items,
            rows,
            records,
            trimmed,
        })
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => writes().prop_map(Step::Commit),
        1 => writes().prop_map(Step::Stale),
        1 => Just(Step::Reopen),
    ]
}

/// The key with this index in a keyspace.
fn row_key(keyspace: Keyspace, place: usize) -> Vec<u8> {
    if keyspace.is_numbered() {
        NUMBERS[place].to_be_bytes().to_vec()
    } else {
        ITEM_KEYS[place].to_vec()
    }
}

fn item_row(number: u8) -> ItemRow {
    ItemRow {
        position: u64::from(number % 8),
        time: u64::MAX - u64::from(number),
        origin: u16::from(number) * 257,
        sequence: u64::from(number) << 50,
        size: u64::from(number % 3),
        state: u64::MAX / (u64::from(number) + 1),
        content: u64::from(number) << 55,
    }
}

fn record(position: u64, number: u8) -> LogRecord {
    let bytes = |len: u8| Bytes::from(vec![number; usize::from(len)]);
    let some = |bit: u8, len: u8| (number & bit != 0).then(|| bytes(len));
    let sequence = 1000 + u64::from(number);
    LogRecord {
        head: RecordHead {
            position,
            table: u32::from(number) << 24,
            origin: u16::from(number) * 257,
            sequence,
            time: u64::MAX - u64::from(number),
            flags: RecordFlags::from_bits(number),
            transaction: Transaction {
                first: sequence - u64::from(number % 3),
                last: sequence + u64::from(number % 5),
            },
            previous: (number & 1 != 0).then_some(u64::from(number)),
            replaced: u128::from(number) << 120,
        },
        key: KeyBytes(bytes(3)),
        context: bytes(10 * (number % 3)),
        image: some(2, 20),
        metadata: some(4, 1),
        merged: (number & 8 != 0).then(|| MergedRow {
            time: u64::MAX,
            origin: 1,
            sequence: 2,
            context: bytes(10),
            image: some(16, 30),
            metadata: some(32, 2),
        }),
    }
}

impl Model {
    /// Builds the write set for the current state.
    fn write_set(&self, writes: &Writes, based_on: CommitNumber) -> WriteSet {
        let mut set = WriteSet {
            based_on,
            ..WriteSet::default()
        };
        for (place, number) in &writes.items {
            let key = ITEM_KEYS[*place].to_vec();
            let change = match (number.map(item_row), self.items.contains_key(&key)) {
                (Some(row), true) => ItemChange::Update(row),
                (Some(row), false) => ItemChange::Insert(row),
                (None, true) => ItemChange::Delete,
                (None, false) => continue,
            };
            set.items.insert(key, change);
        }
        for (keyspace, place, row) in &writes.rows {
            let keyspace = Keyspace::ALL[*keyspace];
            set.rows.insert((keyspace, row_key(keyspace, *place)), row.clone());
        }
        let positions = self.end + 1..;
        set.records = positions
            .zip(&writes.records)
            .map(|(position, number)| record(position, *number))
            .collect();
        set.trimmed = writes
            .trimmed
            .iter()
            .copied()
            .filter(|position| *position <= self.end)
            .collect();
        set
    }

    fn apply(&mut self, set: &WriteSet) {
        for (key, change) in &set.items {
            match change {
                ItemChange::Insert(row) | ItemChange::Update(row) => drop(self.items.insert(key.clone(), *row)),
                ItemChange::Delete => drop(self.items.remove(key)),
            }
        }
        for (key, row) in &set.rows {
            match row {
                Some(row) => drop(self.rows.insert(key.clone(), row.clone())),
                None => drop(self.rows.remove(key)),
            }
        }
        self.log
            .extend(set.records.iter().map(|record| (record.head.position, record.clone())));
        self.end += set.records.len() as u64;
        self.log.retain(|position, _| !set.trimmed.contains(position));
    }

    /// Reads everything through every method, and compares it.
    fn check(&self, snapshot: &dyn Snapshot) -> Result<(), StoreError> {
        for detail in Detail::ALL {
            self.check_items(snapshot, detail)?;
        }
        self.check_rows(snapshot)?;
        self.check_log(snapshot)
    }

    fn check_items(&self, snapshot: &dyn Snapshot, detail: Detail) -> Result<(), StoreError> {
        let expected = |key: &[u8], row: &ItemRow| {
            (
                key.to_vec(),
                *row,
                self.log.get(&row.position).and_then(|record| Seen::of(record, detail)),
            )
        };
        let mut found = Vec::new();
        snapshot.items(&ITEM_KEYS, detail, &mut |place, row, record| {
            found.push((ITEM_KEYS[place].to_vec(), *row?, Seen::read(record, detail)?));
            Ok(())
        })?;
        let all: Vec<_> = self.items.iter().map(|(key, row)| expected(key, row)).collect();
        assert_eq!(found, all, "by key, {detail:?}");
        for range in ranges(ITEM_KEYS.map(<[u8]>::to_vec)) {
            let mut found = Vec::new();
            snapshot.scan_items(&range, detail, &mut |key, row, record| {
                found.push((key.to_vec(), *row?, Seen::read(record, detail)?));
                Ok(ControlFlow::Continue(()))
            })?;
            let inside = self.items.iter().filter(|(key, _)| is_in(&range, key));
            let mut inside: Vec<_> = inside.map(|(key, row)| expected(key, row)).collect();
            if range.reverse {
                inside.reverse();
            }
            assert_eq!(found, inside, "{range:?}, {detail:?}");
        }
        Ok(())
    }

    fn check_rows(&self, snapshot: &dyn Snapshot) -> Result<(), StoreError> {
        for keyspace in Keyspace::ALL {
            let keys = [0, 1, 2, 3, 4, 5].map(|place| row_key(keyspace, place));
            for key in &keys {
                let expected = self.rows.get(&(keyspace, key.clone())).cloned();
                assert_eq!(snapshot.get(keyspace, key)?, expected, "{keyspace:?}");
            }
            for range in ranges(keys) {
                let mut found = Vec::new();
                snapshot.scan(keyspace, &range, &mut |key, row| {
                    found.push((key.to_vec(), row?.to_vec()));
                    Ok(ControlFlow::Continue(()))
                })?;
                let inside = self
                    .rows
                    .iter()
                    .filter(|((of, key), _)| *of == keyspace && is_in(&range, key));
                let mut inside: Vec<_> = inside.map(|((_, key), row)| (key.clone(), row.clone())).collect();
                if range.reverse {
                    inside.reverse();
                }
                assert_eq!(found, inside, "{keyspace:?}, {range:?}");
            }
        }
        let wanted: Vec<(Keyspace, Vec<u8>)> = self.rows.keys().cloned().collect();
        let wanted: Vec<(Keyspace, &[u8])> = wanted.iter().map(|(keyspace, key)| (*keyspace, &**key)).collect();
        let mut found = Vec::new();
        snapshot.rows(&wanted, &mut |place, row| {
            found.push((place, row?.to_vec()));
            Ok(())
        })?;
        assert_eq!(found, self.rows.values().cloned().enumerate().collect::<Vec<_>>());
        Ok(())
    }

    fn check_log(&self, snapshot: &dyn Snapshot) -> Result<(), StoreError> {
        let detail = Detail::Record;
        for position in 0..=self.end + 1 {
            let mut found = None;
            let is_there = snapshot.record(position, &mut |record| {
                found = Seen::read(Some(record), detail)?;
                Ok(())
            })?;
            let expected = self.log.get(&position);
            assert_eq!(is_there, expected.is_some(), "position {position}");
            assert_eq!(found, expected.and_then(|record| Seen::of(record, detail)));
        }
        for (first, last) in [(0, u64::from(u32::MAX)), (2, self.end), (3, 5), (5, 3)] {
            for reverse in [false, true] {
                let mut found = Vec::new();
                snapshot.log(first, last, reverse, &mut |record| {
                    found.push(Seen::read(Some(record), detail)?);
                    Ok(ControlFlow::Continue(()))
                })?;
                let inside = self
                    .log
                    .iter()
                    .filter(|(position, _)| (first..=last).contains(position));
                let mut inside: Vec<_> = inside.map(|(_, record)| Seen::of(record, detail)).collect();
                if reverse {
                    inside.reverse();
                }
                assert_eq!(found, inside, "{first}..={last}");
            }
        }
        Ok(())
    }
}

/// All keys, each half, a range of one key, and an empty range; each in both directions.
fn ranges(keys: [Vec<u8>; 6]) -> impl Iterator<Item = KeyRange> {
    let [least, second, _, middle, ..] = keys;
    let open = KeyRange {
        from: middle.clone(),
        ..KeyRange::all()
    };
    let ranges = [
        KeyRange::all(),
        open,
        KeyRange::new(least.clone(), middle.clone()),
        KeyRange::new(least, second),
        KeyRange::new(middle.clone(), middle),
    ];
    ranges
        .into_iter()
        .flat_map(|range| [range.clone(), range.reversed(true)])
}

fn is_in(range: &KeyRange, key: &[u8]) -> bool {
    *range.from <= *key && range.to.as_ref().is_none_or(|to| *key < **to)
}

/// The parts of a record that a detail includes.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    head: Option<RecordHead>,
    key: Vec<u8>,
    context: Vec<u8>,
    metadata: Option<Vec<u8>>,
    merged: Option<Vec<u8>>,
    image: Option<Vec<u8>>,
    current_image: Option<Vec<u8>>,
    bytes: u64,
}

impl Seen {
    fn read(record: Option<&dyn StoredRecord>, detail: Detail) -> Result<Option<Self>, StoreError> {
        let Some(record) = record else { return Ok(None) };
        let mut seen = Self::default();
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        if matches!(detail, Detail::Context | Detail::Record) {
            seen.head = Some(record.head()?);
            seen.key = record.key()?.to_vec();
            seen.context = record.context()?.to_vec();
            seen.metadata = owned(record.metadata()?);
            seen.merged = owned(record.merged()?);
        }
        if matches!(detail, Detail::Item | Detail::Record) {
            seen.current_image = owned(record.current_image()?);
        }
        if detail == Detail::Record {
            seen.image = owned(record.image()?);
            seen.bytes = record.bytes()?;
        }
        Ok(Some(seen))
    }

    fn of(record: &LogRecord, detail: Detail) -> Option<Self> {
        let owned = |bytes: &Option<Bytes>| bytes.as_ref().map(|bytes| bytes.to_vec());
        let mut seen = Self::default();
        if matches!(detail, Detail::Context | Detail::Record) {
            seen.head = Some(record.head);
            seen.key = record.key.0.to_vec();
            seen.context = record.context.to_vec();
            seen.metadata = owned(&record.metadata);
            seen.merged = record.merged.as_ref().map(MergedRow::encode);
        }
        if matches!(detail, Detail::Item | Detail::Record) {
            let merged = record.merged.as_ref().and_then(|merged| merged.image.clone());
            seen.current_image = owned(&merged.or_else(|| record.image.clone()));
        }
        if detail == Detail::Record {
            seen.image = owned(&record.image);
            seen.bytes = record.bytes();
        }
        (detail != Detail::Row).then_some(seen)
    }
}

/// A backend on a disk of its own, with the lease.
struct Leased {
    disk: Box<dyn Disk>,
    backend: Arc<dyn StorageBackend>,
    writer: Box<dyn Writer>,
}

impl Leased {
    fn new(backend: &dyn DiskMaker) -> Self {
        Self::on(backend.disk())
    }

    fn on(disk: Box<dyn Disk>) -> Self {
        let clock = Arc::new(ManualClock::new(START_MS));
        let backend = disk.backend(StoreOptions::new(region("us-east-1"), clock)).unwrap();
        let writer = backend.lease().unwrap();
        Self { disk, backend, writer }
    }

    fn reopened(self) -> Self {
        self.writer.release();
        self.backend.close();
        drop(self.backend);
        Self::on(self.disk)
    }

    /// Commits one row of the keyspace [`Keyspace::Unreachable`].
    fn put(&mut self, key: &[u8], row: &[u8]) -> Result<(), CommitFailure> {
        let based_on = self.writer.committed().unwrap();
        self.writer.commit(&one_row(based_on, key, row))
    }

    fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        let mut found = None;
        let read = self.backend.read(ReadScope::Call, &mut |snapshot| {
            found = snapshot.get(Keyspace::Unreachable, key)?;
            Ok(())
        });
        read.unwrap();
        found
    }
}

fn one_row(based_on: CommitNumber, key: &[u8], row: &[u8]) -> WriteSet {
    WriteSet {
        based_on,
        rows: [((Keyspace::Unreachable, key.to_vec()), Some(row.to_vec()))].into(),
        ..WriteSet::default()
    }
}

pub(super) fn every_read_returns_exactly_what_was_committed(backend: &dyn DiskMaker) {
    proptest!(ProptestConfig { cases: 40, ..ProptestConfig::default() }, |(steps in prop::collection::vec(step(), 1..12))| {
        plain(async {
            let (mut model, mut leased) = (Model::default(), Leased::new(backend));
            for step in steps {
                let committed = leased.writer.committed().unwrap();
                match step {
                    Step::Commit(writes) => {
                        let set = model.write_set(&writes, committed);
                        leased.writer.commit(&set).unwrap();
                        model.apply(&set);
                        assert_eq!(leased.writer.committed().unwrap(), CommitNumber(committed.0 + 1));
                    }
                    Step::Stale(writes) => {
                        let before = CommitNumber(committed.0.wrapping_sub(1));
                        let set = model.write_set(&writes, before);
                        assert_eq!(leased.writer.commit(&set), Err(CommitFailure::Stale));
                        assert_eq!(leased.writer.committed().unwrap(), committed);
                    }
                    Step::Reopen => leased = leased.reopened(),
                }
                leased.writer.read(&mut |snapshot| model.check(snapshot)).unwrap();
                leased.backend.read(ReadScope::Snapshot, &mut |snapshot| model.check(snapshot)).unwrap();
            }
        });
    });
}

pub(super) async fn snapshot_is_isolated_from_concurrent_commits(backend: &dyn DiskMaker) {
    let mut leased = Leased::new(backend);
    leased.put(b"a", b"1").unwrap();
    let reader = leased.backend.clone();
    let (begun, begins) = mpsc::channel();
    let mut seen = Vec::new();
    thread::scope(|scope| {
        let writing = scope.spawn(move || {
            begins.recv().unwrap();
            leased.put(b"a", b"2").unwrap();
            leased
        });
        let read = reader.read(ReadScope::Snapshot, &mut |snapshot| {
            seen.push(snapshot.get(Keyspace::Unreachable, b"a")?);
            begun.send(()).unwrap();
            // If reads and commits run concurrently, the commit happens between two of these reads.
            // Otherwise it waits for the last one.
            for _ in 0..1000 {
                thread::yield_now();
                seen.push(snapshot.get(Keyspace::Unreachable, b"a")?);
            }
            Ok(())
        });
        read.unwrap();
        let leased = writing.join().unwrap();
        assert_eq!(leased.get(b"a"), Some(b"2".to_vec()));
    });
    assert!(seen.iter().all(|row| row.as_deref() == Some(b"1")), "{seen:?}");
}

pub(super) async fn listener_is_called_after_each_commit_is_visible(backend: &dyn DiskMaker) {
    let mut leased = Leased::new(backend);
    let heard = Arc::new(AtomicUsize::new(0));
    let listener = {
        let (heard, backend): (_, Weak<dyn StorageBackend>) = (heard.clone(), Arc::downgrade(&leased.backend));
        move || {
            let number = heard.fetch_add(1, Ordering::SeqCst);
            let read = backend.upgrade().unwrap().read(ReadScope::Call, &mut |snapshot| {
                let row = snapshot.get(Keyspace::Unreachable, b"a")?;
                assert_eq!(row, Some(vec![u8::try_from(number).unwrap()]));
                Ok(())
            });
            read.unwrap();
        }
    };
    leased.backend.watch(Arc::new(listener));
    for number in 0..3 {
        leased.put(b"a", &[number]).unwrap();
        assert_eq!(heard.load(Ordering::SeqCst), usize::from(number) + 1);
    }
    let stale = one_row(CommitNumber(0), b"a", b"x");
    assert_eq!(leased.writer.commit(&stale), Err(CommitFailure::Stale));
    assert_eq!(heard.load(Ordering::SeqCst), 3, "nothing was committed");
}

pub(super) async fn scan_ends_when_its_visitor_breaks_or_fails(backend: &dyn DiskMaker) {
    let mut leased = Leased::new(backend);
    let mut set = WriteSet {
        based_on: leased.writer.committed().unwrap(),
        ..WriteSet::default()
    };
    for (position, key) in (1..).zip(ITEM_KEYS) {
        set.items.insert(key.to_vec(), ItemChange::Insert(item_row(7)));
        set.rows.insert((Keyspace::Unreachable, key.to_vec()), Some(Vec::new()));
        set.records.push(record(position, 7));
    }
    leased.writer.commit(&set).unwrap();
    let wrong = || StoreError::Database("the visitor's error".to_owned());
    for end in [Ok(ControlFlow::Break(())), Err(wrong())] {
        let expected = end.clone().map(drop);
        let mut visits = 0;
        let mut visit = || {
            visits += 1;
            if visits % 2 == 0 {
                end.clone()
            } else {
                Ok(ControlFlow::Continue(()))
            }
        };
        let read = leased.backend.read(ReadScope::Snapshot, &mut |snapshot| {
            let all = KeyRange::all();
            assert_eq!(snapshot.scan_items(&all, Detail::Row, &mut |_, _, _| visit()), expected);
            assert_eq!(
                snapshot.scan(Keyspace::Unreachable, &all, &mut |_, _| visit()),
                expected
            );
            assert_eq!(snapshot.log(1, 6, false, &mut |_| visit()), expected);
            expected.clone()
        });
        assert_eq!(read, expected, "the reader's failure is the caller's");
        assert_eq!(visits, 6, "two rows of each");
    }
    assert_eq!(
        leased.get(ITEM_KEYS[0]),
        Some(Vec::new()),
        "a failed read leaves nothing behind"
    );
}

pub(super) async fn closed_backend_refuses_reads(backend: &dyn DiskMaker) {
    let mut leased = Leased::new(backend);
    leased.put(b"a", b"1").unwrap();
    leased.backend.check().unwrap();
    leased.backend.close();
    assert_eq!(leased.backend.check(), Err(StoreError::Closed));
    let mut was_asked = false;
    let read = leased.backend.read(ReadScope::Call, &mut |_| {
        was_asked = true;
        Ok(())
    });
    assert_eq!((read, was_asked), (Err(StoreError::Closed), false));
}

pub(super) async fn only_one_of_two_leases_can_commit(backend: &dyn DiskMaker) {
    let mut leased = Leased::new(backend);
    leased.put(b"a", b"1").unwrap();
    match leased.backend.lease() {
        Ok(mut second) => {
            let row = one_row(second.committed().unwrap(), b"a", b"2");
            second.commit(&row).unwrap();
            assert_eq!(leased.put(b"a", b"3"), Err(CommitFailure::LeaseLost));
            assert_eq!(leased.get(b"a"), Some(b"2".to_vec()));
        }
        Err(StoreError::Unusable { .. }) => {
            leased.put(b"a", b"3").unwrap();
            assert_eq!(leased.get(b"a"), Some(b"3".to_vec()));
        }
        Err(error) => panic!("{error}"),
    }
}

pub(super) async fn listener_may_add_another_listener(backend: &dyn DiskMaker) {
    let mut leased = Leased::new(backend);
    let (weak, heard) = (Arc::downgrade(&leased.backend), Arc::new(AtomicUsize::new(0)));
    let counted = heard.clone();
    leased.backend.watch(Arc::new(move || {
        let counted = counted.clone();
        let listener = Arc::new(move || {
            counted.fetch_add(1, Ordering::Relaxed);
        });
        weak.upgrade().unwrap().watch(listener);
    }));
    leased.put(b"a", b"1").unwrap();
    leased.put(b"a", b"2").unwrap();
    assert_eq!(
        heard.load(Ordering::Relaxed),
        1,
        "the one that was added at the first commit"
    );
}
