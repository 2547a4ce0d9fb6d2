//! Capacity units that operations consume (developer guide, "DynamoDB read and write operations").

use std::{collections::BTreeMap, ops::AddAssign};

use beringia_item::{Item, KeySchema};
use beringia_storage::{IndexState, Projection, Table};

use crate::{
    api::{Capacity, ConsumedCapacity, ReturnConsumedCapacity},
    index::{projected_names, projected_size},
    keys::parts,
};

/// What one write unit covers, bytes.
const WRITE_UNIT_BYTES: usize = 1024;
/// What a read or write of a table costs in a transaction, compared to one without.
const TRANSACTION_FACTOR: f64 = 2.0;
/// What one consistent read unit covers, bytes.
const READ_UNIT_BYTES: usize = 4096;

/// Write units for an item of that size.
pub(crate) fn write_units(bytes: usize) -> f64 {
    units(bytes, WRITE_UNIT_BYTES)
}

/// Read units for so many bytes read at once.
pub(crate) fn read_units(bytes: usize, consistent: bool) -> f64 {
    units(bytes, READ_UNIT_BYTES) * if consistent { 1.0 } else { 0.5 }
}

#[expect(clippy::cast_precision_loss, reason = "a request touches far less than 2^52 blocks")]
fn units(bytes: usize, block: usize) -> f64 {
    bytes.div_ceil(block).max(1) as f64
}

/// Whether units are read or write units; only transactions tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// One number for both.
    Plain,
    /// Read units.
    TransactRead,
    /// Write units.
    TransactWrite,
}

/// Units taken of one table and its indexes.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Units {
    /// The table's own.
    pub(crate) table: f64,
    /// By local index.
    pub(crate) local: BTreeMap<String, f64>,
    /// By global index.
    pub(crate) global: BTreeMap<String, f64>,
}

impl Units {
    /// Units of the table alone.
    pub(crate) fn of_table(table: f64) -> Self {
        Self {
            table,
            ..Self::default()
        }
    }

    /// Each number multiplied.
    pub(crate) fn times(mut self, factor: f64) -> Self {
        self.table *= factor;
        self.local
            .values_mut()
            .chain(self.global.values_mut())
            .for_each(|units| *units *= factor);
        self
    }

    /// What the same costs as an action of a transaction. The table's own part is done twice, to prepare and to commit; an index gets what was
    /// committed, so its part costs what it costs without a transaction.
    pub(crate) fn in_transaction(mut self) -> Self {
        self.table *= TRANSACTION_FACTOR;
        self
    }

    /// What replacing `before` by `after` costs. An index costs where its entry changes: one write for a new, a gone or a
    /// changed entry, two where the entry moves to another key.
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

    /// The answer's form; `None` where it was not asked for.
    pub(crate) fn answer(
        self,
        wanted: ReturnConsumedCapacity,
        table_name: &str,
        kind: Kind,
    ) -> Option<ConsumedCapacity> {
        let capacity = |units: f64| Capacity {
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
    projection: &Projection,
    before: Option<&Item>,
    after: Option<&Item>,
) -> f64 {
    let names = projected_names(table, keys, projection);
    let names = names.as_ref();
    // An item that lacks a key attribute of the index has no entry in it.
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
