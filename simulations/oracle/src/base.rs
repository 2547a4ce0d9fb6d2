//! Base writes, which replace everything that was there, and additions beside them: which additions
//! count in the end.

use beringia_history::Effect;

use crate::index::{Among, Key};

/// An addition to an attribute, which does not compete with other additions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Addition {
    ToNumber,
    ToSet,
}

/// The last base write of a key, or of one of its attributes, and which commits causally depend on
/// it.
pub(crate) struct LastBase<'a> {
    bases: Vec<usize>,
    among: Among<'a>,
}

impl<'a> LastBase<'a> {
    /// Finds the last of these base writes, given by position in ascending order.
    pub(crate) fn among(key: &Key<'a>, bases: Vec<usize>) -> Self {
        let among = Among::new(&key.commits, &bases);
        Self { bases, among }
    }

    /// Returns whether a commit's addition to an attribute counts in the end. An addition to a set
    /// counts if it is later than the last base write. An addition to a number counts if it
    /// causally depends on that base write, since additions to another number go with that number.
    /// If the base write left no number, being later is enough.
    pub(crate) fn keeps(&self, key: &Key<'_>, position: usize, addition: Addition, attribute: &str) -> bool {
        match addition {
            Addition::ToNumber if self.leaves_number(key, attribute) => self.is_known_to(key, position),
            _ => self.is_below(position),
        }
    }

    fn leaves_number(&self, key: &Key<'_>, attribute: &str) -> bool {
        self.bases.last().is_some_and(|last| match key.effect(*last) {
            Some(Effect::Recorded { touches, .. }) => touches.contains_key(attribute),
            _ => {
                let content = &key.commits[*last].logged.held.content;
                content.as_ref().is_some_and(|content| content.number.is_some())
            }
        })
    }

    fn is_known_to(&self, key: &Key<'_>, position: usize) -> bool {
        self.among.last_known_to(&key.commits[position]) == self.bases.len().checked_sub(1)
    }

    fn is_below(&self, position: usize) -> bool {
        self.bases.last().is_none_or(|base| position > *base)
    }
}
