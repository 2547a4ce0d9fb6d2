//! TagResource, UntagResource, ListTagsOfResource, and the tags of a new table.
//!
//! Tags belong to a region's replica, as in DynamoDB. All changes of a table's tags go through
//! [`tag_aspects`], and all lists of tags come from [`tags_of`]; these two decide what a tag means
//! beyond being a label. Only one tag means more: the table's conflict policy is not a label of one
//! region but a setting that follows the table to every replica.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use beringia_item::{ConflictPolicy, ConflictPolicyError};
use beringia_storage::{Aspect, Catalog, Edit, LocalSettings, SchemaRefusal, Table};

use super::invalid;
use crate::{
    ApiError, Engine,
    api::{ListTagsOfResourceInput, ListTagsOfResourceOutput, Tag, TagResourceInput, UntagResourceInput},
    names::table_of_arn,
};

/// Bounds of the length of a tag's name and of its value, in characters (developer guide, "Tagging
/// restrictions").
const KEY_LENGTH: (usize, usize) = (1, 128);
const VALUE_LENGTH: (usize, usize) = (0, 256);
/// The maximum number of tags of a table.
const TAGS_MAX: usize = 50;
/// The maximum number of tags in an answer.
const PAGE_MAX: usize = 50;
/// The tag that sets the table's conflict policy, in every region.
const POLICY_TAG: &str = "beringia:conflict-policy";
/// The prefix, in either case, of tags that only AWS can set.
const RESERVED_PREFIX: &str = "aws:";

impl Engine {
    /// Sets tags of a table in this region.
    ///
    /// # Errors
    /// ValidationException, AccessDeniedException, ResourceNotFoundException,
    /// ResourceInUseException, or the store's error.
    pub async fn tag_resource(&self, input: TagResourceInput) -> Result<(), ApiError> {
        let name = table_of_arn(&input.resource_arn, self.region(), "TagResource")?.to_owned();
        let new = checked(&input.tags)?;
        if new.is_empty() {
            return Err(ApiError::validation("Atleast one Tag needs to be provided as Input."));
        }
        self.change_tags(name, input.resource_arn, move |tags| tags.extend(new.clone()))
            .await
    }

    /// Removes tags from a table in this region.
    ///
    /// # Errors
    /// ValidationException, AccessDeniedException, ResourceNotFoundException,
    /// ResourceInUseException, or the store's error.
    pub async fn untag_resource(&self, input: UntagResourceInput) -> Result<(), ApiError> {
        let name = table_of_arn(&input.resource_arn, self.region(), "UntagResource")?.to_owned();
        if input.tag_keys.is_empty() {
            return Err(ApiError::validation(
                "Atleast one Tag Key needs to be provided as Input.",
            ));
        }
        if input.tag_keys.len() > TAGS_MAX {
            return Err(too_many());
        }
        input.tag_keys.iter().try_for_each(|key| check_key(key))?;
        let gone = input.tag_keys;
        let change = move |tags: &mut BTreeMap<String, String>| tags.retain(|key, _| !gone.contains(key));
        self.change_tags(name, input.resource_arn, change).await
    }

    /// Lists the tags of a table in this region, a page at a time.
    ///
    /// # Errors
    /// ValidationException, AccessDeniedException, ResourceNotFoundException.
    #[expect(clippy::unused_async, reason = "all operations are called alike")]
    pub async fn list_tags_of_resource(
        &self,
        input: ListTagsOfResourceInput,
    ) -> Result<ListTagsOfResourceOutput, ApiError> {
        let name = table_of_arn(&input.resource_arn, self.region(), "ListTagsOfResource")?;
        let catalog = self.store.catalog();
        let table = catalog
            .by_name
            .get(name)
            .ok_or_else(|| not_found(&input.resource_arn))?;
        Ok(page(&tags_of(table), input.next_token.as_deref()))
    }

    /// Changes the tags of a table, starting from the tags that it has when the change is decided.
    async fn change_tags(
        &self,
        name: String,
        arn: String,
        change: impl Fn(&mut BTreeMap<String, String>) + Send + 'static,
    ) -> Result<(), ApiError> {
        let lifecycle = Arc::clone(&self.lifecycle);
        let change = move |catalog: &Catalog| -> Result<Vec<Edit>, SchemaRefusal> {
            let table = catalog.by_name.get(&name).ok_or_else(|| not_found(&arn))?;
            lifecycle.check_at_rest(table)?;
            let mut tags = tags_of(table);
            change(&mut tags);
            let aspects = tag_aspects(&table.local, table.conflict_policy, tags)?;
            let set = |aspect| Edit::Set {
                table: table.id,
                aspect,
            };
            Ok(aspects.into_iter().map(set).collect())
        };
        self.store.change_schema(Box::new(change)).await?;
        Ok(())
    }
}

