//! Decodes the requests of UpdateTimeToLive and DescribeTimeToLive.

use beringia_engine::{
    ApiError,
    api::{DescribeTimeToLiveInput, TimeToLiveSpecification, UpdateTimeToLiveInput},
};

use super::{Decode, Fields};
use crate::shape::{Structure, requests};

impl Decode for UpdateTimeToLiveInput {
    const SHAPE: &'static Structure = &requests::UPDATE_TIME_TO_LIVE;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        let mut specification = fields
            .structure("TimeToLiveSpecification")
            .ok_or_else(|| ApiError::missing("timeToLiveSpecification"))?;
        Ok(Self {
            table_name: fields.table_name()?,
            time_to_live_specification: TimeToLiveSpecification {
                enabled: specification
                    .boolean("Enabled")
                    .ok_or_else(|| ApiError::missing("enabled"))?,
                attribute_name: specification.required_text("AttributeName")?,
            },
        })
    }
}

impl Decode for DescribeTimeToLiveInput {
    const SHAPE: &'static Structure = &requests::DESCRIBE_TIME_TO_LIVE;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            table_name: fields.table_name()?,
        })
    }
}
