//! Implements the BatchExecuteStatement operation.

use beringia_expression::{Select, Statement};
use futures_util::future::join_all;

use super::{check_text, parse};
use crate::{
    ApiError, Engine,
    api::{
        BatchExecuteStatementInput, BatchExecuteStatementOutput, BatchStatement, BatchStatementError,
        BatchStatementResponse, ConsumedCapacity, GetItemOutput, ReturnConsumedCapacity,
    },
    constraint::Constraints,
    item::OneItem,
    keys::request_key,
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

    async fn batched(
        &self,
        parsed: Result<Statement, ApiError>,
        of: BatchStatement,
        capacity: ReturnConsumedCapacity,
    ) -> (BatchStatementResponse, Option<ConsumedCapacity>) {
        let table = parsed.as_ref().ok().map(Statement::table);
        let table_name = table.and_then(|table| Some(self.usable_table(table).ok()?.core.name.clone()));
        let done = match parsed {
            Ok(Statement::Select(select)) => self.get_by_statement(select, of.consistent_read, capacity).await,
            Ok(statement) => self.write_by_statement(statement, &of, capacity).await,
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

    /// Reads the one item that a SELECT selects.
    async fn get_by_statement(
        &self,
        select: Select,
        consistent: bool,
        capacity: ReturnConsumedCapacity,
    ) -> Result<GetItemOutput, ApiError> {
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
        let pin = select.filter.pin(&table.core.keys).map_err(|_| refuse())?;
        let key = request_key(&table, &pin.key)?;
        let wanted = OneItem {
            filter,
            projection: select.projection,
            consistent,
            capacity,
        };
        self.get_one(&table, &key, wanted).await
    }

    async fn write_by_statement(
        &self,
        statement: Statement,
        of: &BatchStatement,
        capacity: ReturnConsumedCapacity,
    ) -> Result<GetItemOutput, ApiError> {
        let write = self.statement_write(statement)?;
        let on_failure = of.return_values_on_condition_check_failure;
        let output = self.carry_out_write(write, capacity, on_failure).await?;
        Ok(GetItemOutput {
            item: output.attributes,
            consumed_capacity: output.consumed_capacity,
        })
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
