"""Where DynamoDB is known to differ from its public model, and what of it this server does not support yet.

Each entry has its reason. `generate.py` refuses an entry that the model has no place for, so that none outlives its cause.
"""

# The order in which messages list the broken constraints of a structure's members. The service goes by an order of its own
# inside, which its messages show, and the model does not. Members that are not named here follow in the model's order.
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

# The order in which messages list an enumeration's values: again the service's own. The service's messages show each of these.
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

# Members that the model lets be left out, and the service does not.
REQUIRED = {
    # Only a table that is made as a replica of another (GlobalTableSourceArn) has them from there, and that is not supported yet.
    ("CreateTableInput", "AttributeDefinitions"),
    ("CreateTableInput", "KeySchema"),
}

# Members that the model requires, and whose absence the service tells in other words: "The Tag Key provided is invalid, Key: null".
OPTIONAL = {("Tag", "Key"), ("Tag", "Value")}

# Table names that are looked at before everything else, and whose absence or length is told in other words: "The parameter
# 'TableName' is required but was not present in the request". So do the operations on tables, not those on items.
REQUIRED_FIRST = {
    ("CreateTableInput", "TableName"),
    ("DeleteTableInput", "TableName"),
    ("DescribeContinuousBackupsInput", "TableName"),
    ("DescribeTableInput", "TableName"),
    ("DescribeTimeToLiveInput", "TableName"),
    ("UpdateTableInput", "TableName"),
    ("UpdateTimeToLiveInput", "TableName"),
}

# Members whose shape the service takes for another than the model says.
MEMBER_SHAPE = {
    # A table that is yet to be made has no ARN.
    ("CreateTableInput", "TableName"): "TableName",
}

# Where the model says TableArn for a member of that name, or for the key of a map, a name will do as well; and what does not begin
# like an ARN is held to the pattern and lengths of a name, as messages show.
NAME_OR_ARN = "TableName"

# Texts that are judged with other words than the model's constraints give: "must be less than 65536 bytes", "The Tag Key provided is
# invalid, Key: ", "Invalid table-class parameter provided."
OTHER_WORDS = {"AttributeName", "TagKeyString", "TagValueString", "TableClass"}

# Bounds (least, most) that the service keeps and the model does not say; None leaves the model's.
BOUNDS = {
    # Messages about 256 attributes to get name 255 as the most.
    "AttributeNameList": (None, 255),
}
MEMBER_BOUNDS = {
    # A table or local index has one or two key attributes. A global index has up to four of each role, but what is wrong with them
    # is told in other words; the model has one list for all.
    ("CreateTableInput", "KeySchema"): (None, 2),
    ("LocalSecondaryIndex", "KeySchema"): (None, 2),
    ("TableCreationParameters", "KeySchema"): (None, 2),
    # API reference of the streams service: at most 100 streams or shards, and 1,000 records, in one answer.
    ("ListStreamsInput", "Limit"): (None, 100),
    ("DescribeStreamInput", "Limit"): (None, 100),
    ("GetRecordsInput", "Limit"): (None, 1000),
    # The engine refuses empty batches, with words of their own.
    ("BatchGetItemInput", "RequestItems"): (0, None),
    ("BatchWriteItemInput", "RequestItems"): (0, None),
}

# What DynamoDB has and this server does not have yet: refused by name, never ignored. A text is what to do instead; a name of a Rust
# function says which values ask for nothing and so pass.
UNSUPPORTED = {
    ("CreateTableInput", "SSESpecification"): {"unless": "asks_for_no_encryption"},
    ("CreateTableInput", "ResourcePolicy"): {},
    ("CreateTableInput", "GlobalTableSourceArn"): {"hint": "Use ReplicaUpdates of UpdateTable."},
    ("CreateTableInput", "GlobalTableSettingsReplicationMode"): {},
    ("CreateTableInput", "VectorIndexes"): {},
    ("UpdateTableInput", "SSESpecification"): {"unless": "asks_for_no_encryption"},
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

# The Rust function that says whether a text matches a pattern of the model.
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
