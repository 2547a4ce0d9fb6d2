//! UpdateTimeToLive and DescribeTimeToLive.

use super::wire::wire_enum;

wire_enum! {
    /// Whether items of a table expire. A change takes effect at once; what is in between shows where changes are to be slow.
    TimeToLiveStatus {
        /// They do.
        Enabled = "ENABLED",
        /// They begin to.
        Enabling = "ENABLING",
        /// They cease to.
        Disabling = "DISABLING",
        /// They do not.
        Disabled = "DISABLED",
    }
}

/// Whether items expire, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimeToLiveSpecification {
    /// On or off.
    pub enabled: bool,
    /// The attribute that holds the time, seconds since the epoch, as a number.
    pub attribute_name: String,
}

/// Turns the expiry of a table's items on or off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateTimeToLiveInput {
    /// Name or ARN of the table.
    pub table_name: String,
    /// What is wanted.
    pub time_to_live_specification: TimeToLiveSpecification,
}

/// What was wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateTimeToLiveOutput {
    /// As in the request.
    pub time_to_live_specification: TimeToLiveSpecification,
}

/// Asks whether a table's items expire.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DescribeTimeToLiveInput {
    /// Name or ARN of the table.
    pub table_name: String,
}

/// Whether a table's items expire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DescribeTimeToLiveOutput {
    /// On or off.
    pub time_to_live_status: TimeToLiveStatus,
    /// The attribute that holds the time; `None` where it is off.
    pub attribute_name: Option<String>,
}
