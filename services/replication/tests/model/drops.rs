//! Replicas that are unreachable for too long, step by step: which region drops which, and their
//! state afterwards.

use bytes::Bytes;

use crate::{DROPPED_AFTER_MS, TABLES, drops, key, model::fleet::Fleet, pair, quiet, write};

/// A replica that is unreachable for too long is dropped by the others. When it returns it is
/// re-bootstrapped, and keeps a list of its unshipped writes.
#[test]
fn dropped_replica_returns_empty_and_keeps_unshipped_writes() {
    let mut fleet = drops(5);
    quiet(&mut fleet);
    let image = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    for number in 0..3 {
        write(&mut fleet, 2, TABLES[0], &[key(number)], image("before").as_ref());
    }
    quiet(&mut fleet);
    fleet.cut(0, 2);
    fleet.cut(1, 2);
    write(&mut fleet, 2, TABLES[0], &[key(0)], image("unshipped").as_ref());
    write(&mut fleet, 2, TABLES[0], &[key(4)], image("unshipped too").as_ref());
    write(&mut fleet, 2, TABLES[0], &[key(2)], None);
    fleet.pass_time(20);
    write(&mut fleet, 0, TABLES[0], &[key(0)], None);
    write(&mut fleet, 1, TABLES[0], &[key(1)], None);
    for _ in 0..4000 {
        fleet.step();
    }
    for site in [0, 1] {
        fleet.collect_garbage(site);
        let store = fleet.store(site);
        let view = &store.view()[&TABLES[0]];
        assert_eq!(view.dropped.iter().collect::<Vec<_>>(), [fleet.region(2)]);
        let rows: Vec<_> = store.tables[&TABLES[0]].rows.keys().collect();
        assert_eq!(rows, [&key(2)], "tombstones are collected");
    }
    assert!(fleet.store(2).is_active(TABLES[0]), "its clients notice nothing");
    quiet(&mut fleet);
    assert_eq!(fleet.dropped, 1);
    for site in 0..3 {
        let rows = &fleet.store(site).tables[&TABLES[0]].rows;
        let live: Vec<_> = rows
            .iter()
            .filter(|(_, row)| row.image.is_some())
            .map(|(key, _)| key)
            .collect();
        assert_eq!(live, [&key(2)], "nothing is revived in {}", fleet.region(site));
    }
    let kept = fleet
        .store(2)
        .unshipped
        .iter()
        .map(|row| (row.key.clone(), row.image.clone()));
    let expected = [
        (key(0), image("unshipped")),
        (key(4), image("unshipped too")),
        (key(2), None),
    ];
    assert_eq!(kept.collect::<std::collections::BTreeMap<_, _>>(), expected.into());
    write(&mut fleet, 2, TABLES[0], &[key(0)], image("restored").as_ref());
    quiet(&mut fleet);
    assert_eq!(fleet.store(0).tables[&TABLES[0]].rows[&key(0)].image, image("restored"));
}

#[test]
fn restart_keeps_the_time_that_a_peer_was_unreachable() {
    let mut fleet = drops(10);
    quiet(&mut fleet);
    fleet.cut(0, 2);
    fleet.cut(1, 2);
    let is_dropped = |fleet: &Fleet| !fleet.store(0).view()[&TABLES[0]].dropped.is_empty();
    // Each region restarts within the limit, many times.
    for round in 0..40 {
        (0..12).for_each(|_| fleet.pass_time(20));
        for _ in 0..300 {
            fleet.step();
        }
        if is_dropped(&fleet) {
            break;
        }
        fleet.crash(round % 2);
    }
    assert!(is_dropped(&fleet));
    quiet(&mut fleet);
    assert_eq!(fleet.dropped, 1);
}

#[test]
fn minority_side_of_a_cut_drops_nobody() {
    let mut fleet = drops(6);
    quiet(&mut fleet);
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        fleet.cut(a, b);
    }
    for _ in 0..4000 {
        fleet.step();
    }
    for site in 0..3 {
        let view = &fleet.store(site).view()[&TABLES[0]];
        assert_eq!((view.replicas.len(), view.dropped.len()), (3, 0));
    }
    fleet.heal(0, 1);
    for _ in 0..4000 {
        fleet.step();
    }
    assert_eq!(fleet.store(0).view()[&TABLES[0]].dropped.len(), 1);
    assert_eq!(fleet.store(2).view()[&TABLES[0]].dropped.len(), 0);
    quiet(&mut fleet);
    assert_eq!(fleet.dropped, 1);
}

/// Two successive majorities can drop each other's members, if the region in both has not learned
/// of the first drop. Nothing is lost without a trace, and all replicas become equal again.
#[test]
fn mutual_drops_converge_and_keep_unshipped_writes() {
    let mut fleet = drops(8);
    quiet(&mut fleet);
    fleet.cut(0, 1);
    fleet.cut(0, 2);
    while fleet.store(1).view()[&TABLES[0]].dropped.is_empty() {
        fleet.step();
    }
    fleet.cut(1, 2);
    fleet.heal(0, 2);
    let image = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    let texts = ["of the first", "of the second", "of the third"];
    for (number, text) in (0..).zip(texts) {
        write(
            &mut fleet,
            usize::from(number),
            TABLES[0],
            &[key(number)],
            image(text).as_ref(),
        );
    }
    for _ in 0..6000 {
        fleet.step();
    }
    quiet(&mut fleet);
    assert!(fleet.dropped > 0);
    for (number, text) in (0..).zip(texts) {
        let mut kept = (0..3).flat_map(|site| &fleet.store(site).unshipped);
        let is_kept = kept.any(|row| row.key == key(number) && row.image == image(text));
        let rows = &fleet.store(0).tables[&TABLES[0]].rows;
        let is_current = rows.get(&key(number)).is_some_and(|row| row.image == image(text));
        assert!(is_kept || is_current, "{text}");
    }
}

