"""Known differences between DynamoDB and its public model, and the members that this server does
not support yet.

Each table states its reason. `generate.py` rejects entries that do not apply to the model, so that
none becomes stale.
"""

# The order in which messages list the broken constraints of a structure's members. It is an
# internal order of the service, known from its messages, and not in the model. Other members follow
# in the model's order.
MEMBER_ORDER = {
    "PutItemInput": [
        "ReturnConsumedCapacity",
        "TableName",
        "Item",
        "ConditionalOperator",
        "Expected",
        "ReturnValues",
        "ReturnItemCollectionMetrics",
        "ConditionExpression",
        "ExpressionAttributeValues",
        "ExpressionAttributeNames",
    ],
    "DeleteItemInput": [
        "ReturnConsumedCapacity",
        "TableName",
        "Key",
        "ConditionalOperator",
        "Expected",
        "ReturnValues",
        "ReturnItemCollectionMetrics",
        "ConditionExpression",
        "ExpressionAttributeValues",
        "ExpressionAttributeNames",
    ],
    "UpdateItemInput": [
        "ReturnConsumedCapacity",
        "TableName",
        "Key",
        "ConditionalOperator",
        "Expected",
        "ReturnValues",
        "ReturnItemCollectionMetrics",
        "UpdateExpression",
        "ConditionExpression",
        "ExpressionAttributeValues",
        "ExpressionAttributeNames",
        "ReturnValuesOnConditionCheckFailure",
        "AttributeUpdates",
    ],
    "GetItemInput": ["ReturnConsumedCapacity", "AttributesToGet", "TableName", "Key", "ConsistentRead"],
    "QueryInput": [
        "Select",
        "IndexName",
        "ReturnConsumedCapacity",
        "QueryFilter",
        "TableName",
        "ConditionalOperator",
        "AttributesToGet",
        "Limit",
        "KeyConditions",
        "ExclusiveStartKey",
        "ConsistentRead",
        "ScanIndexForward",
        "KeyConditionExpression",
        "FilterExpression",
        "ProjectionExpression",
        "ExpressionAttributeValues",
        "ExpressionAttributeNames",
    ],
    "ScanInput": [
        "Select",
        "IndexName",
        "ReturnConsumedCapacity",
        "ScanFilter",
        "TableName",
        "ConditionalOperator",
        "AttributesToGet",
        "Segment",
        "TotalSegments",
        "Limit",
        "ExclusiveStartKey",
        "ConsistentRead",
        "FilterExpression",
        "ProjectionExpression",
        "ExpressionAttributeValues",
        "ExpressionAttributeNames",
    ],
    "BatchGetItemInput": ["ReturnConsumedCapacity", "RequestItems"],
    "BatchWriteItemInput": ["ReturnConsumedCapacity", "ReturnItemCollectionMetrics", "RequestItems"],
    "TransactGetItemsInput": ["ReturnConsumedCapacity", "TransactItems"],
    "TransactWriteItemsInput": [
        "ReturnConsumedCapacity",
        "ReturnItemCollectionMetrics",
        "ClientRequestToken",
        "TransactItems",
    ],
    "WriteRequest": ["DeleteRequest", "PutRequest"],
    "AttributeValueUpdate": ["Action", "Value"],
    "ExpectedAttributeValue": ["AttributeValueList", "ComparisonOperator", "Exists", "Value"],
    "CreateTableInput": [
        "AttributeDefinitions",
        "TableName",
        "BillingMode",
        "ProvisionedThroughput",
        "KeySchema",
        "LocalSecondaryIndexes",
        "GlobalSecondaryIndexes",
    ],
    "UpdateTableInput": ["TableName", "ProvisionedThroughput", "BillingMode", "GlobalSecondaryIndexUpdates"],
    "ProvisionedThroughput": ["WriteCapacityUnits", "ReadCapacityUnits"],
    "TimeToLiveSpecification": ["AttributeName", "Enabled"],
}

# The order in which messages list an enumeration's values, also an internal order of the service.
# Each of these is known from the service's messages.
VALUE_ORDER = {
    "ComparisonOperator": [
        "IN",
        "NULL",
        "BETWEEN",
        "LT",
        "NOT_CONTAINS",
        "EQ",
        "GT",
        "NOT_NULL",
        "NE",
        "LE",
        "BEGINS_WITH",
        "GE",
        "CONTAINS",
    ],
    "ConditionalOperator": ["OR", "AND"],
    "ReturnValue": ["ALL_NEW", "UPDATED_OLD", "ALL_OLD", "NONE", "UPDATED_NEW"],
    "Select": ["SPECIFIC_ATTRIBUTES", "COUNT", "ALL_ATTRIBUTES", "ALL_PROJECTED_ATTRIBUTES"],
    "ScalarAttributeType": ["B", "N", "S"],
    "ProjectionType": ["ALL", "INCLUDE", "KEYS_ONLY"],
    "StreamViewType": ["NEW_IMAGE", "NEW_AND_OLD_IMAGES", "OLD_IMAGE", "KEYS_ONLY"],
}

# Members that are optional in the model and required by the service.
REQUIRED = {
    # Only a table that is created as a replica of another one (GlobalTableSourceArn) can do without
    # them, which is not supported yet.
    ("CreateTableInput", "AttributeDefinitions"),
    ("CreateTableInput", "KeySchema"),
}

