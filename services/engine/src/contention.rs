//! Tracks which items are being written, so that a transaction is cancelled where DynamoDB would
//! cancel it.
//!
//! A write is in progress from when it is handed to the store until it is durable. While a
//! transaction is in progress, nothing else may write its items. Plain writes of one item never
//! block each other, nor a transaction that comes after them, since the store decides them one
//! after the other. Reads never wait and are never rejected, except those of a transaction, which
//! must not see an item that is being written (developer guide, "Transaction conflict handling"). A
//! rejected client retries; there is no queue, and the first request to arrive at a free item gets
//! it.
//!
//! Correctness does not depend on this module: the store decides transactions in log order whether
//! or not they met here.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use beringia_item::{KeyBytes, TableId};
use parking_lot::{Mutex, MutexGuard};

use crate::{ApiError, CancellationReason};

const MESSAGE: &str = "Transaction is ongoing for the item";

/// Identifies an item by its table and stored key.
pub(crate) type Place = (TableId, KeyBytes);

/// The writes of one item that are in progress.
#[derive(Debug, Default)]
struct Writers {
    /// The number of writes outside transactions.
    plain: usize,
    /// Whether a transaction writes the item; never more than one does.
    transaction: bool,
}

/// The items that are being written.
#[derive(Debug, Default)]
pub(crate) struct Contention {
    writers: Mutex<BTreeMap<Place, Writers>>,
    conflicts: AtomicU64,
}

/// Marks items as being written until it is dropped.
#[derive(Debug)]
pub(crate) struct HeldItems {
    contention: Arc<Contention>,
    places: Vec<Place>,
    transaction: bool,
}

impl Drop for HeldItems {
    fn drop(&mut self) {
        let mut writers = self.contention.lock();
        for place in &self.places {
            let Some(of_place) = writers.get_mut(place) else {
                continue;
            };
            if self.transaction {
                of_place.transaction = false;
            } else {
                of_place.plain -= 1;
            }
            if of_place.plain == 0 && !of_place.transaction {
                writers.remove(place);
            }
        }
    }
}

impl Contention {
    /// The number of item reads and writes rejected since the start.
    pub(crate) fn conflicts(&self) -> u64 {
        self.conflicts.load(Ordering::Relaxed)
    }

    /// Begins a write of one item, outside a transaction.
    ///
    /// # Errors
    /// TransactionConflictException, if a transaction holds the item.
    pub(crate) fn write(self: &Arc<Self>, place: Place) -> Result<HeldItems, ApiError> {
        let mut writers = self.lock();
        let of_place = writers.entry(place.clone()).or_default();
        if of_place.transaction {
            self.conflicts.fetch_add(1, Ordering::Relaxed);
            return Err(ApiError::TransactionConflict(MESSAGE.to_owned()));
        }
        of_place.plain += 1;
        drop(writers);
        Ok(self.held(vec![place], false))
    }

    /// Begins a transaction that writes or checks `places`.
    ///
    /// # Errors
    /// TransactionCanceledException, with a reason for each item that another transaction holds.
    pub(crate) fn transaction(self: &Arc<Self>, places: Vec<Place>) -> Result<HeldItems, ApiError> {
        let mut writers = self.lock();
        self.check(&places, |place| writers.get(place).is_some_and(|of| of.transaction))?;
        for place in &places {
            writers.entry(place.clone()).or_default().transaction = true;
        }
        drop(writers);
        Ok(self.held(places, true))
    }

    /// Begins to use a client request token, which is stored as an item.
    ///
    /// # Errors
    /// TransactionInProgressException, if another request uses the token.
    pub(crate) fn token(self: &Arc<Self>, place: Place) -> Result<HeldItems, ApiError> {
        let mut writers = self.lock();
        let of_place = writers.entry(place.clone()).or_default();
        if std::mem::replace(&mut of_place.transaction, true) {
            return Err(ApiError::TransactionInProgress(
                "The transaction with the given request token is already in progress".to_owned(),
            ));
        }
        drop(writers);
        Ok(self.held(vec![place], true))
    }

    /// Checks that a transaction may read these items now.
    ///
    /// # Errors
    /// TransactionCanceledException, with a reason for each item that is being written.
    pub(crate) fn read(&self, places: &[Place]) -> Result<(), ApiError> {
        let writers = self.lock();
        self.check(places, |place| writers.contains_key(place))
    }

    fn check(&self, places: &[Place], is_held: impl Fn(&Place) -> bool) -> Result<(), ApiError> {
        let mut conflicts = 0;
        let reason = |place| {
            if !is_held(place) {
                return CancellationReason::none();
            }
            conflicts += 1;
            CancellationReason {
                code: "TransactionConflict",
                message: Some(MESSAGE.to_owned()),
                item: None,
            }
        };
        let reasons = places.iter().map(reason).collect();
        if conflicts == 0 {
            return Ok(());
        }
        self.conflicts.fetch_add(conflicts, Ordering::Relaxed);
        Err(ApiError::TransactionCanceled { reasons })
    }

    fn held(self: &Arc<Self>, places: Vec<Place>, transaction: bool) -> HeldItems {
        HeldItems {
            contention: Arc::clone(self),
            places,
            transaction,
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, Writers>> {
        self.writers.lock()
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn place(key: &'static str) -> Place {
        (TableId(1), KeyBytes(Bytes::from_static(key.as_bytes())))
    }

    fn codes(result: Result<impl std::fmt::Debug, ApiError>) -> Vec<&'static str> {
        match result {
            Err(ApiError::TransactionCanceled { reasons }) => reasons.iter().map(|reason| reason.code).collect(),
            other => panic!("expected a cancelled transaction, got {other:?}"),
        }
    }

    #[test]
    fn plain_writes_never_block_each_other_or_a_transaction() {
        let contention = Arc::new(Contention::default());
        let first = contention.write(place("a")).unwrap();
        let second = contention.write(place("a")).unwrap();
        let transaction = contention.transaction(vec![place("a")]).unwrap();
        drop((first, second));
        assert!(
            contention.write(place("a")).is_err(),
            "the transaction still holds the item"
        );
        drop(transaction);
        drop(contention.write(place("a")).unwrap());
        assert!(contention.lock().is_empty(), "no entry is left");
        assert_eq!(contention.conflicts(), 1);
    }

    /// A cancelled transaction holds none of its items.
    #[test]
    fn second_transaction_on_an_item_is_cancelled() {
        let contention = Arc::new(Contention::default());
        let first = contention.transaction(vec![place("a"), place("b")]).unwrap();
        let second = contention.transaction(vec![place("c"), place("b")]);
        assert_eq!(codes(second), ["None", "TransactionConflict"]);
        drop(contention.write(place("c")).unwrap());
        drop(first);
        drop(contention.transaction(vec![place("c"), place("b")]).unwrap());
    }

    #[test]
    fn a_transaction_reads_no_item_that_is_being_written() {
        let contention = Arc::new(Contention::default());
        let plain = contention.write(place("a")).unwrap();
        let transaction = contention.transaction(vec![place("b")]).unwrap();
        let read = contention.read(&[place("a"), place("b"), place("c")]);
        assert_eq!(codes(read), ["TransactionConflict", "TransactionConflict", "None"]);
        assert_eq!(contention.conflicts(), 2);
        drop((plain, transaction));
        contention.read(&[place("a"), place("b"), place("c")]).unwrap();
    }
}
