//! Deciding a group again, on the same rows or on more of them, gives the same decision.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use beringia_clock::ManualClock;
use beringia_decisions::{Decision, Environment, Rows, State, StoreCommand, Undecided, decide, needs};
use beringia_storage::{
    DEFAULT_CONFLICT_RETENTION_MS, DEFAULT_LOG_RETENTION_MS, DEFAULT_SHARD_AGE_MS, ItemWrite, StoreOptions,
    backend::{StorageBackend as _, Writer},
    conformance::fixture::{Do, START_MS, commit, create_table, item, key, number, origin, region, text, write},
};
use beringia_storage_memory::{Execution, MemoryBackend, MemoryState, Options};
use proptest::prelude::*;

/// The number of different keys.
const KEYS: u64 = 4;

/// A write: the key, the kind of change, the color and the weight.
type Drawn = (u64, u8, u8, u64);

fn drawn() -> impl Strategy<Value = Drawn> {
    (0..KEYS, 0..4_u8, 0..3_u8, 0..3_u64)
}

fn change(&(sk, what, color, weight): &Drawn) -> ItemWrite {
    let color = ("color", text(&format!("c{color}")));
    let item = item("a", sk, &[color, ("weight", number(weight))]);
    let what = match what {
        0 => Do::Put(item),
        1 => Do::Delete,
        2 => Do::If(|current| current.is_some(), item),
        _ => Do::If(|current| current.is_none(), item),
    };
    write(key("a", sk), what)
}

/// Decides a group as the committer does: until no row is missing and all assumptions hold.
fn decided(writer: &mut dyn Writer, state: &State, commands: &mut [StoreCommand], rows: &mut Rows) -> Decision {
    let environment = Environment {
        region: region("us-east-1"),
        now_ms: START_MS,
        log_retention_ms: DEFAULT_LOG_RETENTION_MS,
        conflict_retention_ms: DEFAULT_CONFLICT_RETENTION_MS,
        keeps_log: false,
        on_reserve: false,
        past_from: u64::MAX,
        trim_records_max: 512,
        shard_age_ms: DEFAULT_SHARD_AGE_MS,
        wants_own: true,
        planted_bug: None,
    };
    loop {
        let wanted = match decide(state, commands, rows, &environment) {
            Ok(decision) if decision.assumptions.hold(rows) => return decision,
            Ok(decision) => decision.assumptions.reads(),
            Err(Undecided::Needs(wanted)) => *wanted,
            Err(Undecided::Failed(error)) => panic!("{error}"),
        };
        let mut wanted = Some(wanted);
        let read = writer.read(&mut |snapshot| rows.fetch(snapshot, state, wanted.take().unwrap_or_default()));
        read.unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn group_decided_again_gives_the_same_decision(
        before in prop::collection::vec(drawn(), 0..6),
        group in prop::collection::vec(drawn(), 1..6),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let options = StoreOptions::new(region("us-east-1"), Arc::new(ManualClock::new(START_MS)));
            let options = Options::new(options, MemoryState::new(), Execution::Inline);
            let store = beringia_storage_memory::open(&options).unwrap();
            create_table(&store, true).await;
            for drawn in &before {
                // Conditions may fail.
                let _ = commit(&store, vec![change(drawn)]).await;
            }
            drop(store);

            let mut writer = MemoryBackend::open(&options).unwrap().lease().unwrap();
            let mut state = None;
            let load = writer.read(&mut |snapshot| {
                state = Some(State::load(snapshot, &origin("us-east-1"), 500)?);
                Ok(())
            });
            load.unwrap();
            let state = state.unwrap();
            let mut commands: Vec<_> = group.iter().map(|drawn| StoreCommand::Transaction(vec![change(drawn)])).collect();

            let mut rows = Rows::default();
            let first = decided(&mut *writer, &state, &mut commands, &mut rows);
            let again = decided(&mut *writer, &state, &mut commands, &mut rows);
            // All items, as fully as a condition needs them, before anything is asked for.
            let all: Vec<_> = (0..KEYS).map(|sk| StoreCommand::Transaction(vec![change(&(sk, 2, 0, 0))])).collect();
            let mut more = Rows::default();
            let read = writer.read(&mut |snapshot| more.fetch(snapshot, &state, needs(&state, &all)));
            read.unwrap();
            let with_more = decided(&mut *writer, &state, &mut commands, &mut more);
            for other in [&again, &with_more] {
                assert_eq!(other.writes, first.writes);
                assert_eq!(other.events, first.events);
                assert_eq!(format!("{:?}", other.answers), format!("{:?}", first.answers));
            }
        });
    }
}
