//! The operations of the streams service, which has a target of its own at the same endpoint.

use beringia_engine::Engine;
use serde_json::{Map, Value};

use super::carry;
use crate::error::Failure;

/// The version of the streams API.
pub(super) const TARGET: &str = "DynamoDBStreams_20120810";

/// An operation of the streams service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamsOperation {
    DescribeStream,
    GetRecords,
    GetShardIterator,
    ListStreams,
}

impl StreamsOperation {
    /// The operation of that name.
    pub(super) fn of_name(name: &str) -> Option<Self> {
        Some(match name {
            "DescribeStream" => Self::DescribeStream,
            "GetRecords" => Self::GetRecords,
            "GetShardIterator" => Self::GetShardIterator,
            "ListStreams" => Self::ListStreams,
            _ => return None,
        })
    }

    /// Carries the operation out and gives the body of its answer.
    pub(super) async fn run(self, engine: &Engine, request: Map<String, Value>) -> Result<Vec<u8>, Failure> {
        match self {
            Self::DescribeStream => carry(request, |input| engine.describe_stream(input)).await,
            Self::GetRecords => carry(request, |input| engine.get_records(input)).await,
            Self::GetShardIterator => carry(request, |input| engine.get_shard_iterator(input)).await,
            Self::ListStreams => carry(request, |input| engine.list_streams(input)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Operation;

    #[test]
    fn every_operation_of_the_streams_service_is_found_by_its_name() {
        for operation in [
            StreamsOperation::DescribeStream,
            StreamsOperation::GetRecords,
            StreamsOperation::GetShardIterator,
            StreamsOperation::ListStreams,
        ] {
            let target = format!("{TARGET}.{operation:?}");
            let found = Operation::of_target(Some(&target)).unwrap();
            assert_eq!(found, Operation::Streams(operation));
            assert_eq!(found.to_string(), format!("{operation:?}"));
        }
    }

    #[test]
    fn neither_service_has_the_others_operations() {
        for target in ["DynamoDB_20120810.ListStreams", "DynamoDBStreams_20120810.ListTables"] {
            assert!(Operation::of_target(Some(target)).is_err(), "{target}");
        }
    }
}
