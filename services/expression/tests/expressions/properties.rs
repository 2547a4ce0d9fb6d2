//! Properties of every expression on every item.

use std::collections::BTreeMap;

use beringia_expression::{Condition, ConditionKind, KeyCondition, Placeholders, Projection, Update};
use beringia_item::{AttributeValue, Item, Number};
use proptest::{collection, prelude::*};

/// A few names only, so that paths often match.
fn name() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned)
}

pub(crate) fn value() -> impl Strategy<Value = AttributeValue> {
    let leaf = prop_oneof![
        "[a-c]{0,3}".prop_map(AttributeValue::S),
        (-5_i64..5).prop_map(|number| AttributeValue::N(Number::from(number))),
        collection::vec(0_u8..4, 0..3).prop_map(|bytes| AttributeValue::B(bytes.into())),
        any::<bool>().prop_map(AttributeValue::Bool),
        Just(AttributeValue::Null),
        collection::btree_set("[a-c]{0,2}", 1..4).prop_map(AttributeValue::Ss),
        collection::btree_set((-3_i64..3).prop_map(Number::from), 1..4).prop_map(AttributeValue::Ns),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..4).prop_map(AttributeValue::L),
            collection::btree_map(name(), inner, 0..4).prop_map(AttributeValue::M),
        ]
    })
}

pub(crate) fn item() -> impl Strategy<Value = Item> {
    collection::btree_map(name(), value(), 0..4)
}

fn path() -> impl Strategy<Value = String> {
    let step = prop_oneof![
        name().prop_map(|name| format!(".{name}")),
        (0_u8..4).prop_map(|index| format!("[{index}]"))
    ];
    (name(), collection::vec(step, 0..3)).prop_map(|(name, steps)| name + &steps.concat())
}

pub(crate) fn values() -> impl Strategy<Value = BTreeMap<String, AttributeValue>> {
    [value(), value(), value()]
        .prop_map(|values| [":x", ":y", ":z"].into_iter().map(str::to_owned).zip(values).collect())
}

fn operand() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => path(),
        3 => prop::sample::select(vec![":x", ":y", ":z"]).prop_map(str::to_owned),
        1 => path().prop_map(|path| format!("size({path})")),
    ]
}

/// Conditions that follow the grammar, although DynamoDB's further checks may reject them.
pub(crate) fn condition() -> impl Strategy<Value = String> {
    let comparator = prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="]);
    let leaf = prop_oneof![
        (operand(), comparator, operand()).prop_map(|(left, comparator, right)| format!("{left} {comparator} {right}")),
        [operand(), operand(), operand()].prop_map(|[a, low, high]| format!("{a} BETWEEN {low} AND {high}")),
        (operand(), collection::vec(operand(), 1..4)).prop_map(|(a, list)| format!("{a} IN ({})", list.join(", "))),
        path().prop_map(|path| format!("attribute_exists({path})")),
        path().prop_map(|path| format!("attribute_not_exists({path})")),
        [operand(), operand()].prop_map(|[a, b]| format!("contains({a}, {b})")),
        [operand(), operand()].prop_map(|[a, b]| format!("begins_with({a}, {b})")),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let group = inner.prop_map(|inner| format!("({inner})"));
        prop_oneof![
            group.clone().prop_map(|inner| format!("NOT {inner}")),
            [group.clone(), group.clone()].prop_map(|[a, b]| format!("{a} AND {b}")),
            [group.clone(), group].prop_map(|[a, b]| format!("{a} OR {b}")),
        ]
    })
}

/// Paths that one update may write together, in the documents of `document()`.
const WRITABLE: [&str; 14] = [
    "a", "b.a", "b.b", "b.c[0]", "b.c[2]", "c[0]", "c[1]", "c[2].a", "c[2].b", "c[3]", "c[7]", "d[0][0]", "d[0][1]",
    "e",
];

/// An item whose `b` is a map, whose `c` and `d` are lists, and so on; sometimes one of them is
/// missing.
fn document() -> impl Strategy<Value = Item> {
    let list = || collection::vec(value(), 0..4).prop_map(AttributeValue::L);
    let map = || collection::btree_map(name(), value(), 0..4).prop_map(AttributeValue::M);
    let b = (map(), list()).prop_map(|(map, list)| match map {
        AttributeValue::M(mut members) => {
            members.insert("c".to_owned(), list);
            AttributeValue::M(members)
        }
        other => other,
    });
    let c = (value(), value(), map(), list())
        .prop_map(|(zero, one, two, rest)| AttributeValue::L(vec![zero, one, two, rest]));
    let d = (list(), value()).prop_map(|(zero, one)| AttributeValue::L(vec![zero, one]));
    let there = || prop::bool::weighted(0.9);
    ((value(), there()), (b, there()), (c, there()), (d, there())).prop_map(|(a, b, c, d)| {
        let attributes = [("a", a), ("b", b), ("c", c), ("d", d)];
        let there = attributes.into_iter().filter(|(_, (_, there))| *there);
        there.map(|(name, (value, _))| (name.to_owned(), value)).collect()
    })
}

