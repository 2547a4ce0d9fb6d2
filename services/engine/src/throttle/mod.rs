//! Throttling: limits the units that requests consume of tables and global indexes.
//!
//! Every limited table and index has a bucket for reads and one for writes. A request reserves its
//! minimum cost before it begins, and is rejected if that is not available. The actual cost is
//! charged when it is known, so a bucket can go into debt after a read of many items or a write of
//! a large one, and the next requests wait until the debt is paid. Local indexes consume the units
//! of their table. Buckets are in memory: after a restart they are full. Writes of other regions
//! and deletes of expired items consume nothing.

mod bucket;

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use beringia_clock::WallClock;
use beringia_item::{Region, TableId};
use beringia_storage::{Capacity, Store, Table, Throughput};
use parking_lot::Mutex;

use self::bucket::Bucket;
use crate::{ApiError, CancellationReason, ThrottlingReason, capacity::Units, names::table_arn};

/// The kind of units that a request takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Use {
    /// Read capacity units, of table or index.
    Read,
    /// Write capacity units, of table or index.
    Write,
}

/// The limit of a table and its indexes, which share one billing mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    /// The throughput provisioned for it.
    Provisioned,
    /// The maximum set for an on-demand table.
    OnDemandMax,
}

/// A request was rejected because the units that it needs are used up.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Throttled {
    limit: Limit,
    reasons: Vec<ThrottlingReason>,
    /// Whether only indexes were short of units, not the table itself.
    only_indexes: bool,
}

/// The buckets of a table, by index (`None`: the table itself) and kind of units.
type Buckets = BTreeMap<(Option<String>, Use), Bucket>;

/// The buckets of all limited tables and indexes.
pub(crate) struct Throttle {
    is_on: bool,
    store: Arc<dyn Store>,
    clock: Arc<dyn WallClock>,
    buckets: Mutex<BTreeMap<TableId, Buckets>>,
    refused_reads: AtomicU64,
    refused_writes: AtomicU64,
}

impl Throttle {
    pub(crate) fn new(is_on: bool, store: Arc<dyn Store>, clock: Arc<dyn WallClock>) -> Self {
        Self {
            is_on,
            store,
            clock,
            buckets: Mutex::default(),
            refused_reads: AtomicU64::new(0),
            refused_writes: AtomicU64::new(0),
        }
    }

    /// The number of reads and writes, of single items or of pages, that were rejected since the
    /// start.
    pub(crate) fn refused(&self) -> (u64, u64) {
        (
            self.refused_reads.load(Ordering::Relaxed),
            self.refused_writes.load(Ordering::Relaxed),
        )
    }

