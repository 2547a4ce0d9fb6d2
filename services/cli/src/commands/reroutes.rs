//! The part of `status` about moves of clients, which the endpoint for all regions follows.

use beringia_proto::v1::RerouteReport;
use serde::Serialize;

use crate::{error::CommandError, output};

/// A region in whose place another one answers on the endpoint for all regions, or is to answer.
#[derive(Debug, Serialize)]
pub(crate) struct RerouteJson {
    /// The region that requests name.
    region: String,
    /// The region that its clients were moved to; null if they were not, or have come back.
    moved_to: Option<String>,
    /// The region that answers now.
    served_by: String,
    /// How the endpoint follows moves, such as `dns=5s`.
    policy: String,
    /// Whether the region fails its health checks.
    failing: bool,
    /// The time until requests follow the move; 0 if they do, or the policy never does.
    followed_in_ms: u64,
}

impl RerouteJson {
    pub(crate) fn of(report: &RerouteReport, policy: &str) -> Self {
        let RerouteReport {
            region,
            moved_to,
            served_by,
            failing,
            followed_in_ms,
        } = report.clone();
        Self {
            region,
            moved_to: Some(moved_to).filter(|region| !region.is_empty()),
            served_by,
            policy: policy.to_owned(),
            failing,
            followed_in_ms,
        }
    }

    fn row(&self) -> [String; 5] {
        let mut notes = Vec::new();
        if self.followed_in_ms > 0 {
            notes.push(format!("follows in {} s", self.followed_in_ms.div_ceil(1000)));
        }
        if self.failing {
            notes.push("fails its health checks".to_owned());
        }
        [
            self.region.clone(),
            self.moved_to.clone().unwrap_or_else(|| "-".to_owned()),
            self.served_by.clone(),
            self.policy.clone(),
            notes.join("; "),
        ]
    }
}

/// Prints the moves below other output, if there are any.
pub(crate) fn print_any(reroutes: &[RerouteJson]) -> Result<(), CommandError> {
    if reroutes.is_empty() {
        return Ok(());
    }
    output::line("")?;
    output::table(
        ["CLIENTS OF", "MOVED TO", "ENDPOINT ANSWERS FROM", "BY POLICY", ""],
        reroutes.iter().map(RerouteJson::row),
    )
}
