//! TagResource, UntagResource, ListTagsOfResource.

/// A label of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// Its name: 1 to 128 characters.
    pub key: String,
    /// Its value: up to 256 characters.
    pub value: String,
}

/// Sets labels of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagResourceInput {
    /// The table's ARN.
    pub resource_arn: String,
    /// At least one; one that is there already gets its new value.
    pub tags: Vec<Tag>,
}

/// Takes labels off a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UntagResourceInput {
    /// The table's ARN.
    pub resource_arn: String,
    /// At least one; those that are not there are no error.
    pub tag_keys: Vec<String>,
}

/// Asks for the labels of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListTagsOfResourceInput {
    /// The table's ARN.
    pub resource_arn: String,
    /// Where an earlier page ended.
    pub next_token: Option<String>,
}

/// A page of labels, in the order of their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListTagsOfResourceOutput {
    /// The labels.
    pub tags: Vec<Tag>,
    /// Where to read on; `None` at the end.
    pub next_token: Option<String>,
}
