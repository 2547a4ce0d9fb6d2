//! The link model: the effect of a link between two regions on bytes (delay, jitter, bandwidth,
//! loss, cuts), in real time and in simulation alike.
//!
//! A [`Network`] has a directed link for each ordered pair of regions. A connection between two
//! regions has a wire in each direction, which belongs to the end that *reads* it. Bytes that enter
//! a wire are stamped with the time at which the link would deliver them, and handed out then. Both
//! ends of a TCP connection are wrapped in [`Shaped`]: the reader takes bytes from the stream as
//! soon as they are there, and writes pass through. In memory ([`MemoryStream`]) the writer puts
//! the bytes on the wire itself. So no task pumps bytes, and the code is the same under the real
//! clock and under tokio's paused one.
//!
//! A link does to bytes what TCP over such a path shows to a program:
//!
//! - Bytes stay in order under any jitter.
//! - A lost packet is sent again after the retransmission timeout, which doubles each time (RFC
//!   6298). Nothing is missing, and what follows the packet waits for it.
//! - A silent cut delivers nothing and reports nothing. Bytes that were in flight arrive one delay
//!   after the heal.
//! - A cut with reset breaks the connections at both ends and refuses new ones.
//! - The end of a stream, and the failure of a write because the peer is gone, travel as slowly as
//!   data.
//!
//! Deliberately absent are TCP's congestion control and window ([`IN_FLIGHT_BYTES_MAX`] bounds what
//! is on the way in each direction of a connection, so back pressure works), packet headers, and
//! acknowledgements, which a one-way cut would also stop.

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
pub use memory::{MemoryListener, MemoryStream, MemoryTransport};
pub use settings::{Direction, LinkMode, LinkSettings, LinkSnapshot, NetworkError};
pub use stream::Shaped;

use crate::state::State;

/// Receives everything that links deliver, for traces. It must not call into the [`Network`].
pub trait Tap: Send + Sync + 'static {
    /// The link `from` → `to` delivered `bytes` on this connection just now. Connections are
    /// numbered from 1 by network, in the order in which they were dialled.
    fn delivered(&self, from: &str, to: &str, connection: u64, bytes: &[u8]);
}

/// The links between regions. Clones are handles to the same network.
#[derive(Clone)]
pub struct Network {
    shared: Arc<Shared>,
}

struct Shared {
    /// A single lock for all links, because the crash of a region or the heal of a pair concerns
    /// several of them.
    state: Mutex<State>,
    tap: OnceLock<Arc<dyn Tap>>,
}

impl Network {
    /// Creates a network of these regions in which every link is open and adds nothing. What is
    /// random in it (jitter, loss) depends on `randomness` alone, from which each link and
    /// connection derives its own.
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

    /// Passes every delivery to `tap` from now on. Only the first call has an effect.
    pub fn set_tap(&self, tap: Arc<dyn Tap>) {
        // A second tap would silently invalidate what the owner of the first one concludes.
        let _ = self.shared.tap.set(tap);
    }

    /// Changes the settings of the link `from` → `to`, and with [`Direction::Both`] also those of
    /// the link back. Bytes in flight keep their delay but queue for the bandwidth at the new rate.
    ///
    /// # Errors
    /// [`NetworkError`] for an unknown region, the same region twice, or a setting out of its
    /// bounds. Then nothing has changed.
    pub fn change(
        &self,
        from: &str,
        to: &str,
        direction: Direction,
        change: impl Fn(&mut LinkSettings),
    ) -> Result<(), NetworkError> {
        self.apply(|state, now| state.change(from, to, direction, &change, now))
    }

    /// Sets the one-way delay and the jitter, the most that is added to the delay at random.
    ///
    /// # Errors
    /// The same as those of [`Network::change`].
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
    /// The same as those of [`Network::change`].
    pub fn loss(&self, from: &str, to: &str, direction: Direction, percent: f64) -> Result<(), NetworkError> {
        self.change(from, to, direction, |settings| settings.loss_percent = percent)
    }

    /// Sets the bandwidth in megabits per second; `None` is unlimited.
    ///
    /// # Errors
    /// The same as those of [`Network::change`].
    pub fn bandwidth(&self, from: &str, to: &str, direction: Direction, mbit: Option<f64>) -> Result<(), NetworkError> {
        self.change(from, to, direction, |settings| settings.bandwidth_mbit = mbit)
    }

    /// Cuts the link silently: nothing arrives, nothing fails, and connecting hangs.
    ///
    /// # Errors
    /// [`NetworkError`] for an unknown region or the same region twice.
    pub fn cut(&self, from: &str, to: &str, direction: Direction) -> Result<(), NetworkError> {
        self.apply(|state, now| state.cut(from, to, direction, now))
    }

    /// Cuts the link like a firewall that rejects: connections that use it, in either direction,
    /// break at both ends, and new ones are refused.
    ///
    /// # Errors
    /// [`NetworkError`] for an unknown region or the same region twice.
    pub fn reset(&self, from: &str, to: &str, direction: Direction) -> Result<(), NetworkError> {
        self.apply(|state, _| state.reset(from, to, direction))
    }

    /// Opens the link between two regions, or both links. Their other settings stay.
    ///
    /// # Errors
    /// [`NetworkError`] for an unknown region or the same region twice.
    pub fn heal(&self, from: &str, to: &str, direction: Direction) -> Result<(), NetworkError> {
        self.apply(|state, now| state.heal(from, to, direction, now))
    }

    /// Opens all links. Their other settings stay.
    pub fn heal_all(&self) {
        self.apply(State::heal_all);
    }

    /// Silently cuts every link from and to the region.
    ///
    /// # Errors
    /// [`NetworkError::UnknownRegion`] if there is no such region.
    pub fn isolate(&self, region: &str) -> Result<(), NetworkError> {
        self.apply(|state, now| state.isolate(region, now))
    }

    /// Breaks every connection of the region, as if its process had crashed: at once where the
    /// region reads, and for its peers when the news has crossed the link. The region's listener
    /// decides about new connections.
    ///
    /// # Errors
    /// [`NetworkError::UnknownRegion`] if there is no such region.
    pub fn kill_region(&self, region: &str) -> Result<(), NetworkError> {
        self.apply(|state, now| state.kill_region(region, now))
    }

    /// Every directed link in its present state, in the order of the regions.
    #[must_use]
    pub fn show(&self) -> Vec<LinkSnapshot> {
        self.lock().show()
    }

    /// Changes the state, then wakes the tasks that this concerns. They are woken after the lock is
    /// released, because a waker may run foreign code.
    fn apply<T>(&self, change: impl FnOnce(&mut State, Instant) -> StateUpdate<T>) -> T {
        let StateUpdate { result, wake } = {
            let mut state = self.lock();
            change(&mut state, Instant::now())
        };
        wake.into_iter().for_each(Waker::wake);
        result
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // No operation leaves the state half changed, so a panic elsewhere must not take the
        // network down.
        self.shared.state.lock()
    }
}

/// The result of a change of the state, and the wakers of the tasks that it concerns.
struct StateUpdate<T> {
    result: T,
    wake: Vec<Waker>,
}
