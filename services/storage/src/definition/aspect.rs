//! Aspects: the independently versioned parts of a table's definition, and the edits that change
//! them.

use std::collections::BTreeMap;

use beringia_item::{ConflictPolicy, KeyPart, KeySchema, KeyType, Region, TableId};
use serde::{Deserialize, Serialize};

use crate::Replica;

/// The attributes that an index copies from the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum IndexProjection {
    /// The keys of the table and of the index.
    KeysOnly,
    /// The keys and the listed attributes.
    Include(Vec<String>),
    /// Every attribute of the item.
    All,
}

/// The capacity mode of a table or index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Throughput {
    /// Capacity on demand (`PAY_PER_REQUEST`).
    OnDemand,
    /// Capacity provisioned in advance (`PROVISIONED`).
    Provisioned {
        /// Read capacity units per second.
        read_units: u64,
        /// Write capacity units per second.
        write_units: u64,
    },
}

/// Capacity units per second; `None` if not set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the fields' names say it all")]
pub struct Units {
    pub read: Option<u64>,
    pub write: Option<u64>,
}

/// When provisioned throughput was changed. The number of changes is not limited.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThroughputChanges {
    /// When read or write units were last increased, in ms since the Unix epoch.
    pub increased_ms: Option<u64>,
    /// When read or write units were last decreased, in ms since the Unix epoch.
    pub decreased_ms: Option<u64>,
    /// The number of decreases on the day (UTC) of the last one.
    pub decreases_of_day: u64,
}

/// The capacity settings of a table or index besides its throughput.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capacity {
    /// The maximum throughput of an on-demand table.
    pub on_demand_max: Units,
    /// The warm throughput: the load that the table is to be ready for.
    pub warm: Units,
    /// When the provisioned throughput was changed.
    #[serde(default)]
    pub changes: ThroughputChanges,
}

/// The storage class of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TableClass {
    /// The default storage class (`STANDARD`).
    #[default]
    Standard,
    /// The class for infrequent access (`STANDARD_INFREQUENT_ACCESS`).
    InfrequentAccess,
}

/// The billing settings of a table besides its throughput.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Billing {
    /// When the table last became an on-demand table, in ms since the Unix epoch.
    pub on_demand_since_ms: Option<u64>,
    /// The table's capacity settings. Each index has its own.
    pub capacity: Capacity,
    /// The storage class, which changes only how DynamoDB bills.
    pub class: TableClass,
    /// When the class was last changed, in ms since the Unix epoch.
    pub class_since_ms: Option<u64>,
}

/// The part of a table's definition that never changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Core {
    /// The name of the table.
    pub name: String,
    /// The primary key of the table.
    pub keys: KeySchema,
    /// The local secondary indexes, by name.
    pub local_indexes: BTreeMap<String, LocalIndex>,
    /// When the table was created, in ms since the Unix epoch.
    pub created_ms: u64,
}

/// A local secondary index. It has the partition key of its table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalIndex {
    /// The table's partition key and the index's sort key.
    pub keys: KeySchema,
    /// The attributes that the index copies.
    pub projection: IndexProjection,
    /// The index's place in the list that created it. Indexes are described in this order.
    #[serde(default)]
    pub place: u32,
}

/// A global secondary index. It has a key of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GlobalIndex {
    /// The key of the index.
    pub keys: KeySchema,
    /// The attributes that the index copies.
    pub projection: IndexProjection,
    /// The capacity mode of the index.
    pub throughput: Throughput,
    /// The other capacity settings of the index.
    #[serde(default)]
    pub capacity: Capacity,
    /// The index's place in the list that created it, or after the indexes that existed already.
    /// Indexes are described in this order.
    #[serde(default)]
    pub place: u32,
}

/// The content of a stream's records (`StreamViewType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StreamView {
    /// The item's key alone (`KEYS_ONLY`).
    KeysOnly,
    /// The item after the change (`NEW_IMAGE`).
    NewImage,
    /// The item before the change (`OLD_IMAGE`).
    OldImage,
    /// The item before and after the change (`NEW_AND_OLD_IMAGES`).
    NewAndOldImages,
}

/// The settings of an enabled stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// The content of the stream's records.
    pub view: StreamView,
    /// When the stream was enabled, in ms since the Unix epoch. Each region derives the label of
    /// its stream from it.
    pub enabled_ms: u64,
}

/// The key in the account's key management service that encrypts a table. A table without one is
/// encrypted with a key of the service. No data is encrypted yet: the key is only described.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EncryptionKey {
    /// The account's key for DynamoDB (`alias/aws/dynamodb`).
    Managed,
    /// A key of the customer.
    Customer {
        /// The account that has the key.
        account: String,
        /// The id of the key.
        id: String,
    },
}

