//! The promises that can be broken.

use beringia_history::Content;
use beringia_item::Version;
use thiserror::Error;

/// A promise that was broken.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Violation {
    /// A write that a client was told of is not in the log of the region that took it.
    #[error("{region} acknowledged and lost: {table} {key}, {mark}")]
    Lost {
        /// Whose table.
        table: String,
        /// Who acknowledged it.
        region: String,
        /// The key.
        key: String,
        /// The write.
        mark: String,
    },
    /// A write went with a lost disk although a later one of the same region and table did not: it was not shipped in order.
    #[error("{region} shipped later writes, and lost with its disk: {table} {key}, {mark}")]
    LostAmidst {
        /// Whose table.
        table: String,
        /// Whose disk.
        region: String,
        /// The key.
        key: String,
        /// The write.
        mark: String,
    },
    /// A region committed what no client asked for, or what a client was told did not happen, or the same twice.
    #[error("{region} committed what nobody asked for: {table} {key}, {} ({version:?})", mark.as_deref().unwrap_or("a delete"))]
    Invented {
        /// Whose table.
        table: String,
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// The mark; `None`: a delete.
        mark: Option<String>,
        /// The version.
        version: Version,
    },
    /// A region let an item expire that had no time to live, or before its time.
    #[error("{region} let an item expire before its time: {table} {key} ({version:?})")]
    ExpiredEarly {
        /// Whose table.
        table: String,
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// The tombstone's version.
        version: Version,
    },
    /// A client saw what nobody wrote, or what its writer was told did not happen.
    #[error("a client in {region} saw what nobody wrote: {table} {key}, {mark}")]
    SeenInvented {
        /// Whose table.
        table: String,
        /// Who showed it.
        region: String,
        /// The key.
        key: String,
        /// What it saw.
        mark: String,
    },
    /// Two writes have one version.
    #[error("two writes share the version {version:?}, one to {table} {key}")]
    SharedVersion {
        /// Whose table.
        table: String,
        /// The key of one of them.
        key: String,
        /// The version.
        version: Version,
    },
    /// A region's later write to a key, by sequence or by when clients sent them, has a lower version than an earlier one.
    #[error("the version of {table} {key} went down in {region} with {version:?}")]
    VersionWentDown {
        /// Whose table.
        table: String,
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// The later write's.
        version: Version,
    },
    /// Only some writes of a transaction are in the log of the region that took it.
    #[error("{region} committed {committed} of the {asked} writes of a transaction: {table} {key}, {mark}")]
    TornTransaction {
        /// Whose table.
        table: String,
        /// Who.
        region: String,
        /// The key of one of its writes.
        key: String,
        /// That write.
        mark: String,
        /// How many are there.
        committed: usize,
        /// How many there should be.
        asked: usize,
    },
    /// A write was to happen only while another one stood, and happened although the region had replaced that.
    #[error(
        "{region} committed {mark} to {table} {key} on the condition that {expected} stands, where it was replaced already"
    )]
    ConditionIgnored {
        /// Whose table.
        table: String,
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// The write.
        mark: String,
        /// What had to stand there.
        expected: String,
    },
    /// More was taken from a number than was there, on the condition that there is enough.
    #[error("{region} took more from {table} {key} than was there: {mark} left {number}")]
    BelowZero {
        /// Whose table.
        table: String,
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// The write.
        mark: String,
        /// What it left.
        number: i64,
    },
    /// A write left behind something else than what it was to make of what it found, whatever it found.
    #[error("{region} made something else of {table} {key} than {mark} was to: {found:?}")]
    WrongContent {
        /// Whose table.
        table: String,
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// The write.
        mark: String,
        /// What it left.
        found: Box<Content>,
    },
    /// A region's journal has an entry of two writes that are not concurrent, or not there.
    #[error("{region} journalled a conflict that was none: {table} {key}, {loser:?} lost against {winner:?}")]
    NoConflict {
        /// Whose table.
        table: String,
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// What is said to have won.
        winner: Version,
        /// What is said to have lost.
        loser: Version,
    },
    /// A write was displaced by one that did not know of it, and a region's journal does not say so.
    #[error("{region} did not journal that {table} {key} lost {version:?} to a write that did not know of it")]
    UnseenConflict {
        /// Whose table.
        table: String,
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// The write that was displaced.
        version: Version,
    },
    /// A region does not hold the greatest version.
    #[error("{region} holds {found:?} under {table} {key}, and should hold {expected:?}")]
    Wrong {
        /// Whose table.
        table: String,
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// The version that it must hold.
        expected: Option<Version>,
        /// The one that it holds.
        found: Option<Version>,
    },
    /// A region holds the greatest version, and something else under it than it must.
    #[error("{region} holds under {table} {key} {found:?}, and should hold {expected:?}")]
    WrongMerge {
        /// Whose table.
        table: String,
        /// Who.
        region: String,
        /// The key.
        key: String,
        /// What it must hold; `None`: no item.
        expected: Option<Box<Content>>,
        /// What it holds.
        found: Option<Box<Content>>,
    },
}
