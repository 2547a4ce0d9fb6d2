//! What the state machine asks of the store, carried out.

use std::{collections::BTreeSet, sync::Arc};

use beringia_clock::WallClock;
use beringia_item::{KeyBytes, Mutation, Region, TableId, VersionVector, range_of};
use beringia_replication::{
    Apply, ApplyKind, Filter, ReplicaState, StoreAnswer, StoreCall, StoreFailure,
    message::{Digest, KeyPage, RowPage, Span, TableVectors, weight},
};
use beringia_store::{
    Aspect, Edit, LogFilter, LogPosition, RemoteBatch, RemoteKind, Replica, ReplicaStatus, SchemaChange, SchemaError,
    Store, StoreError,
};

use crate::{Arrival, Observer, Way, lag::Lag};

/// Keys whose rows are read at once, so that a few large items do not fill the memory.
const ROWS_AT_ONCE: usize = 16;

/// The store, as the state machine uses it.
pub(crate) struct Calls {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn WallClock>,
    pub(crate) lag: Lag,
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

fn failure(error: StoreError) -> StoreFailure {
    match error {
        StoreError::Quarantined {
            origin,
            ahead_ms,
            limit_ms,
        } => StoreFailure::Quarantined {
            origin,
            ahead_ms,
            limit_ms,
        },
        other => StoreFailure::Other(other.to_string()),
    }
}

impl Calls {
    pub(crate) async fn call(&self, call: StoreCall) -> Result<StoreAnswer, StoreFailure> {
        let store = &self.store;
        let answer = match call {
            StoreCall::Apply(apply) => self.apply(apply).await,
            StoreCall::Position(filter) => store
                .log_position(&log_filter(filter))
                .await
                .map(|position| StoreAnswer::Position(position.map(|position| position.0))),
            StoreCall::Read {
                from,
                filter,
                max_bytes,
            } => self.read(from, filter, max_bytes).await,
            StoreCall::Digest(table) => store.digest(table).await.map(|digest| {
                let ranges = digest.ranges.iter().map(|range| (range.sum, range.items)).collect();
                StoreAnswer::Digest(Digest {
                    vector: digest.vector,
                    ranges,
                })
            }),
            StoreCall::Keys {
                table,
                span,
                after,
                max,
            } => self.keys(table, span, after, max).await,
            StoreCall::Rows { table, keys, max_bytes } => self.rows(table, keys, max_bytes).await,
            StoreCall::SetReplica { table, state } => return self.set_replica(table, state).await,
            StoreCall::Drop {
                table,
                region,
                has,
                away_ms,
            } => return self.drop_replica(table, region, has, away_ms).await,
            StoreCall::Leave { table, sequence } => return self.leave(table, sequence).await,
        };
        answer.map_err(failure)
    }

    async fn apply(&self, apply: Apply) -> Result<StoreAnswer, StoreError> {
        let kind = match apply.kind {
            ApplyKind::Stream => RemoteKind::Stream,
            ApplyKind::Copy => RemoteKind::Copy,
            ApplyKind::Repair => RemoteKind::Repair,
        };
        let mut touched: BTreeSet<TableId> = apply.mutations.iter().map(|mutation| mutation.table).collect();
        touched.extend(apply.progress.iter().map(|(table, _, _)| *table));
        touched.insert(TableId::CATALOG);
        let arrivals = self.arrivals(&apply);
        let Apply {
            mutations,
            progress,
            obsolete,
            holding,
            from,
            ..
        } = apply;
        let applied = self
            .store
            .apply(RemoteBatch {
                mutations,
                progress,
                obsolete,
                kind,
                holding,
                from,
            })
            .await?;
        self.arrived(arrivals);
        let now = self.store.vectors();
        let vectors: TableVectors = touched
            .iter()
            .filter_map(|table| Some((*table, now.get(table)?.clone())))
            .collect();
        Ok(StoreAnswer::Applied {
            vectors,
            newer: applied.newer,
        })
    }

    /// Writes that will arrive with these. Of a stream those that did not come before, by another way. The rows of a copy or a repair
    /// are old as a rule, so that their lag says nothing; only an observer wants them.
    fn arrivals(&self, apply: &Apply) -> Vec<Arrival> {
        if apply.kind != ApplyKind::Stream && self.observer.is_none() {
            return Vec::new();
        }
        let vectors = self.store.vectors();
        let is_new = |mutation: &&Mutation| {
            apply.kind != ApplyKind::Stream
                || vectors
                    .get(&mutation.table)
                    .is_none_or(|vector| !vector.covers(&mutation.version))
        };
        let arrival = |mutation: &Mutation| Arrival::of(mutation, apply.kind);
        apply.mutations.iter().filter(is_new).map(arrival).collect()
    }

    /// They are durable.
    fn arrived(&self, mut arrivals: Vec<Arrival>) {
        let Some(way) = arrivals.first().map(|arrival| arrival.way) else {
            return;
        };
        let applied_ms = self.clock.now_ms();
        for arrival in &mut arrivals {
            arrival.applied_ms = applied_ms;
        }
        if way == Way::Stream {
            self.lag.record(&arrivals);
        }
        if let Some(observer) = &self.observer {
            observer.arrived(&arrivals);
        }
    }

