//! The source of a page, a table or one of its indexes, and what the answer shows of it.

use std::collections::BTreeSet;

use beringia_expression::{Condition, Projection};
use beringia_item::{Item, KeyBytes, KeySchema};
use beringia_storage::{IndexState, Table};

use crate::{
    ApiError, Engine,
    api::Select,
    index::projected_names,
    keys::{KEY_MISMATCH, Wording, parts, request_key},
};

/// Whether the error for an ExclusiveStartKey of a wrong form says why it is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MismatchMessage {
    /// Without the reason, as in Query.
    Bare,
    /// With the reason, as in Scan.
    Reason,
}

/// The errors for an index that cannot be read.
impl Wording {
    fn missing_index(self, index: &str) -> ApiError {
        const MISSING: &str = "The table does not have the specified index";
        match self {
            Self::Request => ApiError::Validation(format!("{MISSING}: {index}")),
            Self::Statement => ApiError::validation(MISSING),
        }
    }

    fn consistent_read(self) -> ApiError {
        ApiError::validation(match self {
            Self::Request => "Consistent reads are not supported on global secondary indexes",
            Self::Statement => "Strongly consistent read is not supported on Global Secondary Indexes",
        })
    }
}

/// A table or one of its indexes.
pub(super) struct Source<'a> {
    pub(super) table: &'a Table,
    /// The index's name; `None` for the table itself.
    pub(super) index: Option<&'a str>,
    pub(super) keys: &'a KeySchema,
    /// The attributes that the index copies; `None` if it copies all.
    pub(super) projected: Option<BTreeSet<&'a str>>,
    pub(super) global: bool,
}

/// The treatment of items that pass the filter.
pub(super) enum Output {
    /// They are only counted.
    Count,
    /// They are returned whole, or as the index contains them.
    Items,
    /// They are reduced to a projection.
    Parts(Projection),
}

/// The content of the answer, and the data needed for it.
pub(super) struct Shown {
    pub(super) output: Output,
    /// Whether attributes that a local index does not copy are fetched from the table.
    pub(super) fetch: bool,
}

impl Engine {
    /// The source that a request reads: a table, or its index of the given name.
    pub(super) fn source<'a>(
        &self,
        table: &'a Table,
        index: Option<&'a str>,
        consistent: bool,
        wording: Wording,
    ) -> Result<Source<'a>, ApiError> {
        let source = Source::find(table, index, consistent, wording)?;
        match index {
            Some(name) if self.lifecycle.is_new_index(table, name) => Err(backfilling(name)),
            _ => Ok(source),
        }
    }
}

fn backfilling(index: &str) -> ApiError {
    ApiError::Validation(format!("Cannot read from backfilling global secondary index: {index}"))
}

impl<'a> Source<'a> {
    /// Finds the table itself, or its index of the given name.
    fn find(table: &'a Table, index: Option<&'a str>, consistent: bool, wording: Wording) -> Result<Self, ApiError> {
        let Some(name) = index else {
            return Ok(Self {
                table,
                index,
                keys: &table.core.keys,
                projected: None,
                global: false,
            });
        };
        if let Some(local) = table.core.local_indexes.get(name) {
            let projected = projected_names(table, &local.keys, &local.projection);
            return Ok(Self {
                table,
                index,
                keys: &local.keys,
                projected,
                global: false,
            });
        }
        let missing = || wording.missing_index(name);
        let (global, state) = table.global_indexes.get(name).ok_or_else(missing)?;
        if consistent {
            return Err(wording.consistent_read());
        }
        match state {
            IndexState::Active => {}
            IndexState::Deleting => return Err(missing()),
            IndexState::Backfilling => return Err(backfilling(name)),
        }
        let projected = projected_names(table, &global.keys, &global.projection);
        Ok(Self {
            table,
            index,
            keys: &global.keys,
            projected,
            global: true,
        })
    }