/// The aspects that change the tags of a table with these local settings and this conflict policy.
pub(super) fn tag_aspects(
    before: &LocalSettings,
    policy_before: Option<ConflictPolicy>,
    mut tags: BTreeMap<String, String>,
) -> Result<Vec<Aspect>, ApiError> {
    if tags.len() > TAGS_MAX {
        return Err(too_many());
    }
    let policy = tags.remove(POLICY_TAG).map(|name| name.parse()).transpose();
    let policy = policy.map_err(|error: ConflictPolicyError| invalid(format!("The tag {POLICY_TAG}: {error}")))?;
    let mut aspects = vec![Aspect::Local(LocalSettings { tags, ..before.clone() })];
    if policy != policy_before {
        aspects.push(Aspect::ConflictPolicy(policy));
    }
    Ok(aspects)
}

/// The error for more tags than a table can have.
fn too_many() -> ApiError {
    ApiError::validation("Number of Tags exceed the current limit for the provided ResourceArn")
}

/// The tags that a table shows: its own in this region, and those that all its replicas share.
fn tags_of(table: &Table) -> BTreeMap<String, String> {
    let policy = table
        .conflict_policy
        .map(|policy| (POLICY_TAG.to_owned(), policy.to_string()));
    table.local.tags.clone().into_iter().chain(policy).collect()
}

fn page(tags: &BTreeMap<String, String>, token: Option<&str>) -> ListTagsOfResourceOutput {
    let after = token.map_or(Bound::Unbounded, Bound::Excluded);
    let mut rest = tags.range::<str, _>((after, Bound::Unbounded));
    let tags: Vec<Tag> = rest
        .by_ref()
        .take(PAGE_MAX)
        .map(|(key, value)| Tag {
            key: key.clone(),
            value: value.clone(),
        })
        .collect();
    let next_token = rest.next().and_then(|_| tags.last().map(|last| last.key.clone()));
    ListTagsOfResourceOutput { tags, next_token }
}

/// The error for an ARN whose table does not exist.
fn not_found(arn: &str) -> ApiError {
    ApiError::ResourceNotFound(format!("Requested resource not found: ResourceArn: {arn} not found"))
}

/// Checks the tags of a request: no name may occur twice or be reserved, and names and values must
/// have allowed characters and lengths.
pub(super) fn checked(wanted: &[Tag]) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = BTreeMap::new();
    for Tag { key, value } in wanted {
        check_key(key)?;
        if !fits(value, VALUE_LENGTH) {
            return Err(ApiError::Validation(format!(
                "The Tag Value provided is invalid, Value: {value}"
            )));
        }
        if tags.insert(key.clone(), value.clone()).is_some() {
            return Err(ApiError::Validation(format!(
                "Duplicate Tag Keys provided as input: Duplicate Tag Key found {key}"
            )));
        }
    }
    Ok(tags)
}

/// Checks the name of a tag.
fn check_key(key: &str) -> Result<(), ApiError> {
    let reserved = key.get(..RESERVED_PREFIX.len());
    if reserved.is_some_and(|start| start.eq_ignore_ascii_case(RESERVED_PREFIX)) {
        return Err(ApiError::Validation(format!(
            "Tag Key cannot be prefixed with {RESERVED_PREFIX}, Key: {key}"
        )));
    }
    if !fits(key, KEY_LENGTH) {
        return Err(ApiError::Validation(format!(
            "The Tag Key provided is invalid, Key: {key}"
        )));
    }
    Ok(())
}

fn fits(text: &str, (min, max): (usize, usize)) -> bool {
    (min..=max).contains(&text.chars().count()) && text.chars().all(allowed)
}

fn allowed(character: char) -> bool {
    character.is_alphanumeric() || character.is_whitespace() || "+-=._:/@".contains(character)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_tags_than_a_page_holds_are_listed_over_pages() {
        let all: BTreeMap<String, String> = (0..=PAGE_MAX).map(|i| (format!("{i:03}"), i.to_string())).collect();
        let first = page(&all, None);
        assert_eq!((first.tags.len(), first.next_token.as_deref()), (PAGE_MAX, Some("049")));
        let second = page(&all, first.next_token.as_deref());
        let last = Tag {
            key: "050".to_owned(),
            value: "50".to_owned(),
        };
        assert_eq!(second.tags, [last]);
        assert_eq!(second.next_token, None);
    }

    #[test]
    fn full_last_page_has_no_next_token() {
        let all: BTreeMap<String, String> = (0..PAGE_MAX).map(|i| (format!("{i:03}"), i.to_string())).collect();
        assert_eq!(page(&all, None).next_token, None);
    }
}
