//! DescribeLimits and DescribeContinuousBackups.

/// Asks for the quotas of the account.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DescribeLimitsInput {}

/// Quotas of throughput that is bought, units a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DescribeLimitsOutput {
    /// Of all tables of the region together.
    pub account_max_read_capacity_units: u64,
    /// Of all tables of the region together.
    pub account_max_write_capacity_units: u64,
    /// Of one table with its global indexes.
    pub table_max_read_capacity_units: u64,
    /// Of one table with its global indexes.
    pub table_max_write_capacity_units: u64,
}

/// Asks whether a table is backed up all the time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DescribeContinuousBackupsInput {
    /// Name or ARN of the table.
    pub table_name: String,
}

/// That a table is not backed up: there are no backups here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DescribeContinuousBackupsOutput {}
