//! The writes that were seen to arrive in regions.

use std::collections::BTreeMap;

/// By receiver and origin, the sequences of the writes that were seen to arrive, as ranges: the
/// first sequence of a range, and the last.
#[derive(Debug, Default)]
pub(super) struct SeenWrites(BTreeMap<(String, String), BTreeMap<u64, u64>>);

impl SeenWrites {
    /// A write of an origin was seen to arrive.
    pub(super) fn add(&mut self, receiver: &str, origin: &str, sequence: u64) {
        let ranges = self.0.entry((receiver.to_owned(), origin.to_owned())).or_default();
        let before = ranges
            .range(..=sequence)
            .next_back()
            .map(|(first, last)| (*first, *last));
        if before.is_some_and(|(_, last)| last >= sequence) {
            return;
        }
        let after = sequence.checked_add(1).and_then(|next| ranges.remove(&next));
        let last = after.unwrap_or(sequence);
        match before {
            Some((first, before)) if before + 1 == sequence => ranges.insert(first, last),
            _ => ranges.insert(sequence, last),
        };
    }

    /// Whether a write of an origin was seen to arrive.
    pub(super) fn contains(&self, receiver: &str, origin: &str, sequence: u64) -> bool {
        let ranges = self.0.get(&(receiver.to_owned(), origin.to_owned()));
        let range = ranges.and_then(|ranges| ranges.range(..=sequence).next_back());
        range.is_some_and(|(_, last)| *last >= sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seen_writes_are_joined_to_ranges() {
        let mut seen = SeenWrites::default();
        for sequence in [5, 3, 9, 4, 4, 8, u64::MAX] {
            seen.add("b", "a", sequence);
        }
        let of = |sequence| seen.contains("b", "a", sequence);
        assert_eq!(
            [2, 3, 4, 5, 6, 7, 8, 9, 10].map(of),
            [false, true, true, true, false, false, true, true, false]
        );
        assert!(of(u64::MAX) && !seen.contains("a", "b", 4));
        let ranges: Vec<_> = seen.0.into_values().flatten().collect();
        assert_eq!(ranges, [(3, 5), (8, 9), (u64::MAX, u64::MAX)]);
    }
}
