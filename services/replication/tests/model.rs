//! A model of whole regions without a runtime: replicators on model stores, under random orders of
//! messages, crashes, cuts, bootstraps and losses.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    clippy::print_stdout,
    reason = "a failing test is what they make"
)]

mod model {
    mod drops;
    pub mod fleet;
    pub mod lab;
    pub mod oracle;
    pub mod policy;
    mod regressions;
    pub mod store;
}

use std::collections::BTreeSet;

use beringia_item::{ConflictPolicy, KeyBytes, TableId};
use bytes::Bytes;
use model::{
    fleet::Fleet,
    lab::{
        counters_have_every_addition_that_was_not_lost, items_are_what_the_writes_make_them,
        journals_tell_what_was_overruled,
    },
    oracle::{
        active_replicas_know_their_rows, all_active, converged, greatest_version_is_current,
        journals_hold_the_conflicts_and_no_others, vectors_tell_the_truth,
    },
    policy::{Change, Work, image},
};
use proptest::{prelude::*, test_runner::RngSeed};

const TABLES: [TableId; 2] = [TableId(10), TableId(11)];
const KEYS: u8 = 6;
/// Runs of each shape, the same ones every time. A longer search through other runs:
/// `PROPTEST_RNG_SEED=7 PROPTEST_CASES=5000 cargo test -p beringia-replication --release --test
/// model`. Failures that it finds are kept in `model/regressions.rs`.
const CASES: u32 = 64;

/// An action of a run. Sites, tables and keys are taken modulo their number.
#[derive(Debug, Clone)]
enum Action {
    Write {
        site: usize,
        table: usize,
        key: u8,
        delete: bool,
    },
    Transact {
        site: usize,
        table: usize,
        keys: [u8; 2],
    },
    /// Updates one item, or several in a transaction.
    Update {
        site: usize,
        keys: Vec<u8>,
        changes: Vec<Change>,
    },
    SetPolicy {
        site: usize,
        policy: ConflictPolicy,
    },
    Run {
        steps: usize,
    },
    Cut {
        a: usize,
        b: usize,
    },
    Heal {
        a: usize,
        b: usize,
    },
    Reset {
        a: usize,
        b: usize,
    },
    Crash {
        site: usize,
    },
    Wipe {
        site: usize,
    },
    CopyDisk {
        site: usize,
    },
    Restore {
        site: usize,
    },
    AddReplica {
        site: usize,
        table: usize,
        at: usize,
    },
    CollectGarbage {
        site: usize,
    },
    Skew {
        site: usize,
        skew_ms: u64,
    },
    Pause {
        site: usize,
        table: usize,
    },
    Resume {
        site: usize,
        table: usize,
    },
}

/// The parameters of a run.
#[derive(Debug, Clone, Copy)]
struct Shape {
    regions: usize,
    tables: usize,
    keys: u8,
    /// How often each rare action happens, for every 12 writes.
    cuts: u32,
    crashes: u32,
    losses: u32,
    /// Copies of disks, and how often one is put back.
    restores: u32,
    bootstraps: u32,
    skews: u32,
    collections: u32,
    pauses: u32,
    /// Updates of single attributes of the first table, and changes of its conflict policy.
    updates: u32,
    policies: u32,
    /// If set, cuts separate only this region from others.
    outsider: Option<usize>,
}

