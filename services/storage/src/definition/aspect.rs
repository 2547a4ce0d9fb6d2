//! Aspects: the independently versioned parts of a table's definition, and the edits that change them.

use std::collections::BTreeMap;

use beringia_item::{ConflictPolicy, KeyPart, KeySchema, KeyType, Region, TableId};
use serde::{Deserialize, Serialize};

use crate::Replica;

/// What an index copies from the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Projection {
    /// The keys of the table and of the index.
    KeysOnly,
    /// The keys and these attributes.
    Include(Vec<String>),
    /// Every attribute.
    All,
}

/// The capacity settings of a table or index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Throughput {
    /// `PAY_PER_REQUEST`.
    OnDemand,
    /// `PROVISIONED`.
    Provisioned {
        /// Read capacity units.
        read_units: u64,
        /// Write capacity units.
        write_units: u64,
    },
}

/// Units a second, of reads and of writes; `None` where nothing was said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Units {
    /// Of reads.
    pub read: Option<u64>,
    /// Of writes.
    pub write: Option<u64>,
}

/// When throughput that was bought was changed. Nothing limits how often.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThroughputChanges {
    /// When units of reads or writes were last added, ms since the epoch.
    pub increased_ms: Option<u64>,
    /// When units of reads or writes were last taken away, ms since the epoch.
    pub decreased_ms: Option<u64>,
    /// How often that happened on the day (UTC) of the last time.
    pub decreases_of_day: u64,
}

/// What was said of the capacity of a table or index besides its throughput.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// The most that an on-demand table takes.
    pub on_demand_max: Units,
    /// What it is to be ready for.
    pub warm: Units,
    /// When its throughput was changed.
    #[serde(default)]
    pub changes: ThroughputChanges,
}

/// How a table's storage is paid for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableClass {
    /// `STANDARD`.
    #[default]
    Standard,
    /// `STANDARD_INFREQUENT_ACCESS`.
    InfrequentAccess,
}

/// How a table is paid for, besides its throughput.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Billing {
    /// When it last became an on-demand table, ms since the epoch.
    pub on_demand_since_ms: Option<u64>,
    /// Its capacity.
    pub capacity: Capacity,
    /// Its class.
    pub class: TableClass,
    /// When the class was last changed, ms since the epoch.
    pub class_since_ms: Option<u64>,
}

/// What never changes about a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Core {
    /// The table's name.
    pub name: String,
    /// Its primary key.
    pub keys: KeySchema,
    /// Its local secondary indexes, by name.
    pub local_indexes: BTreeMap<String, LocalIndex>,
    /// When it was created, ms since the epoch.
    pub created_ms: u64,
}

/// A local secondary index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalIndex {
    /// The table's partition key and the index's sort key.
    pub keys: KeySchema,
    /// What it copies.
    pub projection: Projection,
    /// Where it was in the list that asked for it: in this order indexes are described.
    #[serde(default)]
    pub place: u32,
}

/// A global secondary index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalIndex {
    /// The index's key.
    pub keys: KeySchema,
    /// What it copies.
    pub projection: Projection,
    /// Its throughput.
    pub throughput: Throughput,
    /// What else was said of its capacity.
    #[serde(default)]
    pub capacity: Capacity,
    /// Where it was in the list that asked for it, or after those that there were: in this order indexes are described.
    #[serde(default)]
    pub place: u32,
}

/// What a stream's records show (`StreamViewType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamView {
    /// `KEYS_ONLY`.
    KeysOnly,
    /// `NEW_IMAGE`.
    NewImage,
    /// `OLD_IMAGE`.
    OldImage,
    /// `NEW_AND_OLD_IMAGES`.
    NewAndOldImages,
}

/// A stream that is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// What its records show.
    pub view: StreamView,
    /// When it was switched on, ms since the epoch; makes its label.
    pub enabled_ms: u64,
}

/// The name of the store's own index of a table by expiry time ([`expiry_keys`]). No client's index has such a name.
pub const EXPIRY_INDEX: &str = "$expiry";

