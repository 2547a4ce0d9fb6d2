//! Shapes that several requests share.

use beringia_engine::api::{
    ComparisonOperator, ConditionalOperator, ReturnConsumedCapacity, ReturnItemCollectionMetrics, ReturnValues,
    ReturnValuesOnConditionCheckFailure,
};

use crate::shape::{Lengths, Member, Pattern, Shape, Structure, Text};

/// Any string.
pub(super) const TEXT: Shape = Shape::Text(Text {
    pattern: None,
    lengths: Lengths::ANY,
    names: &[],
});
/// A whole number of any size.
pub(super) const LONG: Shape = Shape::Integer {
    name: "Long",
    min: i64::MIN,
    max: i64::MAX,
};
/// The constraints of a table's name where ARNs count too.
pub(super) const TABLE_NAME_TEXT: Text = Text {
    pattern: Some(Pattern::NameOrArn),
    lengths: Lengths { min: 3, max: 255 },
    names: &[],
};
/// The same, as a shape.
pub(super) const TABLE_NAME: Shape = Shape::Text(TABLE_NAME_TEXT);
/// The name of an index, or of a table where an ARN will not do.
pub(super) const NAME: Shape = Shape::Text(Text {
    pattern: Some(Pattern::Name),
    lengths: Lengths { min: 3, max: 255 },
    names: &[],
});

/// A string of so many characters.
pub(super) const fn text_of(min: usize, max: usize) -> Shape {
    Shape::Text(Text {
        pattern: None,
        lengths: Lengths { min, max },
        names: &[],
    })
}

/// One of these strings.
pub(super) const fn one_of(names: &'static [&'static str]) -> Shape {
    Shape::Text(Text {
        pattern: None,
        lengths: Lengths::ANY,
        names,
    })
}

/// A whole number of at least 1.
pub(super) const fn positive(name: &'static str) -> Shape {
    Shape::Integer {
        name,
        min: 1,
        max: i64::MAX,
    }
}

/// A list of any length.
pub(super) const fn list_of(member: &'static Shape) -> Shape {
    Shape::List {
        min: 0,
        max: usize::MAX,
        member,
    }
}

pub(super) const EXPRESSION_NAMES: Member = Member::optional(
    "ExpressionAttributeNames",
    Shape::Map {
        class: "java.lang.String",
        min: 0,
        keys: None,
        values: None,
        member: &TEXT,
    },
);
pub(super) const EXPRESSION_VALUES: Member = Member::optional("ExpressionAttributeValues", Shape::AttributeMap);
pub(super) const CONDITION_EXPRESSION: Member = Member::optional("ConditionExpression", TEXT);
pub(super) const PROJECTION_EXPRESSION: Member = Member::optional("ProjectionExpression", TEXT);
pub(super) const CONSISTENT_READ: Member = Member::optional("ConsistentRead", Shape::Boolean);
pub(super) const KEY: Member = Member::required("Key", Shape::AttributeMap);
pub(super) const CAPACITY: Member = Member::optional("ReturnConsumedCapacity", one_of(ReturnConsumedCapacity::NAMES));
pub(super) const METRICS: Member = Member::optional(
    "ReturnItemCollectionMetrics",
    one_of(ReturnItemCollectionMetrics::NAMES),
);
pub(super) const RETURN_VALUES: Member = Member::optional("ReturnValues", one_of(ReturnValues::NAMES));
pub(super) const RETURN_VALUES_ON_FAILURE: Member = Member::optional(
    "ReturnValuesOnConditionCheckFailure",
    one_of(ReturnValuesOnConditionCheckFailure::NAMES),
);

static EXPECTED_VALUE: Structure = Structure {
    class: "ExpectedAttributeValue",
    members: &[
        Member::optional("AttributeValueList", list_of(&Shape::AttributeValue)),
        Member::optional("ComparisonOperator", one_of(ComparisonOperator::NAMES)),
        Member::optional("Exists", Shape::Boolean),
        Member::optional("Value", Shape::AttributeValue),
    ],
};

static EXPECTED_VALUE_SHAPE: Shape = Shape::Structure(&EXPECTED_VALUE);

static CONDITION: Structure = Structure {
    class: "Condition",
    members: &[
        Member::optional("AttributeValueList", list_of(&Shape::AttributeValue)),
        Member::required("ComparisonOperator", one_of(ComparisonOperator::NAMES)),
    ],
};

static CONDITION_SHAPE: Shape = Shape::Structure(&CONDITION);

pub(super) const fn map_of(class: &'static str, member: &'static Shape) -> Shape {
    Shape::Map {
        class,
        min: 0,
        keys: None,
        values: None,
        member,
    }
}

/// The legacy form of a condition on the current item.
pub(super) const EXPECTED: Member = Member::optional(
    "Expected",
    map_of(
        "com.amazonaws.dynamodb.v20120810.ExpectedAttributeValue",
        &EXPECTED_VALUE_SHAPE,
    ),
);
/// How legacy conditions combine.
pub(super) const CONDITIONAL_OPERATOR: Member =
    Member::optional("ConditionalOperator", one_of(ConditionalOperator::NAMES));
/// The legacy form of a projection.
pub(super) const ATTRIBUTES_TO_GET: Member = Member::optional(
    "AttributesToGet",
    Shape::List {
        min: 1,
        max: 255,
        member: &TEXT,
    },
);

/// A legacy map of conditions.
pub(super) const fn conditions(name: &'static str) -> Member {
    const CONDITIONS: Shape = map_of("com.amazonaws.dynamodb.v20120810.Condition", &CONDITION_SHAPE);
    Member::optional(name, CONDITIONS)
}
