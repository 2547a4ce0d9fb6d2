//! A bounded number of slots that tables share: one that asks for many leaves the others theirs.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use beringia_item::TableId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// The slots. Where tables wait, they get the next slot in turn, and within a table the caller that
/// asked first.
pub(crate) struct FairSlots(Mutex<State>);

struct State {
    free: usize,
    /// The tables that wait, the next one first.
    turns: VecDeque<TableId>,
    /// The callers that wait, by table.
    callers: BTreeMap<TableId, VecDeque<oneshot::Sender<FairSlot>>>,
}

/// A slot, until it is dropped.
pub(crate) struct FairSlot(Arc<FairSlots>);

impl FairSlots {
    pub(crate) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State {
            free: count,
            turns: VecDeque::new(),
            callers: BTreeMap::new(),
        })))
    }

    /// Waits for a slot.
    pub(crate) async fn acquire(self: &Arc<Self>, table: TableId) -> FairSlot {
        loop {
            let given = {
                let mut state = self.0.lock();
                if state.free > 0 {
                    state.free -= 1;
                    return FairSlot(self.clone());
                }
                state.wait(table)
            };
            // Slots are never closed, so a caller that still waits gets one.
            if let Ok(slot) = given.await {
                return slot;
            }
        }
    }
}

impl State {
    fn wait(&mut self, table: TableId) -> oneshot::Receiver<FairSlot> {
        let (give, given) = oneshot::channel();
        let callers = self.callers.entry(table).or_default();
        if callers.is_empty() {
            self.turns.push_back(table);
        }
        callers.push_back(give);
        given
    }

    /// The next caller, of the table whose turn it is.
    fn next(&mut self) -> Option<oneshot::Sender<FairSlot>> {
        while let Some(table) = self.turns.pop_front() {
            let Some(callers) = self.callers.get_mut(&table) else {
                continue;
            };
            callers.retain(|caller| !caller.is_closed());
            let next = callers.pop_front();
            if callers.is_empty() {
                self.callers.remove(&table);
            } else {
                self.turns.push_back(table);
            }
            if next.is_some() {
                return next;
            }
        }
        None
    }
}

impl Drop for FairSlot {
    /// Gives the slot to the next caller.
    fn drop(&mut self) {
        let mut state = self.0.0.lock();
        let Some(next) = state.next() else {
            state.free += 1;
            return;
        };
        drop(state);
        // Where the caller has just given up, the slot is dropped again, and goes to another one.
        drop(next.send(Self(self.0.clone())));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    /// Starts callers that wait for a slot, in this order; returns the order in which they get one.
    async fn order_of(slots: &Arc<FairSlots>, tables: &[u128], given_up: &[usize]) -> Vec<u128> {
        let held = slots.acquire(TableId(0)).await;
        let (got, count) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicU64::new(0)));
        let mut callers = Vec::new();
        for table in tables.iter().copied() {
            let (slots, got, waiting) = (slots.clone(), got.clone(), count.clone());
            callers.push(tokio::spawn(async move {
                waiting.fetch_add(1, Ordering::Relaxed);
                let _slot = slots.acquire(TableId(table)).await;
                got.lock().push(table);
            }));
            while count.load(Ordering::Relaxed) < callers.len() as u64 {
                tokio::task::yield_now().await;
            }
        }
        for place in given_up {
            callers[*place].abort();
            assert!((&mut callers[*place]).await.is_err(), "it waited");
        }
        drop(held);
        for (place, caller) in callers.into_iter().enumerate() {
            if !given_up.contains(&place) {
                caller.await.unwrap();
            }
        }
        Arc::into_inner(got).unwrap().into_inner()
    }

    #[tokio::test]
    async fn tables_take_turns() {
        let slots = FairSlots::new(1);
        assert_eq!(order_of(&slots, &[1, 1, 1, 2, 2, 3], &[]).await, [1, 2, 3, 1, 2, 1]);
        assert_eq!(slots.0.lock().free, 1);
        assert!(slots.0.lock().callers.is_empty());
    }

    #[tokio::test]
    async fn caller_that_gives_up_takes_no_slot() {
        let slots = FairSlots::new(1);
        assert_eq!(order_of(&slots, &[1, 1, 2, 3], &[0, 2]).await, [1, 3]);
        assert_eq!(slots.0.lock().free, 1);
    }

    #[tokio::test]
    async fn there_are_only_so_many_slots() {
        let slots = FairSlots::new(2);
        let (_first, second) = (slots.acquire(TableId(1)).await, slots.acquire(TableId(1)).await);
        let mut third = Box::pin(slots.acquire(TableId(2)));
        assert!(futures_now(third.as_mut()).await.is_none());
        drop(second);
        assert!(futures_now(third.as_mut()).await.is_some());
    }

    /// The result of a future, if it is ready.
    async fn futures_now<F: Future + Unpin>(mut future: F) -> Option<F::Output> {
        std::future::poll_fn(|context| {
            std::task::Poll::Ready(match std::pin::Pin::new(&mut future).poll(context) {
                std::task::Poll::Ready(output) => Some(output),
                std::task::Poll::Pending => None,
            })
        })
        .await
    }
}
