//! One key in one region, as an object that operations read and change one after the other.
//!
//! Versions order all writes to a key, and what a region shows is the greatest of those that it has
//! applied, whatever the conflict policy: it decides about the item's marker, and whether there is
//! an item. So the state is a position among the key's commits, and it only grows. A write of the
//! region's own takes it to the write's position, which is above everything that was applied. The
//! other commits arrive by themselves, each at any time after it was sent.

use beringia_history::{Content, Merging};
use beringia_linearizability::Model;

use crate::{effect::is_result_of, index::Key};

/// The greatest commit that a region has applied, by position; `None` before the first.
pub(super) type State = Option<usize>;

/// A key in a region between two losses of its contents.
pub(super) struct Replica<'k, 'a> {
    pub(super) key: &'k Key<'a>,
    pub(super) merging: Merging,
    pub(super) first: State,
    /// For each commit, from when on it may arrive by itself, in microseconds; `None` if it is an
    /// operation of the history.
    pub(super) arrives_us: Vec<Option<u64>>,
    /// Whether the region may lose what it has, at any time, and get it again from the others.
    pub(super) may_start_over: bool,
}

/// An operation, and what it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    /// A consistent read, and whether this condition holds for what it saw.
    Read(Condition),
    /// A write that was committed at this position because its condition held.
    Write(usize, Condition),
    /// A write that was refused because its condition did not hold.
    Refused(Condition),
}

/// What an operation requires of the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Anything,
    /// The last write is the commit of this position.
    Commit(usize),
    NoItem,
    Item,
    /// The item's number is at least this.
    AtLeast(i64),
}

impl Replica<'_, '_> {
    fn content(&self, state: State) -> Option<&Content> {
        self.key.commits[state?].logged.held.content.as_ref()
    }

    /// Returns whether a condition holds; `None` if that is not known: where several writes are
    /// merged, a position does not determine the item's number.
    fn holds(&self, condition: Condition, state: State) -> Option<bool> {
        match condition {
            Condition::Anything => Some(true),
            Condition::Commit(position) => Some(state == Some(position)),
            Condition::NoItem => Some(self.content(state).is_none()),
            Condition::Item => Some(self.content(state).is_some()),
            Condition::AtLeast(least) if self.merging == Merging::Item => {
                let number = self.content(state).and_then(|content| content.number);
                Some(number.is_some_and(|number| number >= least))
            }
            Condition::AtLeast(_) => None,
        }
    }

    /// Returns whether an operation can have had its answer in this state.
    fn fits(&self, call: &Call, state: State) -> bool {
        match call {
            Call::Read(condition) => self.holds(*condition, state) == Some(true),
            Call::Refused(condition) => self.holds(*condition, state) != Some(true),
            Call::Write(position, condition) => {
                state < Some(*position)
                    && self.holds(*condition, state) != Some(false)
                    && self.is_result(*position, state)
            }
        }
    }

    /// Returns whether a commit can be the result of its effect on the item of this state. That is
    /// known if whole items win or lose.
    fn is_result(&self, position: usize, state: State) -> bool {
        let (Some(effect), Merging::Item) = (self.key.effect(position), self.merging) else {
            return true;
        };
        let found = self.content(Some(position));
        effect.is_whole() || found.is_none_or(|found| is_result_of(self.content(state), effect, found))
    }

    /// Returns the least of the states from `from` on, up to `end`, that the region can have
    /// reached by itself at this time and that fits.
    fn least(&self, call: &Call, from: usize, end: usize, by: u64) -> Option<usize> {
        let arrived = |position: &usize| self.arrives_us[*position].is_some_and(|since| since <= by);
        (from..end).find(|position| arrived(position) && self.fits(call, Some(*position)))
    }

    /// Returns the least state in which the operation can have had its answer.
    fn before(&self, state: State, call: &Call, by: u64) -> Option<State> {
        if self.fits(call, state) {
            return Some(state);
        }
        let (from, end) = match call {
            Call::Read(Condition::Commit(position)) | Call::Write(_, Condition::Commit(position)) => {
                (*position, *position + 1)
            }
            Call::Write(position, _) => (0, *position),
            Call::Read(_) | Call::Refused(_) => (0, self.key.commits.len()),
        };
        let above = state.map_or(0, |state| state + 1);
        if let Some(found) = self.least(call, from.max(above), end, by) {
            return Some(Some(found));
        }
        if !self.may_start_over {
            return None;
        }
        if self.fits(call, None) {
            return Some(None);
        }
        self.least(call, from, end.min(above), by).map(Some)
    }
}

impl Model for Replica<'_, '_> {
    type State = State;
    type Call = Call;

    fn initial(&self) -> State {
        self.first
    }

    fn step(&self, state: &State, call: &Call, by: u64) -> Option<State> {
        let before = self.before(*state, call, by)?;
        Some(match call {
            Call::Write(position, _) => Some(*position),
            Call::Read(_) | Call::Refused(_) => before,
        })
    }

    fn is_read(&self, call: &Call) -> bool {
        !matches!(call, Call::Write(..))
    }

    fn is_too_late(&self, state: &State, call: &Call) -> bool {
        if self.may_start_over {
            return false;
        }
        match call {
            Call::Read(Condition::Commit(position)) => *state > Some(*position),
            Call::Write(position, Condition::Commit(before)) => *state > Some(*before) || *state >= Some(*position),
            Call::Write(position, _) => *state >= Some(*position),
            Call::Read(_) | Call::Refused(_) => false,
        }
    }
}
