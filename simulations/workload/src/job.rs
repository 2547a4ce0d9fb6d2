//! The mixes of operations of each kind of workload.

use beringia_clock::{Randomness, SeededRandomness};
use beringia_scenario::{KeyChoice, Workload, WorkloadKind};

use crate::{
    choice::{Chooser, Chosen},
    table::{BRANCH, FIELDS},
};

/// Of a hundred operations on carts: appends, additions to the set, removals from it, emptied
/// carts; the rest are reads.
const CART_PERCENT: [u64; 4] = [35, 30, 10, 5];
/// Of a hundred operations on a bank: transfers; the rest are audits.
const TRANSFER_PERCENT: u64 = 90;
/// The largest amount that one transfer moves.
const AMOUNT_MAX: u64 = 100;
/// Of a hundred operations on sessions: new sessions, prolonged ones, reads of all sessions of a
/// user; the rest are reads of one session.
const SESSION_PERCENT: [u64; 3] = [20, 10, 5];
/// Of a hundred operations on stock: sales, refills; the rest are reads.
const INVENTORY_PERCENT: [u64; 2] = [80, 5];
/// The most that one sale takes from the stock.
const SALE_MAX: u64 = 3;
/// The stock that one refill adds. Refills add less than the sales take, so stock runs out.
const REFILL: i64 = 20;
/// Of a hundred operations on pairs: transactions that read both and write one, transactions that
/// write both; the rest are reads of both.
const PAIR_PERCENT: [u64; 2] = [35, 15];
/// The number of products that can be in a cart.
const PRODUCTS: u64 = 50;
/// The longest scan. YCSB has 100; shorter scans give the same mix of range reads and inserts at
/// the same rate.
const SCAN_MAX: u64 = 20;

/// An operation that is due, as drawn.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Job {
    Read(Chosen),
    Put(Chosen),
    Update {
        key: Chosen,
        field: u64,
    },
    Delete(Chosen),
    /// Reads, then updates a field on the condition that the item has not changed.
    Rewrite {
        key: Chosen,
        field: u64,
    },
    /// Puts an item under a new key. The number counts this region's insertions.
    Insert(u64),
    Scan {
        from: Chosen,
        limit: u64,
    },
    /// Reads, then adds one on the condition that the item has not changed.
    Increment(Chosen),
    /// Adds to the number without reading it.
    Add {
        key: Chosen,
        by: i64,
    },
    Append(Chosen),
    SetAdd {
        key: Chosen,
        element: u64,
    },
    SetDelete {
        key: Chosen,
        element: u64,
    },
    /// Replaces the item by an empty one.
    Empty(Chosen),
    Transfer {
        from: u64,
        to: u64,
        amount: i64,
    },
    /// Reads all accounts in a range of numbers.
    Audit {
        from: u64,
        to: u64,
    },
    Open(Chosen),
    Prolong(Chosen),
    OfUser(Chosen),
    /// Reads both items of a pair.
    ReadPair(Chosen),
    /// Updates a field of both items of a pair in a transaction.
    UpdatePair {
        key: Chosen,
        field: u64,
    },
    /// Reads both items of a pair, then updates a field of one, on the condition that neither has
    /// changed.
    RewriteInPair {
        key: Chosen,
        field: u64,
    },
    /// Takes some stock on the condition that there is enough.
    Sell {
        key: Chosen,
        count: i64,
    },
}

/// Draws the jobs of a workload in one region. They depend on the seed alone, not on results.
#[derive(Debug)]
pub(crate) struct Jobs {
    kind: WorkloadKind,
    keys: u64,
    chooser: Chooser,
    dice: SeededRandomness,
}

impl Jobs {
    pub(crate) fn new(workload: &Workload, dice: SeededRandomness) -> Self {
        // YCSB's workload D reads recent insertions, so a skewed choice prefers those.
        let choice = match (&workload.kind, workload.choice) {
            (WorkloadKind::YcsbD, KeyChoice::Zipfian { theta }) => KeyChoice::Latest { theta },
            (_, choice) => choice,
        };
        Self {
            kind: workload.kind.clone(),
            keys: workload.keys.max(1),
            chooser: Chooser::new(workload.keys, choice),
            dice,
        }
    }

