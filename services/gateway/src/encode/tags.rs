//! Encodes the tags of a table.

use beringia_engine::api::{ListTagsOfResourceOutput, Tag};
use serde::Serializer;

use super::{Encode, Fields};

impl Encode for ListTagsOfResourceOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain_some("NextToken", self.next_token.as_ref())?;
        fields.wire("Tags", &self.tags)?;
        fields.end()
    }
}

impl Encode for Tag {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain("Key", &self.key)?;
        fields.plain("Value", &self.value)?;
        fields.end()
    }
}
