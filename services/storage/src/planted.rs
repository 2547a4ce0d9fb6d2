//! Planted bugs: known faults of other systems, put back one at a time to test that the simulator's
//! oracle finds them.
//!
//! They exist only with the feature `planted-bugs`. Without it [`PlantedBug`] has no value, so no
//! store can have one, and the compiler removes the checks.

/// A planted bug that a store can have.
#[cfg(feature = "planted-bugs")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlantedBug {
    /// Versions are compared by their time alone, and of two equal ones each region keeps its own.
    EqualVersionsPreferredLocally,
    /// Tombstones are collected at once, even if other regions have not applied their deletes.
    TombstonesCollectedAtOnce,
    /// Occasionally a record of another region's log is counted as applied without being applied.
    LogRecordSkipped,
    /// Conditions and updates are evaluated before the write has its turn.
    ConditionBeforeLock,
}

/// A planted bug; without the feature `planted-bugs` there is none.
#[cfg(not(feature = "planted-bugs"))]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlantedBug {}

#[cfg(feature = "planted-bugs")]
impl PlantedBug {
    /// Whether this region keeps its own of two equal versions.
    #[must_use]
    pub const fn prefers_local(self) -> bool {
        matches!(self, Self::EqualVersionsPreferredLocally)
    }

    /// Whether tombstones are collected at once.
    #[must_use]
    pub const fn collects_tombstones(self) -> bool {
        matches!(self, Self::TombstonesCollectedAtOnce)
    }

    /// Whether the record with this sequence is skipped.
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
    /// Never called, since there is no bug.
    #[must_use]
    pub const fn prefers_local(self) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn collects_tombstones(self) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn skips(self, _: u64) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn decides_early(self) -> bool {
        match self {}
    }
}
