//! Tests of the checker: published histories, and a comparison with all orders of small histories.

mod drawn;
mod objects;
mod published;
