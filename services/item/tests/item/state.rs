//! An item's state is a state-based CRDT, under every policy that a write was recorded with.

use std::collections::BTreeSet;

use beringia_clock::HybridTime;
use beringia_item::{AttributeValue, ConflictPolicy, Item, ItemState, Number, Origin, Touch, Touched, Version};
use proptest::{collection, prelude::*, sample::Index};

const REGIONS: [&str; 3] = ["ap-south-1", "eu-west-1", "us-east-1"];

fn origin(place: usize) -> Origin {
    REGIONS[place].parse().unwrap()
}

fn keys() -> Item {
    Item::from([("pk".to_owned(), AttributeValue::S("k".to_owned()))])
}

fn number(value: i64) -> AttributeValue {
    AttributeValue::N(Number::from(value))
}

fn set(members: &BTreeSet<u8>) -> AttributeValue {
    AttributeValue::Ss(members.iter().map(u8::to_string).collect())
}

/// A write as a client requests it.
#[derive(Debug, Clone)]
enum Write {
    Put { n: Option<i64>, s: Option<BTreeSet<u8>> },
    Delete,
    Update(Vec<Change>),
}

/// The action of an update on one of the attributes `n`, `s` and `t`.
#[derive(Debug, Clone)]
enum Change {
    Assign(&'static str, AttributeValue),
    Remove(&'static str),
    Add(i64),
    Unite(BTreeSet<u8>),
    Subtract(BTreeSet<u8>),
}

impl Change {
    const fn name(&self) -> &'static str {
        match self {
            Self::Assign(name, _) | Self::Remove(name) => name,
            Self::Add(_) => "n",
            Self::Unite(_) | Self::Subtract(_) => "s",
        }
    }
}

fn members() -> impl Strategy<Value = BTreeSet<u8>> {
    collection::btree_set(0..4_u8, 1..3)
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (-9..9_i64).prop_map(Change::Add),
        2 => members().prop_map(Change::Unite),
        2 => members().prop_map(Change::Subtract),
        1 => (0..9_i64).prop_map(|value| Change::Assign("n", number(value))),
        1 => members().prop_map(|value| Change::Assign("s", set(&value))),
        1 => (0..9_i64).prop_map(|value| Change::Assign("t", number(value))),
        // Values that nothing, or only values of another type, can be added to.
        1 => Just(Change::Assign("n", AttributeValue::Bool(true))),
        1 => Just(Change::Assign("s", number(1))),
        1 => prop_oneof![Just("n"), Just("s"), Just("t")].prop_map(Change::Remove),
    ]
}

fn assignment() -> impl Strategy<Value = Change> {
    let name = prop_oneof![Just("n"), Just("s"), Just("t")];
    (name, prop::option::of(0..99_i64)).prop_map(|(name, value)| match value {
        Some(value) => Change::Assign(name, number(value)),
        None => Change::Remove(name),
    })
}

fn write() -> impl Strategy<Value = Write> {
    prop_oneof![
        1 => (prop::option::of(0..9_i64), prop::option::of(members())).prop_map(|(n, s)| Write::Put { n, s }),
        1 => Just(Write::Delete),
        6 => collection::vec(change(), 0..3).prop_map(Write::Update),
    ]
}

fn policy() -> impl Strategy<Value = ConflictPolicy> {
    prop_oneof![
        1 => Just(ConflictPolicy::Item),
        1 => Just(ConflictPolicy::Attribute),
        3 => Just(ConflictPolicy::Merge)
    ]
}

/// One step of a history: a region accepts a client's write, or receives an earlier one.
#[derive(Debug, Clone)]
enum Step {
    Write {
        region: usize,
        policy: ConflictPolicy,
        write: Write,
        ahead: u64,
    },
    Hear {
        region: usize,
        of: Index,
    },
    /// The region's database is opened again, as it is or as an older copy.
    Open {
        region: usize,
        is_copy: bool,
    },
}

fn steps(
    policy: impl Strategy<Value = ConflictPolicy>,
    write: impl Strategy<Value = Write>,
) -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..REGIONS.len(), policy, write, 0..3_u64).prop_map(|(region, policy, write, ahead)| Step::Write {
            region,
            policy,
            write,
            ahead
        }),
        (0..REGIONS.len(), any::<Index>()).prop_map(|(region, of)| Step::Hear { region, of }),
        (0..REGIONS.len(), any::<bool>()).prop_map(|(region, is_copy)| Step::Open { region, is_copy }),
    ];
    collection::vec(step, 1..24)
}

