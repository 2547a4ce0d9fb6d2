//! Decodes the requests of DescribeEndpoints, DescribeLimits and DescribeContinuousBackups.

use beringia_engine::{
    ApiError,
    api::{DescribeContinuousBackupsInput, DescribeLimitsInput},
};

use super::{Decode, Fields};
use crate::shape::{Structure, requests};

/// Asks for the address of the API.
pub(crate) struct EndpointsRequest;

impl Decode for EndpointsRequest {
    const SHAPE: &'static Structure = &requests::DESCRIBE_ENDPOINTS;

    fn from_fields(_: Fields) -> Result<Self, ApiError> {
        Ok(Self)
    }
}

impl Decode for DescribeLimitsInput {
    const SHAPE: &'static Structure = &requests::DESCRIBE_LIMITS;

    fn from_fields(_: Fields) -> Result<Self, ApiError> {
        Ok(Self {})
    }
}

impl Decode for DescribeContinuousBackupsInput {
    const SHAPE: &'static Structure = &requests::DESCRIBE_CONTINUOUS_BACKUPS;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            table_name: fields.table_name()?,
        })
    }
}
