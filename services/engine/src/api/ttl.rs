//! Requests and answers of UpdateTimeToLive and DescribeTimeToLive.

use super::wire::wire_enum;

wire_enum! {
    /// Whether items of a table expire. A change takes effect at once; the intermediate states show
    /// only while changes are slow.
    TimeToLiveStatus {
        /// Items of the table expire.
        Enabled = "ENABLED",
        /// Expiry is being turned on.
        Enabling = "ENABLING",
        /// Expiry is being turned off.
        Disabling = "DISABLING",
        /// Items do not expire.
        Disabled = "DISABLED",
    }
}

/// Whether items expire, and by which attribute.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TimeToLiveSpecification {
    /// Whether expired items of the table are deleted.
    pub enabled: bool,
    /// The attribute that contains the expiry time, a number of seconds since the epoch.
    pub attribute_name: String,
}

/// Turns the expiry of a table's items on or off.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateTimeToLiveInput {
    /// Name or ARN of the table.
    pub table_name: String,
    /// The new setting of expiry.
    pub time_to_live_specification: TimeToLiveSpecification,
}

/// The answer to UpdateTimeToLive, which repeats the setting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UpdateTimeToLiveOutput {
    /// The setting, as in the request.
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
    /// Whether items of the table expire.
    pub time_to_live_status: TimeToLiveStatus,
    /// The attribute that contains the expiry time; `None` while expiry is off.
    pub attribute_name: Option<String>,
}
