//! ExecuteTransaction: a transaction whose actions are PartiQL statements.

use beringia_expression::{DeleteStatement, Pin, Select, Statement, UpdateStatement};
use beringia_item::value_size;

use super::{
    KeyErrors, TRANSACTION_BYTES, check_count,
    fingerprint::fingerprint_of_statements,
    get::Get,
    invalid_action,
    token::check_token,
    too_large,
    write::{ConditionFailure, Planned, prepare},
};
use crate::{
    ApiError, Engine,
    api::{
        ConsumedCapacity, ExecuteTransactionInput, ExecuteTransactionOutput, ReturnConsumedCapacity,
        ReturnValuesOnConditionCheckFailure, TransactStatement,
    },
    capacity::{Kind, Units},
    keys::{Wording, check_read_paths, check_write_paths, request_key},
    statement::{check_text, parse},
    write::check_size,
};

/// The prefix of this operation's tokens, since each operation has tokens of its own. It is longer
/// than a token can be, so no client's token for TransactWriteItems equals it.
const TOKEN_SCOPE: &str = "the client request token of ExecuteTransaction: ";

impl Engine {
    /// Executes up to 100 statements, all or none.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, TransactionCanceledException,
    /// IdempotentParameterMismatchException, or the store's error.
    pub async fn execute_transaction(
        &self,
        input: ExecuteTransactionInput,
    ) -> Result<ExecuteTransactionOutput, ApiError> {
        let count = input.transact_statements.len();
        check_count("transactStatements", count)?;
        for (index, of) in input.transact_statements.iter().enumerate() {
            check_text(
                &format!("transactStatements.{}.member.statement", index + 1),
                &of.statement,
            )?;
        }
        check_token(input.client_request_token.as_deref())?;
        if input.transact_statements.iter().map(payload).sum::<usize>() > TRANSACTION_BYTES {
            return Err(too_large());
        }
        let token = input.client_request_token.map(|token| {
            let fingerprint = fingerprint_of_statements(&input.transact_statements);
            (format!("{TOKEN_SCOPE}{token}"), fingerprint)
        });
        let mut statements = Vec::with_capacity(count);
        for (index, of) in input.transact_statements.into_iter().enumerate() {
            let with_item = of.return_values_on_condition_check_failure == ReturnValuesOnConditionCheckFailure::AllOld;
            let parsed = parse(&of.statement, of.parameters).map_err(|error| invalid_action(count, index, error))?;
            statements.push((parsed, with_item));
        }
        for (index, (statement, _)) in statements.iter().enumerate() {
            check_supported(index, statement)?;
            if let Statement::Insert(insert) = statement {
                check_size(&insert.item)?;
            }
        }
        let reads = statements.iter().filter(|(statement, _)| statement.is_read()).count();
        if reads == count {
            return self.read_statements(statements, input.return_consumed_capacity).await;
        }
        if reads > 0 {
            return Err(ApiError::validation(
                "TransactStatements should contain either only READ or only WRITE operations.",
            ));
        }
        let _under_way = self.begin_write()?;
        self.write_statements(statements, token, input.return_consumed_capacity)
            .await
    }

    async fn read_statements(
        &self,
        statements: Vec<(Statement, bool)>,
        capacity: ReturnConsumedCapacity,
    ) -> Result<ExecuteTransactionOutput, ApiError> {
        let count = statements.len();
        let mut gets = Vec::with_capacity(count);
        for (index, (statement, _)) in statements.into_iter().enumerate() {
            let Statement::Select(select) = statement else { continue };
            let table = self.usable_table(&select.table)?;
            let (filter, projection) = (select.filter.condition(), select.projection);
            let pin = select.filter.pin(&table.core.keys).map_err(|_| {
                failed(
                    index,
                    "Select statements within ExecuteTransaction must specify the primary key in the where clause.",
                )
            })?;
            let key = check_read_paths(&table, Wording::Statement, filter.as_ref(), projection.as_ref())
                .and_then(|()| request_key(&table, &pin.key))
                .map_err(|error| invalid_action(count, index, error))?;
            gets.push(Get {
                table,
                key,
                filter,
                projection,
            });
        }
        let (responses, units): (Vec<_>, Vec<_>) = self.get_all(&gets).await?.into_iter().unzip();
        let tables = gets.iter().map(|get| get.table.core.name.as_str());
        Ok(ExecuteTransactionOutput {
            responses,
            consumed_capacity: in_order(tables, units, capacity, Kind::TransactRead),
        })
    }

