//! ExecuteTransaction: a transaction whose actions are PartiQL statements.

use beringia_expression::{Pin, Select, Statement};
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
    keys::request_key,
    statement::{check_text, parse},
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
            if let Statement::Select(select) = statement {
                let get = self.statement_get(select);
                gets.push(get.map_err(|error| invalid_action(count, index, error))?);
            }
        }
        let (responses, units): (Vec<_>, Vec<_>) = self.get_all(&gets).await?.into_iter().unzip();
        let tables = gets.iter().map(|get| get.table.core.name.as_str());
        Ok(ExecuteTransactionOutput {
            responses,
            consumed_capacity: in_order(tables, units, capacity, Kind::TransactRead),
        })
    }

    /// Converts the SELECT of one item to a read.
    fn statement_get(&self, select: Select) -> Result<Get, ApiError> {
        let table = self.usable_table(&select.table)?;
        if select.index.is_some() {
            return Err(no_index());
        }
        let filter = select.filter.condition();
        let pin = select.filter.pin(&table.core.keys)?;
        Ok(Get {
            key: request_key(&table, &pin.key)?,
            filter,
            projection: select.projection,
            table,
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
            let planned = self.plan_statement(statement, with_item);
            actions.push(planned.map_err(|error| invalid_action(count, index, error))?);
        }
        let wants_before = capacity != ReturnConsumedCapacity::None;
        let (transaction, targets) = prepare(&self.throttle, actions, KeyErrors::Every, |_, _| (None, wants_before))?;
        let (units, kind) = self.carry_out(transaction, &targets, token, capacity).await?;
        let tables = targets.iter().map(|target| target.table.core.name.as_str());
        Ok(ExecuteTransactionOutput {
            responses: vec![None; count],
            consumed_capacity: in_order(tables, units, capacity, kind),
        })
    }

    fn plan_statement(&self, statement: Statement, with_item: bool) -> Result<Planned, ApiError> {
        let failure = if matches!(statement, Statement::Insert(_)) {
            ConditionFailure::Duplicate
        } else {
            ConditionFailure::Condition
        };
        if let Statement::Exists(select) = statement {
            if select.index.is_some() {
                return Err(no_index());
            }
            let table = self.usable_table(&select.table)?;
            let pin: Pin = select.filter.pin(&table.core.keys)?;
            return Ok(Planned {
                action: super::Parsed::Check {
                    key: pin.key.clone(),
                    condition: pin.required(),
                },
                table,
                with_item,
                failure,
            });
        }
        let write = self.statement_write(statement)?;
        if write.returns() {
            return Err(ApiError::validation(
                "RETURNING clause is not supported within transactions.",
            ));
        }
        Ok(Planned {
            table: write.table,
            action: write.action,
            with_item,
            failure,
        })
    }
}

fn no_index() -> ApiError {
    ApiError::validation("Reads on indices are not supported within transactions.")
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
