//! The exceptions of the DynamoDB API.

use beringia_item::Item;

/// Why a transaction was cancelled, for one of its actions.
#[derive(Debug, Clone, PartialEq)]
pub struct CancellationReason {
    /// `None`, `ConditionalCheckFailed`, `DuplicateItem`, `ItemCollectionSizeLimitExceeded`,
    /// `TransactionConflict`, `ProvisionedThroughputExceeded`, `ThrottlingError` or
    /// `ValidationError`.
    pub code: &'static str,
    /// The message; `None` with the code `None`.
    pub message: Option<String>,
    /// The item as it is stored, if the request asked for it.
    pub item: Option<Item>,
}

impl CancellationReason {
    /// The reason of an action that would have succeeded.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            code: "None",
            message: None,
            item: None,
        }
    }
}

/// One reason why a request was throttled (API reference, ThrottlingReason).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThrottlingReason {
    /// The resource, the kind of request and the limit, such as
    /// `TableReadProvisionedThroughputExceeded`.
    pub reason: String,
    /// The ARN of the table or index.
    pub resource: String,
}

/// An exception of the DynamoDB API (API reference, "Error handling", and each operation's errors).
/// Displays as its message.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum ApiError {
    /// A parameter is invalid, or does not fit the table or the stored item.
    #[error("{0}")]
    Validation(String),
    /// The request's JSON has another shape than the API defines.
    #[error("{0}")]
    Serialization(String),
    /// The caller may not do this to the resource, which is another account's.
    #[error("{0}")]
    AccessDenied(String),
    /// The table, index or stream does not exist.
    #[error("{0}")]
    ResourceNotFound(String),
    /// The table does not exist, in the wording of the operations on backups.
    #[error("Table not found: {0}")]
    TableNotFound(String),
    /// The table already exists, or is in a state that does not allow the request.
    #[error("{0}")]
    ResourceInUse(String),
    /// The condition of a write is false.
    #[error("The conditional request failed")]
    ConditionalCheckFailed {
        /// The item as it is stored, if the request asked for it.
        item: Option<Item>,
    },
    /// An INSERT found an item with the same key.
    #[error("Duplicate primary key exists in table")]
    DuplicateItem,
    /// The transaction was not committed.
    #[error("{}", canceled(.reasons))]
    TransactionCanceled {
        /// One reason per action, in the order of the request.
        reasons: Vec<CancellationReason>,
    },
    /// A transaction in progress holds the item.
    #[error("{0}")]
    TransactionConflict(String),
    /// A request with the same token is in progress.
    #[error("{0}")]
    TransactionInProgress(String),
    /// The token was used for a different request.
    #[error("{0}")]
    IdempotentParameterMismatch(String),
    /// The item collection, in a table with local indexes, is full.
    #[error("{0}")]
    ItemCollectionSizeLimitExceeded(String),
    /// Too many changes at the same time, or too many tables or indexes.
    #[error("{0}")]
    LimitExceeded(String),
    /// The region already has a replica.
    #[error("{0}")]
    ReplicaAlreadyExists(String),
    /// The region has no replica of the table.
    #[error("{0}")]
    ReplicaNotFound(String),
    /// The shard iterator has expired.
    #[error("{0}")]
    ExpiredIterator(String),
    /// The requested stream records are older than a day.
    #[error("{0}")]
    TrimmedDataAccess(String),
    /// The provisioned throughput is used up.
    #[error("{message}")]
    ProvisionedThroughputExceeded {
        /// The advice to the client.
        message: String,
        /// The resources that are used up.
        reasons: Vec<ThrottlingReason>,
    },
    /// The maximum set for an on-demand table is reached.
    #[error("{message}")]
    Throttling {
        /// The limit that was reached.
        message: String,
        /// The resources whose limit was reached.
        reasons: Vec<ThrottlingReason>,
    },
    /// The store failed. The message says how; it is unknown whether the request took effect.
    #[error("{0}")]
    InternalServer(String),
    /// The region cannot answer now. The request had no effect and can be repeated.
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
            Self::AccessDenied(_) => "AccessDeniedException",
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

    /// The value of `__type` in the body of the error.
    #[must_use]
    pub const fn wire_type(&self) -> &'static str {
        match self {
            Self::Validation(_) => "com.amazon.coral.validate#ValidationException",
            Self::Serialization(_) => "com.amazon.coral.service#SerializationException",
            Self::AccessDenied(_) => "com.amazon.coral.service#AccessDeniedException",
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

    /// Creates a ValidationException with this message.
    pub fn validation(message: impl Into<String>) -> Self {
        Self::Validation(message.into())
    }

    /// The error for a missing required parameter; `member` is its path, such as `tableName` or
    /// `transactItems.1.member.put.item`.
    #[must_use]
    pub fn missing(member: &str) -> Self {
        Self::constraint("null", member, "Member must not be null")
    }

    /// The error for a value that an enumeration does not have.
    #[must_use]
    pub fn not_in_enum(value: &str, member: &str, names: &[&str]) -> Self {
        let names = names.join(", ");
        Self::constraint(
            &format!("'{value}'"),
            member,
            &format!("Member must satisfy enum value set: [{names}]"),
        )
    }

    /// The error for a value that breaks a constraint of the API's model. The message contains
    /// `value` as it is, so the caller quotes it.
    #[must_use]
    pub fn constraint(value: &str, member: &str, constraint: &str) -> Self {
        Self::Validation(format!(
            "1 validation error detected: Value {value} at '{member}' failed to satisfy constraint: {constraint}"
        ))
    }

    /// The error for an element of `TransactItems` with no action or several.
    #[must_use]
    pub fn one_transact_action() -> Self {
        Self::validation("TransactItems can only contain one of Check, Put, Update or Delete")
    }
}

/// The message of a cancelled transaction, which lists the codes of all reasons.
fn canceled(reasons: &[CancellationReason]) -> String {
    let codes: Vec<&str> = reasons.iter().map(|reason| reason.code).collect();
    format!(
        "Transaction cancelled, please refer cancellation reasons for specific reasons [{}]",
        codes.join(", ")
    )
}