/// The clauses of an update, in any order.
fn update() -> impl Strategy<Value = Vec<String>> {
    let source = prop_oneof![
        4 => Just(":x".to_owned()),
        2 => prop::sample::select(vec!["a", "b", "c", "d"]).prop_map(str::to_owned),
        2 => path().prop_map(|path| format!("if_not_exists({path}, :x)")),
        1 => Just("list_append(c, d)".to_owned()),
        1 => path().prop_map(|path| format!("if_not_exists({path}, :n) + :n")),
    ];
    let action = prop_oneof![
        4 => source.prop_map(|source| ("SET", format!(" = {source}"))),
        4 => Just(("REMOVE", String::new())),
        1 => Just(("ADD", " :n".to_owned())),
        1 => Just(("DELETE", " :s".to_owned())),
    ];
    let paths = prop::sample::subsequence(&WRITABLE[..], 1..6).prop_shuffle();
    (
        paths,
        collection::vec(action, 6),
        Just(["SET", "REMOVE", "ADD", "DELETE"]).prop_shuffle(),
    )
        .prop_map(|(paths, actions, clauses)| {
            let actions: Vec<_> = paths.into_iter().zip(actions).collect();
            let written = clauses.into_iter().map(|clause| {
                let of_clause = actions.iter().filter(|(_, (found, _))| *found == clause);
                (
                    clause,
                    of_clause
                        .map(|(path, (_, rest))| format!("{path}{rest}"))
                        .collect::<Vec<_>>(),
                )
            });
            written
                .filter(|(_, actions)| !actions.is_empty())
                .map(|(clause, actions)| format!("{clause} {}", actions.join(", ")))
                .collect()
        })
}

/// The values that the updates of `update()` refer to.
fn update_values() -> impl Strategy<Value = BTreeMap<String, AttributeValue>> {
    (value(), -5_i64..5, collection::btree_set("[a-c]{0,2}", 1..4)).prop_map(|(x, n, s)| {
        let values = [
            (":x", x),
            (":n", AttributeValue::N(Number::from(n))),
            (":s", AttributeValue::Ss(s)),
        ];
        values.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
    })
}

fn placeholders(values: &BTreeMap<String, AttributeValue>) -> Placeholders {
    Placeholders::new(None, Some(values.clone())).unwrap()
}

fn parse(text: &str, values: &BTreeMap<String, AttributeValue>) -> Option<Condition> {
    Condition::parse(text, ConditionKind::Filter, &mut placeholders(values)).ok()
}

/// Two conditions, and values with which both can be parsed.
fn two_conditions() -> impl Strategy<Value = (String, String, BTreeMap<String, AttributeValue>)> {
    (condition(), condition(), values()).prop_filter("both can be parsed", |(a, b, values)| {
        [a, b].iter().all(|text| parse(text, values).is_some())
    })
}

/// Whether `part` is `whole` with some members and elements left out.
fn is_part_of(part: &AttributeValue, whole: &AttributeValue) -> bool {
    match (part, whole) {
        (AttributeValue::M(part), AttributeValue::M(whole)) => is_sub_item(part, whole),
        (AttributeValue::L(part), AttributeValue::L(whole)) => {
            let mut rest = whole.iter();
            part.iter()
                .all(|element| rest.any(|candidate| is_part_of(element, candidate)))
        }
        _ => part == whole,
    }
}

fn is_sub_item(part: &Item, whole: &Item) -> bool {
    part.iter()
        .all(|(name, value)| whole.get(name).is_some_and(|whole| is_part_of(value, whole)))
}

