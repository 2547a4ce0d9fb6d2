//! The requests about items.

use beringia_engine::api::{AttributeAction, Select};

use super::common::{
    ATTRIBUTES_TO_GET, CAPACITY, CONDITION_EXPRESSION, CONDITIONAL_OPERATOR, CONSISTENT_READ, EXPECTED,
    EXPRESSION_NAMES, EXPRESSION_VALUES, KEY, METRICS, NAME, PROJECTION_EXPRESSION, RETURN_VALUES,
    RETURN_VALUES_ON_FAILURE, TABLE_NAME, TABLE_NAME_TEXT, TEXT, conditions, list_of, map_of, one_of, positive,
    text_of,
};
use crate::shape::{Lengths, Member, Shape, Structure};

const TABLE: Member = Member::required("TableName", TABLE_NAME);
const ITEM: Member = Member::required("Item", Shape::AttributeMap);

pub(crate) static PUT_ITEM: Structure = Structure {
    class: "PutItemInput",
    members: &[
        CAPACITY,
        TABLE,
        ITEM,
        CONDITIONAL_OPERATOR,
        EXPECTED,
        RETURN_VALUES,
        METRICS,
        CONDITION_EXPRESSION,
        EXPRESSION_VALUES,
        EXPRESSION_NAMES,
        RETURN_VALUES_ON_FAILURE,
    ],
};

pub(crate) static DELETE_ITEM: Structure = Structure {
    class: "DeleteItemInput",
    members: &[
        CAPACITY,
        TABLE,
        KEY,
        CONDITIONAL_OPERATOR,
        EXPECTED,
        RETURN_VALUES,
        METRICS,
        CONDITION_EXPRESSION,
        EXPRESSION_VALUES,
        EXPRESSION_NAMES,
        RETURN_VALUES_ON_FAILURE,
    ],
};

static ATTRIBUTE_UPDATE: Structure = Structure {
    class: "AttributeValueUpdate",
    members: &[
        Member::optional("Action", one_of(AttributeAction::NAMES)),
        Member::optional("Value", Shape::AttributeValue),
    ],
};

pub(crate) static UPDATE_ITEM: Structure = Structure {
    class: "UpdateItemInput",
    members: &[
        CAPACITY,
        TABLE,
        KEY,
        CONDITIONAL_OPERATOR,
        EXPECTED,
        RETURN_VALUES,
        METRICS,
        Member::optional("UpdateExpression", TEXT),
        CONDITION_EXPRESSION,
        EXPRESSION_VALUES,
        EXPRESSION_NAMES,
        RETURN_VALUES_ON_FAILURE,
        Member::optional(
            "AttributeUpdates",
            map_of(
                "com.amazonaws.dynamodb.v20120810.AttributeValueUpdate",
                &Shape::Structure(&ATTRIBUTE_UPDATE),
            ),
        ),
    ],
};

pub(crate) static GET_ITEM: Structure = Structure {
    class: "GetItemInput",
    members: &[
        CAPACITY,
        ATTRIBUTES_TO_GET,
        TABLE,
        KEY,
        CONSISTENT_READ,
        PROJECTION_EXPRESSION,
        EXPRESSION_NAMES,
    ],
};

const INDEX_NAME: Member = Member::optional("IndexName", NAME);
const SELECT: Member = Member::optional("Select", one_of(Select::NAMES));
const LIMIT: Member = Member::optional("Limit", positive("Integer"));
const START_KEY: Member = Member::optional("ExclusiveStartKey", Shape::AttributeMap);
const FILTER_EXPRESSION: Member = Member::optional("FilterExpression", TEXT);

pub(crate) static QUERY: Structure = Structure {
    class: "QueryInput",
    members: &[
        SELECT,
        INDEX_NAME,
        CAPACITY,
        conditions("QueryFilter"),
        TABLE,
        CONDITIONAL_OPERATOR,
        ATTRIBUTES_TO_GET,
        LIMIT,
        conditions("KeyConditions"),
        START_KEY,
        CONSISTENT_READ,
        Member::optional("ScanIndexForward", Shape::Boolean),
        Member::optional("KeyConditionExpression", TEXT),
        FILTER_EXPRESSION,
        PROJECTION_EXPRESSION,
        EXPRESSION_VALUES,
        EXPRESSION_NAMES,
    ],
};

const SEGMENTS_MAX: i64 = 1_000_000;

pub(crate) static SCAN: Structure = Structure {
    class: "ScanInput",
    members: &[
        SELECT,
        INDEX_NAME,
        CAPACITY,
        conditions("ScanFilter"),
        TABLE,
        CONDITIONAL_OPERATOR,
        ATTRIBUTES_TO_GET,
        Member::optional(
            "Segment",
            Shape::Integer {
                name: "Integer",
                min: 0,
                max: SEGMENTS_MAX - 1,
            },
        ),
        Member::optional(
            "TotalSegments",
            Shape::Integer {
                name: "Integer",
                min: 1,
                max: SEGMENTS_MAX,
            },
        ),
        LIMIT,
        START_KEY,
        CONSISTENT_READ,
        FILTER_EXPRESSION,
        PROJECTION_EXPRESSION,
        EXPRESSION_VALUES,
        EXPRESSION_NAMES,
    ],
};