/// The key of [`EXPIRY_INDEX`]: the number in the attribute. There is no partition, so all items that expire stand in the order of
/// their times; an item whose attribute is no number has no entry.
#[must_use]
pub fn expiry_keys(attribute: &str) -> KeySchema {
    KeySchema {
        partition: Vec::new(),
        sort: vec![KeyPart {
            name: attribute.to_owned(),
            kind: KeyType::N,
        }],
    }
}

/// One independently versioned part of a definition, with its new value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aspect {
    /// What never changes.
    Core(Core),
    /// The table's throughput.
    Throughput(Throughput),
    /// How the table is paid for besides.
    Billing(Billing),
    /// The table's stream; `None` where it is off.
    Stream(Option<Stream>),
    /// The attribute that says when an item expires; `None` where none does. The table is indexed by it ([`EXPIRY_INDEX`]).
    TimeToLive(Option<String>),
    /// A global secondary index.
    GlobalIndex {
        /// Its name.
        name: String,
        /// What it is.
        index: GlobalIndex,
    },
    /// What of concurrent writes to an item is kept; `None` where nobody chose, which means [`ConflictPolicy::Item`].
    ConflictPolicy(Option<ConflictPolicy>),
    /// A replica.
    Replica {
        /// Where it is.
        region: Region,
        /// What it is.
        replica: Replica,
    },
    /// That the others dropped a replica. Removed by its own region when it begins anew.
    Dropped {
        /// Where it is.
        region: Region,
        /// With the status [`ReplicaStatus::Dropped`](crate::ReplicaStatus::Dropped).
        replica: Replica,
    },
    /// Settings that stay in the region even of a global table.
    Local(LocalSettings),
}

/// Settings that stay in the region even of a global table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalSettings {
    /// Whether `DeleteTable` is refused.
    pub deletion_protection: bool,
    /// Tags by key.
    pub tags: BTreeMap<String, String>,
}

/// Names an aspect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum AspectName {
    /// [`Aspect::Core`].
    Core,
    /// [`Aspect::Throughput`].
    Throughput,
    /// [`Aspect::Billing`].
    Billing,
    /// [`Aspect::Stream`].
    Stream,
    /// [`Aspect::TimeToLive`].
    TimeToLive,
    /// [`Aspect::GlobalIndex`] of that name.
    GlobalIndex(String),
    /// [`Aspect::ConflictPolicy`].
    ConflictPolicy,
    /// [`Aspect::Replica`] in that region.
    Replica(Region),
    /// [`Aspect::Dropped`] of that region.
    Dropped(Region),
    /// [`Aspect::Local`].
    Local,
}

impl Aspect {
    /// Which aspect it is.
    #[must_use]
    pub fn name(&self) -> AspectName {
        match self {
            Self::Core(_) => AspectName::Core,
            Self::Throughput(_) => AspectName::Throughput,
            Self::Billing(_) => AspectName::Billing,
            Self::Stream(_) => AspectName::Stream,
            Self::TimeToLive(_) => AspectName::TimeToLive,
            Self::GlobalIndex { name, .. } => AspectName::GlobalIndex(name.clone()),
            Self::ConflictPolicy(_) => AspectName::ConflictPolicy,
            Self::Replica { region, .. } => AspectName::Replica(region.clone()),
            Self::Dropped { region, .. } => AspectName::Dropped(region.clone()),
            Self::Local(_) => AspectName::Local,
        }
    }
}

/// One step of a change of definitions. All steps of one change commit together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Edit {
    /// Sets an aspect. Setting the core creates the table. Setting a replica makes a regional table global: its aspects (but the
    /// local settings) move to the catalog, and this region's own replica is added as `Active` where it is not set too.
    Set {
        /// The table.
        table: TableId,
        /// The new value.
        aspect: Aspect,
    },
    /// Removes an aspect. Removing this region's replica removes its rows, in the background.
    Remove {
        /// The table.
        table: TableId,
        /// Which one.
        aspect: AspectName,
    },
    /// Removes the whole table from this region, its rows in the background: a regional table for good; of a global table this
    /// region's replica, and the definition with the last replica.
    Drop {
        /// The table.
        table: TableId,
    },
}
