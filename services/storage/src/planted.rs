//! Bugs that others had, to be put back one at a time, so that it is known that the simulator's oracle finds them.
//!
//! They are only there with the feature `planted-bugs`. Without it [`PlantedBug`] has no value, so that no store can have one, and
//! the compiler removes what asks for them.

/// A bug that a store is to have.
#[cfg(feature = "planted-bugs")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlantedBug {
    /// Versions are compared by their time alone, and of two equal ones each region keeps its own.
    EqualVersionsPreferredLocally,
    /// Tombstones are forgotten at once, whoever may not know of them yet.
    TombstonesCollectedAtOnce,
    /// Now and then a record of another region's log is counted as applied, and is not.
    LogRecordSkipped,
    /// Conditions are checked, and updates made, before the write has its turn.
    ConditionBeforeLock,
}

/// A bug that a store is to have: none.
#[cfg(not(feature = "planted-bugs"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlantedBug {}

#[cfg(feature = "planted-bugs")]
impl PlantedBug {
    /// Whether of two equal versions this region's own is kept.
    #[must_use]
    pub const fn prefers_local(self) -> bool {
        matches!(self, Self::EqualVersionsPreferredLocally)
    }

    /// Whether tombstones are collected at once.
    #[must_use]
    pub const fn collects_tombstones(self) -> bool {
        matches!(self, Self::TombstonesCollectedAtOnce)
    }

    /// Whether the record of that sequence is skipped.
    #[must_use]
    pub const fn skips(self, sequence: u64) -> bool {
        matches!(self, Self::LogRecordSkipped) && sequence.is_multiple_of(31)
    }

    /// Whether changes are decided before they have their turn.
    #[must_use]
    pub const fn decides_early(self) -> bool {
        matches!(self, Self::ConditionBeforeLock)
    }
}

#[cfg(not(feature = "planted-bugs"))]
impl PlantedBug {
    /// Of no bug.
    #[must_use]
    pub const fn prefers_local(self) -> bool {
        match self {}
    }

    /// Of no bug.
    #[must_use]
    pub const fn collects_tombstones(self) -> bool {
        match self {}
    }

    /// Of no bug.
    #[must_use]
    pub const fn skips(self, _: u64) -> bool {
        match self {}
    }

    /// Of no bug.
    #[must_use]
    pub const fn decides_early(self) -> bool {
        match self {}
    }
}
