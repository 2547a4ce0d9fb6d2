//! One group of commands: what each of them decides, in order, on the state that those before it left.
//!
//! A group works on a clone of the state, on rows that were read for it, and on what it wrote itself.
//! Where it needs a row that nobody has read, it notes which one, gives up the command at hand and goes
//! on with the next, to find out what else it needs; then nothing that it decided counts, and it runs
//! again with more rows. Whether an index entry or a journalled conflict is there already it does not wait
//! to read: it assumes what nearly always holds, and says so. A command that is refused wrote nothing.

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
mod reads;
mod reconcile;
mod remote;
mod repair;
mod streams;
mod trim;
mod unit;
mod workspace;
mod write;

pub use self::{
    command::{Answer, Command, Environment},
    decide::{Decision, Undecided, decide},
    event::Event,
    reads::needs,
    workspace::OwnRecord,
};
