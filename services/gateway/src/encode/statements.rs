//! Encodes the answers to PartiQL statements.

use beringia_engine::api::{
    BatchExecuteStatementOutput, BatchStatementError, BatchStatementResponse, ExecuteStatementOutput,
    ExecuteTransactionOutput,
};
use serde::Serializer;

use super::{Encode, Fields};

impl Encode for ExecuteStatementOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire_some("ConsumedCapacity", self.consumed_capacity.as_ref())?;
        fields.wire("Items", &self.items)?;
        fields.wire_some("LastEvaluatedKey", self.last_evaluated_key.as_ref())?;
        fields.plain_some("NextToken", self.next_token.as_ref())?;
        fields.end()
    }
}

impl Encode for BatchStatementError {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain("Code", self.code)?;
        fields.wire_some("Item", self.item.as_ref())?;
        fields.plain("Message", &self.message)?;
        fields.end()
    }
}

impl Encode for BatchStatementResponse {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire_some("Error", self.error.as_ref())?;
        fields.wire_some("Item", self.item.as_ref())?;
        fields.plain_some("TableName", self.table_name.as_ref())?;
        fields.end()
    }
}

impl Encode for BatchExecuteStatementOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire_some("ConsumedCapacity", self.consumed_capacity.as_ref())?;
        fields.wire("Responses", &self.responses)?;
        fields.end()
    }
}

impl Encode for ExecuteTransactionOutput {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire_some("ConsumedCapacity", self.consumed_capacity.as_ref())?;
        fields.wire("Responses", &self.responses)?;
        fields.end()
    }
}

#[cfg(test)]
mod tests {
    use beringia_item::{AttributeValue, Item};
    use serde_json::{Value, json};

    use super::*;
    use crate::encode::to_body;

    fn body(answer: &impl Encode) -> Value {
        serde_json::from_slice(&to_body(answer).unwrap()).unwrap()
    }

    fn item() -> Item {
        Item::from([("p".to_owned(), AttributeValue::S("a".to_owned()))])
    }

    /// The token and the key are present only if there are more items.
    #[test]
    fn statement_answer_has_items_and_next_token_and_key() {
        assert_eq!(body(&ExecuteStatementOutput::default()), json!({"Items": []}));
        let page = ExecuteStatementOutput {
            items: vec![item()],
            next_token: Some("token".to_owned()),
            last_evaluated_key: Some(item()),
            consumed_capacity: None,
        };
        assert_eq!(
            body(&page),
            json!({"Items": [{"p": {"S": "a"}}], "NextToken": "token", "LastEvaluatedKey": {"p": {"S": "a"}}})
        );
    }

    #[test]
    fn a_batch_answers_statement_by_statement() {
        let failed = BatchStatementResponse {
            error: Some(BatchStatementError {
                code: "ConditionalCheckFailed",
                message: "The conditional request failed".to_owned(),
                item: Some(item()),
            }),
            table_name: Some("music".to_owned()),
            item: None,
        };
        let found = BatchStatementResponse {
            error: None,
            table_name: Some("music".to_owned()),
            item: Some(item()),
        };
        let output = BatchExecuteStatementOutput {
            responses: vec![failed, found],
            consumed_capacity: None,
        };
        let error = json!({"Code": "ConditionalCheckFailed", "Item": {"p": {"S": "a"}}, "Message": "The conditional request failed"});
        assert_eq!(
            body(&output),
            json!({"Responses": [
                {"Error": error, "TableName": "music"},
                {"Item": {"p": {"S": "a"}}, "TableName": "music"},
            ]})
        );
    }

    #[test]
    fn transaction_answer_has_an_entry_per_statement() {
        let output = ExecuteTransactionOutput {
            responses: vec![Some(item()), None],
            consumed_capacity: None,
        };
        assert_eq!(body(&output), json!({"Responses": [{"Item": {"p": {"S": "a"}}}, {}]}));
    }
}
