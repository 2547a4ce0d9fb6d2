//! The vectors of all tables of a region, as a snapshot that is cheap to take, keep and compare.

use beringia_item::{TableId, VersionVector};
use imbl::{OrdMap, ordmap::DiffItem};

/// Vectors by table. A copy shares its parts with the original until one of them changes: a copy,
/// and a change of one vector, cost about the same however many tables there are.
pub type SharedVectors = OrdMap<TableId, VersionVector>;

/// The vectors in `after` that are not in `before`, or are others there, in the order of tables.
/// The parts that the two share are skipped. If one was made from the other by few changes, this
/// costs about as much as those changes.
pub fn changed_vectors<'v>(
    before: &'v SharedVectors,
    after: &'v SharedVectors,
) -> impl Iterator<Item = (TableId, &'v VersionVector)> {
    before.diff(after).filter_map(|change| match change {
        DiffItem::Add(table, vector)
        | DiffItem::Update {
            new: (table, vector), ..
        } => Some((*table, vector)),
        DiffItem::Remove(..) => None,
    })
}

#[cfg(test)]
mod tests {
    use beringia_clock::{Randomness, SeededRandomness};
    use beringia_item::Origin;

    use super::*;

    fn vector(sequence: u64) -> VersionVector {
        let origin: Origin = "us-east-1".parse().unwrap();
        [(origin, sequence)].into_iter().collect()
    }

    /// Random changes of a map of random size, compared with the map that they were made from.
    #[test]
    fn changed_vectors_are_those_that_were_added_or_replaced() {
        for seed in 0..200 {
            let random = SeededRandomness::new(seed);
            let any = |below: u64| random.next_u64() % below;
            let tables = 1 + any(300);
            let mut before = SharedVectors::new();
            for _ in 0..tables {
                before.insert(TableId(any(tables).into()), vector(1 + any(9)));
            }
            let mut after = before.clone();
            for _ in 0..any(20) {
                let table = TableId(any(tables).into());
                match any(3) {
                    0 => drop(after.remove(&table)),
                    _ => drop(after.insert(table, vector(1 + any(9)))),
                }
            }
            let is_other = |(table, vector): &(&TableId, &VersionVector)| before.get(*table) != Some(*vector);
            let expected = after.iter().filter(is_other).map(|(table, vector)| (*table, vector));
            let changed = changed_vectors(&before, &after);
            assert_eq!(changed.collect::<Vec<_>>(), expected.collect::<Vec<_>>(), "seed {seed}");
        }
    }
}