    /// Rejects a filter on attributes that the index does not copy. Only queries are checked: a
    /// scan of an index evaluates its filter on what the index copies.
    pub(super) fn check_filter_projected(&self, filter: &Condition) -> Result<(), ApiError> {
        let (Some(held), Some(index)) = (&self.projected, self.index) else {
            return Ok(());
        };
        let missing: Vec<&str> = filter.top_level_names().filter(|name| !held.contains(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        Err(ApiError::Validation(format!(
            "One or more parameter values were invalid: Secondary index {index} does not project one or more filter attributes: \
             [{}]",
            missing.join(", ")
        )))
    }

    /// Determines what an answer shows. The parameters must have passed [`check_select`].
    pub(super) fn shown(&self, select: Option<Select>, projection: Option<Projection>) -> Result<Shown, ApiError> {
        if let Some(projection) = projection {
            let missing: Vec<&str> = match &self.projected {
                None => Vec::new(),
                Some(held) => projection
                    .top_level_names()
                    .filter(|name| !held.contains(name))
                    .collect(),
            };
            let fetch = !missing.is_empty();
            if fetch && self.global {
                return Err(ApiError::Validation(format!(
                    "One or more parameter values were invalid: Global secondary index {} does not project [{}]",
                    self.index.unwrap_or_default(),
                    missing.join(", ")
                )));
            }
            return Ok(Shown {
                output: Output::Parts(projection),
                fetch,
            });
        }
        match select {
            Some(Select::Count) => Ok(Shown {
                output: Output::Count,
                fetch: false,
            }),
            Some(Select::AllAttributes) if self.projected.is_some() => {
                if self.global {
                    return Err(ApiError::Validation(format!(
                        "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global \
                         secondary index {} because its projection type is not ALL",
                        self.index.unwrap_or_default()
                    )));
                }
                Ok(Shown {
                    output: Output::Items,
                    fetch: true,
                })
            }
            _ => Ok(Shown {
                output: Output::Items,
                fetch: false,
            }),
        }
    }

    /// The attributes of a LastEvaluatedKey: the key of the table and of the index.
    pub(super) fn position_names(&self) -> BTreeSet<&'a str> {
        parts(&self.table.core.keys)
            .chain(parts(self.keys))
            .map(|part| part.name.as_str())
            .collect()
    }

    /// The LastEvaluatedKey of a page that ends with `item`.
    pub(super) fn position_of(&self, item: &Item) -> Item {
        let names = self.position_names();
        names
            .iter()
            .filter_map(|name| item.get(*name).map(|value| ((*name).to_owned(), value.clone())))
            .collect()
    }

    /// The stored key that an ExclusiveStartKey denotes. Only scans of a table say what is wrong
    /// with a malformed one.
    pub(super) fn start_key(&self, position: &Item, mismatch_message: MismatchMessage) -> Result<KeyBytes, ApiError> {
        let invalid = || ApiError::validation("The provided starting key is invalid");
        let mismatch = || match mismatch_message {
            MismatchMessage::Reason if self.index.is_none() => explained(KEY_MISMATCH),
            _ => invalid(),
        };
        let names = self.position_names();
        if position.len() != names.len() || !names.iter().all(|name| position.contains_key(*name)) {
            return Err(mismatch());
        }
        let base_key: Item = parts(&self.table.core.keys)
            .filter_map(|part| position.get_key_value(&part.name))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let base = request_key(self.table, &base_key).map_err(|error| match error.to_string().as_str() {
            KEY_MISMATCH => mismatch(),
            reason => explained(reason),
        })?;
        if self.index.is_none() {
            return Ok(base);
        }
        self.keys.index_key_of(position, &base).map_err(|_| invalid())
    }
}

fn explained(reason: &str) -> ApiError {
    ApiError::Validation(format!("The provided starting key is invalid: {reason}"))
}

/// The operation whose `Select` is checked. Their messages differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SelectIn {
    Query,
    Scan,
}

/// Checks `Select` against the parameters that it must be consistent with; `projection` is the name
/// of the projecting parameter.
pub(super) fn check_select(
    operation: SelectIn,
    select: Option<Select>,
    projection: Option<&'static str>,
    index: bool,
) -> Result<(), ApiError> {
    let problem = match (select, projection) {
        (Some(Select::SpecificAttributes), None) => {
            "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES"
                .to_owned()
        }
        (Some(other), Some(projection)) if other != Select::SpecificAttributes => format!(
            "Cannot specify the {projection} when choosing to get {}",
            match other {
                Select::Count => "only the Count",
                other => other.as_str(),
            }
        ),
        (Some(Select::AllProjectedAttributes), _) if !index => {
            "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName".to_owned()
        }
        _ => return Ok(()),
    };
    Err(ApiError::Validation(match operation {
        SelectIn::Query => format!("1 validation error detected: {problem}"),
        SelectIn::Scan => problem,
    }))
}

/// The name of the parameter that projects, in either form; a request has at most one.
pub(super) const fn projecting(expression: Option<&String>, attributes: Option<&Vec<String>>) -> Option<&'static str> {
    match (expression, attributes) {
        (Some(_), _) => Some("ProjectionExpression"),
        (None, Some(_)) => Some("AttributesToGet"),
        (None, None) => None,
    }
}
