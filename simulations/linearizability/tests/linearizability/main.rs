//! Tests of the checker: published histories, a comparison with all orders of small histories, and
//! the search itself.

mod drawn;
mod objects;
mod published;
mod search;
