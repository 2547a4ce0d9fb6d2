//! Wall time, hybrid logical time and randomness. A region reads time and randomness only through
//! this crate.

mod hybrid;
mod random;
mod skewed;
#[cfg(feature = "tokio")]
mod tokio_clock;
mod wall;

pub use hybrid::{ClockError, DEFAULT_MAX_OFFSET_MS, HybridClock, HybridOffset, HybridTime};
pub use random::{Randomness, SeededRandomness, SystemRandomness};
pub use skewed::SkewedClock;
#[cfg(feature = "tokio")]
pub use tokio_clock::TokioClock;
pub use wall::{ManualClock, SystemClock, WallClock};
