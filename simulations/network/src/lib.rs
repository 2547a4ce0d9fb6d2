//! What a wire between two regions does to bytes: delay, jitter, bandwidth, loss, cuts; live and in simulation alike.
//!
//! A [`Network`] has a directed link for each ordered pair of regions. A connection between two regions has a wire in each
//! direction, which belongs to the end that *reads* it: what enters it is stamped with the time at which the link would
//! deliver it, and handed out then. Between the ends of a TCP connection, both wrapped in [`Shaped`], the reader takes bytes from the
//! stream as soon as they are there, and writes pass through; in memory ([`MemoryStream`]) the writer puts them on the wire itself.
//! So there is no task that pumps, and nothing differs between the real clock and tokio's paused one.
//!
//! What a link does is what TCP over such a path shows to a program:
//!
//! - Bytes stay in order, whatever the jitter.
//! - A lost packet is sent again after the retransmission timeout, twice as long each time (RFC 6298); nothing is
//!   missing, and what comes after it waits for it.
//! - A silent cut delivers nothing and says nothing. What was on the way arrives one delay after the healing.
//! - A cut with reset breaks the connections at both ends, and refuses new ones.
//! - The end of a stream, and the failure of a write because the peer is gone, travel as slowly as data.
//!
//! Deliberately absent: congestion control and the window of TCP (what is on the way is bounded by
//! [`IN_FLIGHT_BYTES_MAX`] for each direction of a connection, so back pressure works), packet headers, and the
//! acknowledgements that a one-way cut would stop too.

mod live;
mod medium;
mod memory;
mod path;
mod settings;
mod state;
mod stream;
mod wire;

use std::{
    sync::{Arc, OnceLock},
    task::Waker,
    time::Duration,
};

use beringia_clock::SeededRandomness;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

pub use live::Accepted;
pub use medium::IN_FLIGHT_BYTES_MAX;
pub use memory::{Listener, MemoryStream, MemoryTransport};
pub use settings::{Direction, LinkMode, LinkSettings, LinkSnapshot, NetworkError};
pub use stream::Shaped;

use crate::state::State;

/// Sees what links deliver, for traces. It must not call into the [`Network`].
pub trait Tap: Send + Sync + 'static {
    /// `bytes` left the link `from` → `to` on that connection, at the present moment. Connections are numbered from 1
    /// by network, in the order in which they were dialled.
    fn delivered(&self, from: &str, to: &str, connection: u64, bytes: &[u8]);
}

/// The links between regions. Clones are handles to the same network.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    /// One lock for all links, because a failure of a region or the healing of a pair concerns several.
    state: Mutex<State>,
    tap: OnceLock<Arc<dyn Tap>>,
}

impl Network {
    /// A network of those regions, in which every link is open and adds nothing. What is random in it (jitter, loss)
    /// follows from `randomness` alone; it draws for each link and connection apart.
    #[must_use]
    pub fn new(regions: impl IntoIterator<Item = impl Into<String>>, randomness: &SeededRandomness) -> Self {
        let regions: Vec<String> = regions.into_iter().map(Into::into).collect();
        Self {
            shared: Arc::new(Shared {
                state: Mutex::new(State::new(&regions, randomness)),
                tap: OnceLock::new(),
            }),
        }
    }

    /// Shows every delivery to `tap` from now on. Only the first call counts.
    pub fn set_tap(&self, tap: Arc<dyn Tap>) {
        // A second tap would silently change what the first one's owner concludes.
        let _ = self.shared.tap.set(tap);
    }

    /// Changes what the link `from` → `to` does, and with [`Direction::Both`] the link back likewise. What is already
    /// on the way keeps the delay it had, but queues for the bandwidth at its new rate.
    ///
    /// # Errors
    /// [`NetworkError`] for an unknown region, the same one twice, or a setting out of its bounds; nothing changed.
    pub fn change(
        &self,
        from: &str,
        to: &str,
        direction: Direction,
        change: impl Fn(&mut LinkSettings),
    ) -> Result<(), NetworkError> {
        self.apply(|state, now| state.change(from, to, direction, &change, now))
    }

