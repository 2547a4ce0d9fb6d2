//! A group of commands. Each command is decided in order, on the state that the commands before it
//! left.
//!
//! A group works on a clone of the state, on rows that were read for it, and on its own writes. If
//! it needs a row that has not been read, it notes the row, abandons the current command and
//! continues with the next, to find out what else it needs. None of its decisions count then, and
//! it runs again with more rows. It does not wait to read whether an index entry or a journalled
//! conflict exists: it assumes the usual case and records the assumption. A command that is refused
//! writes nothing.

mod command;
mod decide;
mod definitions;
mod dropped;
mod event;
mod incoming;
mod interpret;
mod jobs;
mod names;
mod planted;
mod prune;
mod reads;
mod reconcile;
mod remote;
mod repair;
mod streams;
mod transaction;
mod trim;
mod workspace;
mod write;

pub use self::{
    command::{CommandAnswer, Environment, PrunePlace, PruneStep, StoreCommand},
    decide::{Decision, Undecided, decide},
    event::StoreEvent,
    reads::needs,
    workspace::OwnRecord,
};
