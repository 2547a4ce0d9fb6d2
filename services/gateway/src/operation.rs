//! The operations: which there are, and how each is carried from JSON through the engine to JSON.

mod streams;

use std::{fmt, future::Future};

use beringia_engine::{ApiError, Engine};
use serde_json::{Map, Value};

pub(crate) use self::streams::StreamsOperation;
use crate::{
    decode::{Decode, EndpointsRequest, decode},
    encode::{Deleted, Described, Encode, Endpoint, to_body},
    error::Failure,
    shape::{
        Structure,
        requests::{DYNAMODB_OPERATIONS, STREAMS_OPERATIONS},
    },
};

/// The version of the API that this is; the other one is of 2011.
const TARGET: &str = "DynamoDB_20120810";

/// An operation that this server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    BatchExecuteStatement,
    BatchGetItem,
    BatchWriteItem,
    CreateTable,
    DeleteItem,
    DeleteTable,
    DescribeContinuousBackups,
    DescribeEndpoints,
    DescribeLimits,
    DescribeTable,
    DescribeTimeToLive,
    ExecuteStatement,
    ExecuteTransaction,
    GetItem,
    ListTables,
    ListTagsOfResource,
    PutItem,
    Query,
    Scan,
    /// One of the streams service.
    Streams(StreamsOperation),
    TagResource,
    TransactGetItems,
    TransactWriteItems,
    UntagResource,
    UpdateItem,
    UpdateTable,
    UpdateTimeToLive,
}