/// A mix of everything except pauses, updates and policies.
const MIXED: Shape = Shape {
    regions: 4,
    tables: 2,
    keys: KEYS,
    cuts: 3,
    crashes: 2,
    losses: 1,
    restores: 0,
    bootstraps: 2,
    skews: 2,
    collections: 6,
    pauses: 0,
    updates: 0,
    policies: 0,
    outsider: None,
};
/// Three regions with one small table; links are often cut, and writes are often relayed,
/// quarantined and trimmed.
const HOT_KEYS: Shape = Shape {
    regions: 3,
    tables: 1,
    keys: 2,
    cuts: 6,
    crashes: 1,
    losses: 0,
    restores: 0,
    bootstraps: 0,
    skews: 4,
    collections: 6,
    pauses: 0,
    updates: 0,
    policies: 0,
    outsider: None,
};
/// One table that is constantly copied while clients write to it and delete from it.
const COPIES: Shape = Shape {
    regions: 3,
    tables: 1,
    keys: 3,
    cuts: 3,
    crashes: 3,
    losses: 3,
    restores: 0,
    bootstraps: 3,
    skews: 0,
    collections: 8,
    pauses: 0,
    updates: 0,
    policies: 0,
    outsider: None,
};

/// Three regions with one table, whose disks are put back to earlier copies.
const RESTORES: Shape = Shape {
    losses: 0,
    restores: 3,
    bootstraps: 0,
    ..COPIES
};

/// As [`RESTORES`], with items that hold parts of several writes.
const RESTORED_PARTS: Shape = Shape {
    updates: 20,
    ..RESTORES
};

/// Two tables in three regions; the replication of one or the other is constantly paused and
/// resumed.
const PAUSES: Shape = Shape {
    regions: 3,
    tables: 2,
    keys: 3,
    cuts: 2,
    crashes: 1,
    losses: 1,
    restores: 0,
    bootstraps: 2,
    skews: 1,
    collections: 6,
    pauses: 5,
    updates: 0,
    policies: 0,
    outsider: None,
};

/// Three regions with one table. One of them is often cut off, and is dropped after half a second
/// of being unreachable.
const DROPS: Shape = Shape {
    regions: 3,
    tables: 1,
    keys: 3,
    cuts: 3,
    crashes: 1,
    losses: 0,
    restores: 0,
    bootstraps: 0,
    skews: 0,
    collections: 8,
    pauses: 0,
    updates: 0,
    policies: 0,
    outsider: Some(2),
};
/// Three regions with one small table whose items hold parts of several writes. The third replica
/// is added late.
const LAB: Shape = Shape {
    regions: 3,
    tables: 1,
    keys: 2,
    cuts: 4,
    crashes: 2,
    losses: 0,
    restores: 0,
    bootstraps: 2,
    skews: 2,
    collections: 8,
    pauses: 1,
    updates: 40,
    policies: 0,
    outsider: None,
};
/// As [`DROPS`], but any region may be cut off.
const TURNS: Shape = Shape {
    cuts: 5,
    outsider: None,
    ..DROPS
};
const DROPPED_AFTER_MS: u64 = 500;

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").map_or(CASES, |cases| cases.parse().unwrap())
}

fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let rng_seed = match std::env::var_os("PROPTEST_RNG_SEED") {
        Some(_) => default.rng_seed,
        None => RngSeed::Fixed(1),
    };
    ProptestConfig {
        failure_persistence: None,
        cases,
        rng_seed,
        ..default
    }
}

