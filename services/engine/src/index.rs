//! The contents of index entries.

use std::collections::BTreeSet;

use beringia_item::{Item, KeySchema, item_size, value_size};
use beringia_storage::{IndexProjection, Table};

use crate::keys::parts;

/// The attributes that an index of `table` copies; `None` if it copies all.
pub(crate) fn projected_names<'a>(
    table: &'a Table,
    keys: &'a KeySchema,
    projection: &'a IndexProjection,
) -> Option<BTreeSet<&'a str>> {
    let more: &[String] = match projection {
        IndexProjection::All => return None,
        IndexProjection::KeysOnly => &[],
        IndexProjection::Include(names) => names,
    };
    let key_names = parts(&table.core.keys)
        .chain(parts(keys))
        .map(|part| part.name.as_str());
    Some(key_names.chain(more.iter().map(String::as_str)).collect())
}

/// The size of the part of an item that an index copies, in bytes.
pub(crate) fn projected_size(item: &Item, names: Option<&BTreeSet<&str>>) -> usize {
    let Some(names) = names else { return item_size(item) };
    names
        .iter()
        .filter_map(|name| item.get(*name).map(|value| name.len() + value_size(value)))
        .sum()
}

/// Removes from an item the attributes that the index does not copy.
pub(crate) fn cut(item: &mut Item, names: Option<&BTreeSet<&str>>) {
    if let Some(names) = names {
        item.retain(|name, _| names.contains(name.as_str()));
    }
}
