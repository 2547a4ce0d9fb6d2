//! DynamoDB's exceptions.

use beringia_item::Item;

/// Why a transaction was cancelled, for one of its actions.
#[derive(Debug, Clone, PartialEq)]
pub struct CancellationReason {
    /// `None`, `ConditionalCheckFailed`, `DuplicateItem`, `ItemCollectionSizeLimitExceeded`, `TransactionConflict`,
    /// `ProvisionedThroughputExceeded`, `ThrottlingError` or `ValidationError`.
    pub code: &'static str,
    /// What happened; `None` with the code `None`.
    pub message: Option<String>,
    /// The item as it was, where it was asked for.
    pub item: Option<Item>,
}

impl CancellationReason {
    /// The reason of an action that would have gone through.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            code: "None",
            message: None,
            item: None,
        }
    }
}

/// One of the things of which a throttled request needs more than is there (API reference, ThrottlingReason).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThrottlingReason {
    /// What is throttled, for what and why, such as `TableReadProvisionedThroughputExceeded`.
    pub reason: String,
    /// The ARN of the table or index.
    pub resource: String,
}

/// An exception of the DynamoDB API (API reference, "Error handling", and each operation's errors). Displays as its message.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ApiError {
    /// A parameter is wrong.
    #[error("{0}")]
    Validation(String),
    /// A document of the request has another shape than the API says.
    #[error("{0}")]
    Serialization(String),
    /// No such table, index or stream.
    #[error("{0}")]
    ResourceNotFound(String),
    /// No such table, in the words of the operations on backups.
    #[error("Table not found: {0}")]
    TableNotFound(String),
    /// The table exists already, or is not in a state that allows the request.
    #[error("{0}")]
    ResourceInUse(String),
    /// The condition is false.
    #[error("The conditional request failed")]
    ConditionalCheckFailed {
        /// The item as it was, where it was asked for.
        item: Option<Item>,
    },
    /// An item with the key of an INSERT is there already.
    #[error("Duplicate primary key exists in table")]
    DuplicateItem,
    /// A transaction was not committed.
    #[error("{}", canceled(.reasons))]
    TransactionCanceled {
        /// One per action, in the request's order.
        reasons: Vec<CancellationReason>,
    },
    /// A transaction holds the item.
    #[error("{0}")]
    TransactionConflict(String),
    /// The same request is being worked on.
    #[error("{0}")]
    TransactionInProgress(String),
    /// The token was used for another request.
    #[error("{0}")]
    IdempotentParameterMismatch(String),
    /// The partition of a table with local indexes is full.
    #[error("{0}")]
    ItemCollectionSizeLimitExceeded(String),
    /// Too many changes at once, or too many tables or indexes.
    #[error("{0}")]
    LimitExceeded(String),
    /// The region has a replica already.
    #[error("{0}")]
    ReplicaAlreadyExists(String),
    /// The region has no replica.
    #[error("{0}")]
    ReplicaNotFound(String),
    /// The shard iterator is too old.
    #[error("{0}")]
    ExpiredIterator(String),
    /// Stream records were asked for that are older than a day.
    #[error("{0}")]
    TrimmedDataAccess(String),
    /// The throughput that is paid for is used up.
    #[error("{message}")]
    ProvisionedThroughputExceeded {
        /// What to do about it.
        message: String,
        /// What is used up.
        reasons: Vec<ThrottlingReason>,
    },
    /// The maximum that was set for a table on demand is reached.
    #[error("{message}")]
    Throttling {
        /// What was reached.
        message: String,
        /// Where.
        reasons: Vec<ThrottlingReason>,
    },
    /// The store failed. The message says how; whether the request was carried out is unknown.
    #[error("{0}")]
    InternalServer(String),
    /// This region cannot answer now; the request was not carried out and can be repeated.
    #[error("{0}")]
    ServiceUnavailable(String),
}

