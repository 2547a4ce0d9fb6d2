//! Requests that the source has not answered yet, each with its purpose.

use std::collections::BTreeMap;

use beringia_item::TableId;

use crate::{
    message::{Goodbye, Question, Request},
    out::RangeSyncId,
};

/// The purpose of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// The source's vector at the start of a bootstrap.
    BootstrapStart(TableId, u64),
    /// A page of keys for a range sync.
    SyncKeys(RangeSyncId),
    /// Rows for a range sync.
    SyncRows(RangeSyncId),
    /// The digests of a table, which are compared with this region's.
    Compare(TableId),
}

/// The open requests of a stream.
#[derive(Debug, Clone, Default)]
pub(super) struct Questions {
    open: BTreeMap<u64, Asked>,
    /// The number of the last one; 0 before the first.
    last: u64,
}

impl Questions {
    /// Starts numbering again if no request is open.
    pub(super) fn normalize(&mut self) {
        if self.open.is_empty() {
            self.last = 0;
        }
    }

    /// Makes a request of the question and remembers it until it is answered.
    pub(super) fn ask(&mut self, asked: Asked, table: TableId, question: Question) -> Request {
        self.last += 1;
        let before = self.open.insert(self.last, asked);
        debug_assert!(before.is_none(), "request numbers are unique");
        Request {
            id: self.last,
            table,
            question,
        }
    }

    /// Removes the request that was answered and returns its purpose.
    pub(super) fn answered(&mut self, id: u64) -> Result<Asked, Goodbye> {
        let asked = self.open.remove(&id);
        asked.ok_or_else(|| Goodbye::for_now("a reply arrived without a request"))
    }
}
