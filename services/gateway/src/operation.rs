//! The operations: one table lists them and how each is carried from JSON through the engine to
//! JSON.

use std::future::Future;

use beringia_endpoint::EndpointRefusal;
use beringia_engine::{ApiError, Engine};
use serde_json::{Map, Value};

use crate::{
    decode::{Decode, EndpointsRequest, decode},
    encode::{Deleted, Described, Encode, Endpoint, to_body},
    error::RequestError,
    listener::Plane,
    shape::{
        Structure,
        requests::{DYNAMODB_OPERATIONS, STREAMS_OPERATIONS},
    },
};

/// The target prefix of DynamoDB in the supported version of the API; the other version is of 2011.
pub(crate) const DYNAMODB: &str = "DynamoDB_20120810";
/// The target prefix of DynamoDB Streams.
pub(crate) const STREAMS: &str = "DynamoDBStreams_20120810";

/// How an operation accesses items, definitions and tags.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Access {
    /// It does not write, or the engine decides that itself, as for statements.
    Reads,
    /// It writes, so a region that is being drained rejects it.
    Writes,
}

/// Generates the enumeration of operations and all that depends on it. A section contains the
/// operations of a target prefix, with the model's list of all operations on AWS. A line contains
/// an operation's name, its plane, its access, and how it is executed, with the names of the first
/// line.
macro_rules! operations {
    (
        run($engine:ident, $host:ident, $request:ident):
        $($target:ident of $model:ident {
            $($name:ident $plane:ident $access:ident => $run:expr;)*
        })*
    ) => {
        /// An operation that this server implements.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(crate) enum Operation {
            $($($name,)*)*
        }

        impl Operation {
            /// Every operation with its target prefix.
            #[cfg(test)]
            const ALL: &[(&str, Self)] = &[$($(($target, Self::$name),)*)*];

            /// Finds the operation that an `X-Amz-Target` header names.
            ///
            /// # Errors
            /// UnknownOperationException.
            pub(crate) fn of_target(target: Option<&str>) -> Result<Self, EndpointRefusal> {
                match target.and_then(|target| target.split_once('.')) {
                    $(Some(($target, name)) => match name {
                        $(stringify!($name) => Ok(Self::$name),)*
                        other => Err(unknown(other, $model)),
                    },)*
                    _ => Err(EndpointRefusal::UnknownOperation(None)),
                }
            }

            /// The operation's name in the API.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $($(Self::$name => stringify!($name),)*)*
                }
            }

            /// The operation's group in the API.
            pub(crate) const fn plane(self) -> Plane {
                match self {
                    $($(Self::$name => Plane::$plane,)*)*
                }
            }

            const fn access(self) -> Access {
                match self {
                    $($(Self::$name => Access::$access,)*)*
                }
            }

            /// Executes the operation and returns the body of its answer. `host` is the host by
            /// which the client addresses the endpoint.
            pub(crate) async fn run(
                self,
                $engine: &Engine,
                $host: &str,
                $request: Map<String, Value>,
            ) -> Result<Vec<u8>, RequestError> {
                let _under_way = match self.access() {
                    Access::Reads => None,
                    Access::Writes => Some($engine.begin_write()?),
                };
                match self {
                    $($(Self::$name => $run.await,)*)*
                }
            }
        }
    };
}

operations! {
    run(engine, host, request):
    DYNAMODB of DYNAMODB_OPERATIONS {
        BatchExecuteStatement Data Reads => carry(request, |input| engine.batch_execute_statement(input));
        BatchGetItem Data Reads => carry(request, |input| engine.batch_get_item(input));
        BatchWriteItem Data Writes => carry(request, |input| engine.batch_write_item(input));
        CreateTable Control Writes => carry(request, async |input| changed(engine.create_table(input).await));
        DeleteItem Data Writes => carry(request, |input| engine.delete_item(input));
        DeleteTable Control Writes => carry(request, async |input| Ok(Deleted(engine.delete_table(input).await?)));
        DescribeContinuousBackups Control Reads => carry(request, |input| engine.describe_continuous_backups(input));
        DescribeEndpoints Control Reads => carry(request, async |_: EndpointsRequest| Ok(Endpoint(host)));
        DescribeLimits Control Reads => carry(request, |input| engine.describe_limits(input));
        DescribeTable Control Reads => carry(request, async |input| described(engine.describe_table(input).await));
        DescribeTimeToLive Control Reads => carry(request, |input| engine.describe_time_to_live(input));
        ExecuteStatement Data Reads => carry(request, |input| engine.execute_statement(input));
        ExecuteTransaction Data Reads => carry(request, |input| engine.execute_transaction(input));
        GetItem Data Reads => carry(request, |input| engine.get_item(input));
        ListTables Control Reads => carry(request, |input| engine.list_tables(input));
        ListTagsOfResource Control Reads => carry(request, |input| engine.list_tags_of_resource(input));
        PutItem Data Writes => carry(request, |input| engine.put_item(input));
        Query Data Reads => carry(request, |input| engine.query(input));
        Scan Data Reads => carry(request, |input| engine.scan(input));
        TagResource Control Writes => carry_quietly(request, |input| engine.tag_resource(input));
        TransactGetItems Data Reads => carry(request, |input| engine.transact_get_items(input));
        TransactWriteItems Data Writes => carry(request, |input| engine.transact_write_items(input));
        UntagResource Control Writes => carry_quietly(request, |input| engine.untag_resource(input));
        UpdateItem Data Writes => carry(request, |input| engine.update_item(input));
        UpdateTable Control Writes => carry(request, async |input| changed(engine.update_table(input).await));
        UpdateTimeToLive Control Writes => carry(request, |input| engine.update_time_to_live(input));
    }
    STREAMS of STREAMS_OPERATIONS {
        DescribeStream Streams Reads => carry(request, |input| engine.describe_stream(input));
        GetRecords Streams Reads => carry(request, |input| engine.get_records(input));
        GetShardIterator Streams Reads => carry(request, |input| engine.get_shard_iterator(input));
        ListStreams Streams Reads => carry(request, |input| engine.list_streams(input));
    }
}