impl ApiError {
    /// The exception's name, without namespace, such as `ValidationException`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Validation(_) => "ValidationException",
            Self::Serialization(_) => "SerializationException",
            Self::ResourceNotFound(_) => "ResourceNotFoundException",
            Self::TableNotFound(_) => "TableNotFoundException",
            Self::ResourceInUse(_) => "ResourceInUseException",
            Self::ConditionalCheckFailed { .. } => "ConditionalCheckFailedException",
            Self::DuplicateItem => "DuplicateItemException",
            Self::TransactionCanceled { .. } => "TransactionCanceledException",
            Self::TransactionConflict(_) => "TransactionConflictException",
            Self::TransactionInProgress(_) => "TransactionInProgressException",
            Self::IdempotentParameterMismatch(_) => "IdempotentParameterMismatchException",
            Self::ItemCollectionSizeLimitExceeded(_) => "ItemCollectionSizeLimitExceededException",
            Self::LimitExceeded(_) => "LimitExceededException",
            Self::ReplicaAlreadyExists(_) => "ReplicaAlreadyExistsException",
            Self::ReplicaNotFound(_) => "ReplicaNotFoundException",
            Self::ExpiredIterator(_) => "ExpiredIteratorException",
            Self::TrimmedDataAccess(_) => "TrimmedDataAccessException",
            Self::ProvisionedThroughputExceeded { .. } => "ProvisionedThroughputExceededException",
            Self::Throttling { .. } => "ThrottlingException",
            Self::InternalServer(_) => "InternalServerError",
            Self::ServiceUnavailable(_) => "ServiceUnavailable",
        }
    }

    /// The value of `__type` in the error's body.
    #[must_use]
    pub const fn wire_type(&self) -> &'static str {
        match self {
            Self::Validation(_) => "com.amazon.coral.validate#ValidationException",
            Self::Serialization(_) => "com.amazon.coral.service#SerializationException",
            Self::ResourceNotFound(_) => "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException",
            Self::TableNotFound(_) => "com.amazonaws.dynamodb.v20120810#TableNotFoundException",
            Self::ResourceInUse(_) => "com.amazonaws.dynamodb.v20120810#ResourceInUseException",
            Self::ConditionalCheckFailed { .. } => "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
            Self::DuplicateItem => "com.amazonaws.dynamodb.v20120810#DuplicateItemException",
            Self::TransactionCanceled { .. } => "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
            Self::TransactionConflict(_) => "com.amazonaws.dynamodb.v20120810#TransactionConflictException",
            Self::TransactionInProgress(_) => "com.amazonaws.dynamodb.v20120810#TransactionInProgressException",
            Self::IdempotentParameterMismatch(_) => {
                "com.amazonaws.dynamodb.v20120810#IdempotentParameterMismatchException"
            }
            Self::ItemCollectionSizeLimitExceeded(_) => {
                "com.amazonaws.dynamodb.v20120810#ItemCollectionSizeLimitExceededException"
            }
            Self::LimitExceeded(_) => "com.amazonaws.dynamodb.v20120810#LimitExceededException",
            Self::ReplicaAlreadyExists(_) => "com.amazonaws.dynamodb.v20120810#ReplicaAlreadyExistsException",
            Self::ReplicaNotFound(_) => "com.amazonaws.dynamodb.v20120810#ReplicaNotFoundException",
            Self::ExpiredIterator(_) => "com.amazonaws.dynamodb.v20120810#ExpiredIteratorException",
            Self::TrimmedDataAccess(_) => "com.amazonaws.dynamodb.v20120810#TrimmedDataAccessException",
            Self::ProvisionedThroughputExceeded { .. } => {
                "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException"
            }
            Self::Throttling { .. } => "com.amazon.coral.availability#ThrottlingException",
            Self::InternalServer(_) => "com.amazonaws.dynamodb.v20120810#InternalServerError",
            Self::ServiceUnavailable(_) => "com.amazonaws.dynamodb.v20120810#ServiceUnavailable",
        }
    }

    /// The HTTP status: 400, 500 or 503.
    #[must_use]
    pub const fn http_status(&self) -> u16 {
        match self {
            Self::InternalServer(_) => 500,
            Self::ServiceUnavailable(_) => 503,
            _ => 400,
        }
    }

    /// A ValidationException.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::Validation(message.into())
    }

    /// A required parameter is not there; `member` is its path, such as `tableName` or `transactItems.1.member.put.item`.
    #[must_use]
    pub fn missing(member: &str) -> Self {
        Self::constraint("null", member, "Member must not be null")
    }

    /// A value is none of an enumeration's.
    #[must_use]
    pub fn not_in_enum(value: &str, member: &str, names: &[&str]) -> Self {
        let names = names.join(", ");
        Self::constraint(
            &format!("'{value}'"),
            member,
            &format!("Member must satisfy enum value set: [{names}]"),
        )
    }

    /// A value breaks a constraint of the API's model. `value` is shown as it is, so quote it.
    #[must_use]
    pub fn constraint(value: &str, member: &str, constraint: &str) -> Self {
        Self::Validation(format!(
            "1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {constraint}"
        ))
    }

    /// An element of `TransactItems` holds none or several actions.
    #[must_use]
    pub fn one_transact_action() -> Self {
        Self::validation("TransactItems can only contain one of Check, Put, Update or Delete")
    }
}

/// The message of a cancelled transaction: the codes of all reasons.
fn canceled(reasons: &[CancellationReason]) -> String {
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code).collect();
    format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    )
}