    async fn write_statements(
        &self,
        statements: Vec<(Statement, bool)>,
        token: Option<(String, u128)>,
        capacity: ReturnConsumedCapacity,
    ) -> Result<ExecuteTransactionOutput, ApiError> {
        let count = statements.len();
        let mut actions = Vec::with_capacity(count);
        for (index, (statement, with_item)) in statements.into_iter().enumerate() {
            let planned = match statement {
                Statement::Exists(select) => self.plan_exists(select, index, with_item)?,
                write => self.plan_statement(write, with_item),
            };
            actions.push(planned.map_err(|error| invalid_action(count, index, error))?);
        }
        let wants_before = capacity != ReturnConsumedCapacity::None;
        let (transaction, targets) = prepare(&self.throttle, actions, KeyErrors::Every, |_, _| (None, wants_before))?;
        let (units, kind) = self.carry_out(transaction, &targets, token, capacity).await?;
        let tables = targets.iter().map(|target| target.table.core.name.as_str());
        Ok(ExecuteTransactionOutput {
            responses: Vec::new(),
            consumed_capacity: in_order(tables, units, capacity, kind),
        })
    }

    /// The check that an EXISTS denotes. The outer error makes the whole request invalid.
    fn plan_exists(
        &self,
        select: Select,
        index: usize,
        with_item: bool,
    ) -> Result<Result<Planned, ApiError>, ApiError> {
        let table = self.usable_table(&select.table)?;
        let pin = select.filter.pin(&table.core.keys).ok().filter(Pin::has_more);
        let pin = pin.ok_or_else(|| {
            failed(
                index,
                "EXISTS() must contain a single item read with additional condition",
            )
        })?;
        let action = super::Parsed::Check {
            key: pin.key.clone(),
            condition: pin.required(),
        };
        let checked = check_write_paths(&table, Wording::Statement, action.update(), action.condition());
        Ok(checked.map(|()| Planned {
            action,
            table,
            with_item,
            failure: ConditionFailure::Condition,
        }))
    }

    fn plan_statement(&self, statement: Statement, with_item: bool) -> Result<Planned, ApiError> {
        let failure = if matches!(statement, Statement::Insert(_)) {
            ConditionFailure::Duplicate
        } else {
            ConditionFailure::Condition
        };
        let write = self.statement_write(statement)?;
        check_write_paths(
            &write.table,
            Wording::Statement,
            write.action.update(),
            write.action.condition(),
        )?;
        Ok(Planned {
            table: write.table,
            action: write.action,
            with_item,
            failure,
        })
    }
}

/// Rejects what a statement can only do outside transactions.
fn check_supported(index: usize, statement: &Statement) -> Result<(), ApiError> {
    let problem = match statement {
        Statement::Select(select) if select.index.is_some() => {
            "Reads on indices are not supported within transactions."
        }
        Statement::Exists(select) if select.index.is_some() => {
            "Operations on indices are not supported in transactions"
        }
        Statement::Update(UpdateStatement { returning: Some(_), .. })
        | Statement::Delete(DeleteStatement { returning: true, .. }) => {
            "RETURNING clause is not supported in ExecuteTransaction."
        }
        _ => return Ok(()),
    };
    Err(failed(index, problem))
}

/// The error for a statement that makes the whole request invalid. Its position in the request
/// counts from zero.
fn failed(index: usize, problem: &str) -> ApiError {
    ApiError::Validation(format!("Validation failed in TransactStatements[{index}]: {problem}"))
}

/// The size of a statement's text and parameters, in bytes.
fn payload(statement: &TransactStatement) -> usize {
    let parameters = statement.parameters.iter().flatten().map(value_size);
    statement.statement.len() + parameters.sum::<usize>()
}

/// Capacity by statement, in the order of the request.
fn in_order<'a>(
    tables: impl Iterator<Item = &'a str>,
    units: Vec<Units>,
    wanted: ReturnConsumedCapacity,
    kind: Kind,
) -> Option<Vec<ConsumedCapacity>> {
    let answers: Vec<_> = tables
        .zip(units)
        .filter_map(|(table, units)| units.answer(wanted, table, kind))
        .collect();
    (!answers.is_empty()).then_some(answers)
}
