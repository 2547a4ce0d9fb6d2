//! Questions that the source has not answered yet, each with why it was asked.

use std::collections::BTreeMap;

use beringia_item::TableId;

use crate::{
    message::{Goodbye, Question, Request},
    out::WalkId,
};

/// Why a question was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A join begins: the source's vector.
    JoinStart(TableId, u64),
    /// A walk's page of keys.
    WalkKeys(WalkId),
    /// A walk's rows.
    WalkRows(WalkId),
    /// A comparison of digests.
    Compare(TableId),
}

/// The questions of a stream.
#[derive(Debug, Default)]
pub(super) struct Questions {
    open: BTreeMap<u64, Asked>,
    /// The number of the last one; 0 before the first.
    last: u64,
}

impl Questions {
    /// Makes a request of the question, whose answer is awaited from now on.
    pub(super) fn ask(&mut self, asked: Asked, table: TableId, question: Question) -> Request {
        self.last += 1;
        let before = self.open.insert(self.last, asked);
        debug_assert!(before.is_none(), "questions are numbered once");
        Request {
            id: self.last,
            table,
            question,
        }
    }

    /// Takes out the question that was answered.
    pub(super) fn answered(&mut self, id: u64) -> Result<Asked, Goodbye> {
        let asked = self.open.remove(&id);
        asked.ok_or_else(|| Goodbye::for_now("an answer to no question"))
    }
}
