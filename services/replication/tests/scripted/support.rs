//! A replicator that tests drive event by event.

use std::collections::{BTreeMap, BTreeSet};

use beringia_clock::HybridTime;
use beringia_item::{Cause, KeyBytes, Mutation, Origin, Region, TableId, Transaction, Version};
use beringia_replication::{
    AcceptId, Command, Config, DialId, Event, LinkEvent, Now, Replicator, StoreAnswer, StoreCall, TableView, Ticket,
    Tuning,
    message::{Hello, PROTOCOL, Question, Subscription, TableVectors, ToReceiver, ToSource},
};
use beringia_storage_types::{OwnSequences, RemoteBatch, ReplicaStatus, StoreError};
use bytes::Bytes;

pub const CARTS: TableId = TableId(7);
pub const WALL_MS: u64 = 1_700_000_000_000;

pub fn region(name: &str) -> Region {
    Region::new(name).unwrap()
}

pub fn origin(name: &str) -> Origin {
    name.parse().unwrap()
}

/// A put by `origin` with this sequence.
pub fn mutation(table: TableId, origin: &str, sequence: u64) -> Mutation {
    Mutation {
        table,
        key: KeyBytes(Bytes::from(sequence.to_be_bytes().to_vec())),
        version: Version {
            time: HybridTime::from_parts(WALL_MS, 0),
            origin: origin.parse().unwrap(),
            sequence,
        },
        causal_context: [].into_iter().collect(),
        image: Some(Bytes::from(vec![1; 36])),
        metadata: None,
        cause: Cause::Client,
        transaction: Transaction {
            first: sequence,
            last: sequence,
        },
    }
}

pub fn vectors(entries: &[(TableId, &str, u64)]) -> TableVectors {
    let mut vectors = TableVectors::new();
    for (table, origin, sequence) in entries {
        let origin = origin.parse().unwrap();
        vectors.entry(*table).or_default().advance(&origin, *sequence);
    }
    vectors
}

/// A replicator of the region `eu`, whose peers are `us` and `ap`.
pub struct ScriptedRegion {
    pub replicator: Replicator,
    pub elapsed_ms: u64,
    dials: BTreeMap<Region, DialId>,
}

impl ScriptedRegion {
    pub fn new(tuning: Tuning) -> Self {
        Self::unreachable_before(tuning, &[])
    }

    /// A replicator whose previous process recorded how long peers had been unreachable.
    pub fn unreachable_before(tuning: Tuning, unreachable_ms: &[(&str, u64)]) -> Self {
        let unreachable_ms = unreachable_ms.iter().map(|(name, ms)| (region(name), *ms)).collect();
        Self::started(tuning, unreachable_ms, OwnSequences::default())
    }

    /// A replicator of a database with these own sequences.
    pub fn with_sequences(own: OwnSequences) -> Self {
        Self::started(Tuning::default(), BTreeMap::new(), own)
    }

    fn started(tuning: Tuning, unreachable_ms: BTreeMap<Region, u64>, own: OwnSequences) -> Self {
        let config = Config {
            region: region("eu"),
            peers: BTreeSet::from([region("us"), region("ap")]),
            incarnation: 1,
            tuning,
            unreachable_ms,
            own,
        };
        let now = Now {
            elapsed_ms: 0,
            wall_ms: WALL_MS,
        };
        let mut script = Self {
            replicator: Replicator::new(config, now),
            elapsed_ms: 0,
            dials: BTreeMap::new(),
        };
        script.catalog(&[
            ("eu", ReplicaStatus::Active),
            ("us", ReplicaStatus::Active),
            ("ap", ReplicaStatus::Active),
        ]);
        script
    }

    pub fn feed(&mut self, event: Event) -> Vec<Command> {
        let now = Now {
            elapsed_ms: self.elapsed_ms,
            wall_ms: WALL_MS + self.elapsed_ms,
        };
        let commands = self.replicator.handle(now, event);
        for command in &commands {
            if let Command::Dial(link, region) = command {
                self.dials.insert(region.clone(), *link);
            }
        }
        commands
    }

    /// Sets the replicas of `CARTS`. This region's rows are complete unless its replica is being
    /// created.
    pub fn catalog(&mut self, replicas: &[(&str, ReplicaStatus)]) -> Vec<Command> {
        let bootstrapped = replicas
            .iter()
            .all(|(name, status)| *name != "eu" || !matches!(status, ReplicaStatus::Creating { .. }));
        let replicas = replicas
            .iter()
            .map(|(name, state)| (region(name), state.clone()))
            .collect();
        let view = TableView {
            replicas,
            bootstrapped,
            replica_epoch: 1,
            dropped: BTreeSet::new(),
            removed: BTreeSet::new(),
        };
        self.feed(Event::Catalog(BTreeMap::from([(CARTS, view)])))
    }

    pub fn tick(&mut self, after_ms: u64) -> Vec<Command> {
        self.tick_with(after_ms, TableVectors::new())
    }

    pub fn tick_with(&mut self, after_ms: u64, vectors: TableVectors) -> Vec<Command> {
        self.elapsed_ms += after_ms;
        let vectors = vectors.into_iter().collect();
        self.feed(Event::Tick { vectors })
    }

