//! The announcements of the source: its vectors, and the regions that it cannot reach.

use std::collections::BTreeSet;

use beringia_item::{Origin, Region, TableId};

use crate::{
    context::{Context, merge_tables},
    message::TableVectors,
    watermark::ReportedWatermarks,
};

/// The announcements of a source on one stream.
#[derive(Debug, Clone, Default)]
pub(crate) struct Announced {
    /// The source's own vectors of the tables that it serves.
    pub(crate) vectors: TableVectors,
    /// The origins in these vectors.
    origins: BTreeSet<Origin>,
    /// The regions that have been unreachable from the source for too long.
    pub(crate) lost: BTreeSet<Region>,
    /// How far the source itself has this region's own writes, and since when.
    pub(crate) reported: ReportedWatermarks,
}

impl Announced {
    /// Merges vectors that the source announced into the known ones, and notes how far the source
    /// has this region's writes.
    pub(crate) fn learn(&mut self, context: &Context, vectors: &TableVectors) {
        self.reported.learn(context, vectors);
        merge_tables(&mut self.vectors, vectors);
        self.origins.extend(origins_of(vectors));
        let is_watched = |table: &TableId| {
            let sequence = self.vectors.get(table).map(|vector| vector.get(&context.origin));
            self.reported.of(*table).map(|watermark| watermark.sequence) >= sequence
        };
        debug_assert!(
            vectors.keys().all(is_watched),
            "no watermark is below what was announced: {self:?}"
        );
    }

    /// Drops the vectors of tables that the source no longer serves.
    pub(crate) fn withdraw(&mut self, tables: &[TableId]) {
        self.vectors.retain(|table, _| !tables.contains(table));
        self.origins = origins_of(&self.vectors).collect();
    }

    /// The origins of which the source announced writes.
    pub(crate) const fn origins(&self) -> &BTreeSet<Origin> {
        &self.origins
    }

    /// Whether the source has writes of that origin that are missing here.
    pub(crate) fn has_more(&self, context: &Context, origin: &Origin) -> bool {
        self.vectors.iter().any(|(table, vector)| {
            let here = context.local.get(table).map_or(0, |local| local.get(origin));
            context.streams(*table) && vector.get(origin) > here
        })
    }

    /// For a source that is the origin itself: a table of which `other` has more of the origin's
    /// writes than this region, while the source has no more of them than this region or does not
    /// serve the table.
    pub(crate) fn missing_own(&self, context: &Context, origin: &Origin, other: &Self) -> Option<TableId> {
        let mut tables = other.vectors.iter().filter(|(table, _)| context.streams(**table));
        let missing = tables.find(|(table, theirs)| {
            let here = context.local.get(*table).map_or(0, |local| local.get(origin));
            let own = self.vectors.get(table).map(|own| own.get(origin));
            theirs.get(origin) > here && own.is_none_or(|own| own <= here)
        });
        missing.map(|(table, _)| *table)
    }
}

fn origins_of(vectors: &TableVectors) -> impl Iterator<Item = Origin> {
    let entries = vectors.values().flat_map(beringia_item::VersionVector::iter);
    entries.map(|(origin, _)| origin.clone())
}
