//! DescribeLimits and DescribeContinuousBackups: the answers are the same for every account.

use crate::{
    ApiError, Engine,
    api::{DescribeContinuousBackupsInput, DescribeContinuousBackupsOutput, DescribeLimitsInput, DescribeLimitsOutput},
};

/// The initial quotas of an AWS account (developer guide, "Quotas", throughput). They are not
/// enforced.
const LIMITS: DescribeLimitsOutput = DescribeLimitsOutput {
    account_max_read_capacity_units: 80_000,
    account_max_write_capacity_units: 80_000,
    table_max_read_capacity_units: 40_000,
    table_max_write_capacity_units: 40_000,
};

impl Engine {
    /// Returns the throughput quotas of the account.
    ///
    /// # Errors
    /// None.
    #[expect(clippy::unused_async, reason = "all operations are called alike")]
    pub async fn describe_limits(&self, _: DescribeLimitsInput) -> Result<DescribeLimitsOutput, ApiError> {
        Ok(LIMITS)
    }

    /// Reports that the table has no continuous backups.
    ///
    /// # Errors
    /// ValidationException, TableNotFoundException.
    #[expect(clippy::unused_async, reason = "all operations are called alike")]
    pub async fn describe_continuous_backups(
        &self,
        input: DescribeContinuousBackupsInput,
    ) -> Result<DescribeContinuousBackupsOutput, ApiError> {
        let name = self.control_name(&input.table_name)?;
        if self.store.catalog().by_name.contains_key(name) {
            Ok(DescribeContinuousBackupsOutput {})
        } else {
            Err(ApiError::TableNotFound(name.to_owned()))
        }
    }
}