impl Operation {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 26] = [
        Self::BatchExecuteStatement,
        Self::BatchGetItem,
        Self::BatchWriteItem,
        Self::CreateTable,
        Self::DeleteItem,
        Self::DeleteTable,
        Self::DescribeContinuousBackups,
        Self::DescribeEndpoints,
        Self::DescribeLimits,
        Self::DescribeTable,
        Self::DescribeTimeToLive,
        Self::ExecuteStatement,
        Self::ExecuteTransaction,
        Self::GetItem,
        Self::ListTables,
        Self::ListTagsOfResource,
        Self::PutItem,
        Self::Query,
        Self::Scan,
        Self::TagResource,
        Self::TransactGetItems,
        Self::TransactWriteItems,
        Self::UntagResource,
        Self::UpdateItem,
        Self::UpdateTable,
        Self::UpdateTimeToLive,
    ];

    /// The operation that an `X-Amz-Target` header names.
    ///
    /// # Errors
    /// UnknownOperationException.
    pub(crate) fn of_target(target: Option<&str>) -> Result<Self, Failure> {
        let name = match target.and_then(|target| target.split_once('.')) {
            Some((TARGET, name)) => name,
            Some((streams::TARGET, name)) => {
                let operation = StreamsOperation::of_name(name).map(Self::Streams);
                return operation.ok_or_else(|| unknown(name, STREAMS_OPERATIONS));
            }
            _ => return Err(Failure::unknown_operation(None)),
        };
        Ok(match name {
            "BatchExecuteStatement" => Self::BatchExecuteStatement,
            "BatchGetItem" => Self::BatchGetItem,
            "BatchWriteItem" => Self::BatchWriteItem,
            "CreateTable" => Self::CreateTable,
            "DeleteItem" => Self::DeleteItem,
            "DeleteTable" => Self::DeleteTable,
            "DescribeContinuousBackups" => Self::DescribeContinuousBackups,
            "DescribeEndpoints" => Self::DescribeEndpoints,
            "DescribeLimits" => Self::DescribeLimits,
            "DescribeTable" => Self::DescribeTable,
            "DescribeTimeToLive" => Self::DescribeTimeToLive,
            "ExecuteStatement" => Self::ExecuteStatement,
            "ExecuteTransaction" => Self::ExecuteTransaction,
            "GetItem" => Self::GetItem,
            "ListTables" => Self::ListTables,
            "ListTagsOfResource" => Self::ListTagsOfResource,
            "PutItem" => Self::PutItem,
            "Query" => Self::Query,
            "Scan" => Self::Scan,
            "TagResource" => Self::TagResource,
            "TransactGetItems" => Self::TransactGetItems,
            "TransactWriteItems" => Self::TransactWriteItems,
            "UntagResource" => Self::UntagResource,
            "UpdateItem" => Self::UpdateItem,
            "UpdateTable" => Self::UpdateTable,
            "UpdateTimeToLive" => Self::UpdateTimeToLive,
            other => return Err(unknown(other, DYNAMODB_OPERATIONS)),
        })
    }

    /// Whether it writes items, definitions or tags, so that a region that is being drained does not take it. Whether a statement
    /// writes is for the engine to say, which then asks for itself.
    pub(crate) const fn writes(self) -> bool {
        match self {
            Self::BatchWriteItem
            | Self::CreateTable
            | Self::DeleteItem
            | Self::DeleteTable
            | Self::PutItem
            | Self::TagResource
            | Self::TransactWriteItems
            | Self::UntagResource
            | Self::UpdateItem
            | Self::UpdateTable
            | Self::UpdateTimeToLive => true,
            Self::BatchExecuteStatement
            | Self::BatchGetItem
            | Self::DescribeContinuousBackups
            | Self::DescribeEndpoints
            | Self::DescribeLimits
            | Self::DescribeTable
            | Self::DescribeTimeToLive
            | Self::ExecuteStatement
            | Self::ExecuteTransaction
            | Self::GetItem
            | Self::ListTables
            | Self::ListTagsOfResource
            | Self::Query
            | Self::Scan
            | Self::Streams(_)
            | Self::TransactGetItems => false,
        }
    }

    /// Carries the operation out and gives the body of its answer. `host` is what the client calls the endpoint.
    pub(crate) async fn run(
        self,
        engine: &Engine,
        host: &str,
        request: Map<String, Value>,
    ) -> Result<Vec<u8>, Failure> {
        let _under_way = if self.writes() {
            Some(engine.begin_write()?)
        } else {
            None
        };
        match self {
            Self::BatchExecuteStatement => carry(request, |input| engine.batch_execute_statement(input)).await,
            Self::ExecuteStatement => carry(request, |input| engine.execute_statement(input)).await,
            Self::ExecuteTransaction => carry(request, |input| engine.execute_transaction(input)).await,
            Self::BatchGetItem => carry(request, |input| engine.batch_get_item(input)).await,
            Self::BatchWriteItem => carry(request, |input| engine.batch_write_item(input)).await,
            Self::DeleteItem => carry(request, |input| engine.delete_item(input)).await,
            Self::GetItem => carry(request, |input| engine.get_item(input)).await,
            Self::ListTables => carry(request, |input| engine.list_tables(input)).await,
            Self::ListTagsOfResource => carry(request, |input| engine.list_tags_of_resource(input)).await,
            Self::PutItem => carry(request, |input| engine.put_item(input)).await,
            Self::Query => carry(request, |input| engine.query(input)).await,
            Self::Scan => carry(request, |input| engine.scan(input)).await,
            Self::Streams(operation) => operation.run(engine, request).await,
            Self::TagResource => carry_quietly(request, |input| engine.tag_resource(input)).await,
            Self::UntagResource => carry_quietly(request, |input| engine.untag_resource(input)).await,
            Self::DescribeContinuousBackups => carry(request, |input| engine.describe_continuous_backups(input)).await,
            Self::DescribeEndpoints => carry(request, async |_: EndpointsRequest| Ok(Endpoint(host))).await,
            Self::DescribeLimits => carry(request, |input| engine.describe_limits(input)).await,
            Self::DescribeTimeToLive => carry(request, |input| engine.describe_time_to_live(input)).await,
            Self::UpdateTimeToLive => carry(request, |input| engine.update_time_to_live(input)).await,
            Self::TransactGetItems => carry(request, |input| engine.transact_get_items(input)).await,
            Self::TransactWriteItems => carry(request, |input| engine.transact_write_items(input)).await,
            Self::UpdateItem => carry(request, |input| engine.update_item(input)).await,
            Self::DescribeTable => {
                let describe = async |input| {
                    Ok(Described {
                        member: "Table",
                        table: engine.describe_table(input).await?,
                    })
                };
                carry(request, describe).await
            }
            Self::CreateTable => carry(request, async |input| changed(engine.create_table(input).await)).await,
            Self::DeleteTable => carry(request, async |input| Ok(Deleted(engine.delete_table(input).await?))).await,
            Self::UpdateTable => carry(request, async |input| changed(engine.update_table(input).await)).await,
        }
    }
}

