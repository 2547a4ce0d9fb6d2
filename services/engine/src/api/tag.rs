//! Requests and answers of TagResource, UntagResource and ListTagsOfResource.

/// A tag of a table. The tag `beringia:conflict-policy` sets the conflict policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tag {
    /// The tag's name: 1 to 128 characters.
    pub key: String,
    /// The tag's value: up to 256 characters.
    pub value: String,
}

/// Sets tags of a table, in this region alone except for the conflict policy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TagResourceInput {
    /// The table, by its ARN in this region.
    pub resource_arn: String,
    /// At least one tag. An existing tag of the same name gets the new value.
    pub tags: Vec<Tag>,
}

/// Removes tags from a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UntagResourceInput {
    /// The table, by its ARN in this region.
    pub resource_arn: String,
    /// At least one name. Names that the table does not have are not an error.
    pub tag_keys: Vec<String>,
}

/// Lists the tags of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListTagsOfResourceInput {
    /// The table, by its ARN in this region.
    pub resource_arn: String,
    /// The token of the previous page.
    pub next_token: Option<String>,
}

/// A page of tags, sorted by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListTagsOfResourceOutput {
    /// At most 50 tags, which are all that a table can have.
    pub tags: Vec<Tag>,
    /// The token of the next page; `None` on the last page.
    pub next_token: Option<String>,
}