#[derive(Default)]
struct Site {
    state: Option<ItemState>,
    time: u64,
    sequence: u64,
    /// The last sequence before the region's database was opened.
    opened: u64,
    /// A copy of the state, from when it was opened last.
    copy: Option<ItemState>,
}

/// The state that each write left in its region.
fn play(steps: &[Step]) -> Vec<ItemState> {
    let mut sites: Vec<Site> = REGIONS.iter().map(|_| Site::default()).collect();
    let mut written: Vec<ItemState> = Vec::new();
    for step in steps {
        match step {
            Step::Hear { region, of } if !written.is_empty() => {
                let heard = of.get(&written);
                let site = &mut sites[*region];
                site.time = site.time.max(heard.version().time.as_u64());
                site.state = Some(
                    site.state
                        .as_ref()
                        .map_or_else(|| heard.clone(), |state| state.merge(heard)),
                );
            }
            Step::Hear { .. } => {}
            Step::Open { region, is_copy } => {
                let site = &mut sites[*region];
                if *is_copy {
                    site.state.clone_from(&site.copy);
                }
                site.copy.clone_from(&site.state);
                site.opened = site.sequence;
            }
            Step::Write {
                region,
                policy,
                write,
                ahead,
            } => {
                let site = &mut sites[*region];
                site.time += 1 + ahead;
                site.sequence += 1;
                let version = Version {
                    time: HybridTime::from_u64(site.time),
                    origin: origin(*region),
                    sequence: site.sequence,
                };
                let state = after_write(site.state.as_ref(), (&version, site.opened), *policy, write);
                written.push(state.clone());
                site.state = Some(state);
            }
        }
    }
    written
}

/// The write as the engine and the store process it.
fn after_write(
    current: Option<&ItemState>,
    (version, opened): (&Version, u64),
    policy: ConflictPolicy,
    write: &Write,
) -> ItemState {
    let mut item = current.and_then(|state| state.image(&keys())).unwrap_or_else(keys);
    let changes = match write {
        Write::Delete => return ItemState::written(policy, current, version, opened, None, None),
        Write::Put { n, s } => {
            item = keys();
            item.extend(n.map(|n| ("n".to_owned(), number(n))));
            item.extend(s.as_ref().map(|s| ("s".to_owned(), set(s))));
            return ItemState::written(policy, current, version, opened, Some(&item), None);
        }
        Write::Update(changes) => changes,
    };
    let mut touched = Touched::new();
    for change in changes.iter() {
        if touched.contains_key(change.name()) {
            continue;
        }
        let Some((after, touch)) = changed(item.get(change.name()), change) else {
            continue;
        };
        match after {
            Some(value) => item.insert(change.name().to_owned(), value),
            None => item.remove(change.name()),
        };
        touched.insert(change.name().to_owned(), touch);
    }
    let state = ItemState::written(policy, current, version, opened, Some(&item), Some(&touched));
    assert_eq!(
        state.image(&keys()),
        Some(item),
        "the state has the item of the client's answer"
    );
    state
}

/// The value after a change, and how it is to be reconciled; `None` if the types forbid the change.
fn changed(value: Option<&AttributeValue>, change: &Change) -> Option<(Option<AttributeValue>, Touch)> {
    Some(match (change, value) {
        (Change::Assign(_, value), _) => (Some(value.clone()), Touch::Assign),
        (Change::Remove(_), _) => (None, Touch::Assign),
        (Change::Add(n), None) => (Some(number(*n)), Touch::Add(Number::from(*n))),
        (Change::Add(n), Some(AttributeValue::N(value))) => {
            let n = Number::from(*n);
            (Some(AttributeValue::N(value.checked_add(&n).unwrap())), Touch::Add(n))
        }
        (Change::Unite(new), None) => (Some(set(new)), Touch::Unite(set(new))),
        (Change::Unite(new), Some(AttributeValue::Ss(old))) => {
            let AttributeValue::Ss(members) = set(new) else {
                unreachable!()
            };
            (Some(AttributeValue::Ss(old | &members)), Touch::Unite(set(new)))
        }
        (Change::Subtract(gone), None) => (None, Touch::Subtract(set(gone))),
        (Change::Subtract(gone), Some(AttributeValue::Ss(old))) => {
            let AttributeValue::Ss(members) = set(gone) else {
                unreachable!()
            };
            let left = old - &members;
            (
                (!left.is_empty()).then_some(AttributeValue::Ss(left)),
                Touch::Subtract(set(gone)),
            )
        }
        _ => return None,
    })
}

