//! New replicas are copied a few at a time, one right after the other.

use std::collections::{BTreeMap, BTreeSet};

use beringia_item::{TableId, VersionVector};
use beringia_replication::{
    Command, DialId, Event, StoreAnswer, StoreCall, TableView, Tuning,
    message::{KeyPage, PeerAnswer, Question, Reply, TableVectors, ToReceiver},
};
use beringia_storage_types::{ReplicaStatus, TableDigest};

use crate::support::{CARTS, ScriptedRegion, questions_in, region, vectors};

/// The tables of which `eu` gets new, empty replicas.
const TABLES: [TableId; 3] = [CARTS, TableId(8), TableId(9)];

/// The copies that the commands begin: the number of each request for the source's vector.
fn begun(commands: &[Command], us: DialId) -> Vec<u64> {
    let of_vector = |(id, question): (u64, Question)| matches!(question, Question::Digest { .. }).then_some(id);
    questions_in(commands, us).into_iter().filter_map(of_vector).collect()
}

/// Copies an empty table: answers all requests until the store is to set the vector, and lets it be
/// set.
fn copies_nothing(script: &mut ScriptedRegion, us: DialId, question: u64) -> Vec<Command> {
    let digest = TableDigest {
        vector: VersionVector::default(),
        ranges: Vec::new(),
        unknown: BTreeSet::new(),
    };
    let reply = |id, answer| ToReceiver::Reply(Reply { id, answer });
    let mut commands = script.source_says(us, reply(question, PeerAnswer::Digest(digest)));
    let nothing = || KeyPage {
        rows: Vec::new(),
        last: true,
    };
    loop {
        let mut next = Vec::new();
        for (id, question) in questions_in(&commands, us) {
            assert!(matches!(question, Question::Keys { .. }), "{question:?}");
            next.extend(script.source_says(us, reply(id, PeerAnswer::Keys(nothing()))));
        }
        for command in &commands {
            match command {
                Command::Call(ticket, StoreCall::Keys { .. }) => {
                    next.extend(script.answer(*ticket, StoreAnswer::Keys(nothing())));
                }
                Command::Call(ticket, StoreCall::Apply(_)) => {
                    let vectors = TableVectors::new();
                    return script.answer(*ticket, StoreAnswer::Applied { vectors, newer: 0 });
                }
                _ => {}
            }
        }
        assert!(!next.is_empty(), "the copy goes on: {commands:?}");
        commands = next;
    }
}

#[test]
fn next_copy_begins_when_one_ends() {
    let tuning = Tuning {
        bootstraps_max: 2,
        ..Tuning::default()
    };
    let mut script = ScriptedRegion::new(tuning);
    let from = region("us");
    let view = TableView {
        replicas: BTreeMap::from([
            (region("eu"), ReplicaStatus::Creating { from }),
            (region("us"), ReplicaStatus::Active),
        ]),
        bootstrapped: false,
        replica_epoch: 1,
        dropped: BTreeSet::new(),
        removed: BTreeSet::new(),
    };
    script.feed(Event::Catalog(TABLES.map(|table| (table, view.clone())).into()));
    let (us, _) = script.connected("us");
    let announced = TABLES.map(|table| (table, "us", 1));
    script.source_says(us, ToReceiver::Vectors(vectors(&announced)));
    let commands = script.tick(100);
    let [first, second] = begun(&commands, us)[..] else {
        panic!("two may copy at the same time: {commands:?}");
    };

    let commands = copies_nothing(&mut script, us, first);
    let [third] = begun(&commands, us)[..] else {
        panic!("the third one begins without a tick: {commands:?}");
    };
    assert_eq!(
        begun(&copies_nothing(&mut script, us, second), us),
        [0; 0],
        "none waits"
    );
    copies_nothing(&mut script, us, third);
    let own = script.replicator.status().bootstraps;
    assert_eq!(
        own.keys().copied().collect::<Vec<_>>(),
        TABLES,
        "all wait for the catalog"
    );
    assert_eq!(own[&CARTS].source, Some(region("us")));
}
