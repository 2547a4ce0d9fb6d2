//! Implements the BatchExecuteStatement operation.

use std::sync::Arc;

use beringia_expression::Statement;
use beringia_item::KeyBytes;
use beringia_storage::Table;
use futures_util::future::join_all;

use super::{StatementWrite, check_text, parse};
use crate::{
    ApiError, Engine,
    api::{
        BatchExecuteStatementInput, BatchExecuteStatementOutput, BatchStatement, BatchStatementError,
        BatchStatementResponse, ConsumedCapacity, GetItemOutput, ReturnConsumedCapacity,
    },
    constraint::Constraints,
    item::OneItem,
    keys::{Wording, check_read_paths, request_key},
};

/// The maximum number of statements in one request (API reference, BatchExecuteStatement).
const STATEMENTS_MAX: usize = 25;

impl Engine {
    /// Executes up to 25 statements, which succeed or fail independently.
    ///
    /// # Errors
    /// ValidationException for too many statements, and for a mix of reads and writes.
    pub async fn batch_execute_statement(
        &self,
        input: BatchExecuteStatementInput,
    ) -> Result<BatchExecuteStatementOutput, ApiError> {
        let mut constraints = Constraints::default();
        constraints.list_length("statements", input.statements.len(), (1, STATEMENTS_MAX));
        constraints.finish()?;
        for (index, of) in input.statements.iter().enumerate() {
            check_text(&format!("statements.{}.member.statement", index + 1), &of.statement)?;
        }
        let mut statements = Vec::with_capacity(input.statements.len());
        for mut of in input.statements {
            let parsed = parse(&of.statement, of.parameters.take());
            statements.push((parsed, of));
        }
        let (mut reads, mut writes) = (0, 0);
        for statement in statements.iter().filter_map(|(parsed, _)| parsed.as_ref().ok()) {
            if statement.is_read() { reads += 1 } else { writes += 1 }
        }
        if reads > 0 && writes > 0 {
            return Err(ApiError::validation(
                "Statements should contain either only READ or only WRITE operations.",
            ));
        }
        let _under_way = if writes > 0 { Some(self.begin_write()?) } else { None };
        let capacity = input.return_consumed_capacity;
        let carried_out = statements
            .into_iter()
            .map(|(parsed, of)| self.batched(parsed, of, capacity));
        let (responses, consumed): (Vec<_>, Vec<_>) = join_all(carried_out).await.into_iter().unzip();
        let consumed: Vec<ConsumedCapacity> = consumed.into_iter().flatten().collect();
        Ok(BatchExecuteStatementOutput {
            responses,
            consumed_capacity: (!consumed.is_empty()).then_some(consumed),
        })
    }

    /// Executes one statement. The answer to a statement that is refused before it runs names no
    /// table.
    async fn batched(
        &self,
        parsed: Result<Statement, ApiError>,
        of: BatchStatement,
        capacity: ReturnConsumedCapacity,
    ) -> (BatchStatementResponse, Option<ConsumedCapacity>) {
        let checked = parsed.and_then(|statement| self.checked(statement, &of, capacity));
        let table_name = checked.as_ref().ok().map(|run| run.table().core.name.clone());
        let done = match checked {
            Ok(Checked::Read { table, key, wanted }) => self.get_one(&table, &key, wanted).await,
            Ok(Checked::Write { write, key }) => {
                let on_failure = of.return_values_on_condition_check_failure;
                let output = self.carry_out_write(write, key, capacity, on_failure).await;
                output.map(|output| GetItemOutput {
                    item: output.attributes,
                    consumed_capacity: output.consumed_capacity,
                })
            }
            Err(error) => Err(error),
        };
        let (item, error, consumed) = match done {
            Ok(GetItemOutput {
                item,
                consumed_capacity,
            }) => (item, None, consumed_capacity),
            Err(error) => (None, Some(batch_error(error)), None),
        };
        let response = BatchStatementResponse {
            error,
            table_name,
            item,
        };
        (response, consumed)
    }

    /// Checks a statement as far as that is possible before it runs.
    fn checked(
        &self,
        statement: Statement,
        of: &BatchStatement,
        capacity: ReturnConsumedCapacity,
    ) -> Result<Checked, ApiError> {
        let select = match statement {
            Statement::Select(select) => select,
            write => {
                let write = self.statement_write(write)?;
                let key = write.checked_key()?;
                return Ok(Checked::Write { write, key });
            }
        };
        let refuse = || {
            ApiError::validation(
                "Select statements within BatchExecuteStatement must specify the primary key in the where clause.",
            )
        };
        let table = self.usable_table(&select.table)?;
        if select.index.is_some() {
            return Err(refuse());
        }
        let filter = select.filter.condition();
        check_read_paths(&table, Wording::Statement, filter.as_ref(), select.projection.as_ref())?;
        let pin = select.filter.pin(&table.core.keys).map_err(|_| refuse())?;
        let key = request_key(&table, &pin.key)?;
        let wanted = OneItem {
            filter,
            projection: select.projection,
            consistent: of.consistent_read,
            capacity,
        };
        Ok(Checked::Read { table, key, wanted })
    }
}

/// A statement of a batch that has passed its checks.
enum Checked {
    /// A SELECT of one item.
    Read {
        table: Arc<Table>,
        key: KeyBytes,
        wanted: OneItem,
    },
    Write {
        write: StatementWrite,
        key: KeyBytes,
    },
}

impl Checked {
    const fn table(&self) -> &Arc<Table> {
        match self {
            Self::Read { table, .. } => table,
            Self::Write { write, .. } => &write.table,
        }
    }
}

/// Converts an exception to the error of one statement of a batch.
fn batch_error(error: ApiError) -> BatchStatementError {
    let message = error.to_string();
    let (code, item) = match error {
        ApiError::ConditionalCheckFailed { item } => ("ConditionalCheckFailed", item),
        ApiError::DuplicateItem => ("DuplicateItem", None),
        ApiError::Validation(_) => ("ValidationError", None),
        ApiError::ResourceNotFound(_) => ("ResourceNotFound", None),
        ApiError::TransactionConflict(_) => ("TransactionConflict", None),
        ApiError::ItemCollectionSizeLimitExceeded(_) => ("ItemCollectionSizeLimitExceeded", None),
        ApiError::ProvisionedThroughputExceeded { .. } => ("ProvisionedThroughputExceeded", None),
        ApiError::Throttling { .. } => ("ThrottlingError", None),
        _ => ("InternalServerError", None),
    };
    BatchStatementError { code, message, item }
}