    async fn read(&self, from: u64, filter: Filter, max_bytes: usize) -> Result<StoreAnswer, StoreError> {
        let page = self
            .store
            .read_log(LogPosition(from), &log_filter(filter), max_bytes)
            .await?;
        Ok(StoreAnswer::Log {
            mutations: page.records.into_iter().map(|record| record.mutation).collect(),
            next: page.next.0,
            end: page.at_end.then_some(page.vectors),
        })
    }

    async fn keys(
        &self,
        table: TableId,
        span: Span,
        mut after: Option<KeyBytes>,
        max: usize,
    ) -> Result<StoreAnswer, StoreError> {
        let mut rows = Vec::new();
        let first = after.as_ref().map_or(span.first, range_of).max(span.first);
        for range in first..=span.last {
            let found = self
                .store
                .raw_rows(table, range, after.take(), max - rows.len())
                .await?;
            rows.extend(found.into_iter().map(|row| (row.key, row.stamp)));
            if rows.len() >= max {
                return Ok(StoreAnswer::Keys(KeyPage { rows, last: false }));
            }
        }
        Ok(StoreAnswer::Keys(KeyPage { rows, last: true }))
    }

    async fn rows(&self, table: TableId, keys: Vec<KeyBytes>, max_bytes: usize) -> Result<StoreAnswer, StoreError> {
        let mut page = RowPage {
            mutations: Vec::new(),
            answered: 0,
        };
        let mut bytes = 0;
        for keys in keys.chunks(ROWS_AT_ONCE) {
            let rows = self.store.mutations_of(table, keys.to_vec()).await?;
            bytes += rows.iter().map(weight).sum::<usize>();
            page.mutations.extend(rows);
            page.answered += keys.len();
            if bytes >= max_bytes {
                break;
            }
        }
        Ok(StoreAnswer::Rows(page))
    }

    /// Sets the state of this region's own replica, unless it is gone or on its way out.
    async fn set_replica(&self, table: TableId, state: ReplicaState) -> Result<StoreAnswer, StoreFailure> {
        let region = self.store.region().clone();
        let since_ms = self.clock.now_ms();
        let status = match state {
            ReplicaState::Creating { from } => ReplicaStatus::Creating { from },
            ReplicaState::Active => ReplicaStatus::Active,
            ReplicaState::Leaving => ReplicaStatus::Deleting,
        };
        let change = move |catalog: &beringia_store::Catalog| {
            let replica = catalog.by_id.get(&table).and_then(|table| table.replicas.get(&region));
            let is_ours = |replica: &&Replica| {
                matches!(replica.status, ReplicaStatus::Active | ReplicaStatus::Creating { .. })
                    && replica.status != status
            };
            Ok(match replica.filter(is_ours) {
                Some(_) => {
                    let replica = Replica { status, since_ms };
                    vec![Edit::Set {
                        table,
                        aspect: Aspect::Replica { region, replica },
                    }]
                }
                None => Vec::new(),
            })
        };
        self.change_schema(Box::new(change)).await
    }

    /// Drops another region's replica, unless it is none any more.
    async fn drop_replica(
        &self,
        table: TableId,
        region: Region,
        has: VersionVector,
        away_ms: u64,
    ) -> Result<StoreAnswer, StoreFailure> {
        let since_ms = self.clock.now_ms().saturating_sub(away_ms);
        let change = move |catalog: &beringia_store::Catalog| {
            let replica = catalog.by_id.get(&table).and_then(|table| table.replicas.get(&region));
            let is_member = replica.is_some_and(|replica| replica.status.is_member());
            let status = ReplicaStatus::Dropped { has, returns: true };
            let replica = Replica { status, since_ms };
            let aspect = Aspect::Dropped { region, replica };
            Ok(is_member.then_some(Edit::Set { table, aspect }).into_iter().collect())
        };
        self.change_schema(Box::new(change)).await
    }

    /// Drops this region's replica, where it is still on its way out and nothing was written since it was found to be dispensable.
    async fn leave(&self, table: TableId, sequence: u64) -> Result<StoreAnswer, StoreFailure> {
        let store = self.store.clone();
        let change = move |catalog: &beringia_store::Catalog| {
            let region = store.region();
            let replica = catalog.by_id.get(&table).and_then(|table| table.replicas.get(region));
            let is_leaving = replica.is_some_and(|replica| replica.status == ReplicaStatus::Deleting);
            let written = store.vectors().get(&table).map_or(0, |vector| vector.get(region));
            Ok(if is_leaving && written <= sequence {
                vec![Edit::Drop { table }]
            } else {
                Vec::new()
            })
        };
        self.change_schema(Box::new(change)).await
    }

    async fn change_schema(&self, change: SchemaChange) -> Result<StoreAnswer, StoreFailure> {
        match self.store.change_schema(change).await {
            Ok(_) => Ok(StoreAnswer::Done),
            Err(SchemaError::Store(error)) => Err(failure(error)),
            Err(SchemaError::Refused(reason)) => Err(StoreFailure::Other(reason.to_string())),
        }
    }
}

fn log_filter(filter: Filter) -> LogFilter {
    LogFilter {
        origins: filter.origins,
        tables: filter.tables,
    }
}
