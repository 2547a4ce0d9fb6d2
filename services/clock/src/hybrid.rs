//! Hybrid logical clock (Kulkarni et al. 2014, "Logical Physical Clocks", section 3).
//!
//! Hybrid time stays close to wall time, so that people can read it and a limit on clock skew is
//! meaningful. It never contradicts causality, so that "last writer" is well defined although no
//! two wall clocks agree. The two halves of the algorithm are [`HybridClock::tick`] (a local or
//! send event) and [`HybridClock::observe`] (a receive event). A receive event needs no time of its
//! own here: `observe` takes the remote time in, and the next tick exceeds it.
//!
//! # Why no library
//!
//! Two crates implement the same paper.
//!
//! - [`uhlc`](https://docs.rs/uhlc) 0.9 is well maintained and checks the offset, but does not have
//!   what a region needs. Its wall clock is a plain `fn()` pointer without state, so simulated
//!   regions cannot each have their own skew. Its last time cannot be restored from disk: the only
//!   way in is a message that passes the offset check, so a restart after the wall clock jumped
//!   back would issue a time twice. Its limit comes by default from an environment variable, and
//!   its identity from the system's randomness. Its time is NTP64 (32 bits of seconds, 28 of
//!   fraction, a counter of 4), not milliseconds with a counter of 16 bits.
//! - [`hlc`](https://docs.rs/hlc) 0.1 takes a closure as its wall clock, but has no offset limit
//!   and no way to restore, lets its counter overflow, and is built on the unmaintained `time` 0.1.
//!
//! The algorithm itself is thirty lines, and its properties are tested below.

use std::fmt;

/// The default limit, in milliseconds, on how far a remote time, and this region's own hybrid time,
/// may be ahead of this region's wall clock.
pub const DEFAULT_MAX_OFFSET_MS: u64 = 500;

/// A point in hybrid time: 48 bits of milliseconds since the Unix epoch, then 16 bits of counter.
/// The order of the numbers is the order of the times.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HybridTime(u64);

impl HybridTime {
    /// The greatest number of milliseconds that fits; it lies in the year 10889.
    pub const MAX_MILLIS: u64 = (1 << 48) - 1;
    /// The greatest hybrid time, in the year 10889. No write gets a later one.
    pub const MAX: Self = Self(u64::MAX);

    /// Combines milliseconds since the Unix epoch and a counter. Milliseconds above
    /// [`Self::MAX_MILLIS`] are clamped to it.
    #[must_use]
    pub const fn from_parts(millis: u64, counter: u16) -> Self {
        let millis = if millis > Self::MAX_MILLIS {
            Self::MAX_MILLIS
        } else {
            millis
        };
        Self((millis << 16) | counter as u64)
    }

    /// Milliseconds since the Unix epoch.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0 >> 16
    }

    /// The counter, which orders events within one millisecond.
    #[must_use]
    pub const fn counter(self) -> u16 {
        (self.0 & 0xFFFF) as u16
    }

    /// Restores a time from the number that [`Self::as_u64`] returned.
    #[must_use]
    pub const fn from_u64(bits: u64) -> Self {
        Self(bits)
    }

    /// The time as a number. Numbers compare as their times do.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The next greater time: increments the counter, and carries into the milliseconds when it is
    /// full.
    const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(bits) => Some(Self(bits)),
            None => None,
        }
    }
}

impl fmt::Display for HybridTime {
    /// Formats as milliseconds, a point and the counter: `1763700000000.3`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.millis(), self.counter())
    }
}

/// Why the clock refused a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClockError {
    /// A remote time is further ahead of this region's wall clock than the limit. Its message
    /// belongs in quarantine: it must neither win over local writes nor drag this clock along.
    #[error("the time is {ahead_ms} ms ahead of this region's clock, more than the {limit_ms} ms allowed")]
    TooFarAhead {
        /// How far the time is ahead, in milliseconds.
        ahead_ms: u64,
        /// How far ahead a time may be, in milliseconds.
        limit_ms: u64,
    },
    /// Hybrid time is further ahead of this region's wall clock than the limit, because the wall
    /// clock went back. Peers whose clocks are right would quarantine what is issued now.
    #[error(
        "hybrid time is {} ms ahead of this region's wall clock, more than the {} ms allowed", .0.ahead_ms, .0.limit_ms
    )]
    WallClockBehind(HybridOffset),
    /// The greatest hybrid time has been issued: the wall clock is in the year 10889.
    #[error("hybrid time is used up: the wall clock is set beyond the year 10888")]
    Exhausted,
}

