//! ExecuteStatement and BatchExecuteStatement: PartiQL statements, executed as the operations that
//! they denote.

mod batch;
mod next_token;

use std::sync::Arc;

use beringia_expression::{Pin, Returning, Statement, Update};
use beringia_item::{AttributeValue, Item, KeyBytes};
use beringia_storage::Table;

use crate::{
    ApiError, Engine,
    api::{
        ExecuteStatementInput, ExecuteStatementOutput, ReturnConsumedCapacity, ReturnValues,
        ReturnValuesOnConditionCheckFailure, WriteItemOutput, WriteOptions,
    },
    constraint::Constraints,
    keys::{Wording, check_write_paths},
    page::SelectOptions,
    transact::{Parsed, action_key},
};

/// Bounds of a statement's length, in characters (API reference, ExecuteStatement).
const STATEMENT_LENGTH: (usize, usize) = (1, 8192);

/// Checks the length of a statement; `member` is its path in the request.
pub(crate) fn check_text(member: &str, statement: &str) -> Result<(), ApiError> {
    let mut constraints = Constraints::default();
    constraints.text_length(member, statement, STATEMENT_LENGTH);
    constraints.finish()
}

/// Parses a statement, as far as that is possible without its table.
pub(crate) fn parse(text: &str, parameters: Option<Vec<AttributeValue>>) -> Result<Statement, ApiError> {
    Ok(Statement::parse(text, parameters.unwrap_or_default())?)
}

/// The write that a statement denotes.
pub(crate) struct StatementWrite {
    pub(crate) table: Arc<Table>,
    pub(crate) action: Parsed,
    returned: ReturnValues,
    /// Whether a failed condition means that the item already exists.
    is_insert: bool,
}

impl StatementWrite {
    /// The stored key of the item. Checks everything that can be checked before the write runs.
    fn checked_key(&self) -> Result<KeyBytes, ApiError> {
        let key = action_key(&self.table, &self.action)?;
        check_write_paths(
            &self.table,
            Wording::Statement,
            self.action.update(),
            self.action.condition(),
        )?;
        Ok(key)
    }

    /// The update, if the statement returns what the update wrote.
    fn returned_update(&self) -> Option<Update> {
        match (&self.action, self.returned) {
            (Parsed::Update { update, .. }, ReturnValues::UpdatedOld | ReturnValues::UpdatedNew) => update.clone(),
            _ => None,
        }
    }
}

impl Engine {
    /// Executes a single PartiQL statement.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, ConditionalCheckFailedException,
    /// DuplicateItemException, or the store's error.
    pub async fn execute_statement(&self, input: ExecuteStatementInput) -> Result<ExecuteStatementOutput, ApiError> {
        let limit = check(&input)?;
        let fingerprint = next_token::fingerprint(&input.statement, input.parameters.as_deref());
        let start = input
            .next_token
            .map(|token| next_token::read(&token, fingerprint))
            .transpose()?;
        let statement = parse(&input.statement, input.parameters)?;
        if let Statement::Select(select) = statement {
            let options = SelectOptions {
                consistent: input.consistent_read,
                limit,
                capacity: input.return_consumed_capacity,
                start,
            };
            let page = self.select(select, options).await?;
            let next_token = page
                .last_evaluated_key
                .as_ref()
                .map(|position| next_token::write(position, fingerprint));
            return Ok(ExecuteStatementOutput {
                items: page.items.unwrap_or_default(),
                next_token,
                last_evaluated_key: page.last_evaluated_key,
                consumed_capacity: page.consumed_capacity,
            });
        }
        let _under_way = self.begin_write()?;
        let write = self.statement_write(statement)?;
        let key = write.checked_key()?;
        let output = self
            .carry_out_write(
                write,
                key,
                input.return_consumed_capacity,
                input.return_values_on_condition_check_failure,
            )
            .await?;
        Ok(ExecuteStatementOutput {
            items: output.attributes.into_iter().collect(),
            consumed_capacity: output.consumed_capacity,
            ..ExecuteStatementOutput::default()
        })
    }

    /// Converts a statement to a write on its table.
    pub(crate) fn statement_write(&self, statement: Statement) -> Result<StatementWrite, ApiError> {
        let table = self.usable_table(statement.table())?;
        let keys = &table.core.keys;
        let (action, returned) = match statement {
            Statement::Insert(insert) => {
                let write = StatementWrite {
                    action: Parsed::Put {
                        item: insert.item,
                        condition: Some(Pin::absent(keys)),
                    },
                    table,
                    returned: ReturnValues::None,
                    is_insert: true,
                };
                return Ok(write);
            }
            Statement::Update(statement) => {
                let pin = statement.filter.pin(keys)?;
                let action = Parsed::Update {
                    key: pin.key.clone(),
                    update: Some(statement.update),
                    // An UPDATE does not create an item.
                    condition: Some(pin.required()),
                };
                (action, statement.returning.map_or(ReturnValues::None, return_values))
            }
            Statement::Delete(statement) => {
                let pin = statement.filter.pin(keys)?;
                let action = Parsed::Delete {
                    key: pin.key.clone(),
                    condition: pin.where_there(),
                };
                let returned = if statement.returning {
                    ReturnValues::AllOld
                } else {
                    ReturnValues::None
                };
                (action, returned)
            }
            Statement::Select(_) | Statement::Exists(_) => {
                return Err(ApiError::validation(
                    "EXISTS can only be used in ExecuteTransaction write requests.",
                ));
            }
        };
        Ok(StatementWrite {
            table,
            action,
            returned,
            is_insert: false,
        })
    }

    /// Executes the write of one statement on the item with this stored key.
    async fn carry_out_write(
        &self,
        write: StatementWrite,
        key: KeyBytes,
        capacity: ReturnConsumedCapacity,
        on_failure: ReturnValuesOnConditionCheckFailure,
    ) -> Result<WriteItemOutput, ApiError> {
        let options = WriteOptions {
            return_values: write.returned,
            return_consumed_capacity: capacity,
            return_values_on_condition_check_failure: on_failure,
            ..WriteOptions::default()
        };
        let returned = write.returned_update();
        let touched = |item: &Item| returned.as_ref().map(|update| update.touched(item)).unwrap_or_default();
        let change = write.action.into_write(&write.table);
        let written = self.write_one(&write.table, key, change, &options, None, touched).await;
        written.map_err(|error| match error {
            ApiError::ConditionalCheckFailed { .. } if write.is_insert => ApiError::DuplicateItem,
            other => other,
        })
    }
}

const fn return_values(returning: Returning) -> ReturnValues {
    match returning {
        Returning::AllOld => ReturnValues::AllOld,
        Returning::ModifiedOld => ReturnValues::UpdatedOld,
        Returning::AllNew => ReturnValues::AllNew,
        Returning::ModifiedNew => ReturnValues::UpdatedNew,
    }
}

/// Checks the bounds of the parameters and returns the limit.
fn check(input: &ExecuteStatementInput) -> Result<Option<usize>, ApiError> {
    let mut constraints = Constraints::default();
    constraints.text_length("statement", &input.statement, STATEMENT_LENGTH);
    if let Some(parameters) = &input.parameters {
        constraints.list_length("parameters", parameters.len(), (1, usize::MAX));
    }
    if let Some(limit) = input.limit {
        constraints.at_least("limit", limit, 1);
    }
    if let Some(token) = &input.next_token {
        constraints.text_length("nextToken", token, next_token::LENGTH);
    }
    constraints.finish()?;
    Ok(input.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX)))
}