/// The name of the store's internal index of a table by expiry time ([`expiry_keys`]). No client's
/// index can have this name.
pub const EXPIRY_INDEX: &str = "$expiry";

/// The key of [`EXPIRY_INDEX`]: the number in the attribute. There is no partition, so all items
/// that expire are ordered by their times. An item whose attribute is not a number has no entry.
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

/// An independently versioned part of a definition, with its new value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aspect {
    /// The part that never changes.
    Core(Core),
    /// Whether capacity is provisioned, and how much, or is on demand.
    Throughput(Throughput),
    /// The other billing settings of the table.
    Billing(Billing),
    /// The table's stream; `None` if disabled.
    Stream(Option<Stream>),
    /// The attribute that contains an item's expiry time; `None` if items do not expire. The table
    /// is indexed by it ([`EXPIRY_INDEX`]).
    TimeToLive(Option<String>),
    /// The key that encrypts the table; `None` for a key of the service.
    Encryption(Option<EncryptionKey>),
    /// One global secondary index, an aspect of its own.
    GlobalIndex {
        /// The name of the index, unique within its table.
        name: String,
        /// The index's key, projection and throughput.
        index: GlobalIndex,
    },
    /// The conflict policy; `None` if none was chosen, which means [`ConflictPolicy::Item`].
    ConflictPolicy(Option<ConflictPolicy>),
    /// One replica, an aspect of its own.
    Replica {
        /// The region that has the replica.
        region: Region,
        /// The replica's status, and when it got that.
        replica: Replica,
    },
    /// The fact that the other regions dropped a replica. Its own region removes this aspect when
    /// it re-bootstraps the replica.
    Dropped {
        /// The region whose replica was dropped.
        region: Region,
        /// The dropped replica. Its status is
        /// [`ReplicaStatus::Dropped`](crate::ReplicaStatus::Dropped).
        replica: Replica,
    },
    /// Settings that stay in the region even for a global table.
    Local(LocalSettings),
}

/// Settings that stay in the region even for a global table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LocalSettings {
    /// Whether `DeleteTable` is refused.
    pub deletion_protection: bool,
    /// Tag values by key.
    pub tags: BTreeMap<String, String>,
}

/// Identifies an aspect of a table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "the variants are those of `Aspect`")]
pub enum AspectName {
    Core,
    Throughput,
    Billing,
    Stream,
    TimeToLive,
    Encryption,
    /// The [`Aspect::GlobalIndex`] of this name.
    GlobalIndex(String),
    ConflictPolicy,
    /// The [`Aspect::Replica`] of this region.
    Replica(Region),
    /// The [`Aspect::Dropped`] of this region.
    Dropped(Region),
    Local,
}

impl Aspect {
    /// The identity of the aspect, without its value.
    #[must_use]
    pub fn name(&self) -> AspectName {
        match self {
            Self::Core(_) => AspectName::Core,
            Self::Throughput(_) => AspectName::Throughput,
            Self::Billing(_) => AspectName::Billing,
            Self::Stream(_) => AspectName::Stream,
            Self::TimeToLive(_) => AspectName::TimeToLive,
            Self::Encryption(_) => AspectName::Encryption,
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
    /// Sets an aspect. Setting the core creates the table. Setting a replica makes a regional table
    /// global: its aspects (except the local settings) move to the catalog, and this region's own
    /// replica is added as `Active` unless the change sets it too.
    Set {
        /// The table that gets the aspect; a new id where the aspect is the core of a new table.
        table: TableId,
        /// The aspect with its new value.
        aspect: Aspect,
    },
    /// Removes an aspect. Removing this region's replica removes its rows, in the background.
    Remove {
        /// The table that loses the aspect.
        table: TableId,
        /// The aspect that the table loses.
        aspect: AspectName,
    },
    /// Removes a table from this region, and its rows in the background. A regional table is
    /// deleted. For a global table this removes the region's replica, and with the last replica the
    /// definition.
    Drop {
        /// The table that this region no longer has.
        table: TableId,
    },
    /// Drops this region's replica of a global table, as [`Edit::Drop`] does, if it is being
    /// deleted and all of this region's writes to it are at or below a sequence that the other
    /// replicas have acknowledged, or if it is being filled and no other region has the table.
    /// Otherwise nothing changes. The writes that count include those that the store decided before
    /// this change and has not committed yet.
    Leave {
        /// The table whose replica is removed.
        table: TableId,
        /// The sequence that the other replicas have acknowledged.
        acknowledged: u64,
    },
}