    /// Reserves the minimum cost of a read or write of the table, all of it or nothing. Returns
    /// `None` if nothing limits the table; then nothing has to be charged.
    pub(crate) fn reserve(
        &self,
        table: &Table,
        usage: Use,
        least: impl FnOnce() -> Units,
    ) -> Result<Option<Units>, Throttled> {
        if !self.limits(table, usage) {
            return Ok(None);
        }
        let least = least();
        let region = self.store.region();
        let mut reasons = Vec::new();
        let (mut limit, mut only_indexes) = (Limit::Provisioned, true);
        self.with_buckets(table, usage, &least, |buckets| {
            for (index, units, bucket, limited_by) in &*buckets {
                if !bucket.allows(*units) {
                    limit = *limited_by;
                    only_indexes &= index.is_some();
                    reasons.push(reason(region, table, *index, usage, *limited_by));
                }
            }
            if reasons.is_empty() {
                buckets
                    .iter_mut()
                    .for_each(|(_, units, bucket, _)| bucket.charge(*units));
            }
        });
        if reasons.is_empty() {
            return Ok(Some(least));
        }
        let counter = match usage {
            Use::Read => &self.refused_reads,
            Use::Write => &self.refused_writes,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        Err(Throttled {
            limit,
            reasons,
            only_indexes,
        })
    }

    /// Charges what a request cost beyond its reservation, or returns the difference if it cost
    /// less.
    pub(crate) fn charge_actual(
        &self,
        table: &Table,
        usage: Use,
        reserved: Option<Units>,
        taken: impl FnOnce() -> Units,
    ) {
        let Some(reserved) = reserved else { return };
        let mut owed = taken();
        owed += reserved.times(-1.0);
        self.with_buckets(table, usage, &owed, |buckets| {
            buckets
                .iter_mut()
                .for_each(|(_, units, bucket, _)| bucket.charge(*units));
        });
    }

    /// Whether anything limits what requests for the table may consume.
    pub(crate) fn limits(&self, table: &Table, usage: Use) -> bool {
        let of_indexes = || {
            let mut indexes = table.global_indexes.values();
            indexes.any(|(index, _)| rate(index.throughput, &index.capacity, usage).is_some())
        };
        self.is_on && (rate(table.throughput, &table.billing.capacity, usage).is_some() || of_indexes())
    }

    /// Calls `act` with the current buckets of the given units. Buckets of which nothing is to be
    /// taken are left out, even if they are in debt.
    fn with_buckets(
        &self,
        table: &Table,
        usage: Use,
        units: &Units,
        act: impl FnOnce(&mut [(Option<&str>, f64, Bucket, Limit)]),
    ) {
        let now_ms = self.clock.now_ms();
        let own = units.table + units.local.values().sum::<f64>();
        let of_table = rate(table.throughput, &table.billing.capacity, usage);
        let of_indexes = units.global.iter().filter_map(|(name, units)| {
            let (index, _) = table.global_indexes.get(name)?;
            let limit = rate(index.throughput, &index.capacity, usage)?;
            Some((Some(name.as_str()), *units, limit))
        });
        let of_table = of_table.map(|limit| (None, own, limit));
        let demands = of_table
            .into_iter()
            .chain(of_indexes)
            .filter(|(_, units, _)| *units != 0.0);

        let mut all = self.buckets.lock();
        if !all.contains_key(&table.id) {
            // When a table gets its first buckets, remove the buckets of dropped tables.
            let catalog = self.store.catalog();
            all.retain(|id, _| catalog.by_id.contains_key(id));
        }
        let kept = all.entry(table.id).or_default();
        let mut taken: Vec<_> = demands
            .map(|(index, units, (rate, limit))| {
                let bucket = kept.remove(&(index.map(str::to_owned), usage));
                let mut bucket = bucket.unwrap_or_else(|| Bucket::full(rate, now_ms));
                bucket.refill(rate, now_ms);
                (index, units, bucket, limit)
            })
            .collect();
        act(&mut taken);
        kept.extend(
            taken
                .into_iter()
                .map(|(index, _, bucket, _)| ((index.map(str::to_owned), usage), bucket)),
        );
    }
}

/// Units per second, and what sets that limit; `None` if there is no limit.
fn rate(throughput: Throughput, capacity: &Capacity, usage: Use) -> Option<(u64, Limit)> {
    match throughput {
        Throughput::Provisioned {
            read_units,
            write_units,
        } => Some((
            match usage {
                Use::Read => read_units,
                Use::Write => write_units,
            },
            Limit::Provisioned,
        )),
        Throughput::OnDemand => {
            let most = match usage {
                Use::Read => capacity.on_demand_max.read,
                Use::Write => capacity.on_demand_max.write,
            };
            most.map(|rate| (rate, Limit::OnDemandMax))
        }
    }
}

fn reason(region: &Region, table: &Table, index: Option<&str>, usage: Use, limit: Limit) -> ThrottlingReason {
    let kind = if index.is_some() { "Index" } else { "Table" };
    let usage = match usage {
        Use::Read => "Read",
        Use::Write => "Write",
    };
    let limit = match limit {
        Limit::Provisioned => "ProvisionedThroughputExceeded",
        Limit::OnDemandMax => "MaxOnDemandThroughputExceeded",
    };
    let mut resource = table_arn(region, &table.core.name);
    if let Some(index) = index {
        resource.push_str("/index/");
        resource.push_str(index);
    }
    ThrottlingReason {
        reason: format!("{kind}{usage}{limit}"),
        resource,
    }
}

impl Throttled {
    const fn message(&self) -> &'static str {
        match (self.limit, self.only_indexes) {
            (Limit::Provisioned, false) => {
                "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning \
                 level with the UpdateTable API."
            }
            (Limit::Provisioned, true) => {
                "The level of configured provisioned throughput for one or more global secondary indexes of the table was exceeded. \
                 Consider increasing your provisioning level for the under-provisioned global secondary indexes with the UpdateTable \
                 API"
            }
            (Limit::OnDemandMax, _) => "Throughput exceeds the maximum OnDemandThroughput configured on table or index",
        }
    }
}

impl From<Throttled> for ApiError {
    fn from(throttled: Throttled) -> Self {
        let (message, reasons) = (throttled.message().to_owned(), throttled.reasons);
        match throttled.limit {
            Limit::Provisioned => Self::ProvisionedThroughputExceeded { message, reasons },
            Limit::OnDemandMax => Self::Throttling { message, reasons },
        }
    }
}

impl From<&Throttled> for CancellationReason {
    fn from(throttled: &Throttled) -> Self {
        Self {
            code: match throttled.limit {
                Limit::Provisioned => "ProvisionedThroughputExceeded",
                Limit::OnDemandMax => "ThrottlingError",
            },
            message: Some(throttled.message().to_owned()),
            item: None,
        }
    }
}