/// Of two regions, the second by name waits for the first, until an operator gives the first up.
/// What the first had not shipped is kept when it returns, and nothing is revived.
#[test]
fn survivor_drops_a_region_that_was_given_up() {
    let mut fleet = pair(11, DROPPED_AFTER_MS);
    quiet(&mut fleet);
    let image = |text: &'static str| Some(Bytes::from_static(text.as_bytes()));
    write(&mut fleet, 0, TABLES[0], &[key(0)], image("before").as_ref());
    write(&mut fleet, 0, TABLES[0], &[key(1)], image("before").as_ref());
    quiet(&mut fleet);
    write(&mut fleet, 0, TABLES[0], &[key(2)], image("unshipped").as_ref());
    fleet.cut(0, 1);
    let steps = |fleet: &mut Fleet, count: usize| {
        for _ in 0..count {
            fleet.step();
        }
    };
    let dropped = |fleet: &Fleet| fleet.store(1).view()[&TABLES[0]].dropped.clone();
    // The first by name is itself a quorum, and must not drop the survivor meanwhile.
    fleet.stop(0);
    write(&mut fleet, 1, TABLES[0], &[key(0)], None);
    steps(&mut fleet, 6000);
    fleet.collect_garbage(1);
    let rows = |fleet: &Fleet, site: usize| fleet.store(site).tables[&TABLES[0]].rows.clone();
    assert!(dropped(&fleet).is_empty(), "the second by name is no quorum");
    assert!(rows(&fleet, 1).contains_key(&key(0)), "the tombstone waits");
    fleet.give_up(1, 0);
    steps(&mut fleet, 6000);
    fleet.collect_garbage(1);
    assert_eq!(dropped(&fleet), [fleet.region(0).clone()].into());
    assert!(!rows(&fleet, 1).contains_key(&key(0)), "the tombstone is collected");
    fleet.start(0);
    quiet(&mut fleet);
    for site in 0..2 {
        let rows = rows(&fleet, site);
        let live = rows.iter().filter(|(_, row)| row.image.is_some());
        let live: Vec<_> = live.map(|(key, _)| key).collect();
        assert_eq!(live, [&key(1)], "nothing is revived in {}", fleet.region(site));
    }
    let unshipped = &fleet.store(0).unshipped;
    assert!(
        unshipped
            .iter()
            .any(|row| row.key == key(2) && row.image == image("unshipped"))
    );
}

/// A region that can be reached is not dropped, even if all others have given it up.
#[test]
fn given_up_region_that_is_reachable_stays() {
    let mut fleet = pair(12, u64::MAX);
    quiet(&mut fleet);
    fleet.give_up(1, 0);
    for _ in 0..6000 {
        fleet.step();
    }
    quiet(&mut fleet);
    assert_eq!(fleet.dropped, 0);
}

#[test]
fn a_replica_that_one_other_still_reaches_is_not_dropped() {
    let mut fleet = drops(7);
    quiet(&mut fleet);
    fleet.cut(0, 2);
    for number in 0..20 {
        write(
            &mut fleet,
            0,
            TABLES[0],
            &[key(number % 3)],
            Some(&Bytes::from_static(b"v")),
        );
        for _ in 0..200 {
            fleet.step();
        }
    }
    quiet(&mut fleet);
    assert_eq!(fleet.dropped, 0);
}

/// The second region is in two majorities that drop each other's members, and acts on the one that
/// it knows of. The first region has dropped the third and is then alone. It must not continue as
/// the only replica left, because it still has rows that the others have deleted and collected.
#[test]
fn region_that_dropped_and_was_dropped_revives_nothing() {
    let mut fleet = drops(9);
    quiet(&mut fleet);
    let before = Some(Bytes::from_static(b"before"));
    write(&mut fleet, 0, TABLES[0], &[key(0)], before.as_ref());
    write(&mut fleet, 0, TABLES[0], &[key(1)], before.as_ref());
    quiet(&mut fleet);
    fleet.cut(0, 2);
    fleet.cut(1, 2);
    let dropped = |fleet: &Fleet, site: usize| fleet.store(site).view()[&TABLES[0]].dropped.clone();
    while dropped(&fleet, 0).is_empty() {
        fleet.step();
    }
    // The second region agreed to the drop, and does not learn that it happened.
    fleet.cut(0, 1);
    fleet.heal(1, 2);
    assert!(dropped(&fleet, 1).is_empty());
    for _ in 0..6000 {
        fleet.step();
    }
    assert_eq!(dropped(&fleet, 1), [fleet.region(0).clone()].into());
    assert_eq!(dropped(&fleet, 2), [fleet.region(0).clone()].into());
    assert_eq!(
        dropped(&fleet, 0),
        [fleet.region(2).clone()].into(),
        "one region of three is not a quorum"
    );
    write(&mut fleet, 1, TABLES[0], &[key(0)], None);
    for _ in 0..600 {
        fleet.step();
    }
    for site in [0, 1, 2] {
        fleet.collect_garbage(site);
    }
    for site in [1, 2] {
        let rows: Vec<_> = fleet.store(site).tables[&TABLES[0]].rows.keys().collect();
        assert_eq!(rows, [&key(1)], "the tombstone is collected in {}", fleet.region(site));
    }
    quiet(&mut fleet);
    for site in 0..3 {
        let rows = &fleet.store(site).tables[&TABLES[0]].rows;
        let live = rows.iter().filter(|(_, row)| row.image.is_some());
        let live: Vec<_> = live.map(|(key, _)| key).collect();
        assert_eq!(live, [&key(1)], "nothing is revived in {}", fleet.region(site));
    }
}
