//! Decides whether a history of concurrent operations on one object is linearizable.
//!
//! A history is linearizable if every operation can be given one point of time between its call and
//! its return so that the operations, in the order of these points, are a correct sequential run
//! (Herlihy and Wing 1990). A [`Model`] says what is correct. The caller divides a history by
//! object first, since a history is linearizable if and only if that of every object is (Horn and
//! Kroening 2015).
//!
//! The search is Wing and Gong's (1993) with Lowe's improvements (2017): it visits calls and
//! returns in the order of time, gives an operation its point only when one has to return
//! (*just-in-time linearization*), and remembers the *configurations* that lead nowhere. A
//! configuration is the state of the object and the operations that still need a point.

mod search;

pub use search::check;

/// The correct sequential behaviour of an object.
pub trait Model {
    /// The state of the object between two operations.
    type State: Clone + Ord;
    /// What an operation asked for, together with the answer that it got.
    type Call;

    /// Returns the state before the first operation.
    fn initial(&self) -> Self::State;

    /// Returns the state after an operation, or `None` if the operation cannot have this answer.
    ///
    /// Where the object also changes by itself, it may have changed before the operation in any way
    /// that is possible until the time `by`. If several changes are possible, the result must be
    /// that of one after which everything is possible that is possible after the others.
    fn step(&self, state: &Self::State, call: &Self::Call, by: u64) -> Option<Self::State>;

    /// Returns whether an operation never changes the state. Such operations need no search where
    /// the state already explains them.
    fn is_read(&self, call: &Self::Call) -> bool {
        let _ = call;
        false
    }

    /// Returns whether an operation can no longer have its answer, whatever happens after `state`.
    /// A model that returns `true` early saves search.
    fn is_too_late(&self, state: &Self::State, call: &Self::Call) -> bool {
        let _ = (state, call);
        false
    }
}

/// An operation of a history. Times have any unit; operations that touch at one time overlap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation<C> {
    /// What was asked for and answered.
    pub call: C,
    /// When the operation was called.
    pub called: u64,
    /// When it returned. `None` if its outcome is not known: it may have happened at any time after
    /// the call, or never.
    pub returned: Option<u64>,
}

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<S> {
    /// The history is linearizable.
    Linearizable,
    /// The history is not linearizable.
    Impossible(Obstacle<S>),
    /// The search took more steps than it was allowed.
    Undecided,
}

/// The reason why there is no linearization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle<S> {
    /// The index of the operation that has no possible point. The search got no further than its
    /// return.
    pub operation: usize,
    /// States in which the object can have been before that operation: at least one, at most
    /// [`Obstacle::STATES_MAX`].
    pub states: Vec<S>,
}

impl<S> Obstacle<S> {
    /// The most states that an obstacle names.
    pub const STATES_MAX: usize = 4;
}
