//! The door for clients' writes: open, or closed while the region drains; it knows how many are under way.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::{ApiError, Engine};

/// The door. Closing it and counting are in one order for all (`SeqCst`), so that whoever finds it closed and empty has seen the last write.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    is_closed: AtomicBool,
    under_way: AtomicUsize,
}

/// Leave to carry out one request that writes; the write counts as under way until this is dropped.
#[derive(Debug)]
pub struct WritePass(Arc<Gate>);

impl Drop for WritePass {
    fn drop(&mut self) {
        let before = self.0.under_way.fetch_sub(1, Ordering::SeqCst);
        debug_assert!(before > 0, "what ends has begun");
    }
}

impl Engine {
    /// Asked for before every request that writes items, definitions or tags.
    ///
    /// # Errors
    /// ServiceUnavailable, which clients repeat after a while, where the region takes no writes.
    pub fn begin_write(&self) -> Result<WritePass, ApiError> {
        self.gate.under_way.fetch_add(1, Ordering::SeqCst);
        let pass = WritePass(Arc::clone(&self.gate));
        if self.takes_writes() {
            return Ok(pass);
        }
        Err(ApiError::ServiceUnavailable(format!(
            "{} is being drained: it is temporarily unavailable for writes. Reads go on.",
            self.region()
        )))
    }

    /// From now on no further write begins.
    pub fn stop_writes(&self) {
        self.gate.is_closed.store(true, Ordering::SeqCst);
    }

    /// From now on writes begin again.
    pub fn allow_writes(&self) {
        self.gate.is_closed.store(false, Ordering::SeqCst);
    }

    /// Whether writes may begin.
    #[must_use]
    pub fn takes_writes(&self) -> bool {
        !self.gate.is_closed.load(Ordering::SeqCst)
    }

    /// Writes that have begun and not ended. Of one whose client went away, what the store was already given may still be carried out.
    #[must_use]
    pub fn writes_under_way(&self) -> usize {
        self.gate.under_way.load(Ordering::SeqCst)
    }
}