fn actions(shape: Shape) -> impl Strategy<Value = Vec<Action>> {
    let site = move || 0..shape.regions;
    let table = move || 0..shape.tables;
    let key = move || 0..shape.keys;
    let pair = move || {
        let outsider = shape.outsider;
        (0..shape.regions, 0..shape.regions).prop_map(move |(a, b)| (a, outsider.unwrap_or(b)))
    };
    let write =
        (site(), table(), key(), prop::bool::weighted(0.4)).prop_map(|(site, table, key, delete)| Action::Write {
            site,
            table,
            key,
            delete,
        });
    let transact = (site(), table(), [key(), key()]);
    let changes = prop::collection::vec(change(), 0..3);
    let keys = prop_oneof![4 => Just(vec![0]), 2 => Just(vec![1]), 1 => Just(vec![0, 1])];
    let update = (site(), keys, changes).prop_map(|(site, keys, changes)| Action::Update { site, keys, changes });
    let policy = (site(), policy()).prop_map(|(site, policy)| Action::SetPolicy { site, policy });
    let skew_ms = prop_oneof![1 => Just(0), 3 => 1_u64..1200];
    let weighted = [
        (12, write.boxed()),
        (shape.updates, update.boxed()),
        (shape.policies, policy.boxed()),
        (
            2,
            transact
                .prop_map(|(site, table, keys)| Action::Transact { site, table, keys })
                .boxed(),
        ),
        (12, (1_usize..40).prop_map(|steps| Action::Run { steps }).boxed()),
        (2, (100_usize..400).prop_map(|steps| Action::Run { steps }).boxed()),
        (shape.cuts, pair().prop_map(|(a, b)| Action::Cut { a, b }).boxed()),
        (shape.cuts, pair().prop_map(|(a, b)| Action::Heal { a, b }).boxed()),
        (shape.cuts, pair().prop_map(|(a, b)| Action::Reset { a, b }).boxed()),
        (shape.crashes, site().prop_map(|site| Action::Crash { site }).boxed()),
        (shape.losses, site().prop_map(|site| Action::Wipe { site }).boxed()),
        (
            shape.restores,
            site().prop_map(|site| Action::CopyDisk { site }).boxed(),
        ),
        (shape.restores, site().prop_map(|site| Action::Restore { site }).boxed()),
        (
            shape.bootstraps,
            (site(), table(), site())
                .prop_map(|(site, table, at)| Action::AddReplica { site, table, at })
                .boxed(),
        ),
        (
            shape.collections,
            site().prop_map(|site| Action::CollectGarbage { site }).boxed(),
        ),
        (
            shape.skews,
            (site(), skew_ms)
                .prop_map(|(site, skew_ms)| Action::Skew { site, skew_ms })
                .boxed(),
        ),
        (
            shape.pauses,
            (site(), table())
                .prop_map(|(site, table)| Action::Pause { site, table })
                .boxed(),
        ),
        (
            shape.pauses,
            (site(), table())
                .prop_map(|(site, table)| Action::Resume { site, table })
                .boxed(),
        ),
    ];
    let possible = weighted.into_iter().filter(|(weight, _)| *weight > 0).collect();
    let action = prop::strategy::Union::new_weighted(possible);
    prop::collection::vec(action, 1..80)
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        2 => Just(Change::Assign("t", 0)),
        2 => Just(Change::Assign("u", 0)),
        1 => Just(Change::Assign("n", 0)),
        1 => prop::sample::select(vec!["t", "n", "s"]).prop_map(Change::Remove),
        5 => (1_u8..9).prop_map(Change::Add),
        3 => (0_u8..4).prop_map(Change::Unite),
        2 => (0_u8..4).prop_map(Change::Subtract),
    ]
}

fn policy() -> impl Strategy<Value = ConflictPolicy> {
    prop::sample::select(ConflictPolicy::ALL.to_vec())
}

fn key(number: u8) -> KeyBytes {
    // Three ranges, with several keys in each.
    KeyBytes(Bytes::from(vec![number % 3, 7, number]))
}

/// A disk may only be lost if every table of it is complete in another region.
fn may_wipe(fleet: &Fleet, site: usize) -> bool {
    fleet
        .store(site)
        .view()
        .keys()
        .all(|table| (0..fleet.len()).any(|other| other != site && fleet.store(other).is_active(*table)))
}

