//! What a report says of a run.

mod bound;
mod faults;
mod judge;
mod recorder;
mod support;