/// The error for an operation that DynamoDB has and this server does not. Unlike DynamoDB's, it has
/// a message.
fn unknown(name: &str, operations: &[(&str, &Structure)]) -> EndpointRefusal {
    let known = operations.iter().any(|(operation, _)| *operation == name);
    EndpointRefusal::UnknownOperation(known.then(|| format!("The operation {name} is not supported yet.")))
}

fn changed(table: Result<beringia_engine::api::TableDescription, ApiError>) -> Result<Described, ApiError> {
    table.map(|table| Described {
        member: "TableDescription",
        table,
    })
}

fn described(table: Result<beringia_engine::api::TableDescription, ApiError>) -> Result<Described, ApiError> {
    table.map(|table| Described { member: "Table", table })
}

async fn carry<I, O, F>(request: Map<String, Value>, operation: impl FnOnce(I) -> F) -> Result<Vec<u8>, RequestError>
where
    I: Decode,
    F: Future<Output = Result<O, ApiError>>,
    O: Encode,
{
    let answer = operation(decode::<I>(request)?).await?;
    Ok(to_body(&answer)
        .map_err(|error| ApiError::InternalServer(format!("cannot encode the answer as JSON: {error}")))?)
}

/// The same for an operation without an answer: the body is empty.
async fn carry_quietly<I, F>(
    request: Map<String, Value>,
    operation: impl FnOnce(I) -> F,
) -> Result<Vec<u8>, RequestError>
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
        for (target, operation) in Operation::ALL {
            let named = format!("{target}.{}", operation.name());
            assert_eq!(Operation::of_target(Some(&named)), Ok(*operation));
        }
    }

    #[test]
    fn operations_on_items_belong_to_the_data_plane() {
        let of_plane = |plane| {
            let operations = Operation::ALL.iter().map(|(_, operation)| *operation);
            let named = operations.filter(move |operation| operation.plane() == plane);
            named.map(Operation::name).collect::<Vec<_>>()
        };
        let is_of_items = |name: &&str| {
            ["Item", "Statement", "Transaction", "Query", "Scan"]
                .iter()
                .any(|word| name.contains(word))
        };
        assert!(of_plane(Plane::Data).iter().all(is_of_items));
        assert!(!of_plane(Plane::Control).iter().any(is_of_items));
        assert_eq!(of_plane(Plane::Streams).len(), 4);
    }

    #[test]
    fn neither_service_has_the_others_operations() {
        for target in ["DynamoDB_20120810.ListStreams", "DynamoDBStreams_20120810.ListTables"] {
            assert!(Operation::of_target(Some(target)).is_err(), "{target}");
        }
    }

    #[test]
    fn unknown_operation_has_no_message() {
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
    fn unimplemented_operation_is_unknown_but_named() {
        let is_ours = |name: &str| {
            let mut ours = Operation::ALL.iter().filter(|(target, _)| *target == DYNAMODB);
            ours.any(|(_, operation)| operation.name() == name)
        };
        let missing: Vec<_> = DYNAMODB_OPERATIONS
            .iter()
            .map(|(name, _)| *name)
            .filter(|name| !is_ours(name))
            .collect();
        assert_eq!(missing.len(), DYNAMODB_OPERATIONS.len() - 26);
        for name in missing {
            let reported = message(Some(&format!("{DYNAMODB}.{name}")));
            assert_eq!(reported, Some(format!("The operation {name} is not supported yet.")));
        }
    }
}
