//! Floors, the writes that replace all that was there, and what is added beside them: which
//! additions count in the end.

use beringia_history::{Effect, NUMBER};

use crate::index::{Among, Key};

/// What is added to an item, beside what others add.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Addition {
    ToNumber,
    ToSet,
}

/// The last floor of a key, or of one of its attributes, and which commits knew of it.
pub(crate) struct LastFloor<'a> {
    floors: Vec<usize>,
    among: Among<'a>,
}

impl<'a> LastFloor<'a> {
    /// The last of all floors of a key.
    pub(crate) fn of(key: &Key<'a>) -> Self {
        Self::among(key, (0..key.commits.len()).filter(|rank| key.is_floor(*rank)).collect())
    }

    /// The last of these, given by rank, ascending.
    pub(crate) fn among(key: &Key<'a>, floors: Vec<usize>) -> Self {
        let among = Among::new(&key.commits, &floors);
        Self { floors, among }
    }

    /// Whether what a commit adds to an attribute counts in the end. To a set it does where it is
    /// later than the last floor. To a number it does where its origin knew of that floor: what was
    /// added to another number is gone with that; but where the floor left no number, being later
    /// is enough.
    pub(crate) fn keeps(&self, key: &Key<'_>, rank: usize, addition: Addition, attribute: &str) -> bool {
        match addition {
            Addition::ToNumber if self.leaves_number(key, attribute) => self.is_known_to(key, rank),
            _ => self.is_below(rank),
        }
    }

    fn leaves_number(&self, key: &Key<'_>, attribute: &str) -> bool {
        self.floors.last().is_some_and(|last| match key.effect(*last) {
            Some(Effect::Recorded { touches, .. }) => touches.contains_key(attribute),
            _ => {
                let content = &key.commits[*last].logged.held.content;
                content.as_ref().is_some_and(|content| content.number.is_some())
            }
        })
    }

    fn is_known_to(&self, key: &Key<'_>, rank: usize) -> bool {
        self.among.last_known_to(&key.commits[rank]) == self.floors.len().checked_sub(1)
    }

    fn is_below(&self, rank: usize) -> bool {
        self.floors.last().is_none_or(|floor| rank > *floor)
    }

    /// Whether something was added to another number than the last floor's, which left none: then a
    /// region's sum stays as a whole, with what it had added before, and logs do not say how much
    /// that is.
    pub(crate) fn leaves_sums_open(&self, key: &Key<'_>) -> bool {
        let is_open = |rank: usize| {
            matches!(key.effect(rank), Some(Effect::Add(_))) && self.is_below(rank) && !self.is_known_to(key, rank)
        };
        !self.leaves_number(key, NUMBER) && (0..key.commits.len()).any(is_open)
    }
}
