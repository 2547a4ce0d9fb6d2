//! What regions hold and have committed, in the terms of the workloads.

use std::collections::BTreeMap;

use beringia_item::{Version, VersionVector};

/// What all regions show when a run is over, for one table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Evidence {
    /// By region and key: its own writes, in the order of its log. A region whose disk was lost shows what is left.
    pub logs: BTreeMap<String, BTreeMap<String, Vec<Logged>>>,
    /// By region and key: what it holds; tombstones too.
    pub held: BTreeMap<String, BTreeMap<String, Held>>,
    /// By region: its journal of conflicts.
    pub journals: BTreeMap<String, Vec<Conflict>>,
}

/// A write as its origin committed it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its version.
    pub version: Version,
    /// What its origin had applied then.
    pub vector: VersionVector,
    /// What it left behind.
    pub held: Option<Held>,
}

/// What stands under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The greatest version in it.
    pub version: Version,
    /// The mark in the item; `None`: a tombstone.
    pub mark: Option<String>,
    /// The number in the item, where the workload keeps one.
    pub number: Option<i64>,
    /// The elements of its set, where the workload keeps one, sorted.
    pub set: Vec<String>,
    /// A hash of the whole item, equal where the items are.
    pub image_hash: u64,
}

/// An entry of a region's journal of conflicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The key.
    pub key: String,
    /// What stayed.
    pub winner: Version,
    /// What did not.
    pub loser: Version,
}