    /// Reports that the log grew, with this region's vectors afterwards.
    pub fn grown(&mut self, entries: &[(TableId, &str, u64)]) -> Vec<Command> {
        let vectors = vectors(entries).into_iter().collect();
        self.feed(Event::LogAppended { vectors })
    }

    /// Lets time pass in steps of 100 ms and returns all commands of that time.
    pub fn pass(&mut self, ms: u64) -> Vec<Command> {
        (0..ms / 100).flat_map(|_| self.tick(100)).collect()
    }

    /// The dial of that peer, which may have been commanded before.
    pub fn dialled(&mut self, peer: &str) -> DialId {
        for _ in 0..2000 {
            if let Some(link) = self.dials.remove(&region(peer)) {
                return link;
            }
            self.tick(10);
        }
        panic!("{peer} is not dialled");
    }

    /// Opens a stream to that peer on which both sides said hello. Also returns the subscription.
    pub fn connected(&mut self, peer: &str) -> (DialId, Subscription) {
        let link = self.dialled(peer);
        let opened = self.feed(Event::Dialled(link, LinkEvent::Opened));
        let [
            Command::SendToSource(_, ToSource::Hello(_)),
            Command::SendToSource(_, ToSource::Subscribe(subscription)),
        ] = &opened[..]
        else {
            panic!("a subscription goes with the hello: {opened:?}");
        };
        let commands = self.source_says(link, ToReceiver::Hello(hello_of(peer)));
        let subscription = subscription_in(&commands).unwrap_or_else(|| subscription.clone());
        (link, subscription)
    }

    pub fn source_says(&mut self, link: DialId, message: ToReceiver) -> Vec<Command> {
        self.feed(Event::Dialled(link, LinkEvent::Message(message)))
    }

    /// Opens a stream from that peer on which both sides said hello.
    pub fn accepted(&mut self, number: u64, peer: &str) -> AcceptId {
        let link = AcceptId(number);
        self.feed(Event::Accepted(link, LinkEvent::Opened));
        let commands = self.receiver_says(link, ToSource::Hello(hello_of(peer)));
        assert!(
            matches!(&commands[..], [Command::SendToReceiver(_, ToReceiver::Hello(_))]),
            "{commands:?}"
        );
        link
    }

    pub fn receiver_says(&mut self, link: AcceptId, message: ToSource) -> Vec<Command> {
        self.feed(Event::Accepted(link, LinkEvent::Message(message)))
    }

    pub fn answer(&mut self, ticket: Ticket, answer: StoreAnswer) -> Vec<Command> {
        self.feed(Event::Answered(ticket, Ok(answer)))
    }

    pub fn fail(&mut self, ticket: Ticket, failure: StoreError) -> Vec<Command> {
        self.feed(Event::Answered(ticket, Err(failure)))
    }
}

pub fn hello_of(peer: &str) -> Hello {
    Hello {
        protocol: PROTOCOL,
        region: region(peer),
        peer: Some(region("eu")),
        incarnation: 9,
        wall_clock_ms: WALL_MS,
    }
}

pub fn subscription_in(commands: &[Command]) -> Option<Subscription> {
    commands.iter().find_map(|command| match command {
        Command::SendToSource(_, ToSource::Subscribe(subscription)) => Some(subscription.clone()),
        _ => None,
    })
}

/// The requests that the commands send on that stream, by number.
pub fn questions_in(commands: &[Command], asked: DialId) -> Vec<(u64, Question)> {
    let question = |command: &Command| match command {
        Command::SendToSource(link, ToSource::Request(request)) if *link == asked => {
            Some((request.id, request.question.clone()))
        }
        _ => None,
    };
    commands.iter().filter_map(question).collect()
}

pub fn call_in(commands: &[Command]) -> Option<(Ticket, StoreCall)> {
    commands.iter().find_map(|command| match command {
        Command::Call(ticket, call) => Some((*ticket, call.clone())),
        _ => None,
    })
}

pub fn apply_in(commands: &[Command]) -> Option<(Ticket, RemoteBatch)> {
    commands.iter().find_map(|command| match command {
        Command::Call(ticket, StoreCall::Apply(apply)) => Some((*ticket, apply.clone())),
        _ => None,
    })
}

/// The greatest batch number that the commands acknowledge.
pub fn acknowledged_in(commands: &[Command]) -> Option<u64> {
    let number = |command: &Command| match command {
        Command::SendToSource(_, ToSource::Acknowledge(acknowledgement)) => Some(acknowledgement.batch),
        _ => None,
    };
    commands.iter().filter_map(number).max()
}

/// The reason for which the commands end a stream.
pub fn goodbye_in(commands: &[Command]) -> Option<String> {
    commands.iter().find_map(|command| match command {
        Command::SendToSource(_, ToSource::Goodbye(goodbye)) => Some(goodbye.reason.clone()),
        Command::SendToReceiver(_, ToReceiver::Goodbye(goodbye)) => Some(goodbye.reason.clone()),
        _ => None,
    })
}
