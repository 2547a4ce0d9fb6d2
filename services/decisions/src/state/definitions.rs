//! Definitions in memory: the aspects of each table, by where they are kept.

use std::collections::BTreeMap;

use beringia_item::{ConflictPolicy, Region, TableId};
use beringia_storage::{Aspect, AspectName, Core, GlobalIndex, Replica, ReplicaStatus, Stream};

/// Which of the two tables of definitions an aspect is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Home {
    /// [`TableId::CATALOG`].
    Catalog,
    /// [`TableId::LOCAL`].
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

/// Everything that is known of one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Definition {
    /// The aspects that all regions share.
    pub(crate) shared: BTreeMap<AspectName, Aspect>,
    /// The aspects that are this region's alone: all of a regional table, the local settings of a global one.
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

    /// Whether it is in the catalog.
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

    /// The attribute that says when an item expires.
    pub(crate) fn time_to_live(&self) -> Option<&str> {
        match self.aspect(&AspectName::TimeToLive) {
            Some(Aspect::TimeToLive(attribute)) => attribute.as_deref(),
            _ => None,
        }
    }

    /// The stream, where it is on.
    pub(crate) fn stream(&self) -> Option<Stream> {
        match self.aspect(&AspectName::Stream) {
            Some(Aspect::Stream(stream)) => *stream,
            _ => None,
        }
    }

    /// All replicas; what the others say of one that they dropped goes before what it says itself.
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

    /// Whether the others dropped that region's replica.
    pub(crate) fn is_dropped(&self, region: &Region) -> bool {
        let replica = self.replica(region);
        replica.is_some_and(|replica| matches!(replica.status, ReplicaStatus::Dropped { .. }))
    }

    /// Whether the definition asks `own` to hold the table's rows.
    pub(crate) fn wants_rows_in(&self, own: &Region) -> bool {
        // One that the others dropped keeps its rows until it begins anew.
        let wants = |replica: &Replica| {
            replica.status.is_member() || matches!(replica.status, ReplicaStatus::Dropped { returns: true, .. })
        };
        self.core().is_some() && (!self.is_global() || self.replica(own).is_some_and(wants))
    }
}
