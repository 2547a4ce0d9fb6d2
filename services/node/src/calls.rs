//! Carries out the store calls of the state machine.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use beringia_clock::WallClock;
use beringia_item::{KeyBytes, Mutation, Region, TableId, VersionVector};
use beringia_replication::{
    StoreAnswer, StoreCall,
    message::{KeyPage, RangeSpan, RowPage, weight},
};
use beringia_storage::{
    Aspect, Edit, RemoteBatch, RemoteKind, Replica, ReplicaStatus, SchemaChange, SchemaError, Store, StoreError,
};

use crate::{Arrival, Observer, Way, lag::Lag};

/// Keys whose rows are read at once, so that a few large items do not fill the memory.
const ROWS_AT_ONCE: usize = 16;

/// The store, as the state machine calls it.
pub(crate) struct Calls {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<dyn WallClock>,
    pub(crate) lag: Lag,
    pub(crate) observer: Option<Arc<dyn Observer>>,
}

impl Calls {
    pub(crate) async fn call(&self, call: StoreCall) -> Result<StoreAnswer, StoreError> {
        let store = &self.store;
        match call {
            StoreCall::Apply(apply) => self.apply(apply).await,
            StoreCall::Position(filter) => store.log_position(&filter).await.map(StoreAnswer::Position),
            StoreCall::Read {
                from,
                filter,
                max_bytes,
            } => store.read_log(from, &filter, max_bytes).await.map(StoreAnswer::Log),
            StoreCall::Digest { table, as_of: None } => store.digest(table).await.map(StoreAnswer::Digest),
            StoreCall::Digest {
                table,
                as_of: Some(vector),
            } => store.digest_as_of(table, vector).await.map(StoreAnswer::Digest),
            StoreCall::Keys {
                table,
                span,
                after,
                max,
            } => self.keys(table, span, after, max).await,
            StoreCall::Rows { table, keys, max_bytes } => self.rows(table, keys, max_bytes).await,
            StoreCall::SetReplica { table, status } => self.set_replica(table, status).await,
            StoreCall::BeginEpoch(known) => store.begin_epoch(known).await.map(|()| StoreAnswer::Done),
            StoreCall::Drop {
                table,
                region,
                has,
                unreachable_ms,
            } => self.drop_replica(table, region, has, unreachable_ms).await,
            StoreCall::Leave { table, sequence } => self.leave(table, sequence).await,
        }
    }

    async fn apply(&self, apply: RemoteBatch) -> Result<StoreAnswer, StoreError> {
        let touched = apply.tables();
        let arrivals = self.arrivals(&apply);
        let applied = self.store.apply(apply).await?;
        self.arrived(arrivals);
        Ok(StoreAnswer::applied(&touched, &self.store.vectors(), applied.newer))
    }

    /// The arrivals that applying these mutations causes. For a stream, only writes that did not
    /// arrive before by another path. The rows of a copy or a repair are usually old, so their lag
    /// is meaningless; they are reported only to an observer.
    fn arrivals(&self, apply: &RemoteBatch) -> Vec<Arrival> {
        if apply.kind != RemoteKind::Stream && self.observer.is_none() {
            return Vec::new();
        }
        let vectors = self.store.vectors();
        let is_new = |mutation: &&Mutation| {
            apply.kind != RemoteKind::Stream
                || vectors
                    .get(&mutation.table)
                    .is_none_or(|vector| !vector.covers(&mutation.version))
        };
        let arrival = |mutation: &Mutation| Arrival::of(mutation, apply.kind);
        apply.mutations.iter().filter(is_new).map(arrival).collect()
    }

    /// Records and reports arrivals, which are durable now.
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

    async fn keys(
        &self,
        table: TableId,
        span: RangeSpan,
        after: Option<KeyBytes>,
        max: usize,
    ) -> Result<StoreAnswer, StoreError> {
        let found = self.store.raw_rows(table, span.first..=span.last, after, max).await?;
        let last = found.len() < max;
        let rows = found.into_iter().map(|row| (row.key, row.fingerprint)).collect();
        Ok(StoreAnswer::Keys(KeyPage { rows, last }))
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

    async fn set_replica(&self, table: TableId, status: ReplicaStatus) -> Result<StoreAnswer, StoreError> {
        let region = self.store.region().clone();
        let since_ms = self.clock.now_ms();
        let change = move |catalog: &beringia_storage::Catalog| {
            let replica = Replica {
                status: status.clone(),
                since_ms,
            };
            Ok(catalog.change_of_replica(table, &region, replica).into_iter().collect())
        };
        self.change_schema(Box::new(change)).await
    }

    /// Drops another region's replica, unless it is no longer a member.
    async fn drop_replica(
        &self,
        table: TableId,
        region: Region,
        has: VersionVector,
        unreachable_ms: u64,
    ) -> Result<StoreAnswer, StoreError> {
        let since_ms = self.clock.now_ms().saturating_sub(unreachable_ms);
        let change = move |catalog: &beringia_storage::Catalog| {
            let replica = catalog.by_id.get(&table).and_then(|table| table.replicas.get(&region));
            let is_member = replica.is_some_and(|replica| replica.status.is_member());
            let (region, has) = (region.clone(), has.clone());
            let status = ReplicaStatus::Dropped { has, returns: true };
            let replica = Replica { status, since_ms };
            let aspect = Aspect::Dropped { region, replica };
            Ok(is_member.then_some(Edit::Set { table, aspect }).into_iter().collect())
        };
        self.change_schema(Box::new(change)).await
    }

    /// Removes this region's replica, if it is still being deleted and the other regions have
    /// acknowledged all that it has written. The committer decides that: a write that it decided
    /// just before is not published yet.
    async fn leave(&self, table: TableId, acknowledged: u64) -> Result<StoreAnswer, StoreError> {
        let leave = Edit::Leave { table, acknowledged };
        self.change_schema(Box::new(move |_: &beringia_storage::Catalog| Ok(vec![leave.clone()])))
            .await
    }

    async fn change_schema(&self, change: Box<dyn SchemaChange>) -> Result<StoreAnswer, StoreError> {
        match self.store.change_schema(change).await {
            Ok(_) => Ok(StoreAnswer::Done),
            Err(SchemaError::Store(error)) => Err(error),
            Err(SchemaError::Refused(reason)) => Err(StoreError::Definition(reason.to_string())),
        }
    }
}
