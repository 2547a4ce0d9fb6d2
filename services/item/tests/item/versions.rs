//! Versions are totally ordered, and merging version vectors is commutative, associative and
//! idempotent.

use beringia_clock::HybridTime;
use beringia_item::{Cause, KeyBytes, Mutation, Origin, Region, TableId, Transaction, Version, VersionVector};
use proptest::{collection, prelude::*};

fn region(name: &str) -> Region {
    Region::new(name).expect("a region's name")
}

fn origin(text: &str) -> Origin {
    text.parse().expect("an origin")
}

fn any_origin() -> impl Strategy<Value = Origin> {
    prop_oneof![
        Just("ap-northeast-1"),
        Just("eu-west-1"),
        Just("eu-west-1/3"),
        Just("us-east-1")
    ]
    .prop_map(origin)
}

fn any_version() -> impl Strategy<Value = Version> {
    (0..4_u64, 0..3_u16, any_origin(), 1..5_u64).prop_map(|(millis, counter, origin, sequence)| Version {
        time: HybridTime::from_parts(millis, counter),
        origin,
        sequence,
    })
}

fn any_vector() -> impl Strategy<Value = VersionVector> {
    collection::vec((any_origin(), 0..6_u64), 0..4).prop_map(VersionVector::from_iter)
}

fn merged(one: &VersionVector, other: &VersionVector) -> VersionVector {
    let mut merged = one.clone();
    merged.merge(other);
    merged
}

fn mutation(version: Version, vector: VersionVector) -> Mutation {
    let transaction = Transaction {
        first: version.sequence,
        last: version.sequence,
    };
    let key = KeyBytes::from(vec![0, 0, 1]);
    Mutation {
        table: TableId(9),
        key,
        version,
        causal_context: vector,
        image: None,
        metadata: None,
        cause: Cause::Client,
        transaction,
    }
}

#[test]
fn region_names_are_checked() {
    for name in ["a", "us-east-1", "x2345678901234567890123456789012"] {
        assert_eq!(
            Region::new(name).map(|region| region.as_str().to_owned()).as_deref(),
            Ok(name)
        );
    }
    for name in [
        "",
        "1a",
        "-a",
        "US-EAST-1",
        "a_b",
        "a b",
        "ä",
        "x23456789012345678901234567890123",
    ] {
        assert!(Region::new(name).is_err(), "{name}");
    }
}

proptest! {
    #[test]
    fn regions_are_ordered_by_name(one in "[a-z][a-z0-9-]{0,31}", end in "[a-z0-9-]{0,9}", other in "[a-z][a-z0-9-]{0,31}") {
        // Includes names of which one is a prefix of the other.
        let longer: String = [one.as_str(), &end].concat().chars().take(32).collect();
        for name in [&longer, &other] {
            let (shorter, region) = (region(&one), region(name));
            prop_assert_eq!(shorter.cmp(&region), one.cmp(name));
            prop_assert_eq!(shorter == region, one == *name);
            prop_assert_eq!(region.as_str(), name);
        }
    }
}

#[test]
fn versions_compare_by_time_then_region_then_sequence() {
    let version = |millis, of, sequence| Version {
        time: HybridTime::from_parts(millis, 0),
        origin: origin(of),
        sequence,
    };
    assert!(version(2, "a", 1) > version(1, "z", 9));
    assert!(version(1, "b", 1) > version(1, "a", 9));
    assert!(version(1, "a", 2) > version(1, "a", 1));
}

#[test]
fn table_id_is_printed_as_a_uuid() {
    assert_eq!(TableId::CATALOG.to_string(), "00000000-0000-0000-0000-000000000001");
}