    /// Sets the one-way delay, and up to how much is added to it at random.
    ///
    /// # Errors
    /// As [`Network::change`].
    pub fn delay(
        &self,
        from: &str,
        to: &str,
        direction: Direction,
        delay: Duration,
        jitter: Duration,
    ) -> Result<(), NetworkError> {
        self.change(from, to, direction, |settings| {
            settings.delay = delay;
            settings.jitter = jitter;
        })
    }

    /// Sets the share of packets that must be sent again, in percent.
    ///
    /// # Errors
    /// As [`Network::change`].
    pub fn loss(&self, from: &str, to: &str, direction: Direction, percent: f64) -> Result<(), NetworkError> {
        self.change(from, to, direction, |settings| settings.loss_percent = percent)
    }

    /// Sets the bandwidth in megabits per second; `None`: unlimited.
    ///
    /// # Errors
    /// As [`Network::change`].
    pub fn bandwidth(&self, from: &str, to: &str, direction: Direction, mbit: Option<f64>) -> Result<(), NetworkError> {
        self.change(from, to, direction, |settings| settings.bandwidth_mbit = mbit)
    }

    /// Cuts the link silently: nothing arrives, nothing fails, connecting hangs.
    ///
    /// # Errors
    /// [`NetworkError`] for an unknown region or the same one twice.
    pub fn cut(&self, from: &str, to: &str, direction: Direction) -> Result<(), NetworkError> {
        self.apply(|state, now| state.cut(from, to, direction, now))
    }

    /// Cuts the link as a firewall does that answers: connections that use it, in either direction, break at both
    /// ends, and new ones are refused.
    ///
    /// # Errors
    /// [`NetworkError`] for an unknown region or the same one twice.
    pub fn reset(&self, from: &str, to: &str, direction: Direction) -> Result<(), NetworkError> {
        self.apply(|state, _| state.reset(from, to, direction))
    }

    /// Opens the link between two regions, or both links. Their other settings stay.
    ///
    /// # Errors
    /// [`NetworkError`] for an unknown region or the same one twice.
    pub fn heal(&self, from: &str, to: &str, direction: Direction) -> Result<(), NetworkError> {
        self.apply(|state, now| state.heal(from, to, direction, now))
    }

    /// Opens all links. Their other settings stay.
    pub fn heal_all(&self) {
        self.apply(State::heal_all);
    }

    /// Cuts every link from and to the region, silently.
    ///
    /// # Errors
    /// [`NetworkError::UnknownRegion`].
    pub fn isolate(&self, region: &str) -> Result<(), NetworkError> {
        self.apply(|state, now| state.isolate(region, now))
    }

    /// Breaks every connection of the region, as the crash of its machine's process does: at once where it reads, and
    /// for its peers when the news has crossed the link. New connections are its listener's affair.
    ///
    /// # Errors
    /// [`NetworkError::UnknownRegion`].
    pub fn kill_region(&self, region: &str) -> Result<(), NetworkError> {
        self.apply(|state, now| state.kill_region(region, now))
    }

    /// Every directed link as it is now, in the order of the regions.
    #[must_use]
    pub fn show(&self) -> Vec<LinkSnapshot> {
        self.lock().show()
    }

    /// Changes the state, then wakes whom it concerns: after the lock is released, since a waker may run foreign code.
    fn apply<T>(&self, change: impl FnOnce(&mut State, Instant) -> Outcome<T>) -> T {
        let Outcome { result, wake } = {
            let mut state = self.lock();
            change(&mut state, Instant::now())
        };
        wake.into_iter().for_each(Waker::wake);
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No operation leaves the state half changed: a panic elsewhere must not take the network down.
        self.shared.state.lock()
    }
}

/// What a change of the state gives, and whom it concerns.
struct Outcome<T> {
    result: T,
    wake: Vec<Waker>,
}