/// Arbitrary characters, with those of the grammar more frequent.
fn text() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        prop::sample::select(vec![
            "a",
            "b.c",
            "[0]",
            "(",
            ")",
            "AND",
            "OR",
            "NOT",
            "BETWEEN",
            "IN",
            "=",
            "<",
            ">=",
            "<>",
            ",",
            ":x",
            ":y",
            "#n",
            "SET",
            "REMOVE",
            "ADD",
            "DELETE",
            "+",
            "-",
            "size(",
            "contains(",
            "attribute_exists(",
            "attribute_type(",
            "begins_with(",
            "if_not_exists(",
            "list_append(",
            "status",
            "#",
            ":",
            "_",
            "99999999999",
            ".",
        ])
        .prop_map(str::to_owned),
        any::<String>(),
    ];
    (collection::vec(token, 0..24), prop::sample::select(vec![" ", ""])).prop_map(|(tokens, space)| tokens.join(space))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_text_makes_a_parser_panic(text in text(), values in values(), item in item()) {
        let names = BTreeMap::from([("#n".to_owned(), "a".to_owned())]);
        let mut placeholders = Placeholders::new(Some(names), Some(values)).unwrap();
        if let Ok(condition) = Condition::parse(&text, ConditionKind::Condition, &mut placeholders) {
            let _ = condition.matches(&item);
        }
        if let Ok(update) = Update::parse(&text, &mut placeholders) {
            let _ = update.apply(&item);
        }
        if let Ok(projection) = Projection::parse(&text, &mut placeholders) {
            let _ = projection.apply(&item);
        }
        let _ = KeyCondition::parse(&text, &mut placeholders);
    }

    #[test]
    fn not_and_or_obey_the_laws_of_logic((a, b, values) in two_conditions(), item in item()) {
        let holds = |text: String| parse(&text, &values).unwrap_or_else(|| panic!("{text}")).matches(&item);
        let (left, right) = (holds(a.clone()), holds(b.clone()));
        prop_assert_eq!(holds(format!("NOT ({a})")), !left);
        prop_assert_eq!(holds(format!("({a}) AND ({b})")), left && right);
        prop_assert_eq!(holds(format!("({a}) OR ({b})")), left || right);
        prop_assert_eq!(holds(format!("NOT (({a}) AND ({b}))")), holds(format!("(NOT ({a})) OR (NOT ({b}))")));
        prop_assert_eq!(holds(format!("({a}) OR (({a}) AND ({b}))")), left);
    }

    #[test]
    fn comparisons_are_consistent(a in operand(), b in operand(), values in values(), item in item()) {
        let holds = |text: String| parse(&text, &values).map(|parsed| parsed.matches(&item));
        if let (Some(equal), Some(unequal)) = (holds(format!("{a} = {b}")), holds(format!("{a} <> {b}"))) {
            prop_assert_eq!(equal, !unequal);
            prop_assert_eq!(Some(equal), holds(format!("{b} = {a}")));
        }
        let [less, at_most, more, at_least] = ["<", "<=", ">", ">="].map(|operator| holds(format!("{a} {operator} {b}")));
        prop_assert_eq!(less, holds(format!("{b} > {a}")));
        prop_assert_eq!(at_most, holds(format!("{b} >= {a}")));
        if let (Some(less), Some(at_most), Some(more), Some(at_least)) = (less, at_most, more, at_least) {
            prop_assert!(!(less && more));
            prop_assert_eq!(at_most && at_least, at_most && !less);
            // Either the values are ordered, or all four comparisons are false.
            prop_assert_eq!(at_most || at_least, less || more || (at_most && at_least));
            prop_assert_eq!(holds(format!("{a} BETWEEN {b} AND {b}")), Some(at_most && at_least));
        }
    }

    /// A projection is a part of the item. Unless it cuts a list, projecting it again changes
    /// nothing.
    #[test]
    fn projection_is_part_of_item_and_idempotent(
        paths in collection::vec(path(), 1..4), item in item(),
    ) {
        let text = paths.join(", ");
        let parsed = Projection::parse(&text, &mut Placeholders::new(None, None).unwrap());
        prop_assume!(parsed.is_ok());
        let projection = parsed.unwrap();
        let part = projection.apply(&item);
        prop_assert!(is_sub_item(&part, &item), "{text}: {part:?} of {item:?}");
        if !text.contains('[') {
            prop_assert_eq!(projection.apply(&part), part);
        }
    }

    #[test]
    fn an_update_leaves_every_other_attribute(clauses in update(), values in update_values(), item in document()) {
        let text = clauses.join(" ");
        let update = Update::parse(&text, &mut placeholders(&values)).unwrap();
        let written: Vec<&str> = update.top_level_names().collect();
        if let Ok(updated) = update.apply(&item) {
            for name in item.keys().chain(updated.keys()).filter(|name| !written.contains(&name.as_str())) {
                prop_assert_eq!(item.get(name), updated.get(name), "{} changed {}", text, name);
            }
            prop_assert!(updated.values().all(has_no_empty_set));
            prop_assert!(is_sub_item(&update.touched(&updated), &updated));
        }
    }

    #[test]
    fn the_order_of_clauses_does_not_matter(clauses in update(), values in update_values(), item in document()) {
        let update = |text: String| Update::parse(&text, &mut placeholders(&values)).unwrap().apply(&item).ok();
        let reversed: Vec<String> = clauses.iter().rev().cloned().collect();
        prop_assert_eq!(update(clauses.join(" ")), update(reversed.join(" ")));
    }

    #[test]
    fn a_set_value_is_read_back_where_it_was_set(path in prop::sample::select(&WRITABLE[..]), value in value(), item in document()) {
        let values = BTreeMap::from([(":x".to_owned(), value)]);
        let update = Update::parse(&format!("SET {path} = :x"), &mut placeholders(&values)).unwrap();
        if let Ok(updated) = update.apply(&item) {
            let equal = parse(&format!("{path} = :x"), &values).unwrap();
            // An element beyond the end of a list is appended, so it is not at the index named.
            let appended = Projection::parse(path, &mut Placeholders::default()).unwrap().apply(&updated).is_empty();
            prop_assert!(equal.matches(&updated) || appended && path.contains('['));
        }
    }
}

fn has_no_empty_set(value: &AttributeValue) -> bool {
    match value {
        AttributeValue::Ss(set) => !set.is_empty(),
        AttributeValue::Ns(set) => !set.is_empty(),
        AttributeValue::Bs(set) => !set.is_empty(),
        AttributeValue::L(elements) => elements.iter().all(has_no_empty_set),
        AttributeValue::M(members) => members.values().all(has_no_empty_set),
        _ => true,
    }
}
