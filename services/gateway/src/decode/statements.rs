//! Decodes the requests of ExecuteStatement, BatchExecuteStatement and ExecuteTransaction.

use beringia_engine::{
    ApiError,
    api::{
        BatchExecuteStatementInput, BatchStatement, ExecuteStatementInput, ExecuteTransactionInput, TransactStatement,
    },
};

use super::{Decode, Fields};
use crate::shape::{Structure, requests};

impl Decode for ExecuteStatementInput {
    const SHAPE: &'static Structure = &requests::EXECUTE_STATEMENT;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            statement: fields.required_text("Statement")?,
            parameters: fields.values("Parameters")?,
            consistent_read: fields.boolean("ConsistentRead").unwrap_or(false),
            next_token: fields.text("NextToken"),
            limit: fields.integer("Limit"),
            return_consumed_capacity: fields.capacity()?,
            return_values_on_condition_check_failure: fields.return_values_on_failure()?,
        })
    }
}

impl Decode for BatchExecuteStatementInput {
    const SHAPE: &'static Structure = &requests::BATCH_EXECUTE_STATEMENT;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            statements: fields.required_list("Statements", batch_statement)?,
            return_consumed_capacity: fields.capacity()?,
        })
    }
}

fn batch_statement(mut fields: Fields) -> Result<BatchStatement, ApiError> {
    Ok(BatchStatement {
        statement: fields.required_text("Statement")?,
        parameters: fields.values("Parameters")?,
        consistent_read: fields.boolean("ConsistentRead").unwrap_or(false),
        return_values_on_condition_check_failure: fields.return_values_on_failure()?,
    })
}

impl Decode for ExecuteTransactionInput {
    const SHAPE: &'static Structure = &requests::EXECUTE_TRANSACTION;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            transact_statements: fields.required_list("TransactStatements", transact_statement)?,
            client_request_token: fields.text("ClientRequestToken"),
            return_consumed_capacity: fields.capacity()?,
        })
    }
}

fn transact_statement(mut fields: Fields) -> Result<TransactStatement, ApiError> {
    Ok(TransactStatement {
        statement: fields.required_text("Statement")?,
        parameters: fields.values("Parameters")?,
        return_values_on_condition_check_failure: fields.return_values_on_failure()?,
    })
}

#[cfg(test)]
mod tests {
    use beringia_engine::api::{ReturnConsumedCapacity, ReturnValuesOnConditionCheckFailure};
    use beringia_item::AttributeValue;
    use serde_json::{Value, json};

    use super::*;
    use crate::decode::decode;

    fn read<T: Decode>(request: &Value) -> Result<T, ApiError> {
        decode(request.as_object().unwrap().clone())
    }

    #[test]
    fn statement_is_decoded_with_its_parameters() {
        let input: ExecuteStatementInput = read(&json!({
            "Statement": "SELECT * FROM t WHERE a = ?", "Parameters": [{"S": "x"}], "ConsistentRead": true, "NextToken": "token",
            "Limit": 5, "ReturnConsumedCapacity": "TOTAL", "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }))
        .unwrap();
        let expected = ExecuteStatementInput {
            statement: "SELECT * FROM t WHERE a = ?".to_owned(),
            parameters: Some(vec![AttributeValue::S("x".to_owned())]),
            consistent_read: true,
            next_token: Some("token".to_owned()),
            limit: Some(5),
            return_consumed_capacity: ReturnConsumedCapacity::Total,
            return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::AllOld,
        };
        assert_eq!(input, expected);
    }

    #[test]
    fn batches_and_transactions_decode_their_statements() {
        let statement =
            json!({"Statement": "x", "Parameters": [{"N": "1"}], "ReturnValuesOnConditionCheckFailure": "ALL_OLD"});
        let batch: BatchExecuteStatementInput =
            read(&json!({"Statements": [statement, {"Statement": "y", "ConsistentRead": true}]})).unwrap();
        assert_eq!(batch.statements[0].parameters.as_ref().map(Vec::len), Some(1));
        assert_eq!(
            batch.statements[1],
            BatchStatement {
                statement: "y".to_owned(),
                consistent_read: true,
                ..BatchStatement::default()
            }
        );
        let transaction: ExecuteTransactionInput =
            read(&json!({"TransactStatements": [statement], "ClientRequestToken": "t"})).unwrap();
        assert_eq!(transaction.client_request_token.as_deref(), Some("t"));
        assert_eq!(
            transaction.transact_statements[0].return_values_on_condition_check_failure,
            ReturnValuesOnConditionCheckFailure::AllOld
        );
    }

    #[test]
    fn requests_without_statements_are_rejected() {
        for refused in [
            read::<ExecuteStatementInput>(&json!({})).err(),
            read::<ExecuteStatementInput>(&json!({"Statement": ""})).err(),
            read::<ExecuteStatementInput>(&json!({"Statement": "x", "Parameters": []})).err(),
            read::<ExecuteStatementInput>(&json!({"Statement": "x", "Limit": 0})).err(),
            read::<BatchExecuteStatementInput>(&json!({"Statements": []})).err(),
            read::<BatchExecuteStatementInput>(&json!({"Statements": [{}]})).err(),
            read::<ExecuteTransactionInput>(&json!({"TransactStatements": []})).err(),
        ] {
            assert!(matches!(refused, Some(ApiError::Validation(_))), "{refused:?}");
        }
    }
}
