//! The cost of a write in replication does not depend on the number of tables. It is counted in
//! allocated bytes, which are the same in every run: a copy or a list of all tables shows.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{TableId, VersionVector};
use beringia_replication::{
    AcceptId, Command, DialId, Event, StoreAnswer, StoreCall, TableView, Tuning,
    message::{Acknowledgement, Batch, Subscription, TableVectors, ToReceiver, ToSource},
};
use beringia_storage_types::{LogPage, LogPosition, ReplicaStatus, SharedVectors};

use crate::support::{
    CARTS, ScriptedRegion, acknowledged_in, apply_in, call_in, mutation, origin, region, subscription_in,
};

/// The writes of a measurement.
const WRITES: u64 = 10;

/// A region with global tables, of which `CARTS` is one.
struct Tables {
    script: ScriptedRegion,
    ids: Vec<TableId>,
    /// The vectors of the region's store.
    vectors: SharedVectors,
    position: u64,
}

impl Tables {
    fn new(count: u128) -> Self {
        let mut script = ScriptedRegion::new(Tuning::default());
        let replicas = ["eu", "us", "ap"].map(|name| (region(name), ReplicaStatus::Active));
        let view = TableView {
            replicas: BTreeMap::from(replicas),
            bootstrapped: true,
            replica_epoch: 1,
            dropped: BTreeSet::new(),
            removed: BTreeSet::new(),
        };
        let ids: Vec<TableId> = (0..count).map(|place| TableId(CARTS.0 + place)).collect();
        script.feed(Event::Catalog(ids.iter().map(|id| (*id, view.clone())).collect()));
        let vector: VersionVector = [(origin("eu"), 1), (origin("us"), 1)].into_iter().collect();
        let vectors: SharedVectors = ids.iter().map(|id| (*id, vector.clone())).collect();
        script.feed(Event::Tick {
            vectors: vectors.clone(),
        });
        Self {
            script,
            ids,
            vectors,
            position: 40,
        }
    }

    /// Accepts a stream whose receiver has subscribed to all tables and was sent everything.
    fn accept(&mut self) -> AcceptId {
        let link = self.script.accepted(1, "us");
        let subscription = Subscription {
            generation: 1,
            tables: self.vectors.iter().map(|(id, vector)| (*id, vector.clone())).collect(),
            origins: vec![origin("eu")],
        };
        let commands = self.script.receiver_says(link, ToSource::Subscribe(subscription));
        let (ticket, _) = call_in(&commands).unwrap();
        let position = StoreAnswer::Position(Ok(LogPosition(self.position)));
        let commands = self.script.answer(ticket, position);
        let (ticket, _) = call_in(&commands).unwrap();
        let end = LogPage {
            mutations: Vec::new(),
            next: LogPosition(self.position),
            end: Some(self.vectors.clone()),
        };
        self.script.answer(ticket, StoreAnswer::Log(end));
        link
    }

    /// Opens a stream to `us` that is subscribed to all tables.
    fn dial(&mut self) -> (DialId, u64) {
        let (link, subscription) = self.script.connected("us");
        let later = self.script.tick_with(100, self.vectors.clone().into_iter().collect());
        let subscription = subscription_in(&later).unwrap_or(subscription);
        assert_eq!(subscription.tables.len(), self.ids.len() + 1, "the catalog, too");
        (link, subscription.generation)
    }

    /// A write of this region, from the commit to the acknowledgement of the receiver.
    fn send(&mut self, link: AcceptId, sequence: u64) {
        self.vectors.entry(CARTS).or_default().advance(&origin("eu"), sequence);
        let vectors = self.vectors.clone();
        let commands = self.script.feed(Event::LogAppended { vectors });
        let Some((ticket, StoreCall::Read { .. })) = call_in(&commands) else {
            panic!("{commands:?}")
        };
        self.position += 1;
        let page = LogPage {
            mutations: vec![mutation(CARTS, "eu", sequence)],
            next: LogPosition(self.position),
            end: Some(self.vectors.clone()),
        };
        let commands = self.script.answer(ticket, StoreAnswer::Log(page));
        let Some(number) = commands.iter().find_map(|command| match command {
            Command::SendToReceiver(_, ToReceiver::Batch(batch)) => Some(batch.number),
            _ => None,
        }) else {
            panic!("{commands:?}")
        };
        let acknowledgement = Acknowledgement {
            batch: number,
            tables: self.vector_of_carts(),
        };
        self.script.receiver_says(link, ToSource::Acknowledge(acknowledgement));
    }

    /// A write of `us`, from its arrival to the acknowledgement.
    fn receive(&mut self, link: DialId, generation: u64, number: u64) {
        let sequence = number + 1;
        let batch = Batch {
            number,
            generation,
            mutations: vec![mutation(CARTS, "us", sequence)],
            progress: Vec::new(),
        };
        let commands = self.script.source_says(link, ToReceiver::Batch(batch));
        let (ticket, _) = apply_in(&commands).unwrap();
        self.vectors.entry(CARTS).or_default().advance(&origin("us"), sequence);
        let vectors = self.vector_of_carts();
        let commands = self.script.answer(ticket, StoreAnswer::Applied { vectors, newer: 1 });
        assert_eq!(acknowledged_in(&commands), Some(number));
    }

    fn vector_of_carts(&self) -> TableVectors {
        TableVectors::from([(CARTS, self.vectors[&CARTS].clone())])
    }
}

/// The bytes that `writes` allocates for each write.
fn bytes_each(writes: impl FnOnce()) -> u64 {
    allocation_counter::measure(writes).bytes_total / WRITES
}

/// Checks that a write allocates about as much with 2,000 tables as with three: less than four
/// bytes more for each table.
fn assert_alike(few: u64, many: u64) {
    assert!(few > 0, "something was measured");
    assert!(many < few + 8_000, "{few} bytes with three tables, {many} with 2,000");
}

#[test]
fn sent_write_costs_the_same_with_thousands_of_tables() {
    let cost = |count| {
        let mut tables = Tables::new(count);
        let link = tables.accept();
        tables.send(link, 2);
        bytes_each(|| (0..WRITES).for_each(|n| tables.send(link, 3 + n)))
    };
    assert_alike(cost(3), cost(2_000));
}

#[test]
fn received_write_costs_the_same_with_thousands_of_tables() {
    let cost = |count| {
        let mut tables = Tables::new(count);
        let (link, generation) = tables.dial();
        tables.receive(link, generation, 1);
        bytes_each(|| (0..WRITES).for_each(|n| tables.receive(link, generation, 2 + n)))
    };
    assert_alike(cost(3), cost(2_000));
}

/// Most ticks find that one table was written since the last one.
#[test]
fn tick_allocates_the_same_with_thousands_of_tables() {
    let cost = |count| {
        let mut tables = Tables::new(count);
        tables.accept();
        let (link, _) = tables.dial();
        let announced = tables.vectors.iter().map(|(id, vector)| (*id, vector.clone()));
        let announced = ToReceiver::Vectors(announced.collect());
        tables.script.source_says(link, announced);
        bytes_each(|| {
            for n in 0..WRITES {
                tables.vectors.entry(CARTS).or_default().advance(&origin("eu"), 2 + n);
                tables.script.elapsed_ms += 100;
                let vectors = tables.vectors.clone();
                tables.script.feed(Event::Tick { vectors });
            }
        })
    };
    assert_alike(cost(3), cost(2_000));
}
