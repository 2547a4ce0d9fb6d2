//! TagResource, UntagResource, ListTagsOfResource, and the tags of a new table.
//!
//! Tags belong to a region's replica, as in DynamoDB. Every change of a table's tags goes through [`tag_aspects`], and every list
//! of them comes from [`tags_of`]: what a tag means beyond being a label is decided there. The one that means more, the table's
//! conflict policy, is no label of a region but a setting that follows the table to every replica.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use beringia_item::{ConflictPolicy, ConflictPolicyError};
use beringia_store::{Aspect, Catalog, Edit, LocalSettings, Table};

use super::invalid;
use crate::{
    ApiError, Engine,
    api::{ListTagsOfResourceInput, ListTagsOfResourceOutput, Tag, TagResourceInput, UntagResourceInput},
    constraint::Constraints,
    names::table_of_arn,
};

/// Bounds of a tag's name, and of its value, characters (developer guide, "Tagging restrictions").
const KEY_LENGTH: (usize, usize) = (1, 128);
const VALUE_LENGTH: (usize, usize) = (0, 256);
/// How many tags a table can have.
const TAGS_MAX: usize = 50;
/// How many tags an answer holds at most.
const PAGE_MAX: usize = 50;
/// The tag that chooses the table's conflict policy, in every region.
const POLICY_TAG: &str = "beringia:conflict-policy";
/// Begins the names of tags that only AWS sets, in letters of either case.
const RESERVED_PREFIX: &str = "aws:";

impl Engine {
    /// Sets tags of a table in this region.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, ResourceInUseException, or the store's.
    pub async fn tag_resource(&self, input: TagResourceInput) -> Result<(), ApiError> {
        check_form(&input.tags)?;
        let name = table_of_arn(&input.resource_arn, self.region())?.to_owned();
        let new = checked(&input.tags)?;
        if new.is_empty() {
            return Err(ApiError::validation("Atleast one Tag needs to be provided as Input."));
        }
        self.change_tags(name, input.resource_arn, move |tags| tags.extend(new))
            .await
    }

    /// Takes tags off a table in this region.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, ResourceInUseException, or the store's.
    pub async fn untag_resource(&self, input: UntagResourceInput) -> Result<(), ApiError> {
        let mut constraints = Constraints::default();
        for (position, key) in input.tag_keys.iter().enumerate() {
            constraints.text_length(&format!("tagKeys.{}.member", position + 1), key, KEY_LENGTH);
        }
        constraints.finish()?;
        let name = table_of_arn(&input.resource_arn, self.region())?.to_owned();
        if input.tag_keys.is_empty() {
            return Err(ApiError::validation(
                "Atleast one Tag Key needs to be provided as Input.",
            ));
        }
        let gone = input.tag_keys;
        let change = move |tags: &mut BTreeMap<String, String>| tags.retain(|key, _| !gone.contains(key));
        self.change_tags(name, input.resource_arn, change).await
    }

    /// The tags of a table in this region, a page at a time.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException.
    #[expect(clippy::unused_async, reason = "all operations are called alike")]
    pub async fn list_tags_of_resource(
        &self,
        input: ListTagsOfResourceInput,
    ) -> Result<ListTagsOfResourceOutput, ApiError> {
        let name = table_of_arn(&input.resource_arn, self.region())?;
        let catalog = self.store.catalog();
        let table = catalog
            .by_name
            .get(name)
            .ok_or_else(|| not_found(&input.resource_arn))?;
        Ok(page(&tags_of(table), input.next_token.as_deref()))
    }

    /// Changes the tags of a table as they are when it is the change's turn.
    async fn change_tags(
        &self,
        name: String,
        arn: String,
        change: impl FnOnce(&mut BTreeMap<String, String>) + Send + 'static,
    ) -> Result<(), ApiError> {
        let lifecycle = Arc::clone(&self.lifecycle);
        let change = move |catalog: &Catalog| -> Result<Vec<Edit>, Box<dyn std::error::Error + Send + Sync>> {
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

/// The aspects that give a table of these local settings and that conflict policy other tags.
pub(super) fn tag_aspects(
    before: &LocalSettings,
    policy_before: Option<ConflictPolicy>,
    mut tags: BTreeMap<String, String>,
) -> Result<Vec<Aspect>, ApiError> {
    if tags.len() > TAGS_MAX {
        return Err(invalid(format!(
            "Number of tags exceeds the per-table limit of {TAGS_MAX}"
        )));
    }
    let policy = tags.remove(POLICY_TAG).map(|name| name.parse()).transpose();
    let policy = policy.map_err(|error: ConflictPolicyError| invalid(format!("The tag {POLICY_TAG}: {error}")))?;
    let mut aspects = vec![Aspect::Local(LocalSettings { tags, ..before.clone() })];
    if policy != policy_before {
        aspects.push(Aspect::ConflictPolicy(policy));
    }
    Ok(aspects)
}

/// The tags that a table shows: its own in this region, and what all its replicas share.
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

/// The table of an ARN is not there. The spelling is DynamoDB's.
fn not_found(arn: &str) -> ApiError {
    ApiError::ResourceNotFound(format!("Requested resource not found: ResourcArn: {arn} not found"))
}

/// Checks the lengths of tags in a request.
pub(super) fn check_lengths(constraints: &mut Constraints, tags: &[Tag]) {
    for (position, Tag { key, value }) in tags.iter().enumerate() {
        constraints.text_length(&format!("tags.{}.member.key", position + 1), key, KEY_LENGTH);
        constraints.text_length(&format!("tags.{}.member.value", position + 1), value, VALUE_LENGTH);
    }
}

fn check_form(tags: &[Tag]) -> Result<(), ApiError> {
    let mut constraints = Constraints::default();
    check_lengths(&mut constraints, tags);
    constraints.finish()
}

/// The tags of a request, of which none may be a name twice, reserved, or of other characters than are allowed.
pub(super) fn checked(wanted: &[Tag]) -> Result<BTreeMap<String, String>, ApiError> {
    let mut tags = BTreeMap::new();
    for Tag { key, value } in wanted {
        let reserved = key.get(..RESERVED_PREFIX.len());
        if reserved.is_some_and(|start| start.eq_ignore_ascii_case(RESERVED_PREFIX)) {
            return Err(invalid(format!(
                "Tag keys that begin with {RESERVED_PREFIX} are reserved for system use: {key}"
            )));
        }
        for text in [key, value] {
            if !text.chars().all(allowed) {
                return Err(invalid(format!(
                    "Tags can have letters, white space, numbers and the characters + - = . _ : / @ only: {text}"
                )));
            }
        }
        if tags.insert(key.clone(), value.clone()).is_some() {
            return Err(invalid(format!("Duplicate tag key: {key}")));
        }
    }
    Ok(tags)
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
    fn a_full_page_at_the_end_has_no_next() {
        let all: BTreeMap<String, String> = (0..PAGE_MAX).map(|i| (format!("{i:03}"), i.to_string())).collect();
        assert_eq!(page(&all, None).next_token, None);
    }
}