fn act(fleet: &mut Fleet, action: &Action, value: u64) {
    match *action {
        Action::Write {
            site,
            table,
            key: number,
            delete,
        } => {
            let put = (!delete).then(|| image(value));
            write(fleet, site, TABLES[table], &[key(number)], put.as_ref());
        }
        Action::Transact {
            site,
            table,
            keys: [a, b],
        } if a != b => {
            write(fleet, site, TABLES[table], &[key(a), key(b)], Some(&image(value)));
        }
        Action::Transact { .. } => {}
        Action::Update {
            site,
            ref keys,
            ref changes,
        } => {
            let keys: Vec<KeyBytes> = keys.iter().map(|number| key(*number)).collect();
            let stamped = |change: &Change| match *change {
                Change::Assign(name, _) => Change::Assign(name, value),
                other => other,
            };
            let changes = changes.iter().map(stamped).collect();
            fleet.write(site, TABLES[0], &keys, &Work::Update(changes));
        }
        Action::SetPolicy { site, policy } => fleet.set_policy(site, TABLES[0], policy),
        Action::Run { steps } => (0..steps).for_each(|_| fleet.step()),
        Action::Cut { a, b } => fleet.cut(a, b),
        Action::Heal { a, b } => fleet.heal(a, b),
        Action::Reset { a, b } => fleet.reset(a, b),
        Action::Crash { site } => fleet.crash(site),
        Action::Wipe { site } if may_wipe(fleet, site) => fleet.wipe(site),
        Action::Wipe { .. } => {}
        Action::CopyDisk { site } => fleet.copy_disk(site),
        Action::Restore { site } if may_wipe(fleet, site) => fleet.restore(site),
        Action::Restore { .. } => {}
        Action::AddReplica { site, table, at } => fleet.add_replica(site, TABLES[table], at),
        Action::CollectGarbage { site } => fleet.collect_garbage(site),
        Action::Skew { site, skew_ms } => fleet.skew(site, skew_ms),
        Action::Pause { site, table } => fleet.pause(site, TABLES[table]),
        Action::Resume { site, table } => fleet.resume(site, TABLES[table]),
    }
}

fn write(fleet: &mut Fleet, site: usize, table: TableId, keys: &[KeyBytes], image: Option<&Bytes>) {
    fleet.write(site, table, keys, &Work::Whole(image.cloned()));
}

/// Three regions with two tables between them; further replicas are added later.
fn fleet(seed: u64) -> Fleet {
    let mut fleet = Fleet::new(4, seed);
    fleet.create(0, TABLES[0]);
    fleet.create(1, TABLES[1]);
    fleet.add_replica(0, TABLES[0], 1);
    fleet.add_replica(1, TABLES[1], 2);
    fleet
}

/// Three regions with one table.
fn hot_keys(seed: u64) -> Fleet {
    with_one_table(Fleet::new(HOT_KEYS.regions, seed))
}

/// Three regions with one table, which soon drop each other.
fn drops(seed: u64) -> Fleet {
    with_one_table(Fleet::with_limit(DROPS.regions, seed, DROPPED_AFTER_MS))
}

/// Gives the first three regions a replica of one table.
fn with_one_table(mut fleet: Fleet) -> Fleet {
    fleet.create(0, TABLES[0]);
    fleet.add_replica(0, TABLES[0], 1);
    fleet.add_replica(0, TABLES[0], 2);
    heal_until_converged(&mut fleet);
    fleet.newcomers.clear();
    fleet
}

/// Two regions with one table, which drop each other after this time.
fn pair(seed: u64, unreachable_ms_max: u64) -> Fleet {
    let mut fleet = Fleet::with_limit(2, seed, unreachable_ms_max);
    fleet.create(0, TABLES[0]);
    fleet.add_replica(0, TABLES[0], 1);
    heal_until_converged(&mut fleet);
    fleet.newcomers.clear();
    fleet
}

/// Three regions, two of which have a replica of the table.
fn copies(seed: u64) -> Fleet {
    let mut fleet = Fleet::new(COPIES.regions, seed);
    fleet.create(0, TABLES[0]);
    fleet.add_replica(0, TABLES[0], 1);
    (0..150).for_each(|_| fleet.step());
    fleet
}