proptest! {
    #[test]
    fn versions_are_totally_ordered(one in any_version(), other in any_version(), third in any_version()) {
        prop_assert_eq!(one.cmp(&other), other.cmp(&one).reverse());
        prop_assert_eq!(one == other, one.cmp(&other).is_eq());
        if one <= other && other <= third {
            prop_assert!(one <= third);
        }
    }

    #[test]
    fn version_order_is_the_same_in_every_region(mut versions in collection::vec(any_version(), 0..8)) {
        let greatest = versions.iter().max().cloned();
        versions.reverse();
        prop_assert_eq!(versions.iter().max().cloned(), greatest);
    }

    /// The merge changes only the vector that it is called on; clones keep their entries.
    #[test]
    fn vector_keeps_the_greatest_sequence_of_each_origin(
        one in collection::vec((any_origin(), 0..6_u64), 0..6), other in any_vector(),
    ) {
        let mut greatest = std::collections::BTreeMap::new();
        for (origin, sequence) in one.iter().filter(|(_, sequence)| *sequence > 0) {
            let held = greatest.entry(origin.clone()).or_insert(0);
            *held = (*held).max(*sequence);
        }
        let vector: VersionVector = one.into_iter().collect();
        let shared = vector.clone();
        let mut changed = merged(&vector, &other);
        changed.advance(&origin("eu-west-1"), 9);
        for held in [&vector, &shared] {
            let entries = held.iter().map(|(origin, sequence)| (origin.clone(), sequence));
            prop_assert_eq!(entries.collect::<std::collections::BTreeMap<_, _>>(), greatest.clone());
        }
        let text = serde_json::to_string(&vector).expect("a vector as JSON");
        prop_assert_eq!(serde_json::from_str::<VersionVector>(&text).expect("the same vector"), vector);
    }

    #[test]
    fn merge_is_commutative_associative_and_idempotent(
        one in any_vector(), other in any_vector(), third in any_vector(),
    ) {
        prop_assert_eq!(merged(&one, &other), merged(&other, &one));
        prop_assert_eq!(merged(&merged(&one, &other), &third), merged(&one, &merged(&other, &third)));
        prop_assert_eq!(merged(&one, &one), one);
    }

    #[test]
    fn merge_is_the_least_vector_that_dominates_both(
        one in any_vector(), other in any_vector(), third in any_vector(),
    ) {
        let merge = merged(&one, &other);
        prop_assert!(merge.dominates(&one) && merge.dominates(&other));
        prop_assert_eq!(third.dominates(&merge), third.dominates(&one) && third.dominates(&other));
    }

    #[test]
    fn dominates_is_a_partial_order(one in any_vector(), other in any_vector(), third in any_vector()) {
        prop_assert!(one.dominates(&one));
        prop_assert!(one.dominates(&VersionVector::default()));
        prop_assert_eq!(one.dominates(&other) && other.dominates(&one), one == other);
        if one.dominates(&other) && other.dominates(&third) {
            prop_assert!(one.dominates(&third));
        }
    }

    #[test]
    fn vector_covers_exactly_the_versions_up_to_its_entries(vector in any_vector(), version in any_version()) {
        prop_assert_eq!(vector.covers(&version), version.sequence <= vector.get(&version.origin));
        let mut advanced = vector.clone();
        advanced.advance(&version.origin, version.sequence);
        prop_assert!(advanced.covers(&version) && advanced.dominates(&vector));
        prop_assert_eq!(advanced == vector, vector.covers(&version));
    }

    #[test]
    fn no_two_mutations_depend_on_each_other(
        one in any_version(), other in any_version(), vector in any_vector(),
    ) {
        // The second writer had applied the first write, so the first cannot have had the second's
        // applied.
        let first = mutation(one, VersionVector::default());
        let mut knowing = vector;
        knowing.advance(&first.version.origin, first.version.sequence);
        let second = mutation(other, knowing);
        if first.origin() == second.origin() {
            prop_assert_eq!(second.depends_on(&first.version), first.version.sequence < second.version.sequence);
        } else {
            prop_assert!(second.depends_on(&first.version) && !first.depends_on(&second.version));
        }
    }
}
