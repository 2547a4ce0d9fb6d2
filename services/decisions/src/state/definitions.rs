//! Definitions in memory: the aspects of each table, by the table that stores them.

use std::collections::BTreeMap;

use beringia_item::{ConflictPolicy, Region, TableId};
use beringia_storage::{Aspect, AspectName, Core, GlobalIndex, Replica, ReplicaStatus, Stream};

/// The table of definitions that stores an aspect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// The shared table, [`TableId::CATALOG`].
    Catalog,
    /// The region's own table, [`TableId::LOCAL`].
    Local,
}

impl Home {
    pub(crate) const fn table(self) -> TableId {
        match self {
            Self::Catalog => TableId::CATALOG,
            Self::Local => TableId::LOCAL,
        }
    }

    pub(crate) const fn of(table: TableId) -> Option<Self> {
        match table {
            TableId::CATALOG => Some(Self::Catalog),
            TableId::LOCAL => Some(Self::Local),
            _ => None,
        }
    }
}

/// All known aspects of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Definition {
    /// The aspects that all regions share.
    pub(crate) shared: BTreeMap<AspectName, Aspect>,
    /// The aspects of this region alone: all aspects of a regional table, the local settings of a
    /// global one.
    pub(crate) local: BTreeMap<AspectName, Aspect>,
}

impl Definition {
    pub(crate) const fn home_mut(&mut self, home: Home) -> &mut BTreeMap<AspectName, Aspect> {
        match home {
            Home::Catalog => &mut self.shared,
            Home::Local => &mut self.local,
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.local.is_empty()
    }

    /// Whether the definition is in the catalog.
    pub(crate) fn is_global(&self) -> bool {
        !self.shared.is_empty()
    }

    pub(super) fn aspect(&self, name: &AspectName) -> Option<&Aspect> {
        if *name == AspectName::Local || !self.is_global() {
            self.local.get(name)
        } else {
            self.shared.get(name)
        }
    }

    pub(crate) fn core(&self) -> Option<&Core> {
        match self.aspect(&AspectName::Core) {
            Some(Aspect::Core(core)) => Some(core),
            _ => None,
        }
    }

    /// The attribute that contains an item's expiry time.
    pub(crate) fn time_to_live(&self) -> Option<&str> {
        match self.aspect(&AspectName::TimeToLive) {
            Some(Aspect::TimeToLive(attribute)) => attribute.as_deref(),
            _ => None,
        }
    }

    /// The table's stream, if enabled.
    pub(crate) fn stream(&self) -> Option<Stream> {
        match self.aspect(&AspectName::Stream) {
            Some(Aspect::Stream(stream)) => *stream,
            _ => None,
        }
    }

    /// All replicas. A drop by the other regions overrides what the replica's own region wrote.
    pub(crate) fn replicas(&self) -> impl Iterator<Item = (&Region, &Replica)> {
        self.shared.values().filter_map(|aspect| match aspect {
            Aspect::Replica { region, replica } => Some((region, self.dropped(region).unwrap_or(replica))),
            _ => None,
        })
    }

    fn dropped(&self, region: &Region) -> Option<&Replica> {
        match self.shared.get(&AspectName::Dropped(region.clone())) {
            Some(Aspect::Dropped { replica, .. }) => Some(replica),
            _ => None,
        }
    }

    pub(crate) fn replica(&self, region: &Region) -> Option<&Replica> {
        self.replicas()
            .find(|(name, _)| *name == region)
            .map(|(_, replica)| replica)
    }

    pub(crate) fn global_indexes(&self) -> impl Iterator<Item = (&String, &GlobalIndex)> {
        let aspects = if self.is_global() { &self.shared } else { &self.local };
        aspects.values().filter_map(|aspect| match aspect {
            Aspect::GlobalIndex { name, index } => Some((name, index)),
            _ => None,
        })
    }

    pub(crate) fn conflict_policy(&self) -> Option<ConflictPolicy> {
        match self.aspect(&AspectName::ConflictPolicy) {
            Some(Aspect::ConflictPolicy(policy)) => *policy,
            _ => None,
        }
    }

    /// Whether the other regions dropped that region's replica.
    pub(crate) fn is_dropped(&self, region: &Region) -> bool {
        let replica = self.replica(region);
        replica.is_some_and(|replica| matches!(replica.status, ReplicaStatus::Dropped { .. }))
    }

    /// Whether, by this definition, the region `own` holds the table's rows.
    pub(crate) fn wants_rows_in(&self, own: &Region) -> bool {
        // A dropped replica keeps its rows until it is re-bootstrapped.
        let wants = |replica: &Replica| {
            replica.status.is_member() || matches!(replica.status, ReplicaStatus::Dropped { returns: true, .. })
        };
        self.core().is_some() && (!self.is_global() || self.replica(own).is_some_and(wants))
    }
}