/// Heals all faults, and steps until the regions have converged.
fn heal_until_converged(fleet: &mut Fleet) {
    fleet.heal_all();
    fleet.resume_all();
    for site in 0..fleet.len() {
        fleet.skew(site, 0);
    }
    for round in 0..400 {
        for _ in 0..100 {
            fleet.step();
        }
        vectors_tell_the_truth(fleet);
        active_replicas_know_their_rows(fleet);
        if round > 3 && all_active(fleet) && converged(fleet, &TABLES) {
            return;
        }
    }
    for site in 0..fleet.len() {
        println!(
            "{} {:?}\n{:?}",
            fleet.region(site),
            fleet.store(site).view(),
            fleet.status(site)
        );
    }
    panic!("no convergence");
}

/// Plays the actions and checks the invariants after each, then heals everything and checks the
/// final state.
fn play(fleet: Fleet, actions: &[Action]) {
    let fleet = played(fleet, actions);
    for table in TABLES {
        greatest_version_is_current(&fleet, table);
        journals_hold_the_conflicts_and_no_others(&fleet, table);
    }
}

/// As [`play`], with a table whose items may hold parts of several writes.
fn play_under(policy: ConflictPolicy, seed: u64, actions: &[Action]) {
    let mut fleet = Fleet::new(LAB.regions, seed);
    fleet.create(0, TABLES[0]);
    fleet.set_policy(0, TABLES[0], policy);
    fleet.add_replica(0, TABLES[0], 1);
    (0..150).for_each(|_| fleet.step());
    let fleet = played(fleet, actions);
    items_are_what_the_writes_make_them(&fleet, TABLES[0]);
    journals_tell_what_was_overruled(&fleet, TABLES[0]);
}

/// Plays the actions with additions to counters in place of all writes, and checks the counters.
fn play_additions(seed: u64, actions: &[Action]) {
    let mut fleet = hot_keys(seed);
    fleet.set_policy(0, TABLES[0], ConflictPolicy::Merge);
    heal_until_converged(&mut fleet);
    let actions: Vec<Action> = actions.iter().map(as_addition).collect();
    let fleet = played(fleet, &actions);
    counters_have_every_addition_that_was_not_lost(&fleet, TABLES[0]);
}

/// The action, or an addition if it is a write.
fn as_addition(action: &Action) -> Action {
    let (site, keys) = match action {
        Action::Write { site, key, .. } => (*site, vec![*key]),
        Action::Transact { site, keys, .. } => (*site, keys.to_vec()),
        Action::Update { site, keys, .. } => (*site, keys.clone()),
        other => return other.clone(),
    };
    // A transaction writes each key once.
    let keys: BTreeSet<u8> = keys.into_iter().collect();
    Action::Update {
        site,
        keys: keys.into_iter().collect(),
        changes: vec![Change::Add(1)],
    }
}

fn played(mut fleet: Fleet, actions: &[Action]) -> Fleet {
    for (value, action) in (0..).zip(actions) {
        act(&mut fleet, action, value);
        vectors_tell_the_truth(&fleet);
        active_replicas_know_their_rows(&fleet);
    }
    heal_until_converged(&mut fleet);
    fleet
}

proptest! {
    #![proptest_config(config(cases()))]

    #[test]
    fn regions_converge_and_lose_nothing_under_any_order_of_events(seed: u64, actions in actions(MIXED)) {
        let mut fleet = fleet(seed);
        (0..150).for_each(|_| fleet.step());
        play(fleet, &actions);
    }

    #[test]
    fn few_hot_keys_converge_with_every_conflict_journalled(
        seed: u64,
        actions in actions(HOT_KEYS),
    ) {
        play(hot_keys(seed), &actions);
    }

    #[test]
    fn paused_tables_leak_lose_and_revive_nothing(
        seed: u64,
        actions in actions(PAUSES),
    ) {
        let mut fleet = Fleet::new(PAUSES.regions, seed);
        fleet.create(0, TABLES[0]);
        fleet.create(1, TABLES[1]);
        fleet.add_replica(0, TABLES[0], 1);
        fleet.add_replica(0, TABLES[0], 2);
        fleet.add_replica(1, TABLES[1], 2);
        (0..150).for_each(|_| fleet.step());
        play(fleet, &actions);
    }

    #[test]
    fn dropped_replicas_lose_only_unshipped_writes(
        seed: u64,
        actions in actions(DROPS),
    ) {
        play(drops(seed), &actions);
    }

    #[test]
    fn restored_copies_lose_no_later_write(seed: u64, actions in actions(RESTORES)) {
        play(hot_keys(seed), &actions);
    }

    #[test]
    fn restored_copies_lose_no_shipped_addition(seed: u64, actions in actions(RESTORED_PARTS)) {
        play_additions(seed, &actions);
    }

    #[test]
    fn constant_copies_lose_and_revive_nothing(seed: u64, actions in actions(COPIES)) {
        play(copies(seed), &actions);
    }
}

