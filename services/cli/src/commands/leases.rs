//! The part of `status` about the leases of drills.

use beringia_proto::v1::LeaseReport;
use serde::Serialize;

use crate::{error::CommandError, output};

/// A lease, under which a drill changes regions. When it expires, the regions undo the changes.
#[derive(Debug, Serialize)]
pub(crate) struct LeaseJson {
    holder: String,
    /// `held`, `undoing` or `undone`.
    state: String,
    /// The time until it expires; 0 once it has.
    expires_in_ms: u64,
    /// The time since it expired; 0 while it is held.
    expired_for_ms: u64,
    /// What is undone when it expires, or was undone.
    changes: Vec<String>,
    /// What could not be undone, and why.
    problems: Vec<String>,
}

impl LeaseJson {
    pub(crate) fn of(lease: &LeaseReport) -> Self {
        let LeaseReport {
            holder,
            state,
            expires_in_ms,
            expired_for_ms,
            changes,
            problems,
            lease: _,
        } = lease.clone();
        Self {
            holder,
            state,
            expires_in_ms,
            expired_for_ms,
            changes,
            problems,
        }
    }

    fn row(&self) -> [String; 4] {
        let state = match self.state.as_str() {
            "held" => format!("held, undone in {} s", self.expires_in_ms.div_ceil(1000)),
            state => format!("expired {} s ago, {state}", self.expired_for_ms / 1000),
        };
        let problems = self.problems.iter().map(|problem| format!("not undone: {problem}"));
        let problems: Vec<String> = problems.collect();
        let changes = self.changes.join(", ");
        [self.holder.clone(), state, changes, problems.join("; ")]
    }
}

/// Prints leases below other output, if there are any.
pub(crate) fn print_any(leases: &[LeaseJson]) -> Result<(), CommandError> {
    if leases.is_empty() {
        return Ok(());
    }
    output::line("")?;
    output::table(["LEASE OF", "STATE", "CHANGES", ""], leases.iter().map(LeaseJson::row))
}
