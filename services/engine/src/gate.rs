//! The gate for clients' writes: open, or closed while the region drains. It counts the writes in
//! progress.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::{ApiError, Engine};

/// Closing the gate and counting writes are totally ordered (`SeqCst`): when a reader finds the
/// gate closed and the count at zero, the last write has ended.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_closed: AtomicBool,
    under_way: AtomicUsize,
}

/// Permission to execute one request that writes. The write counts as in progress until this is
/// dropped.
#[derive(Debug)]
pub struct WritePass(Arc<Gate>);

impl Drop for WritePass {
    fn drop(&mut self) {
        let before = self.0.under_way.fetch_sub(1, Ordering::SeqCst);
        debug_assert!(before > 0, "a write that ends must have begun");
    }
}

impl Engine {
    /// Requests permission to write; called before every request that writes items, definitions or
    /// tags.
    ///
    /// # Errors
    /// ServiceUnavailable, if the region does not accept writes. Clients retry it after a while.
    pub fn begin_write(&self) -> Result<WritePass, ApiError> {
        self.gate.under_way.fetch_add(1, Ordering::SeqCst);
        let pass = WritePass(Arc::clone(&self.gate));
        if self.takes_writes() {
            return Ok(pass);
        }
        Err(ApiError::ServiceUnavailable(format!(
            "{} is being drained and temporarily rejects writes; reads still work. Retry later or write to another region.",
            self.region()
        )))
    }

    /// Rejects all writes that begin after this call.
    pub fn stop_writes(&self) {
        self.gate.is_closed.store(true, Ordering::SeqCst);
    }

    /// Accepts writes again after [`Engine::stop_writes`].
    pub fn allow_writes(&self) {
        self.gate.is_closed.store(false, Ordering::SeqCst);
    }

    /// Whether the region accepts new writes.
    #[must_use]
    pub fn takes_writes(&self) -> bool {
        !self.gate.is_closed.load(Ordering::SeqCst)
    }

    /// The number of writes that have begun and not ended. If a client disconnects, its write no
    /// longer counts, but the store may still execute what it was given.
    #[must_use]
    pub fn writes_under_way(&self) -> usize {
        self.gate.under_way.load(Ordering::SeqCst)
    }
}