proptest! {
    #![proptest_config(config(cases() / 2))]

    #[test]
    fn replicas_dropping_each_other_revive_nothing(
        seed: u64,
        actions in actions(TURNS),
    ) {
        play(drops(seed), &actions);
    }

    #[test]
    fn policy_item_keeps_the_last_writers_item(seed: u64, actions in actions(LAB)) {
        play_under(ConflictPolicy::Item, seed, &actions);
    }

    #[test]
    fn policy_attribute_keeps_each_last_writers_attribute(seed: u64, actions in actions(LAB)) {
        play_under(ConflictPolicy::Attribute, seed, &actions);
    }

    #[test]
    fn policy_merge_adds_counters_and_unites_sets(seed: u64, actions in actions(LAB)) {
        play_under(ConflictPolicy::Merge, seed, &actions);
    }

    #[test]
    fn restored_copies_leave_all_regions_equal(
        seed: u64,
        policy in policy(),
        actions in actions(RESTORED_PARTS),
    ) {
        let mut fleet = hot_keys(seed);
        fleet.set_policy(0, TABLES[0], policy);
        played(fleet, &actions);
    }

    #[test]
    fn changing_policies_leave_all_regions_equal(
        seed: u64,
        policy in policy(),
        actions in actions(Shape { policies: 4, ..LAB }),
    ) {
        play_under(policy, seed, &actions);
    }
}

/// The table continues to replicate between the other regions, and the region's other tables do so
/// everywhere.
#[test]
fn paused_table_stops_only_in_its_region() {
    let mut fleet = fleet(17);
    fleet.add_replica(0, TABLES[0], 2);
    fleet.add_replica(1, TABLES[1], 0);
    quiet(&mut fleet);
    let image = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    let held = |fleet: &Fleet, site: usize, table: TableId, number: u8| {
        let row = fleet.store(site).tables[&table].rows.get(&key(number));
        row.and_then(|row| row.image.clone())
    };
    fleet.pause(0, TABLES[0]);
    write(&mut fleet, 0, TABLES[0], &[key(0)], image("kept in").as_ref());
    write(&mut fleet, 1, TABLES[0], &[key(1)], image("kept out").as_ref());
    write(&mut fleet, 0, TABLES[1], &[key(2)], image("continues").as_ref());
    for _ in 0..3000 {
        fleet.step();
    }
    assert_eq!(held(&fleet, 1, TABLES[0], 0), None);
    assert_eq!(held(&fleet, 2, TABLES[0], 0), None);
    assert_eq!(held(&fleet, 0, TABLES[0], 1), None);
    assert_eq!(held(&fleet, 2, TABLES[0], 1), image("kept out"));
    assert_eq!(held(&fleet, 1, TABLES[1], 2), image("continues"));
    for site in 0..3 {
        let status = fleet.status(site);
        assert_eq!((status.divergent.len(), status.bootstraps.len()), (0, 0), "{status:?}");
        let relayed = status.peers.values().any(|peer| peer.relayed_through.is_some());
        assert!(!relayed, "nothing is relayed while its origin sends it: {status:?}");
    }
    fleet.resume(0, TABLES[0]);
    for _ in 0..600 {
        fleet.step();
    }
    assert_eq!(held(&fleet, 2, TABLES[0], 0), image("kept in"));
    assert_eq!(held(&fleet, 0, TABLES[0], 1), image("kept out"));
    assert!(converged(&fleet, &TABLES));
    let repaired = |site: usize| fleet.status(site).repaired_rows;
    assert!((0..3).all(|site| repaired(site).is_empty()), "it came through the log");
}

