//! A running region: every task that it has, and the handle that stops them.

use std::sync::Arc;

use beringia_store::Store;

use crate::{Incoming, NodeConfig, NodeStatus};

/// Why a region does not start.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The store is another region's.
    #[error("the database belongs to region {database}, not to {region}")]
    WrongRegion {
        /// Whose database it is.
        database: String,
        /// Who was to be started.
        region: String,
    },
}

/// A running region. Dropping it kills it.
pub struct Node {
    store: Arc<dyn Store>,
}

impl Node {
    /// Starts every task of the region on the current runtime.
    ///
    /// # Errors
    /// [`NodeError`] where the parts do not belong together.
    pub async fn start(
        config: NodeConfig,
        store: Arc<dyn Store>,
        _dynamodb: Incoming,
        _replication: Incoming,
    ) -> Result<Self, NodeError> {
        if *store.region() != config.region {
            return Err(NodeError::WrongRegion {
                database: store.region().to_string(),
                region: config.region.to_string(),
            });
        }
        Ok(Self { store })
    }

    /// The region's state.
    #[must_use]
    pub fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.store)
    }

    /// How the region and its peers stand now.
    pub async fn status(&self) -> NodeStatus {
        todo!("comes with the driver")
    }

    /// Stops taking requests, finishes those under way, closes the store.
    pub async fn shutdown(self) {
        self.store.close().await;
    }

    /// Stops at once, as a crash would: no answer is completed, nothing is flushed.
    pub fn kill(self) {}
}
