//! Contention: which items are being written now, so that a transaction meets what it would meet in DynamoDB.
//!
//! A write is under way from when it is handed to the store until it is durable. While a transaction is, nothing else may write its
//! items; plain writes of one item never hinder each other, nor a transaction that comes after them, since the store decides one after the
//! other. Reads never wait and are never refused, but for those of a transaction, which must not see an item that is being
//! written (developer guide, "Transaction conflict handling"). Who is refused begins anew; there is no queue, so whoever comes first
//! when an item is free has it. Nothing rests on this: units are decided in the order of the log whether or not they met here.

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

/// An item: its table, and its stored key.
pub(crate) type Place = (TableId, KeyBytes);

/// Who is writing an item.
#[derive(Debug, Default)]
struct Writers {
    /// How many writes that are no transactions.
    plain: usize,
    /// Whether a transaction is; never two.
    transaction: bool,
}

/// The items that are being written.
#[derive(Debug, Default)]
pub(crate) struct Contention {
    writers: Mutex<BTreeMap<Place, Writers>>,
    conflicts: AtomicU64,
}

/// Items that are being written until this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    contention: Arc<Contention>,
    places: Vec<Place>,
    transaction: bool,
}

impl Drop for Held {
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
    /// How many reads and writes of items were refused since the start.
    pub(crate) fn conflicts(&self) -> u64 {
        self.conflicts.load(Ordering::Relaxed)
    }

    /// Begins a write of one item.
    ///
    /// # Errors
    /// TransactionConflictException.
    pub(crate) fn write(self: &Arc<Self>, place: Place) -> Result<Held, ApiError> {
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

    /// Begins a transaction that writes or checks these items.
    ///
    /// # Errors
    /// TransactionCanceledException, with a reason for each item that another transaction holds.
    pub(crate) fn transaction(self: &Arc<Self>, places: Vec<Place>) -> Result<Held, ApiError> {
        let mut writers = self.lock();
        self.check(&places, |place| writers.get(place).is_some_and(|of| of.transaction))?;
        for place in &places {
            writers.entry(place.clone()).or_default().transaction = true;
        }
        drop(writers);
        Ok(self.held(places, true))
    }

    /// Begins the use of a client request token, which is an item too.
    ///
    /// # Errors
    /// TransactionInProgressException.
    pub(crate) fn token(self: &Arc<Self>, place: Place) -> Result<Held, ApiError> {
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

    /// Whether a transaction may read these items now.
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

    fn held(self: &Arc<Self>, places: Vec<Place>, transaction: bool) -> Held {
        Held {
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
    fn plain_writes_never_hinder_each_other_nor_a_transaction() {
        let contention = Arc::new(Contention::default());
        let first = contention.write(place("a")).unwrap();
        let second = contention.write(place("a")).unwrap();
        let transaction = contention.transaction(vec![place("a")]).unwrap();
        drop((first, second));
        assert!(contention.write(place("a")).is_err(), "the transaction is still there");
        drop(transaction);
        drop(contention.write(place("a")).unwrap());
        assert!(contention.lock().is_empty(), "nothing is left behind");
        assert_eq!(contention.conflicts(), 1);
    }

    #[test]
    fn of_two_transactions_with_an_item_in_common_the_second_is_cancelled_and_holds_nothing() {
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
