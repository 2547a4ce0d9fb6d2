//! Every request of the model: a request that meets all constraints is accepted, and each broken
//! constraint is reported, alone and next to another one.

use serde_json::{Map, Value, json};

use super::super::*;
use beringia_engine::{ApiError, api};

fn operations() -> impl Iterator<Item = (&'static str, &'static Structure)> {
    requests::DYNAMODB_OPERATIONS
        .iter()
        .chain(requests::STREAMS_OPERATIONS)
        .copied()
}

/// A text that meets its constraints: of the minimum length, but at least one character.
fn good_text(text: &Text) -> String {
    if let Some(name) = text.names.first() {
        return (*name).to_owned();
    }
    let filled = |letter: &str| letter.repeat(text.lengths.min.max(1));
    let word = "0123456789abcdef";
    let candidates = [
        filled("a"),
        ";".to_owned(),
        "ab".to_owned(),
        "0".repeat(12),
        word.repeat(text.lengths.min.div_ceil(16).max(1)),
    ];
    candidates
        .into_iter()
        .find(|candidate| text.pattern.is_none_or(|pattern| (pattern.matches)(candidate)))
        .unwrap_or_else(|| panic!("no text matches {text:?}"))
}

fn good(shape: &Shape) -> Value {
    match shape {
        Shape::Text(text) => json!(good_text(text)),
        Shape::Integer(_, min, _) => json!((*min).max(1)),
        Shape::Number(_) | Shape::Time => json!(1.5),
        Shape::Boolean => json!(true),
        Shape::List { lengths, member } => Value::Array(vec![good(member); lengths.min]),
        Shape::Map { keys, member, .. } => Value::Object(Map::from_iter([(good_text(keys), good(member))])),
        Shape::Structure(structure) => Value::Object(good_members(structure)),
        Shape::AttributeValue => json!({"S": "a"}),
        Shape::AttributeMap => json!({"a": {"S": "a"}}),
    }
}

/// All members except those that this server does not support.
fn good_members(structure: &Structure) -> Map<String, Value> {
    let supported = structure
        .members
        .iter()
        .filter(|member| !matches!(member.presence, Presence::Unsupported { .. }));
    supported
        .map(|member| (member.name.to_owned(), good(&member.shape)))
        .collect()
}

/// Values that each break one constraint of a member, with the constraint as messages show it.
fn bad(shape: &Shape) -> Vec<(Value, String)> {
    let longer = |min: usize| format!("Member must have length greater than or equal to {min}");
    let shorter = |max: usize| format!("Member must have length less than or equal to {max}");
    let mut bad = Vec::new();
    match shape {
        Shape::Text(text) if !text.names.is_empty() => {
            let names = text.names.join(", ");
            bad.push((json!("?"), format!("Member must satisfy enum value set: [{names}]")));
        }
        Shape::Text(text) => {
            if let Some(pattern) = text.pattern {
                let fits = |text: &str| (pattern.matches)(text);
                let wrong = ["$;é\u{1}".repeat(4), "$".to_owned(), "\u{1}".to_owned()]
                    .into_iter()
                    .find(|wrong| !fits(wrong) && text.lengths.fit(wrong.chars().count()));
                let regex = pattern.regex;
                let constraint = format!("Member must satisfy regular expression pattern: {regex}");
                bad.extend(wrong.map(|wrong| (json!(wrong), constraint)));
            } else {
                bad.extend((text.lengths.min > 0).then(|| (json!(""), longer(text.lengths.min))));
                let max = text.lengths.max;
                bad.extend((max < usize::MAX).then(|| (json!("a".repeat(max + 1)), shorter(max))));
            }
        }
        Shape::Integer(_, min, max) => {
            let reported = |than: &str, bound: &i64| format!("Member must have value {than} than or equal to {bound}");
            bad.extend(min.checked_sub(1).map(|less| (json!(less), reported("greater", min))));
            bad.extend(max.checked_add(1).map(|more| (json!(more), reported("less", max))));
        }
        Shape::List { lengths, member } => {
            bad.extend((lengths.min > 0).then(|| (json!([]), longer(lengths.min))));
            let max = lengths.max;
            bad.extend((max < usize::MAX).then(|| (Value::Array(vec![good(member); max + 1]), shorter(max))));
        }
        Shape::Map { lengths, .. } => bad.extend((lengths.min > 0).then(|| (json!({}), longer(lengths.min)))),
        _ => {}
    }
    bad
}

