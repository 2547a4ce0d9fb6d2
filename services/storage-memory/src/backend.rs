//! `MemoryBackend`: one store's view of a [`MemoryState`], which another store may take over.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use beringia_committer::DiskFaults;
use beringia_storage::{
    StoreError,
    backend::{CommitFailure, CommitNumber, ReadScope, Snapshot, StorageBackend, WriteSet, Writer},
};

use parking_lot::RwLockReadGuard;

use crate::{
    fault::Fault,
    options::Options,
    state::{LeasedState, MemoryState},
};

/// The storage backend of one store over a region's state in memory.
pub struct MemoryBackend {
    state: MemoryState,
    /// The life of the memory in which this backend was opened; an erasure starts another.
    life: u64,
    closed: Arc<AtomicBool>,
    disk_faults: DiskFaults,
}

impl MemoryBackend {
    /// Opens the memory as a storage backend.
    ///
    /// # Errors
    /// [`StoreError::Unusable`] if it belongs to another region or topology.
    pub fn open(options: &Options) -> Result<Self, StoreError> {
        Ok(Self {
            life: options.state.open(&options.store)?,
            state: options.state.clone(),
            closed: Arc::default(),
            disk_faults: options.disk_faults.clone(),
        })
    }

    /// The state, as long as this store has not lost it.
    fn held(&self) -> Result<RwLockReadGuard<'_, LeasedState>, StoreError> {
        let held = self.state.read();
        let is_alive = !self.closed.load(Ordering::Acquire) && held.life == self.life;
        is_alive.then_some(held).ok_or(StoreError::Closed)
    }
}

impl StorageBackend for MemoryBackend {
    fn read(
        &self,
        _scope: ReadScope,
        work: &mut dyn FnMut(&dyn Snapshot) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        work(&self.held()?.data)
    }

    fn lease(&self) -> Result<Box<dyn Writer>, StoreError> {
        let mut held = self.state.write();
        held.holder += 1;
        Ok(Box::new(MemoryWriter {
            state: self.state.clone(),
            holder: held.holder,
            life: self.life,
            closed: self.closed.clone(),
            disk_faults: self.disk_faults.clone(),
        }))
    }

    fn watch(&self, listener: Arc<dyn Fn() + Send + Sync>) {
        self.state.write().listeners.push(listener);
    }

    fn check(&self) -> Result<(), StoreError> {
        self.held().map(drop)
    }

    fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

/// The lease of one store, valid until another store takes it.
struct MemoryWriter {
    state: MemoryState,
    holder: u64,
    life: u64,
    closed: Arc<AtomicBool>,
    disk_faults: DiskFaults,
}

impl Writer for MemoryWriter {
    fn read(&mut self, work: &mut dyn FnMut(&dyn Snapshot) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let held = self.state.read();
        if held.life != self.life {
            return Err(StoreError::Closed);
        }
        work(&held.data)
    }

    fn committed(&mut self) -> Result<CommitNumber, StoreError> {
        Ok(self.state.read().commits)
    }

    fn commit(&mut self, writes: &WriteSet) -> Result<(), CommitFailure> {
        let faults = self.state.faults();
        faults.stop_if_held();
        let mut held = self.state.write();
        let is_holder = held.holder == self.holder || faults.tolerates_former_holders();
        if held.life != self.life || !is_holder {
            return Err(CommitFailure::LeaseLost);
        }
        if held.commits != writes.based_on {
            return Err(CommitFailure::Stale);
        }
        let unknown =
            || CommitFailure::Unknown(StoreError::Database("the connection broke during a commit".to_owned()));
        let outcome = match faults.next() {
            Some(Fault::LostLease) => {
                held.holder += 1;
                return Err(CommitFailure::LeaseLost);
            }
            Some(Fault::SerializationFailure) => return Err(CommitFailure::Stale),
            Some(Fault::UnknownOutcome { durable: false }) => return Err(unknown()),
            Some(Fault::UnknownOutcome { durable: true }) => Err(unknown()),
            None => Ok(()),
        };
        // The reserve of this memory has no end. Like a file, which is as large as its schema
        // before the disk is full, empty memory has space for the first rows.
        let is_first = held.commits == CommitNumber::default();
        let grows = !writes.records.is_empty() || writes.rows.values().any(Option::is_some);
        if grows && !is_first && !writes.on_reserve && self.disk_faults.is_full() {
            let what = "the memory is full".to_owned();
            return Err(CommitFailure::Failed(StoreError::DiskFull(what)));
        }
        held.data.write(writes);
        held.commits.0 += 1;
        let listeners = held.listeners.clone();
        drop(held);
        listeners.iter().for_each(|listener| listener());
        outcome
    }

    fn release(self: Box<Self>) {
        self.closed.store(true, Ordering::Release);
        let mut held = self.state.write();
        if held.holder == self.holder {
            held.holder += 1;
        }
    }
}