static KEYS_AND_ATTRIBUTES: Structure = Structure {
    class: "KeysAndAttributes",
    members: &[
        Member::required(
            "Keys",
            Shape::List {
                min: 1,
                max: 100,
                member: &Shape::AttributeMap,
            },
        ),
        ATTRIBUTES_TO_GET,
        CONSISTENT_READ,
        PROJECTION_EXPRESSION,
        EXPRESSION_NAMES,
    ],
};

pub(crate) static BATCH_GET_ITEM: Structure = Structure {
    class: "BatchGetItemInput",
    members: &[
        CAPACITY,
        Member::required(
            "RequestItems",
            Shape::Map {
                class: "com.amazonaws.dynamodb.v20120810.KeysAndAttributes",
                min: 1,
                keys: Some(TABLE_NAME_TEXT),
                values: None,
                member: &Shape::Structure(&KEYS_AND_ATTRIBUTES),
            },
        ),
    ],
};

static PUT_REQUEST: Structure = Structure {
    class: "PutRequest",
    members: &[ITEM],
};
static DELETE_REQUEST: Structure = Structure {
    class: "DeleteRequest",
    members: &[KEY],
};
static WRITE_REQUEST: Structure = Structure {
    class: "WriteRequest",
    members: &[
        Member::optional("DeleteRequest", Shape::Structure(&DELETE_REQUEST)),
        Member::optional("PutRequest", Shape::Structure(&PUT_REQUEST)),
    ],
};
/// Writes in one batch, over all tables.
const BATCH_WRITES: Lengths = Lengths { min: 1, max: 25 };

pub(crate) static BATCH_WRITE_ITEM: Structure = Structure {
    class: "BatchWriteItemInput",
    members: &[
        CAPACITY,
        METRICS,
        Member::required(
            "RequestItems",
            Shape::Map {
                class: "java.util.List<com.amazonaws.dynamodb.v20120810.WriteRequest>",
                min: 1,
                keys: Some(TABLE_NAME_TEXT),
                values: Some(BATCH_WRITES),
                member: &list_of(&Shape::Structure(&WRITE_REQUEST)),
            },
        ),
    ],
};

const TRANSACT_ACTIONS_MAX: usize = 100;
const REQUIRED_CONDITION: Member = Member::required("ConditionExpression", TEXT);

static CONDITION_CHECK: Structure = Structure {
    class: "ConditionCheck",
    members: &[
        KEY,
        TABLE,
        REQUIRED_CONDITION,
        EXPRESSION_NAMES,
        EXPRESSION_VALUES,
        RETURN_VALUES_ON_FAILURE,
    ],
};
static TRANSACT_PUT: Structure = Structure {
    class: "Put",
    members: &[
        ITEM,
        TABLE,
        CONDITION_EXPRESSION,
        EXPRESSION_NAMES,
        EXPRESSION_VALUES,
        RETURN_VALUES_ON_FAILURE,
    ],
};
static TRANSACT_DELETE: Structure = Structure {
    class: "Delete",
    members: &[
        KEY,
        TABLE,
        CONDITION_EXPRESSION,
        EXPRESSION_NAMES,
        EXPRESSION_VALUES,
        RETURN_VALUES_ON_FAILURE,
    ],
};
static TRANSACT_UPDATE: Structure = Structure {
    class: "Update",
    members: &[
        KEY,
        Member::required("UpdateExpression", TEXT),
        TABLE,
        CONDITION_EXPRESSION,
        EXPRESSION_NAMES,
        EXPRESSION_VALUES,
        RETURN_VALUES_ON_FAILURE,
    ],
};
static TRANSACT_WRITE_ITEM: Structure = Structure {
    class: "TransactWriteItem",
    members: &[
        Member::optional("ConditionCheck", Shape::Structure(&CONDITION_CHECK)),
        Member::optional("Put", Shape::Structure(&TRANSACT_PUT)),
        Member::optional("Delete", Shape::Structure(&TRANSACT_DELETE)),
        Member::optional("Update", Shape::Structure(&TRANSACT_UPDATE)),
    ],
};

const fn transact_items(member: &'static Shape) -> Member {
    Member::required(
        "TransactItems",
        Shape::List {
            min: 1,
            max: TRANSACT_ACTIONS_MAX,
            member,
        },
    )
}

pub(crate) static TRANSACT_WRITE_ITEMS: Structure = Structure {
    class: "TransactWriteItemsInput",
    members: &[
        CAPACITY,
        METRICS,
        Member::optional("ClientRequestToken", text_of(1, 36)),
        transact_items(&Shape::Structure(&TRANSACT_WRITE_ITEM)),
    ],
};

static TRANSACT_GET: Structure = Structure {
    class: "Get",
    members: &[KEY, TABLE, PROJECTION_EXPRESSION, EXPRESSION_NAMES],
};
static TRANSACT_GET_ITEM: Structure = Structure {
    class: "TransactGetItem",
    members: &[Member::required("Get", Shape::Structure(&TRANSACT_GET))],
};

pub(crate) static TRANSACT_GET_ITEMS: Structure = Structure {
    class: "TransactGetItemsInput",
    members: &[CAPACITY, transact_items(&Shape::Structure(&TRANSACT_GET_ITEM))],
};
