//! Planted bugs: faults that other systems had, or that an earlier oracle missed, put in one at a
//! time to test that the simulator's oracle finds them.
//!
//! They exist only with the feature `planted-bugs`. Without it [`PlantedBug`] has no value, so no
//! store can have one, and the compiler removes the checks.

/// A planted bug of a region. Stores get theirs as an option; other parts ask [`planted`].
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
    /// A replica that is added while the table is in use is never reported as active.
    AddedReplicaNeverActive,
    /// The log's copy of a replicated write that loses to a newer one has another image.
    StaleCopyAltered,
    /// Occasionally a replicated write changes the row without its index entries.
    IndexEntryOmitted,
    /// Occasionally an update leaves a number as it was.
    AdditionIgnored,
    /// Occasionally the loss of a part of an item is not journalled.
    PartialLossUnjournalled,
    /// Reads of one item that must be consistent are answered from an earlier state, if the store
    /// looks back.
    ConsistentReadsStale,
    /// Occasionally a condition is checked as if there were no item.
    ConditionWithoutItem,
    /// Causal contexts also cover some later writes of the region whose write was replaced.
    CausalContextTooLarge,
    /// Occasionally a causal context covers no write of another region.
    CausalContextTooSmall,
    /// Reads of one item also show puts that still wait for their commit.
    WaitingWritesRead,
    /// Reads of one item show the elements of its lists sorted.
    ListsReadSorted,
    /// Reads of one item leave out one of several attributes.
    AttributesOmitted,
    /// Reads of a range leave out one of several items.
    RowsOmitted,
    /// Where states of an item would merge, the later one wins as a whole.
    MergedAsWhole,
    /// Occasionally a batch of a stream is acknowledged without being applied.
    BatchDropped,
    /// When a subscription changes, a source continues after what it sent, even if the receiver
    /// discarded it.
    SentTakenForAcknowledged,
    /// Occasionally a write arrives in another region without its causal context.
    ContextLostOnWire,
    /// Occasionally a write arrives in another region without its metadata.
    MetadataLostOnWire,
    /// Occasionally a write is made although its condition does not hold.
    ConditionIgnored,
    /// Occasionally an update is answered and not made.
    UpdateSkipped,
    /// SQLite does not sync commits to a file.
    CommitsUnsynced,
    /// SQLite does not sync what a WAL checkpoint copied into the database before the log starts
    /// over.
    CheckpointsUnsynced,
}

#[cfg(feature = "planted-bugs")]
thread_local! {
    /// The planted bug of the simulation on this thread, and how often a part asked whether it
    /// strikes.
    static PLANTED: std::cell::Cell<(Option<PlantedBug>, u64)> = const { std::cell::Cell::new((None, 0)) };
}

/// Plants a bug in every part of the regions that run on this thread.
#[cfg(feature = "planted-bugs")]
pub fn plant(bug: Option<PlantedBug>) {
    PLANTED.set((bug, 0));
}

/// The bug that is planted on this thread.
#[cfg(feature = "planted-bugs")]
#[must_use]
pub fn planted() -> Option<PlantedBug> {
    PLANTED.get().0
}

/// Does nothing, since there is no bug.
#[cfg(not(feature = "planted-bugs"))]
pub const fn plant(_: Option<PlantedBug>) {}

/// There is no bug.
#[cfg(not(feature = "planted-bugs"))]
#[must_use]
pub const fn planted() -> Option<PlantedBug> {
    None
}

