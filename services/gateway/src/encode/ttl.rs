//! Encodes the answers about the expiry of items.

use beringia_engine::api::{DescribeTimeToLiveOutput, TimeToLiveSpecification, UpdateTimeToLiveOutput};
use serde::Serializer;

use super::{Encode, Fields};

impl Encode for UpdateTimeToLiveOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire("TimeToLiveSpecification", &self.time_to_live_specification)?;
        fields.end()
    }
}

impl Encode for TimeToLiveSpecification {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain("AttributeName", &self.attribute_name)?;
        fields.plain("Enabled", &self.enabled)?;
        fields.end()
    }
}

/// The only member of DescribeTimeToLive's answer.
struct Description<'a>(&'a DescribeTimeToLiveOutput);

impl Encode for DescribeTimeToLiveOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire("TimeToLiveDescription", &Description(self))?;
        fields.end()
    }
}

impl Encode for Description<'_> {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain_some("AttributeName", self.0.attribute_name.as_ref())?;
        fields.plain("TimeToLiveStatus", self.0.time_to_live_status.as_str())?;
        fields.end()
    }
}
