//! What clients do: kinds of load, at which rate, on which keys.

use std::time::Duration;

use crate::Billing;

/// A load of clients on one table of its own.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// Its name, and its table's: letters, digits, `-`, `_` and `.`, 3 to 64.
    pub name: String,
    /// What the clients do.
    pub kind: Kind,
    /// In which regions clients live; empty: in all that hold a replica when the load begins.
    pub regions: Vec<String>,
    /// Operations per second in each region, whatever the answers (open loop). A bank transfer or a read-modify-write counts as one.
    pub rate: f64,
    /// Clients per region; each has one operation under way at a time. More are due than it can send: they wait, and the wait counts.
    pub clients: u32,
    /// How many keys (accounts, carts, products) there are.
    pub keys: u64,
    /// Which of them is next.
    pub choice: KeyChoice,
    /// Bytes that an item carries beside what the workload needs.
    pub value_bytes: usize,
    /// When it begins.
    pub from: Duration,
    /// When it ends; `None`: with the scenario.
    pub until: Option<Duration>,
    /// What its table is held to from the beginning of the load on, where regions throttle. Recorded tables bring their own.
    pub billing: Billing,
    /// Whether clients ask for what is newest where they read; index reads never do.
    pub consistent_reads: bool,
}

impl Workload {
    /// A load in which all is as it is where a scenario's file does not say.
    #[must_use]
    pub fn new(name: impl Into<String>, kind: Kind) -> Self {
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
            billing: Billing::default(),
            consistent_reads: true,
        }
    }
}

/// What clients do. YCSB: Cooper et al., "Benchmarking cloud serving systems with YCSB", 2010, table 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Half reads, half updates.
    YcsbA,
    /// 95 % reads, 5 % updates.
    YcsbB,
    /// Reads.
    YcsbC,
    /// 95 % reads of what was inserted lately, 5 % inserts.
    YcsbD,
    /// 95 % short scans, 5 % inserts.
    YcsbE,
    /// Half reads, half read-modify-writes.
    YcsbF,
    /// Puts of whole items, updates of an attribute, deletes, and reads.
    Mixed {
        /// Of a hundred operations.
        put_percent: u8,
        /// Of a hundred operations.
        update_percent: u8,
        /// Of a hundred operations; the rest are reads.
        delete_percent: u8,
    },
    /// Counters: read-modify-write with a condition on what was read, and `ADD`, half each.
    Counters,
    /// Shopping carts: list appends, and set additions and deletions.
    Carts,
    /// Transfers between accounts in transactions, and transactional reads.
    Bank,
    /// Sessions that are written once, read, and expire.
    Sessions {
        /// Time to live.
        ttl: Duration,
    },
    /// Stock that is decremented where there is some left, and refilled.
    Inventory,
    /// Operations as they were recorded, at their times.
    Replay {
        /// One per line, as `beringia record` writes them.
        operations: String,
    },
}

/// Which key is next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum KeyChoice {
    /// Each alike.
    Uniform,
    /// Few are hot (Gray et al. 1994, as in YCSB).
    Zipfian {
        /// The skew, above 0 and below 1; YCSB has 0.99.
        theta: f64,
    },
    /// Zipfian, and what was inserted last is hottest.
    Latest {
        /// As in zipfian.
        theta: f64,
    },
}

/// How a table decides between concurrent writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Policy {
    /// The last writer wins the whole item.
    #[default]
    Item,
    /// The last writer wins each top-level attribute.
    Attribute,
    /// Numbers that are added to add up, sets unite, all else per attribute.
    Merge,
}

impl Policy {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Item, Self::Attribute, Self::Merge];

    /// Its name in files and reports, and as the value of a table's tag.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Item => "item",
            Self::Attribute => "attribute",
            Self::Merge => "merge",
        }
    }
}
