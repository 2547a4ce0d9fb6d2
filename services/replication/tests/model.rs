//! Whole regions without a runtime: replicators on model stores, under every order of messages, crashes, cuts, joins and losses
//! that chance comes up with.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    clippy::print_stdout,
    reason = "a failing test is what they make"
)]

mod model {
    pub mod fleet;
    pub mod oracle;
    pub mod store;
}

use beringia_item::{KeyBytes, TableId};
use bytes::Bytes;
use model::{
    fleet::Fleet,
    oracle::{
        active_replicas_know_their_rows, all_active, converged, greatest_version_stands,
        journals_hold_the_conflicts_and_no_others, vectors_tell_the_truth, writes_know_what_they_replace,
    },
};
use proptest::prelude::*;

const TABLES: [TableId; 2] = [TableId(10), TableId(11)];
const REGIONS: usize = 4;
const KEYS: u8 = 6;

/// What a run may do.
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
    AddReplica {
        site: usize,
        table: usize,
        at: usize,
    },
    Forget {
        site: usize,
    },
    Skew {
        site: usize,
        skew_ms: u64,
    },
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let site = || 0..REGIONS;
    let table = || 0..TABLES.len();
    let key = || 0..KEYS;
    let action = prop_oneof![
        12 => (site(), table(), key(), prop::bool::weighted(0.4))
            .prop_map(|(site, table, key, delete)| Action::Write { site, table, key, delete }),
        2 => (site(), table(), [key(), key()]).prop_map(|(site, table, keys)| Action::Transact { site, table, keys }),
        12 => (1_usize..60).prop_map(|steps| Action::Run { steps }),
        1 => (200_usize..600).prop_map(|steps| Action::Run { steps }),
        3 => (site(), site()).prop_map(|(a, b)| Action::Cut { a, b }),
        3 => (site(), site()).prop_map(|(a, b)| Action::Heal { a, b }),
        2 => (site(), site()).prop_map(|(a, b)| Action::Reset { a, b }),
        2 => site().prop_map(|site| Action::Crash { site }),
        1 => site().prop_map(|site| Action::Wipe { site }),
        2 => (site(), table(), site()).prop_map(|(site, table, at)| Action::AddReplica { site, table, at }),
        6 => site().prop_map(|site| Action::Forget { site }),
        3 => (site(), prop_oneof![1 => Just(0), 3 => 1_u64..1200]).prop_map(|(site, skew_ms)| Action::Skew { site, skew_ms }),
    ];
    prop::collection::vec(action, 1..80)
}

fn key(number: u8) -> KeyBytes {
    // Three ranges, several keys in each.
    KeyBytes(Bytes::from(vec![number % 3, 7, number]))
}

/// A disk may only be lost where every table stands complete elsewhere.
fn may_wipe(fleet: &Fleet, site: usize) -> bool {
    fleet
        .store(site)
        .view()
        .keys()
        .all(|table| (0..fleet.len()).any(|other| other != site && fleet.store(other).is_active(*table)))
}

fn act(fleet: &mut Fleet, action: &Action, stamp: usize) {
    match *action {
        Action::Write {
            site,
            table,
            key: number,
            delete,
        } => {
            let image = (!delete).then(|| Bytes::from(format!("{stamp}")));
            write(fleet, site, TABLES[table], &[key(number)], image.as_ref());
        }
        Action::Transact {
            site,
            table,
            keys: [a, b],
        } if a != b => {
            write(
                fleet,
                site,
                TABLES[table],
                &[key(a), key(b)],
                Some(&Bytes::from(format!("{stamp}"))),
            );
        }
        Action::Transact { .. } => {}
        Action::Run { steps } => (0..steps).for_each(|_| fleet.step()),
        Action::Cut { a, b } => fleet.cut(a, b),
        Action::Heal { a, b } => fleet.heal(a, b),
        Action::Reset { a, b } => fleet.reset(a, b),
        Action::Crash { site } => fleet.crash(site),
        Action::Wipe { site } if may_wipe(fleet, site) => fleet.wipe(site),
        Action::Wipe { .. } => {}
        Action::AddReplica { site, table, at } => fleet.add_replica(site, TABLES[table], at),
        Action::Forget { site } => fleet.forget(site),
        Action::Skew { site, skew_ms } => fleet.skew(site, skew_ms),
    }
}

fn write(fleet: &mut Fleet, site: usize, table: TableId, keys: &[KeyBytes], image: Option<&Bytes>) {
    let before = fleet
        .store(site)
        .tables
        .get(&table)
        .and_then(|table| table.rows.get(&keys[0]).cloned());
    let count = fleet.writes.len();
    if fleet.write(site, table, keys, image) {
        writes_know_what_they_replace(before.as_ref(), &fleet.writes[count..]);
    }
}

/// Two regions with two tables between them; the others come later.
fn fleet(seed: u64) -> Fleet {
    let mut fleet = Fleet::new(REGIONS, seed);
    fleet.create(0, TABLES[0]);
    fleet.create(1, TABLES[1]);
    fleet.add_replica(0, TABLES[0], 1);
    fleet.add_replica(1, TABLES[1], 2);
    fleet
}

fn settle(fleet: &mut Fleet) {
    fleet.heal_all();
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
    let status: Vec<_> = (0..fleet.len()).map(|site| fleet.status(site)).collect();
    panic!("no convergence: {status:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn regions_converge_and_lose_nothing_under_any_order_of_events(seed: u64, actions in actions()) {
        let mut fleet = fleet(seed);
        for _ in 0..150 {
            fleet.step();
        }
        for (stamp, action) in actions.iter().enumerate() {
            act(&mut fleet, action, stamp);
            vectors_tell_the_truth(&fleet);
            active_replicas_know_their_rows(&fleet);
        }
        settle(&mut fleet);
        for table in TABLES {
            greatest_version_stands(&fleet, table);
            journals_hold_the_conflicts_and_no_others(&fleet, table);
        }
    }
}

/// Steps until everything is quiet and equal.
fn quiet(fleet: &mut Fleet) {
    settle(fleet);
    for _ in 0..300 {
        fleet.step();
    }
}

#[test]
fn rows_lost_behind_a_regions_back_are_brought_back_by_repair() {
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
    assert_eq!(relay(&fleet), None, "the origin sends again itself");
}

#[test]
fn a_write_from_a_clock_too_far_ahead_waits_until_time_catches_up() {
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