/// Whether a part that is asked strikes this time: every seventh time.
#[cfg(feature = "planted-bugs")]
fn strikes() -> bool {
    let (bug, asked) = PLANTED.get();
    PLANTED.set((bug, asked + 1));
    asked % 7 == 6
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

    /// Whether an added replica stays in the status that it begins with.
    #[must_use]
    pub const fn never_activates(self) -> bool {
        matches!(self, Self::AddedReplicaNeverActive)
    }

    /// Whether log records of stale writes get another image.
    #[must_use]
    pub const fn alters_stale_copies(self) -> bool {
        matches!(self, Self::StaleCopyAltered)
    }

    /// Whether an update leaves numbers as they were, after the write with this sequence.
    #[must_use]
    pub const fn ignores_addition(self, sequence: u64) -> bool {
        matches!(self, Self::AdditionIgnored) && sequence.is_multiple_of(7)
    }

    /// Whether the loss of a part of the write with this sequence stays out of the journal.
    #[must_use]
    pub const fn hides_loss(self, sequence: u64) -> bool {
        matches!(self, Self::PartialLossUnjournalled) && sequence.is_multiple_of(7)
    }

    /// Whether the record with this sequence leaves the index entries as they are.
    #[must_use]
    pub const fn omits_entries(self, sequence: u64) -> bool {
        matches!(self, Self::IndexEntryOmitted) && sequence.is_multiple_of(7)
    }

    /// Whether consistent reads of one item come from an earlier state.
    #[must_use]
    pub const fn reads_stale(self) -> bool {
        matches!(self, Self::ConsistentReadsStale)
    }

    /// By how much a causal context covers more sequences than it must.
    #[must_use]
    pub const fn foresees(self) -> u64 {
        if matches!(self, Self::CausalContextTooLarge) {
            50
        } else {
            0
        }
    }

    /// Whether the condition of a write that would get this sequence does not see the item.
    #[must_use]
    pub const fn misses_item(self, sequence: u64) -> bool {
        matches!(self, Self::ConditionWithoutItem) && sequence.is_multiple_of(17)
    }

    /// Whether the causal context of a write covers no write of another region, after the write
    /// with this sequence.
    #[must_use]
    pub const fn forgets(self, sequence: u64) -> bool {
        matches!(self, Self::CausalContextTooSmall) && sequence.is_multiple_of(7)
    }

    /// Whether reads show puts that wait for their commit.
    #[must_use]
    pub const fn reads_waiting(self) -> bool {
        matches!(self, Self::WaitingWritesRead)
    }

    /// Whether reads show lists sorted.
    #[must_use]
    pub const fn sorts_lists(self) -> bool {
        matches!(self, Self::ListsReadSorted)
    }

    /// Whether reads of one item leave out an attribute.
    #[must_use]
    pub const fn omits_attributes(self) -> bool {
        matches!(self, Self::AttributesOmitted)
    }

    /// Whether reads of a range leave out an item.
    #[must_use]
    pub const fn omits_rows(self) -> bool {
        matches!(self, Self::RowsOmitted)
    }

    /// Whether the later of two states wins as a whole.
    #[must_use]
    pub const fn merges_as_whole(self) -> bool {
        matches!(self, Self::MergedAsWhole)
    }

    /// Whether the batch with this number is dropped when it arrives.
    #[must_use]
    pub const fn drops_batch(self, number: u64) -> bool {
        matches!(self, Self::BatchDropped) && number.is_multiple_of(7)
    }

    /// Whether a source takes what it sent for acknowledged.
    #[must_use]
    pub const fn trusts_sent(self) -> bool {
        matches!(self, Self::SentTakenForAcknowledged)
    }

    /// Whether the write with this sequence arrives without its causal context.
    #[must_use]
    pub const fn loses_context(self, sequence: u64) -> bool {
        matches!(self, Self::ContextLostOnWire) && sequence.is_multiple_of(7)
    }

    /// Whether the write with this sequence arrives without its metadata.
    #[must_use]
    pub const fn loses_metadata(self, sequence: u64) -> bool {
        matches!(self, Self::MetadataLostOnWire) && sequence.is_multiple_of(7)
    }

    /// Whether commits are left unsynced.
    #[must_use]
    pub const fn leaves_commits_unsynced(self) -> bool {
        matches!(self, Self::CommitsUnsynced)
    }

    /// Whether WAL checkpoints are left unsynced.
    #[must_use]
    pub const fn leaves_checkpoints_unsynced(self) -> bool {
        matches!(self, Self::CheckpointsUnsynced)
    }

    /// Whether this condition is ignored.
    #[must_use]
    pub fn ignores_condition(self) -> bool {
        matches!(self, Self::ConditionIgnored) && strikes()
    }

    /// Whether this update is skipped.
    #[must_use]
    pub fn skips_update(self) -> bool {
        matches!(self, Self::UpdateSkipped) && strikes()
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

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn never_activates(self) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn alters_stale_copies(self) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn omits_entries(self, _: u64) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn ignores_addition(self, _: u64) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn hides_loss(self, _: u64) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn reads_stale(self) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn misses_item(self, _: u64) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn foresees(self) -> u64 {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn forgets(self, _: u64) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn reads_waiting(self) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn sorts_lists(self) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn omits_attributes(self) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn omits_rows(self) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn merges_as_whole(self) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn drops_batch(self, _: u64) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn trusts_sent(self) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn loses_context(self, _: u64) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn loses_metadata(self, _: u64) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn leaves_commits_unsynced(self) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn leaves_checkpoints_unsynced(self) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn ignores_condition(self) -> bool {
        match self {}
    }

    /// Never called, since there is no bug.
    #[must_use]
    pub const fn skips_update(self) -> bool {
        match self {}
    }
}