/// The offset of a region's hybrid time from its wall clock, as far as hybrid time is ahead.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct HybridOffset {
    /// How far hybrid time is ahead of the wall clock, in milliseconds; 0 if it is not.
    pub ahead_ms: u64,
    /// How far ahead it may be, in milliseconds. Beyond that the clock does not tick.
    pub limit_ms: u64,
}

impl HybridOffset {
    /// Whether the clock ticks.
    #[must_use]
    pub const fn is_allowed(self) -> bool {
        self.ahead_ms <= self.limit_ms
    }
}

/// A region's hybrid clock. It has one owner, the committer, which ticks it. It reads no clock
/// itself: the caller passes the wall time, in milliseconds since the Unix epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HybridClock {
    last: HybridTime,
    max_offset_ms: u64,
}

impl HybridClock {
    /// Creates the clock of a new database, with [`DEFAULT_MAX_OFFSET_MS`].
    #[must_use]
    pub const fn new() -> Self {
        Self::restore(HybridTime::from_u64(0), DEFAULT_MAX_OFFSET_MS)
    }

    /// Restores the clock of a database whose persisted bound is `upper_bound`. The clock issues
    /// only times strictly above the bound, regardless of the wall clock.
    #[must_use]
    pub const fn restore(upper_bound: HybridTime, max_offset_ms: u64) -> Self {
        Self {
            last: upper_bound,
            max_offset_ms,
        }
    }

    /// Issues the time of a local event at `wall_ms`. The time exceeds all that were issued or
    /// observed before, and is at least the wall clock's.
    ///
    /// # Errors
    /// [`ClockError::WallClockBehind`] if hybrid time is too far ahead of the wall clock, and
    /// [`ClockError::Exhausted`] in the year 10889. The clock is then unchanged.
    pub fn tick(&mut self, wall_ms: u64) -> Result<HybridTime, ClockError> {
        let offset = self.offset(wall_ms);
        if !offset.is_allowed() {
            return Err(ClockError::WallClockBehind(offset));
        }
        let wall = HybridTime::from_parts(wall_ms, 0);
        let next = if wall > self.last {
            wall
        } else {
            self.last.next().ok_or(ClockError::Exhausted)?
        };
        debug_assert!(next > self.last, "hybrid time only grows");
        self.last = next;
        Ok(next)
    }

    /// Takes in a time that another region issued, so that every later tick exceeds it.
    ///
    /// # Errors
    /// [`ClockError::TooFarAhead`] if the time is too far ahead of the wall clock. The clock is
    /// then unchanged.
    pub fn observe(&mut self, remote: HybridTime, wall_ms: u64) -> Result<(), ClockError> {
        self.check(remote, wall_ms)?;
        self.take_in(remote);
        Ok(())
    }

    /// Takes in a time that has already passed [`Self::check`].
    pub fn take_in(&mut self, remote: HybridTime) {
        self.last = self.last.max(remote);
    }

    /// Checks whether [`Self::observe`] would accept the time, without changing the clock.
    ///
    /// The comparison is with the wall clock, not with hybrid time. Otherwise each remote time that
    /// is just within the limit would move the limit further.
    ///
    /// # Errors
    /// [`ClockError::TooFarAhead`] if `observe` would refuse the time.
    pub const fn check(&self, remote: HybridTime, wall_ms: u64) -> Result<(), ClockError> {
        let offset = self.offset_of(remote, wall_ms);
        if offset.is_allowed() {
            return Ok(());
        }
        let HybridOffset { ahead_ms, limit_ms } = offset;
        Err(ClockError::TooFarAhead { ahead_ms, limit_ms })
    }

    /// How far hybrid time is ahead of the wall clock.
    #[must_use]
    pub const fn offset(&self, wall_ms: u64) -> HybridOffset {
        self.offset_of(self.last, wall_ms)
    }

    const fn offset_of(&self, time: HybridTime, wall_ms: u64) -> HybridOffset {
        HybridOffset {
            ahead_ms: time.millis().saturating_sub(wall_ms),
            limit_ms: self.max_offset_ms,
        }
    }

    /// The greatest time that was issued or observed. Persist it in the transaction of the writes
    /// that carry the times: a clock restored from it repeats none of them.
    #[must_use]
    pub const fn upper_bound(&self) -> HybridTime {
        self.last
    }

    /// The limit, in milliseconds, on how far a remote time, and this region's own hybrid time, may
    /// be ahead of the wall clock.
    #[must_use]
    pub const fn max_offset_ms(&self) -> u64 {
        self.max_offset_ms
    }
}

impl Default for HybridClock {
    fn default() -> Self {
        Self::new()
    }
}