/// Steps until everything is quiet and equal.
fn quiet(fleet: &mut Fleet) {
    heal_until_converged(fleet);
    for _ in 0..300 {
        fleet.step();
    }
}

#[test]
fn repair_restores_rows_lost_from_the_store() {
    let mut fleet = fleet(7);
    quiet(&mut fleet);
    for number in 0..KEYS {
        write(
            &mut fleet,
            0,
            TABLES[0],
            &[key(number)],
            Some(&Bytes::from_static(b"kept")),
        );
    }
    quiet(&mut fleet);
    let versions: Vec<_> = fleet.store(1).tables[&TABLES[0]]
        .rows
        .values()
        .map(|row| row.version.clone())
        .collect();
    assert_eq!(versions.len(), usize::from(KEYS));
    fleet.damage(1, TABLES[0], &versions[2..6]);
    assert!(!converged(&fleet, &TABLES));
    for _ in 0..3000 {
        fleet.step();
    }
    assert!(converged(&fleet, &TABLES), "{:?}", fleet.status(1));
    assert_eq!(fleet.status(1).repaired_rows.get(&TABLES[0]), Some(&4));
    assert_eq!(fleet.status(1).divergent, std::collections::BTreeMap::new());
}

#[test]
fn a_write_travels_around_a_cut_through_a_third_region() {
    let mut fleet = fleet(11);
    fleet.add_replica(0, TABLES[0], 2);
    quiet(&mut fleet);
    fleet.cut(0, 1);
    fleet.pass_time(500);
    write(
        &mut fleet,
        0,
        TABLES[0],
        &[key(1)],
        Some(&Bytes::from_static(b"around")),
    );
    for _ in 0..1500 {
        fleet.step();
    }
    let row = &fleet.store(1).tables[&TABLES[0]].rows[&key(1)];
    assert_eq!(row.image.as_deref(), Some(b"around".as_slice()));
    let relay = |fleet: &Fleet| fleet.status(1).peers[fleet.region(0)].relayed_through.clone();
    assert_eq!(relay(&fleet), Some(fleet.region(2).clone()));
    fleet.heal_all();
    for _ in 0..1500 {
        fleet.step();
    }
    assert_eq!(relay(&fleet), None, "the origin sends its writes itself again");
}

#[test]
fn write_from_a_fast_clock_waits_for_its_time() {
    let mut fleet = fleet(13);
    quiet(&mut fleet);
    fleet.skew(0, 5000);
    write(&mut fleet, 0, TABLES[0], &[key(1)], Some(&Bytes::from_static(b"early")));
    for _ in 0..400 {
        fleet.step();
    }
    let quarantine = fleet.status(1).peers[fleet.region(0)].quarantined;
    assert!(
        quarantine.is_some_and(|seen| seen.ahead_ms > seen.limit_ms),
        "{quarantine:?}"
    );
    assert_eq!(fleet.store(1).tables[&TABLES[0]].rows.get(&key(1)), None);
    write(
        &mut fleet,
        1,
        TABLES[0],
        &[key(2)],
        Some(&Bytes::from_static(b"meanwhile")),
    );
    fleet.pass_time(5000);
    quiet(&mut fleet);
    assert!(fleet.store(1).tables[&TABLES[0]].rows.contains_key(&key(1)));
    assert_eq!(fleet.status(1).peers[fleet.region(0)].quarantined, None);
}
