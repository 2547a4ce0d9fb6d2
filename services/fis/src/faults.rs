//! What experiments can do to regions: the seam to whoever runs them.

use std::{collections::BTreeMap, fmt, sync::Arc};

use async_trait::async_trait;
use parking_lot::Mutex;

/// A replica of a global table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct TableReplica {
    /// Where it is.
    pub region: String,
    /// The table's name.
    pub table: String,
}

/// Why a fault cannot be made: a sentence for the user.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Fault(pub String);

/// Makes faults, and ends them.
#[async_trait]
pub trait Faults: Send + Sync + 'static {
    /// Whether there is such a replica, in a region that runs.
    ///
    /// # Errors
    /// Where there is none, saying what is wrong.
    async fn find(&self, replica: &TableReplica) -> Result<(), Fault>;

    /// Pauses the replication of a table in a region. Pausing what is paused is no error.
    ///
    /// # Errors
    /// Where it cannot be paused.
    async fn pause(&self, replica: &TableReplica) -> Result<(), Fault>;

    /// Resumes it; nothing where it is not paused, or gone.
    async fn resume(&self, replica: &TableReplica);
}

/// Faults that several experiments want at once last until the last one is done with them.
pub(crate) struct Shared {
    faults: Arc<dyn Faults>,
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
    pub(crate) fn new(faults: Arc<dyn Faults>) -> Self {
        Self {
            faults,
            holders: Mutex::default(),
        }
    }

    pub(crate) async fn find(&self, replica: &TableReplica) -> Result<(), Fault> {
        self.faults.find(replica).await
    }

    /// Counts whoever asks as a holder where it succeeds.
    pub(crate) async fn pause(&self, replica: &TableReplica) -> Result<(), Fault> {
        self.faults.pause(replica).await?;
        let mut holders = self.holders.lock();
        *holders.entry(replica.clone()).or_default() += 1;
        Ok(())
    }

    pub(crate) async fn resume(&self, replica: &TableReplica) {
        if self.let_go(replica) {
            self.faults.resume(replica).await;
        }
    }

    /// Whether that was the last holder.
    fn let_go(&self, replica: &TableReplica) -> bool {
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
