//! What clients did and were told, what regions committed, and the judgement of both.
//!
//! Nothing here knows how Beringia works: a [`History`] is what clients saw, [`Evidence`] is what regions hold and have
//! committed with which versions, and the oracle says which promises the two break and which anomalies clients could see.

mod evidence;
mod operation;

pub use evidence::{Conflict, Evidence, Held, Logged};
pub use operation::{Effect, History, Operation, Outcome, Seen, Write};
