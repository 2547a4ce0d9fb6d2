//! Implements the ListTables operation.

use std::{collections::BTreeSet, ops::Bound};

use crate::{
    ApiError, Engine,
    api::{ListTablesInput, ListTablesOutput},
    constraint::Constraints,
    engine::HIDDEN,
    names::check_name,
};

/// The maximum number of names in an answer.
const NAMES_MAX: i64 = 100;

impl Engine {
    /// Lists the names of this region's tables, in order.
    ///
    /// # Errors
    /// ValidationException.
    #[expect(clippy::unused_async, reason = "all operations are called alike")]
    pub async fn list_tables(&self, input: ListTablesInput) -> Result<ListTablesOutput, ApiError> {
        let mut constraints = Constraints::default();
        let limit = input.limit.unwrap_or(NAMES_MAX);
        constraints.at_least("limit", limit, 1);
        constraints.at_most("limit", limit, NAMES_MAX);
        if let Some(start) = &input.exclusive_start_table_name {
            check_name(&mut constraints, "exclusiveStartTableName", start);
        }
        constraints.finish()?;

        let catalog = self.store.catalog();
        let start = input
            .exclusive_start_table_name
            .as_deref()
            .map_or(Bound::Unbounded, Bound::Excluded);
        let removed = self.lifecycle.removed_names();
        let all: BTreeSet<&str> = catalog.by_name.keys().chain(&removed).map(String::as_str).collect();
        let mut names = all
            .range::<str, _>((start, Bound::Unbounded))
            .filter(|name| !name.starts_with(HIDDEN));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let table_names: Vec<String> = names.by_ref().take(limit).map(|name| (*name).to_owned()).collect();
        let last_evaluated_table_name = names.next().and_then(|_| table_names.last().cloned());
        Ok(ListTablesOutput {
            table_names,
            last_evaluated_table_name,
        })
    }
}
