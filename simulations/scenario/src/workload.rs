//! Workloads: the operations of clients, their rate, and their keys.

use std::time::Duration;

use crate::TableThroughput;

/// A load of clients on one table of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The name of the workload and of its table: 3 to 64 letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// The operations of the clients.
    pub kind: WorkloadKind,
    /// The regions in which clients live; if empty, all that have a replica when the load begins.
    pub regions: Vec<String>,
    /// Operations per second in each region, independent of the answers (open loop). A bank
    /// transfer or a read-modify-write counts as one.
    pub rate: f64,
    /// Clients per region, each with one operation under way at a time. Operations that find no
    /// free client wait, and the wait counts.
    pub clients: u32,
    /// The number of keys (accounts, carts, products).
    pub keys: u64,
    /// How the next key is chosen.
    pub choice: KeyChoice,
    /// Bytes that an item carries in addition to what the workload needs.
    pub value_bytes: usize,
    /// When the workload begins, since the beginning of the load.
    pub from: Duration,
    /// When the workload ends; `None` for the end of the scenario.
    pub until: Option<Duration>,
    /// The throughput of its table from the beginning of the load, if regions throttle. Recorded
    /// tables bring their own.
    pub billing: TableThroughput,
    /// The share of clients' reads that ask for strong consistency, in percent. Reads of indexes
    /// are never consistent, and reads in transactions always.
    pub consistent_percent: u8,
}

impl Workload {
    /// A load with the defaults of a scenario file.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: WorkloadKind) -> Self {
        Self {
            name: name.into(),
            kind,
            regions: Vec::new(),
            rate: 50.0,
            clients: 16,
            keys: 1_000,
            choice: KeyChoice::Uniform,
            value_bytes: 200,
            from: Duration::ZERO,
            until: None,
            billing: TableThroughput::default(),
            consistent_percent: 50,
        }
    }
}

/// The kinds of operations of clients. YCSB: Cooper et al., "Benchmarking cloud serving systems
/// with YCSB", 2010, table 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WorkloadKind {
    /// Half reads and half updates.
    YcsbA,
    /// 95 % reads, 5 % updates.
    YcsbB,
    /// Reads and nothing else.
    YcsbC,
    /// 95 % reads of recently inserted items, 5 % inserts.
    YcsbD,
    /// 95 % short scans, 5 % inserts.
    YcsbE,
    /// Half reads and half read-modify-writes.
    YcsbF,
    /// Puts of whole items, updates of an attribute, deletes, list appends, and reads.
    Mixed {
        /// The share of puts, in percent.
        put_percent: u8,
        /// The share of updates, in percent.
        update_percent: u8,
        /// The share of deletes, in percent.
        delete_percent: u8,
        /// The share of appends to the item's list, in percent; the rest are reads.
        append_percent: u8,
    },
    /// Counters: read-modify-writes with a condition on what was read, and `ADD`, half each.
    Counters,
    /// Shopping carts: list appends, and set additions and deletions.
    Carts,
    /// Transfers between accounts in transactions, and transactional reads.
    Bank,
    /// Sessions that are written once, read, and expire.
    Sessions {
        /// The time to live of a session.
        ttl: Duration,
    },
    /// Stock that is decremented if there is some left, and refilled.
    Inventory,
    /// Pairs of items: transactions that write both, transactional reads of both, and transactions
    /// that read both and write one on the condition that neither has changed.
    Pairs,
    /// Operations as they were recorded, at their times.
    Replay {
        /// The recording, as `beringia record` writes it.
        operations: String,
    },
}

/// How the next key is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KeyChoice {
    /// All keys are equally likely.
    Uniform,
    /// Few keys are hot (Gray et al. 1994, as in YCSB).
    Zipfian {
        /// The skew, above 0 and below 1; YCSB has 0.99.
        theta: f64,
    },
    /// Zipfian; the keys that were inserted last are the hottest.
    Latest {
        /// The skew, as for `Zipfian`.
        theta: f64,
    },
}

/// The conflict policy of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Policy {
    /// The last writer wins the whole item.
    #[default]
    Item,
    /// The last writer wins each top-level attribute.
    Attribute,
    /// Numbers changed by additions add up, sets unite, and all other attributes behave as under
    /// `Attribute`.
    Merge,
}

impl Policy {
    /// All policies, from `Item` to `Merge`.
    pub const ALL: [Self; 3] = [Self::Item, Self::Attribute, Self::Merge];

    /// The name in files and reports, and as the value of a table's tag.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Attribute => "attribute",
            Self::Merge => "merge",
        }
    }
}
