//! Encodes the answers about the account, the endpoint and backups.

use beringia_engine::api::{DescribeContinuousBackupsOutput, DescribeLimitsOutput};
use serde::Serializer;
use serde_json::json;

use super::{Encode, Fields};

/// How long a client may cache an endpoint, in minutes; a day, as in DynamoDB.
const CACHE_MINUTES: u64 = 24 * 60;

/// The address of the API, which is the one that the client used.
pub(crate) struct Endpoint<'a>(pub(crate) &'a str);

impl Encode for Endpoint<'_> {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        let endpoint = json!({"Address": self.0, "CachePeriodInMinutes": CACHE_MINUTES});
        fields.plain("Endpoints", &[endpoint])?;
        fields.end()
    }
}

impl Encode for DescribeLimitsOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain("AccountMaxReadCapacityUnits", &self.account_max_read_capacity_units)?;
        fields.plain("AccountMaxWriteCapacityUnits", &self.account_max_write_capacity_units)?;
        fields.plain("TableMaxReadCapacityUnits", &self.table_max_read_capacity_units)?;
        fields.plain("TableMaxWriteCapacityUnits", &self.table_max_write_capacity_units)?;
        fields.end()
    }
}

impl Encode for DescribeContinuousBackupsOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        let description = json!({
            // DynamoDB reports this for every table (API reference, DescribeContinuousBackups);
            // only recovery can be on or off.
            "ContinuousBackupsStatus": "ENABLED",
            "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "DISABLED"},
        });
        fields.plain("ContinuousBackupsDescription", &description)?;
        fields.end()
    }
}
