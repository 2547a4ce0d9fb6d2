//! Messages survive the way, and garbage does not.