    /// Draws the next job; `None` if jobs come from a recording instead.
    pub(crate) fn next(&mut self) -> Option<Job> {
        let percent = self.dice.below(100);
        Some(match self.kind {
            WorkloadKind::YcsbA => self.ycsb(percent, 50, 100),
            WorkloadKind::YcsbB => self.ycsb(percent, 95, 100),
            WorkloadKind::YcsbC => self.ycsb(percent, 100, 100),
            WorkloadKind::YcsbD if percent >= 95 => Job::Insert(self.chooser.insert()),
            WorkloadKind::YcsbD => Job::Read(self.key()),
            WorkloadKind::YcsbE if percent >= 95 => Job::Insert(self.chooser.insert()),
            WorkloadKind::YcsbE => Job::Scan {
                from: self.key(),
                limit: 1 + self.dice.below(SCAN_MAX),
            },
            WorkloadKind::YcsbF => self.ycsb(percent, 50, 50),
            WorkloadKind::Mixed {
                put_percent,
                update_percent,
                delete_percent,
                append_percent,
            } => {
                let shares = [put_percent, update_percent, delete_percent, append_percent];
                self.mixed(percent, shares.map(u64::from))
            }
            WorkloadKind::Counters if percent < 50 => Job::Increment(self.key()),
            WorkloadKind::Counters => Job::Add { key: self.key(), by: 1 },
            WorkloadKind::Carts => self.cart(percent),
            WorkloadKind::Bank => self.bank(percent),
            WorkloadKind::Sessions { .. } => self.session(percent),
            WorkloadKind::Inventory => self.inventory(percent),
            WorkloadKind::Pairs => self.pair(percent),
            WorkloadKind::Replay { .. } => return None,
        })
    }

    fn key(&self) -> Chosen {
        self.chooser.draw(&self.dice)
    }

    /// Draws from a mix of reads, updates and, for the rest, read-modify-writes.
    fn ycsb(&self, percent: u64, reads: u64, updates: u64) -> Job {
        let key = self.key();
        if percent < reads {
            return Job::Read(key);
        }
        let field = self.dice.below(FIELDS.into());
        if percent < updates {
            Job::Update { key, field }
        } else {
            Job::Rewrite { key, field }
        }
    }

    fn mixed(&self, percent: u64, of_hundred: [u64; 4]) -> Job {
        let key = self.key();
        match slot(percent, &of_hundred) {
            0 => Job::Put(key),
            1 => Job::Update {
                key,
                field: self.dice.below(FIELDS.into()),
            },
            2 => Job::Delete(key),
            3 => Job::Append(key),
            _ => Job::Read(key),
        }
    }

    fn cart(&self, percent: u64) -> Job {
        let key = self.key();
        let element = self.dice.below(PRODUCTS);
        match slot(percent, &CART_PERCENT) {
            0 => Job::Append(key),
            1 => Job::SetAdd { key, element },
            2 => Job::SetDelete { key, element },
            3 => Job::Empty(key),
            _ => Job::Read(key),
        }
    }

    /// Draws a transfer within the chosen account's branch, or an audit of the branch. A branch of
    /// one account is only audited.
    fn bank(&self, percent: u64) -> Job {
        let account = match self.key() {
            Chosen::Key(number) => number,
            Chosen::Latest(before) => self.keys.saturating_sub(1 + before),
        };
        let first = account / BRANCH * BRANCH;
        let end = (first + BRANCH).min(self.keys);
        let others = end - first - 1;
        if percent >= TRANSFER_PERCENT || others == 0 {
            return Job::Audit { from: first, to: end };
        }
        let other = first + self.dice.below(others);
        Job::Transfer {
            from: account,
            to: if other >= account { other + 1 } else { other },
            amount: 1 + self.some(AMOUNT_MAX),
        }
    }

    fn session(&self, percent: u64) -> Job {
        let key = self.key();
        match slot(percent, &SESSION_PERCENT) {
            0 => Job::Open(key),
            1 => Job::Prolong(key),
            2 => Job::OfUser(key),
            _ => Job::Read(key),
        }
    }

    fn inventory(&self, percent: u64) -> Job {
        let key = self.key();
        match slot(percent, &INVENTORY_PERCENT) {
            0 => Job::Sell {
                key,
                count: 1 + self.some(SALE_MAX),
            },
            1 => Job::Add { key, by: REFILL },
            _ => Job::Read(key),
        }
    }

    fn pair(&self, percent: u64) -> Job {
        let key = self.key();
        let field = self.dice.below(FIELDS.into());
        match slot(percent, &PAIR_PERCENT) {
            0 => Job::RewriteInPair { key, field },
            1 => Job::UpdatePair { key, field },
            _ => Job::ReadPair(key),
        }
    }

    fn some(&self, bound: u64) -> i64 {
        i64::try_from(self.dice.below(bound)).unwrap_or_default()
    }
}

/// Returns the index of the share of a hundred that `percent` falls into, or the number of shares
/// if it lies beyond all of them.
fn slot(percent: u64, shares: &[u64]) -> usize {
    let mut end = 0;
    shares
        .iter()
        .position(|share| {
            end += share;
            percent < end
        })
        .unwrap_or(shares.len())
}