/// Sets the value at a path of members; lists and maps on the path have one element.
fn put(request: &mut Value, path: &[&str], value: Value) {
    match (path, request) {
        ([], place) => *place = value,
        (path, Value::Array(members)) => put(&mut members[0], path, value),
        ([name, rest @ ..], Value::Object(members)) => {
            let place = members.entry((*name).to_owned()).or_insert(Value::Null);
            put(place, rest, value);
        }
        (path, other) => panic!("{path:?} does not exist in {other}"),
    }
}

/// The name of a member as messages show it.
fn reported(name: &str) -> String {
    name[..1].to_lowercase() + &name[1..]
}

/// A place in a request where a constraint can be broken.
struct Fault {
    /// The path where the invalid value is put.
    path: Vec<&'static str>,
    /// The path as messages show it.
    shown: String,
    /// The shape of the value at the path.
    shape: &'static Shape,
    /// Whether messages show the value.
    shows_value: bool,
    /// Invalid values, with the constraint as messages show it.
    values: Vec<(Value, String)>,
}

/// All places of a structure, including nested ones.
fn faults(structure: &Structure, at: &[&'static str], shown: &str) -> Vec<Fault> {
    let mut found = Vec::new();
    for member in structure.members {
        if matches!(
            member.presence,
            Presence::Unsupported { .. } | Presence::RequiredFirst | Presence::NewName
        ) {
            continue;
        }
        let path = [at, &[member.name]].concat();
        let shown = format!("{shown}{}", reported(member.name));
        let mut values = bad(&member.shape);
        if matches!(member.presence, Presence::Required) {
            values.push((Value::Null, "Member must not be null".to_owned()));
        }
        let inner = match &member.shape {
            Shape::Structure(inner) => faults(inner, &path, &format!("{shown}.")),
            Shape::List {
                lengths: Lengths { min: 1.., .. },
                member: Shape::Structure(inner),
            } => faults(inner, &path, &format!("{shown}.1.member.")),
            _ => Vec::new(),
        };
        found.push(Fault {
            path,
            shown,
            shape: &member.shape,
            shows_value: member.shows_value,
            values,
        });
        found.extend(inner);
    }
    found
}

fn refused(name: &str, shape: &Structure, request: &Value, constraints: &[String]) {
    let Value::Object(members) = request else {
        panic!("{request}")
    };
    let count = constraints.len();
    let plural = if count == 1 { "" } else { "s" };
    let message = format!("{count} validation error{plural} detected: {}", constraints.join("; "));
    assert_eq!(
        check(members, shape),
        Err(ApiError::Validation(message)),
        "{name}: {request}"
    );
}

impl Fault {
    /// The message about a value at this place.
    fn reported(&self, value: &Value, constraint: &str) -> String {
        let value = match value {
            Value::Null => "null".to_owned(),
            _ if !self.shows_value => {
                let path = self.path.join(".");
                return format!("Value at '{path}' failed to satisfy constraint: {constraint}");
            }
            other => show::show(Some((other, self.shape))),
        };
        format!(
            "Value {value} at '{}' failed to satisfy constraint: {constraint}",
            self.shown
        )
    }
}

#[test]
fn request_that_meets_every_constraint_is_accepted() {
    assert_eq!(operations().count(), 66);
    for (name, shape) in operations() {
        let request = good_members(shape);
        assert_eq!(check(&request, shape), Ok(()), "{name}: {request:?}");
    }
}

#[test]
fn each_broken_constraint_is_reported_alone() {
    let mut reported = 0;
    for (name, shape) in operations() {
        for fault in faults(shape, &[], "") {
            for (value, broken) in &fault.values {
                let mut request = Value::Object(good_members(shape));
                put(&mut request, &fault.path, value.clone());
                refused(name, shape, &request, &[fault.reported(value, broken)]);
                reported += 1;
            }
        }
    }
    assert!(reported > 400, "{reported}");
}

#[test]
fn two_broken_constraints_are_listed_in_the_tables_order() {
    let mut pairs = 0;
    for (name, shape) in operations() {
        let faults = faults(shape, &[], "");
        let broken = |fault: &Fault| fault.values.last().cloned();
        for (position, first) in faults.iter().enumerate() {
            for second in &faults[position + 1..] {
                // A missing value, or another list, has no members to break.
                if second.path.starts_with(&first.path) {
                    continue;
                }
                let (Some(one), Some(other)) = (broken(first), broken(second)) else {
                    continue;
                };
                let mut request = Value::Object(good_members(shape));
                put(&mut request, &first.path, one.0.clone());
                put(&mut request, &second.path, other.0.clone());
                let reported = [first.reported(&one.0, &one.1), second.reported(&other.0, &other.1)];
                refused(name, shape, &request, &reported);
                pairs += 1;
            }
        }
    }
    assert!(pairs > 1000, "{pairs}");
}

/// The values of the enumeration at a path of members.
fn names(shape: &'static Structure, path: &str) -> &'static [&'static str] {
    let (name, rest) = path.split_once('.').unwrap_or((path, ""));
    let member = shape.members.iter().find(|member| member.name == name).unwrap();
    let mut shape = &member.shape;
    loop {
        match shape {
            Shape::Text(text) => return text.names,
            Shape::Structure(inner) => return names(inner, rest),
            Shape::List { member, .. } | Shape::Map { member, .. } => shape = member,
            other => panic!("{path} is {other:?}"),
        }
    }
}

#[test]
fn engine_accepts_every_enumeration_value_that_passes() {
    let on_failure = "ReturnValuesOnConditionCheckFailure";
    for (shape, path, expected) in [
        (&requests::QUERY, "Select", api::Select::NAMES),
        (&requests::QUERY, "ConditionalOperator", api::ConditionalOperator::NAMES),
        (
            &requests::QUERY,
            "KeyConditions.ComparisonOperator",
            api::ComparisonOperator::NAMES,
        ),
        (
            &requests::QUERY,
            "ReturnConsumedCapacity",
            api::ReturnConsumedCapacity::NAMES,
        ),
        (&requests::PUT_ITEM, "ReturnValues", api::ReturnValues::NAMES),
        (
            &requests::PUT_ITEM,
            "ReturnItemCollectionMetrics",
            api::ReturnItemCollectionMetrics::NAMES,
        ),
        (
            &requests::PUT_ITEM,
            on_failure,
            api::ReturnValuesOnConditionCheckFailure::NAMES,
        ),
        (
            &requests::UPDATE_ITEM,
            "AttributeUpdates.Action",
            api::AttributeAction::NAMES,
        ),
        (&requests::CREATE_TABLE, "BillingMode", api::BillingMode::NAMES),
        (&requests::CREATE_TABLE, "KeySchema.KeyType", api::KeyRole::NAMES),
        (
            &requests::CREATE_TABLE,
            "AttributeDefinitions.AttributeType",
            api::ScalarAttributeType::NAMES,
        ),
        (
            &requests::CREATE_TABLE,
            "LocalSecondaryIndexes.Projection.ProjectionType",
            api::ProjectionType::NAMES,
        ),
        (
            &requests::CREATE_TABLE,
            "StreamSpecification.StreamViewType",
            api::StreamViewType::NAMES,
        ),
        (
            &requests::UPDATE_TABLE,
            "MultiRegionConsistency",
            api::MultiRegionConsistency::NAMES,
        ),
        (
            &requests::DESCRIBE_STREAM,
            "ShardFilter.Type",
            api::ShardFilterType::NAMES,
        ),
        (
            &requests::GET_SHARD_ITERATOR,
            "ShardIteratorType",
            api::ShardIteratorType::NAMES,
        ),
    ] {
        assert_eq!(names(shape, path), expected, "{path}");
    }
}