# Members that are required in the model, and whose absence the service reports with another
# message: "The Tag Key provided is invalid, Key: null".
OPTIONAL = {("Tag", "Key"), ("Tag", "Value")}

# Table names that are checked before everything else, and whose absence or length has another
# message: "The parameter 'TableName' is required but was not present in the request". This applies
# to operations on tables, not to those on items.
REQUIRED_FIRST = {
    ("DeleteTableInput", "TableName"),
    ("DescribeContinuousBackupsInput", "TableName"),
    ("DescribeTableInput", "TableName"),
    ("DescribeTimeToLiveInput", "TableName"),
    ("UpdateTableInput", "TableName"),
    ("UpdateTimeToLiveInput", "TableName"),
}

# The name of a new table. Its absence has the message of REQUIRED_FIRST, but its form is reported
# like that of other members. An empty name breaks only the bound of the model's shape.
NEW_NAME = {("CreateTableInput", "TableName")}

# Members whose broken constraints the service reports without their value, with a path that is
# written as in the request: "Value at 'Limit' failed to satisfy constraint". These are members of
# operations whose checks have moved (docs/decisions/0009). The messages about other members of
# these operations are known only in the older form.
WITHOUT_VALUE = {("QueryInput", "Limit"), ("KeysAndAttributes", "Keys")}

# Members that the service treats as another shape than the model's.
MEMBER_SHAPE = {
    # A table that does not exist yet has no ARN.
    ("CreateTableInput", "TableName"): "TableName",
}

# If a member of this name, or the key of a map, is a TableArn in the model, the service also
# accepts a name. As its messages show, it checks a text that does not begin like an ARN against the
# pattern and lengths of a name.
NAME_OR_ARN = "TableName"

# Texts whose constraints the service reports with other messages than the model's: "must be less
# than 65536 bytes", "The Tag Key provided is invalid, Key: ", "Invalid table-class parameter
# provided."
OTHER_WORDS = {"AttributeName", "TagKeyString", "TagValueString", "TableClass"}

# Bounds (minimum, maximum) that the service enforces and the model lacks; None keeps the model's.
BOUNDS = {
    # The service's message about 256 attributes to get names 255 as the maximum.
    "AttributeNameList": (None, 255),
}
MEMBER_BOUNDS = {
    # A table or local index has one or two key attributes. A global index has up to four of each
    # role, but violations have other messages; the model has one list for all.
    ("CreateTableInput", "KeySchema"): (None, 2),
    ("LocalSecondaryIndex", "KeySchema"): (None, 2),
    ("TableCreationParameters", "KeySchema"): (None, 2),
    # API reference of the streams service: at most 100 streams or shards, and 1,000 records, per
    # answer.
    ("ListStreamsInput", "Limit"): (None, 100),
    ("DescribeStreamInput", "Limit"): (None, 100),
    ("GetRecordsInput", "Limit"): (None, 1000),
    # The service's messages about the keys of replicas name this minimum; the maximum is the
    # KMS API's. The id is part of the table's definition, which replicates.
    ("SSESpecification", "KMSMasterKeyId"): (1, 2048),
    # The engine rejects empty batches, with a message of their own.
    ("BatchGetItemInput", "RequestItems"): (0, None),
    ("BatchWriteItemInput", "RequestItems"): (0, None),
}

# Members that DynamoDB has and this server does not support yet: they are rejected by name, never
# ignored. A hint says what to do instead; `unless` names a Rust function that recognises values
# which ask for the existing behaviour and are accepted.
UNSUPPORTED = {
    ("CreateTableInput", "ResourcePolicy"): {},
    ("CreateTableInput", "GlobalTableSourceArn"): {"hint": "Use ReplicaUpdates of UpdateTable."},
    ("CreateTableInput", "GlobalTableSettingsReplicationMode"): {},
    ("CreateTableInput", "VectorIndexes"): {},
    ("UpdateTableInput", "GlobalTableWitnessUpdates"): {},
    ("UpdateTableInput", "GlobalTableSettingsReplicationMode"): {},
    ("UpdateTableInput", "DisassociationProtectionEnabled"): {"unless": "is_false"},
    ("UpdateTableInput", "VectorIndexUpdates"): {},
    ("ReplicationGroupUpdate", "Disassociate"): {"hint": "Use Delete."},
    **{
        (f"{action}ReplicationGroupMemberAction", member): {}
        for action in ("Create", "Update")
        for member in (
            "KMSMasterKeyId",
            "ProvisionedThroughputOverride",
            "OnDemandThroughputOverride",
            "GlobalSecondaryIndexes",
            "TableClassOverride",
        )
    },
}

# The Rust functions that match texts against the patterns of the model.
PATTERNS = {
    "[a-zA-Z0-9_.-]+": "name",
    r"\p{Print}+": "printable",
    r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*": "plain_text",
    "([0-9a-f]{16})+": "hexadecimal_words",
    r"^[^\$]+$": "without_dollar",
    r"[,;:|\t ]": "delimiter",
    r"[\x20-\x21\x23-\x2B\x2D-\x7E]*": "csv_header",
    r"^[a-z0-9A-Z]+[\.\-\w]*[a-z0-9A-Z]+$": "bucket",
    "[0-9]{12}": "account",
}