/// Operations of DynamoDB that this server does not have are unknown here, but the answer says more than that.
fn unknown(name: &str, operations: &[(&str, &Structure)]) -> Failure {
    let known = operations.iter().any(|(operation, _)| *operation == name);
    Failure::unknown_operation(known.then(|| format!("The operation {name} is not supported yet.")))
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Streams(operation) => fmt::Debug::fmt(operation, f),
            own => fmt::Debug::fmt(own, f),
        }
    }
}

fn changed(table: Result<beringia_engine::api::TableDescription, ApiError>) -> Result<Described, ApiError> {
    table.map(|table| Described {
        member: "TableDescription",
        table,
    })
}

async fn carry<I, O, F>(request: Map<String, Value>, operation: impl FnOnce(I) -> F) -> Result<Vec<u8>, Failure>
where
    I: Decode,
    F: Future<Output = Result<O, ApiError>>,
    O: Encode,
{
    let answer = operation(decode::<I>(request)?).await?;
    Ok(to_body(&answer).map_err(|error| ApiError::InternalServer(format!("the answer has no JSON form: {error}")))?)
}

/// The same for an operation that has nothing to answer: the body is empty.
async fn carry_quietly<I, F>(request: Map<String, Value>, operation: impl FnOnce(I) -> F) -> Result<Vec<u8>, Failure>
where
    I: Decode,
    F: Future<Output = Result<(), ApiError>>,
{
    operation(decode::<I>(request)?).await?;
    Ok(Vec::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(target: Option<&str>) -> Option<String> {
        let body = serde_json::to_value(Operation::of_target(target).unwrap_err()).unwrap();
        assert_eq!(body["__type"], "com.amazon.coral.service#UnknownOperationException");
        body.get("message").and_then(Value::as_str).map(str::to_owned)
    }

    #[test]
    fn every_operation_is_found_by_its_name() {
        for operation in Operation::ALL {
            assert_eq!(
                Operation::of_target(Some(&format!("{TARGET}.{operation}"))),
                Ok(operation)
            );
        }
    }

    #[test]
    fn what_is_no_operation_is_unknown_without_a_word() {
        let targets = [
            "",
            "whatever",
            "DynamoDB_20120810",
            "DynamoDB_20120810.ListTable",
            "DynamoDB_20111205.GetItem",
            "X.GetItem",
        ];
        for target in targets {
            assert_eq!(message(Some(target)), None, "{target}");
        }
        assert_eq!(message(None), None);
    }

    #[test]
    fn operations_to_come_are_unknown_too_but_named() {
        let ours = Operation::ALL.map(|operation| operation.to_string());
        let missing: Vec<_> = DYNAMODB_OPERATIONS
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !ours.iter().any(|own| own == name))
            .collect();
        assert_eq!(missing.len(), DYNAMODB_OPERATIONS.len() - ours.len());
        for name in missing {
            let told = message(Some(&format!("{TARGET}.{name}")));
            assert_eq!(told, Some(format!("The operation {name} is not supported yet.")));
        }
    }
}
