//! The faults that experiments inject: the interface to the host of the regions.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;

/// A replica of a global table in one region.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableReplica {
    /// The name of the region.
    pub region: String,
    /// The name of the table.
    pub table: String,
}

/// Why a fault cannot be injected: a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct FaultError(pub String);

/// Injects faults, and ends them.
#[async_trait]
pub trait FaultInjector: Send + Sync + 'static {
    /// Checks that the replica exists, in a region that runs.
    ///
    /// # Errors
    /// A [`FaultError`] that says what is wrong, if it does not.
    async fn find(&self, replica: &TableReplica) -> Result<(), FaultError>;

    /// Pauses the replication of a table in a region. Pausing it again is not an error.
    ///
    /// # Errors
    /// A [`FaultError`] if it cannot be paused.
    async fn pause(&self, replica: &TableReplica) -> Result<(), FaultError>;

    /// Resumes the replication. Does nothing if it is not paused, or if the replica no longer
    /// exists.
    async fn resume(&self, replica: &TableReplica);
}

/// Counts the experiments that hold each fault: a fault lasts until the last of them releases it.
pub(crate) struct Shared {
    faults: Arc<dyn FaultInjector>,
    holders: Mutex<BTreeMap<TableReplica, usize>>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("holders", &self.holders)
            .finish_non_exhaustive()
    }
}

impl Shared {
    pub(crate) fn new(faults: Arc<dyn FaultInjector>) -> Self {
        Self {
            faults,
            holders: Mutex::default(),
        }
    }

    pub(crate) async fn find(&self, replica: &TableReplica) -> Result<(), FaultError> {
        self.faults.find(replica).await
    }

    /// Pauses the replication and, if that succeeds, counts the caller as a holder.
    pub(crate) async fn pause(&self, replica: &TableReplica) -> Result<(), FaultError> {
        self.faults.pause(replica).await?;
        let mut holders = self.holders.lock();
        *holders.entry(replica.clone()).or_default() += 1;
        Ok(())
    }

    pub(crate) async fn resume(&self, replica: &TableReplica) {
        if self.release(replica) {
            self.faults.resume(replica).await;
        }
    }

    /// Releases one holder; returns whether it was the last one.
    fn release(&self, replica: &TableReplica) -> bool {
        let mut holders = self.holders.lock();
        match holders.get_mut(replica) {
            Some(count) if *count > 1 => {
                *count -= 1;
                false
            }
            _ => holders.remove(replica).is_some(),
        }
    }
}
