//! The sequences that a region's database has given to the region's own writes, by which an older
//! copy of a database is recognised.

use std::collections::BTreeMap;

use beringia_item::TableId;

/// How many gaps a database keeps; the oldest are left out.
const GAPS_MAX: usize = 64;

/// Sequences that a database never gave to a write: those above `after`, up to `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SequenceGap {
    /// The last sequence before the gap.
    pub after: u64,
    /// The last sequence of the gap.
    pub until: u64,
}

/// What a database knows about its region's own sequences.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnSequences {
    /// The store epoch: the number of the database's life. It grows when the database turns out to
    /// be an older copy.
    pub epoch: u64,
    /// Sequences above this one belong to the store epoch.
    pub epoch_start: u64,
    /// The last sequence before the database was opened. What was written since has greater ones.
    pub opened: u64,
    /// The gaps, in ascending order. Every time that the database is opened leaves one.
    pub gaps: Vec<SequenceGap>,
    /// For each table, up to which own sequence copies have made it complete.
    pub copied: BTreeMap<TableId, u64>,
}

impl OwnSequences {
    /// Those of a new database, which begins after `start`.
    #[must_use]
    pub fn new(start: u64) -> Self {
        Self {
            epoch: 1,
            epoch_start: start,
            opened: start,
            ..Self::default()
        }
    }

    /// Whether the database skipped the sequence. If a write has it, another life of the database
    /// made that write.
    #[must_use]
    pub fn has_skipped(&self, sequence: u64) -> bool {
        self.gaps
            .iter()
            .any(|gap| gap.after < sequence && sequence <= gap.until)
    }

    /// Records that the sequences above `last`, the last one that was assigned, up to `until` will
    /// not be assigned.
    pub fn skip(&mut self, last: u64, until: u64) {
        debug_assert!(last <= until, "sequences only grow");
        match self.gaps.last_mut() {
            // Nothing was written since the last gap.
            Some(gap) if gap.until == last => gap.until = until,
            _ => self.gaps.push(SequenceGap { after: last, until }),
        }
        if self.gaps.len() > GAPS_MAX {
            self.gaps.remove(0);
        }
    }

    /// Adds the gaps of `former`, which this state may not have been read with.
    pub fn keep_gaps_of(&mut self, former: &Self) {
        for gap in &former.gaps {
            if !self.has_skipped(gap.until) {
                self.gaps.push(*gap);
            }
        }
        self.gaps.sort_unstable_by_key(|gap| gap.after);
        self.opened = self.opened.max(former.opened);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skipped_sequences_are_those_in_gaps() {
        let mut own = OwnSequences::new(10);
        own.skip(15, 20);
        assert_eq!(
            [15, 16, 20, 21].map(|sequence| own.has_skipped(sequence)),
            [false, true, true, false]
        );
    }

    #[test]
    fn gaps_without_a_write_between_them_are_one() {
        let mut own = OwnSequences::new(10);
        own.skip(10, 20);
        own.skip(20, 30);
        assert_eq!(own.gaps, [SequenceGap { after: 10, until: 30 }]);
        own.skip(31, 40);
        assert_eq!(own.gaps.len(), 2);
    }

    #[test]
    fn oldest_gaps_are_left_out() {
        let mut own = OwnSequences::new(0);
        for open in 0..100 {
            own.skip(10 * open + 1, 10 * open + 10);
        }
        assert_eq!(own.gaps.len(), GAPS_MAX);
        assert!(own.has_skipped(999) && !own.has_skipped(2));
    }

    #[test]
    fn gaps_of_a_former_state_are_kept_once() {
        let mut former = OwnSequences::new(10);
        former.skip(15, 20);
        let mut read = OwnSequences::new(10);
        read.keep_gaps_of(&former);
        read.keep_gaps_of(&former);
        assert_eq!(read.gaps, former.gaps);
    }
}
