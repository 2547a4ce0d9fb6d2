//! Capacity units that operations consume (developer guide, "DynamoDB read and write operations").

use std::{collections::BTreeMap, ops::AddAssign};

use beringia_item::{Item, KeySchema};
use beringia_storage::{IndexProjection, IndexState, Table};

use crate::{
    api::{ConsumedCapacity, ConsumedUnits, ReturnConsumedCapacity},
    index::{projected_names, projected_size},
    keys::parts,
};

/// The size that one write unit covers, in bytes.
const WRITE_UNIT_BYTES: usize = 1024;
/// The cost of a read or write of a table in a transaction, as a multiple of its cost without one.
const TRANSACTION_FACTOR: f64 = 2.0;
/// The size that one consistent read unit covers, in bytes.
const READ_UNIT_BYTES: usize = 4096;

/// Write units for an item of `bytes` bytes.
pub(crate) fn write_units(bytes: usize) -> f64 {
    units(bytes, WRITE_UNIT_BYTES)
}

/// Read units for reading `bytes` bytes at once.
pub(crate) fn read_units(bytes: usize, consistent: bool) -> f64 {
    units(bytes, READ_UNIT_BYTES) * if consistent { 1.0 } else { 0.5 }
}

#[expect(clippy::cast_precision_loss, reason = "a request touches far less than 2^52 blocks")]
fn units(bytes: usize, block: usize) -> f64 {
    bytes.div_ceil(block).max(1) as f64
}

/// Whether an answer reports units as read or write units; only transactions do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One number for reads and writes.
    Plain,
    /// Read units of a transaction.
    TransactRead,
    /// Write units of a transaction.
    TransactWrite,
}

/// Capacity units consumed of one table and its indexes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Units {
    /// The units of the table itself.
    pub(crate) table: f64,
    /// Units by local index name.
    pub(crate) local: BTreeMap<String, f64>,
    /// Units by global index name.
    pub(crate) global: BTreeMap<String, f64>,
}

impl Units {
    /// Units consumed of the table alone.
    pub(crate) fn of_table(table: f64) -> Self {
        Self {
            table,
            ..Self::default()
        }
    }

    /// Multiplies every number by `factor`.
    pub(crate) fn times(mut self, factor: f64) -> Self {
        self.table *= factor;
        self.local
            .values_mut()
            .chain(self.global.values_mut())
            .for_each(|units| *units *= factor);
        self
    }

    /// The cost of the same operation as an action of a transaction. The table's part doubles,
    /// since it is done once to prepare and once to commit. Indexes receive only the committed
    /// write, so their part stays the same.
    pub(crate) fn in_transaction(mut self) -> Self {
        self.table *= TRANSACTION_FACTOR;
        self
    }

    /// The cost of replacing `before` by `after`. An index costs units only if its entry changes:
    /// one write for a new, deleted or changed entry, two if the entry moves to another key.
    pub(crate) fn of_write(table: &Table, before: Option<&Item>, after: Option<&Item>) -> Self {
        let size = |item: Option<&Item>| item.map_or(0, |item| projected_size(item, None));
        let mut units = Self::of_table(write_units(size(before).max(size(after))));
        for (name, index) in &table.core.local_indexes {
            let taken = index_write_units(table, &index.keys, &index.projection, before, after);
            if taken > 0.0 {
                units.local.insert(name.clone(), taken);
            }
        }
        for (name, (index, state)) in &table.global_indexes {
            let taken = index_write_units(table, &index.keys, &index.projection, before, after);
            if taken > 0.0 && *state != IndexState::Deleting {
                units.global.insert(name.clone(), taken);
            }
        }
        units
    }

    /// Converts the units to the form of the answer; `None` if the request did not ask for it.
    pub(crate) fn answer(
        self,
        wanted: ReturnConsumedCapacity,
        table_name: &str,
        kind: Kind,
    ) -> Option<ConsumedCapacity> {
        let capacity = |units: f64| ConsumedUnits {
            capacity_units: units,
            read_capacity_units: (kind == Kind::TransactRead).then_some(units),
            write_capacity_units: (kind == Kind::TransactWrite).then_some(units),
        };
        if wanted == ReturnConsumedCapacity::None {
            return None;
        }
        let total = self.table + self.local.values().sum::<f64>() + self.global.values().sum::<f64>();
        let mut answer = ConsumedCapacity {
            table_name: table_name.to_owned(),
            total: capacity(total),
            ..ConsumedCapacity::default()
        };
        if wanted == ReturnConsumedCapacity::Indexes {
            let by_index = |units: BTreeMap<String, f64>| {
                (!units.is_empty()).then(|| units.into_iter().map(|(name, units)| (name, capacity(units))).collect())
            };
            answer.table = Some(capacity(self.table));
            answer.local_secondary_indexes = by_index(self.local);
            answer.global_secondary_indexes = by_index(self.global);
        }
        Some(answer)
    }
}

impl AddAssign for Units {
    fn add_assign(&mut self, other: Self) {
        self.table += other.table;
        for (name, units) in other.local {
            *self.local.entry(name).or_default() += units;
        }
        for (name, units) in other.global {
            *self.global.entry(name).or_default() += units;
        }
    }
}

fn index_write_units(
    table: &Table,
    keys: &KeySchema,
    projection: &IndexProjection,
    before: Option<&Item>,
    after: Option<&Item>,
) -> f64 {
    let names = projected_names(table, keys, projection);
    let names = names.as_ref();
    // An item without one of the index's key attributes has no entry in the index.
    let has_entry = |item: &&Item| parts(keys).all(|part| item.contains_key(&part.name));
    let cost = |entry| write_units(projected_size(entry, names));
    match (before.filter(has_entry), after.filter(has_entry)) {
        (None, None) => 0.0,
        (Some(only), None) | (None, Some(only)) => cost(only),
        (Some(old), Some(new)) => {
            let same_key = parts(keys).all(|part| old.get(&part.name) == new.get(&part.name));
            let same_content = match names {
                None => old == new,
                Some(names) => names.iter().all(|name| old.get(*name) == new.get(*name)),
            };
            match (same_key, same_content) {
                (true, true) => 0.0,
                (true, false) => cost(old).max(cost(new)),
                (false, _) => cost(old) + cost(new),
            }
        }
    }
}
