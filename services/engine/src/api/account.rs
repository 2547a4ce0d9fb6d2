//! Requests and answers of DescribeLimits and DescribeContinuousBackups.

/// Asks for the account's quotas.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DescribeLimitsInput {}

/// Quotas of provisioned throughput, in units per second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescribeLimitsOutput {
    /// For all tables of the region together.
    pub account_max_read_capacity_units: u64,
    /// For all tables of the region together.
    pub account_max_write_capacity_units: u64,
    /// For one table with its global indexes.
    pub table_max_read_capacity_units: u64,
    /// For one table with its global indexes.
    pub table_max_write_capacity_units: u64,
}

/// Asks whether a table has continuous backups.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DescribeContinuousBackupsInput {
    /// Name or ARN of the table.
    pub table_name: String,
}

/// Says that a table has no continuous backups; Beringia has none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DescribeContinuousBackupsOutput {}