fn merged<'s>(states: impl IntoIterator<Item = &'s ItemState>) -> Option<ItemState> {
    states.into_iter().cloned().reduce(|one, other| one.merge(&other))
}

/// Encodes the state and reads it back.
fn read_back(state: &ItemState) -> ItemState {
    let image = state.image(&keys());
    ItemState::read(state.version(), image.as_ref(), state.metadata().as_deref(), &keys()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn every_delivery_order_with_duplicates_gives_the_same_state(
        steps in steps(policy(), write()),
        orders in collection::vec(collection::vec(any::<Index>(), 0..40), 3),
    ) {
        let written = play(&steps);
        let expected = merged(&written);
        for order in orders {
            // A random part, some of it twice, then the rest in reverse order.
            let delivered = order.iter().filter(|_| !written.is_empty()).map(|index| index.get(&written));
            prop_assert_eq!(merged(delivered.chain(written.iter().rev())), expected.clone());
        }
    }

    #[test]
    fn merge_is_commutative_associative_and_idempotent(
        steps in steps(policy(), write()),
        picks in collection::vec(any::<Index>(), 9),
    ) {
        let written = play(&steps);
        prop_assume!(!written.is_empty());
        let part = |from: usize| merged(picks[from..from + 3].iter().map(|index| index.get(&written))).unwrap();
        let (a, b, c) = (part(0), part(3), part(6));
        prop_assert_eq!(a.merge(&b), b.merge(&a));
        prop_assert_eq!(a.merge(&b).merge(&c), a.merge(&b.merge(&c)));
        prop_assert_eq!(a.merge(&b).merge(&b), a.merge(&b));
        prop_assert_eq!(a.merge(&a), a);
    }

    #[test]
    fn state_is_read_back_from_image_and_metadata(steps in steps(policy(), write())) {
        let written = play(&steps);
        for state in &written {
            prop_assert_eq!(&read_back(state), state);
        }
        if let Some(all) = merged(&written) {
            prop_assert_eq!(read_back(&all), all);
        }
    }

    #[test]
    fn states_of_one_version_hash_equally_only_if_equal(
        steps in steps(policy(), write()),
        picks in collection::vec(any::<Index>(), 6),
    ) {
        let written = play(&steps);
        prop_assume!(!written.is_empty());
        let part = |from: usize| merged(picks[from..from + 3].iter().map(|index| index.get(&written))).unwrap();
        let (a, b) = (part(0), part(3));
        if a.version() == b.version() {
            if a.hash() == b.hash() {
                prop_assert_eq!(a.image(&keys()), b.image(&keys()));
            } else {
                prop_assert_ne!(a, b);
            }
        }
    }

    #[test]
    fn damaged_metadata_is_refused_or_canonical(
        steps in steps(Just(ConflictPolicy::Merge), write()),
        place in any::<Index>(),
        flip in 1..=255_u8,
    ) {
        for state in play(&steps) {
            let Some(metadata) = state.metadata() else { continue };
            let mut bytes = metadata.to_vec();
            let place = place.index(bytes.len());
            bytes[place] ^= flip;
            let image = state.image(&keys());
            if let Ok(read) = ItemState::read(state.version(), image.as_ref(), Some(&bytes), &keys()) {
                prop_assert_eq!(read.metadata().unwrap(), bytes);
                prop_assert_eq!(read.image(&keys()), image);
            }
        }
    }

    #[test]
    fn policy_item_keeps_the_last_writers_item(steps in steps(Just(ConflictPolicy::Item), write())) {
        let written = play(&steps);
        let last = written.iter().max_by_key(|state| state.version().clone());
        prop_assert_eq!(merged(&written), last.cloned());
        prop_assert!(written.iter().all(|state| state.metadata().is_none() && state.hash() == 0));
    }

    #[test]
    fn policy_attribute_keeps_each_attributes_last_writer(
        steps in steps(Just(ConflictPolicy::Attribute), collection::vec(assignment(), 1..3).prop_map(Write::Update)),
    ) {
        let written = play(&steps);
        let Some(all) = merged(&written) else { return Ok(()) };
        let writes = steps.iter().filter_map(|step| match step {
            Step::Write { write: Write::Update(changes), .. } => Some(changes),
            _ => None,
        });
        let mut in_order: Vec<_> = written.iter().zip(writes).collect();
        in_order.sort_by_key(|(state, _)| state.version());
        let mut expected = keys();
        for (_, changes) in in_order {
            // If an update changes an attribute twice, the first change counts, as in
            // `after_write`.
            for change in changes.iter().rev() {
                match change {
                    Change::Assign(name, value) => drop(expected.insert((*name).to_owned(), value.clone())),
                    change => drop(expected.remove(change.name())),
                }
            }
        }
        prop_assert_eq!(all.image(&keys()), Some(expected));
    }

    #[test]
    fn policy_merge_adds_up_numbers_and_unites_sets(
        steps in steps(
            Just(ConflictPolicy::Merge),
            prop_oneof![
                (-9..9_i64).prop_map(|n| Write::Update(vec![Change::Add(n)])),
                members().prop_map(|s| Write::Update(vec![Change::Unite(s)])),
            ],
        ),
    ) {
        let written = play(&steps);
        let Some(all) = merged(&written) else { return Ok(()) };
        let (mut total, mut added, mut united) = (0, false, BTreeSet::new());
        for step in &steps {
            if let Step::Write { write: Write::Update(changes), .. } = step {
                match &changes[0] {
                    Change::Add(n) => (total, added) = (total + n, true),
                    Change::Unite(members) => united.extend(members.iter().copied()),
                    _ => unreachable!(),
                }
            }
        }
        let image = all.image(&keys()).unwrap();
        prop_assert_eq!(image.get("n").cloned(), added.then(|| number(total)));
        prop_assert_eq!(image.get("s").cloned(), (!united.is_empty()).then(|| set(&united)));
    }

    #[test]
    fn region_that_collected_a_tombstone_converges(
        before in steps(policy(), write()),
        after in collection::vec((0..REGIONS.len(), any::<bool>(), policy(), collection::vec(change(), 0..3)), 1..8),
    ) {
        // All regions have applied a delete. Some collect the tombstone before they write again,
        // and then all receive everything.
        let time = 1_000;
        let deleted = Version { time: HybridTime::from_u64(time), origin: origin(0), sequence: 1_000 };
        let tombstone = merged(&play(&before)).map_or_else(
            || ItemState::plain(deleted.clone(), None),
            |state| state.merge(&ItemState::plain(deleted.clone(), None)),
        );
        prop_assert_eq!(tombstone.image(&keys()), None);
        let mut sites: Vec<Option<ItemState>> = vec![Some(tombstone); REGIONS.len()];
        let mut written = Vec::new();
        for (sequence, (place, is_collected, policy, changes)) in (2_000..).zip(after) {
            if is_collected && sites[place].as_ref().is_some_and(|state| state.image(&keys()).is_none()) {
                sites[place] = None;
            }
            let version = Version { time: HybridTime::from_u64(sequence), origin: origin(place), sequence };
            let state = after_write(sites[place].as_ref(), (&version, 0), policy, &Write::Update(changes));
            written.push(state.clone());
            sites[place] = Some(state);
        }
        let ends: Vec<ItemState> =
            sites.into_iter().map(|own| merged(own.iter().chain(&written)).unwrap()).collect();
        for end in &ends {
            prop_assert_eq!(end.version(), ends[0].version());
            prop_assert_eq!(end.image(&keys()), ends[0].image(&keys()));
            prop_assert_eq!(end.hash(), ends[0].hash());
        }
    }
}

/// The versions in the state come from two shards of one region.
#[test]
fn state_with_two_shards_of_one_region_is_read_back() {
    let write = |origin: &str, sequence, change: Change| {
        let version = Version {
            time: HybridTime::from_u64(1),
            origin: origin.parse().unwrap(),
            sequence,
        };
        after_write(None, (&version, 0), ConflictPolicy::Merge, &Write::Update(vec![change]))
    };
    let unite = |members: [u8; 2]| Change::Unite(members.into());
    let written = [
        write("us-east-1", 7, Change::Add(1)),
        write("us-east-1/3", 7, Change::Add(10)),
        write("eu-west-1/3", 7, Change::Add(100)),
        write("us-east-1", 8, unite([1, 2])),
        write("us-east-1/3", 8, unite([2, 3])),
    ];
    let all = merged(&written).unwrap();
    assert_eq!(merged(written.iter().rev()).as_ref(), Some(&all));
    assert_eq!(all.version().origin, "us-east-1/3".parse().unwrap());
    let image = all.image(&keys()).unwrap();
    assert_eq!((&image["n"], &image["s"]), (&number(111), &set(&[1, 2, 3].into())));
    let back = read_back(&all);
    assert_eq!(back.metadata(), all.metadata());
    assert_eq!(back, all);
}

#[test]
fn metadata_stays_bounded_under_membership_churn() {
    let version = |sequence: u64| Version {
        time: HybridTime::from_u64(sequence),
        origin: origin(1),
        sequence,
    };
    let mut state: Option<ItemState> = None;
    for round in 0..60 {
        let members = AttributeValue::Ss((0..500).map(|member| format!("{round}-{member}")).collect());
        for (place, touch) in [Touch::Unite(members.clone()), Touch::Subtract(members.clone())]
            .into_iter()
            .enumerate()
        {
            let mut item = keys();
            item.insert("t".to_owned(), number(1));
            if place == 0 {
                item.insert("s".to_owned(), members.clone());
            }
            let touched = Touched::from([("s".to_owned(), touch), ("t".to_owned(), Touch::Assign)]);
            let version = version(round * 2 + place as u64 + 1);
            let written = ItemState::written(
                ConflictPolicy::Merge,
                state.as_ref(),
                &version,
                0,
                Some(&item),
                Some(&touched),
            );
            assert_eq!(written.image(&keys()), Some(item));
            let bytes = written.metadata().map_or(0, |metadata| metadata.len());
            assert!(bytes <= beringia_item::MAX_STATE_BYTES, "{bytes}");
            state = Some(written);
        }
    }
}

/// A region adds 5 and 7, and its database is put back to a copy from between the two. It adds 1
/// before it receives its own 7.
#[test]
fn additions_of_a_lost_life_count() {
    let add = |current: Option<&ItemState>, sequence: u64, opened: u64, n: i64| {
        let version = Version {
            time: HybridTime::from_u64(sequence),
            origin: origin(0),
            sequence,
        };
        let write = Write::Update(vec![Change::Add(n)]);
        after_write(current, (&version, opened), ConflictPolicy::Merge, &write)
    };
    let copy = add(None, 11, 10, 5);
    let lost = add(Some(&copy), 12, 10, 7);
    let restored = add(Some(&copy), 21, 20, 1);
    let merged = lost.merge(&restored);
    assert_eq!(merged.image(&keys()).unwrap()["n"], number(13));
    assert_eq!(lost.losses(&restored, &merged), []);
    assert_eq!(restored.losses(&lost, &merged), []);
}

/// Each life in which a region adds to a number keeps its sum.
#[test]
fn a_hundred_restarts_keep_a_counter_below_3_kb() {
    let mut state: Option<ItemState> = None;
    for sequence in (1..=100).map(|life| life << 40) {
        let version = Version {
            time: HybridTime::from_u64(sequence),
            origin: origin(0),
            sequence,
        };
        let write = Write::Update(vec![Change::Add(1)]);
        let opened = sequence - 1000;
        let written = after_write(state.as_ref(), (&version, opened), ConflictPolicy::Merge, &write);
        state = Some(written);
    }
    let state = state.unwrap();
    assert_eq!(state.image(&keys()).unwrap()["n"], number(100));
    let bytes = state.metadata().unwrap().len();
    assert!(bytes < 3_000, "{bytes}");
}

/// An addition whose sum is not a number is left out, and in every region the same one.
#[test]
fn overflowing_additions_are_left_out_in_every_region() {
    let great: Number = "9.9e125".parse().unwrap();
    let adds = |place: usize, n: Number| {
        let version = Version {
            time: HybridTime::from_u64(1),
            origin: origin(place),
            sequence: 1,
        };
        let item = Item::from([
            ("pk".to_owned(), keys()["pk"].clone()),
            ("n".to_owned(), AttributeValue::N(n)),
        ]);
        let touched = Touched::from([("n".to_owned(), Touch::Add(n))]);
        ItemState::written(ConflictPolicy::Merge, None, &version, 0, Some(&item), Some(&touched))
    };
    let (a, b, c) = (adds(0, great), adds(1, great), adds(2, great.negated()));
    let merged = a.merge(&b).merge(&c);
    assert_eq!(merged, c.merge(&b).merge(&a));
    assert_eq!(merged.image(&keys()).unwrap()["n"], AttributeValue::N(Number::ZERO));
}
