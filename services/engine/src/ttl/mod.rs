//! Time to live: the setting of a table, and what makes it real.

mod setting;
mod sweep;
