//! Decodes the requests of TagResource, UntagResource and ListTagsOfResource.

use beringia_engine::{
    ApiError,
    api::{ListTagsOfResourceInput, Tag, TagResourceInput, UntagResourceInput},
};

use super::{Decode, Fields};
use crate::shape::{Structure, requests};

impl Decode for TagResourceInput {
    const SHAPE: &'static Structure = &requests::TAG_RESOURCE;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            resource_arn: fields.required_text("ResourceArn")?,
            tags: fields.required_list("Tags", tag)?,
        })
    }
}

impl Decode for UntagResourceInput {
    const SHAPE: &'static Structure = &requests::UNTAG_RESOURCE;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            resource_arn: fields.required_text("ResourceArn")?,
            tag_keys: fields.texts("TagKeys").ok_or_else(|| ApiError::missing("tagKeys"))?,
        })
    }
}

impl Decode for ListTagsOfResourceInput {
    const SHAPE: &'static Structure = &requests::LIST_TAGS_OF_RESOURCE;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            resource_arn: fields.required_text("ResourceArn")?,
            next_token: fields.text("NextToken"),
        })
    }
}

pub(super) fn tag(mut fields: Fields) -> Result<Tag, ApiError> {
    let missing =
        |what: &str, member: &str| ApiError::Validation(format!("The {what} provided is invalid, {member}: null"));
    Ok(Tag {
        key: fields.text("Key").ok_or_else(|| missing("Tag Key", "Key"))?,
        value: fields.text("Value").ok_or_else(|| missing("Tag Value", "Value"))?,
    })
}
