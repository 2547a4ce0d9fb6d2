//! Properties of every statement on every item.

use beringia_expression::{Access, Condition, ConditionKind, Placeholders, Select, SortCondition, Statement};
use beringia_item::{AttributeValue, Item, Number};
use proptest::{collection, prelude::*};

use crate::{
    properties::{condition, item, values},
    statements::keys,
};

/// The value as a literal; `None` if its type has no literals.
fn literal(value: &AttributeValue) -> Option<String> {
    let all = |values: Vec<Option<String>>| Some(values.into_iter().collect::<Option<Vec<_>>>()?.join(", "));
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    Some(match value {
        AttributeValue::S(value) => text(value),
        AttributeValue::N(number) => number.to_string(),
        AttributeValue::Bool(flag) => flag.to_string(),
        AttributeValue::Null => "null".to_owned(),
        AttributeValue::Ss(set) => format!(
            "<<{}>>",
            set.iter().map(|member| text(member)).collect::<Vec<_>>().join(",")
        ),
        AttributeValue::Ns(set) => format!(
            "<<{}>>",
            set.iter().map(Number::to_string).collect::<Vec<_>>().join(" , ")
        ),
        AttributeValue::L(elements) => format!("[{}]", all(elements.iter().map(literal).collect())?),
        AttributeValue::M(members) => {
            let member =
                |(name, value): (&String, &AttributeValue)| Some(format!("{}: {}", text(name), literal(value)?));
            format!("{{{}}}", all(members.iter().map(member).collect())?)
        }
        AttributeValue::B(_) | AttributeValue::Bs(_) => return None,
    })
}

/// Converts a condition expression to a WHERE clause. Its values become literals if `literals` is
/// set and they have a literal form, else parameters.
fn as_clause(expression: &str, values: &Item, literals: bool) -> (String, Vec<AttributeValue>) {
    let mut clause = String::new();
    let mut parameters = Vec::new();
    let mut rest = expression;
    while let Some(place) = rest.find([':', 'a']) {
        clause.push_str(&rest[..place]);
        rest = &rest[place..];
        let exists = [
            ("attribute_exists(", "IS NOT MISSING"),
            ("attribute_not_exists(", "IS MISSING"),
        ];
        if let Some((function, words)) = exists.iter().find(|(function, _)| rest.starts_with(function)) {
            let end = rest.find(')').unwrap();
            clause.push_str(&format!("{} {words}", &rest[function.len()..end]));
            rest = &rest[end + 1..];
        } else if rest.starts_with(':') {
            let value = &values[&rest[..2]];
            match literal(value).filter(|_| literals) {
                Some(text) => clause.push_str(&text),
                None => {
                    clause.push('?');
                    parameters.push(value.clone());
                }
            }
            rest = &rest[2..];
        } else {
            clause.push('a');
            rest = &rest[1..];
        }
    }
    clause.push_str(rest);
    (clause, parameters)
}

fn select(clause: &str, parameters: Vec<AttributeValue>) -> Option<Select> {
    match Statement::parse(&format!("SELECT * FROM t WHERE {clause}"), parameters) {
        Ok(Statement::Select(select)) => Some(select),
        _ => None,
    }
}

/// Arbitrary characters, with those of the grammar more frequent.
fn text() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        9 => prop::sample::select(vec![
            "SELECT", "*", "FROM", "t", "\"t\"", "WHERE", "a", "b.c", "[0]", "(", ")", "AND", "OR", "NOT", "BETWEEN", "IN", "IS",
            "MISSING", "NULL", "=", "<", ">=", "<>", "!=", ",", "?", "'x'", "1.5e3", "<<", ">>", "{", "}", "'k':", "[", "]", "INSERT",
            "INTO", "VALUE", "UPDATE", "SET", "REMOVE", "DELETE", "RETURNING", "ALL", "OLD", "EXISTS(", "ORDER", "BY", "DESC", "+",
            "-", "size(", "contains(", "set_add(", "list_append(", "'", "\"", ";", "--", "/*", "*/", "\n", ".",
        ]).prop_map(str::to_owned),
        1 => any::<String>(),
    ];
    let begin = prop::sample::select(vec![
        "",
        "SELECT * FROM t WHERE a =",
        "INSERT INTO t VALUE {'a':",
        "UPDATE t SET a =",
        "DELETE FROM t WHERE",
        "EXISTS(SELECT",
    ]);
    (
        begin,
        collection::vec(token, 0..24),
        prop::sample::select(vec![" ", ""]),
    )
        .prop_map(|(begin, tokens, space)| format!("{begin} {}", tokens.join(space)))
}

/// Conditions on the key and one more attribute, nested as deeply as statements are.
fn key_clause() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        3 => "[xyz]".prop_map(|value| format!("p = '{value}'")),
        2 => collection::vec("[xyz]", 1..3).prop_map(|values| format!("p IN ['{}']", values.join("','"))),
        1 => (0..4).prop_map(|value| format!("s = {value}")),
        1 => (0..4).prop_map(|value| format!("s > {value}")),
        1 => (0..4).prop_map(|value| format!("{value} >= s")),
        1 => (0..3, 0..3).prop_map(|(low, more)| format!("s BETWEEN {low} AND {}", low + more)),
        1 => (0..2).prop_map(|value| format!("a = {value}")),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        let group = inner.prop_map(|inner| format!("({inner})"));
        prop_oneof![
            1 => group.clone().prop_map(|inner| format!("NOT {inner}")),
            4 => [group.clone(), group.clone()].prop_map(|[a, b]| format!("{a} AND {b}")),
            3 => [group.clone(), group].prop_map(|[a, b]| format!("{a} OR {b}")),
        ]
    })
}

/// How many times the read returns the item.
fn times_read(access: &Access, item: &Item) -> usize {
    let Access::Query { conditions, .. } = access else {
        return 1;
    };
    let sort = &item["s"];
    let number = |value: &AttributeValue| match value {
        AttributeValue::N(number) => *number,
        other => panic!("{other:?}"),
    };
    let in_range = |condition: &SortCondition| match condition {
        SortCondition::Any => true,
        SortCondition::Less(value) => number(sort) < number(value),
        SortCondition::LessOrEqual(value) => number(sort) <= number(value),
        SortCondition::Greater(value) => number(sort) > number(value),
        SortCondition::GreaterOrEqual(value) => number(sort) >= number(value),
        SortCondition::Between(low, high) => number(sort) >= number(low) && number(sort) <= number(high),
        SortCondition::BeginsWith(_) => false,
    };
    let brings = conditions.iter().filter(|condition| {
        condition.partition == [item["p"].clone()]
            && condition.sort_equal.iter().all(|equal| equal == sort)
            && in_range(&condition.sort)
    });
    brings.count()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(192))]

    #[test]
    fn no_text_makes_the_parser_panic(text in text(), item in item(), parameters in collection::vec(Just(AttributeValue::Null), 0..3)) {
        match Statement::parse(&text, parameters) {
            Ok(Statement::Select(select) | Statement::Exists(select)) => {
                let _ = select.access(&keys());
                let _ = select.filter.condition().map(|condition| condition.matches(&item));
                let _ = select.filter.pin(&keys()).map(|pin| pin.required().matches(&item));
            }
            Ok(Statement::Update(statement)) => {
                let _ = statement.update.apply(&item);
            }
            Ok(Statement::Delete(statement)) => {
                let _ = statement.filter.pin(&keys());
            }
            Ok(Statement::Insert(_)) | Err(_) => {}
        }
    }

    #[test]
    fn where_clause_means_what_the_condition_means(
        expression in condition(), values in values(), item in item(), literals in any::<bool>(),
    ) {
        let mut placeholders = Placeholders::new(None, Some(values.clone())).unwrap();
        let condition = Condition::parse(&expression, ConditionKind::Filter, &mut placeholders).ok();
        let (clause, parameters) = as_clause(&expression, &values, literals);
        let select = select(&clause, parameters);
        prop_assert_eq!(condition.is_some(), select.is_some(), "{} as {}", expression, clause);
        if let (Some(condition), Some(select)) = (condition, select) {
            prop_assert_eq!(condition.matches(&item), select.filter.condition().unwrap().matches(&item), "{}", clause);
        }
    }

    #[test]
    fn printed_literals_are_parsed_back(value in crate::properties::value()) {
        if let Some(text) = literal(&value) {
            let statement = Statement::parse(&format!("INSERT INTO t VALUE {{'v':{text}}}"), Vec::new());
            let read = match statement {
                Ok(Statement::Insert(insert)) => insert.item.get("v").cloned(),
                other => panic!("{text}: {other:?}"),
            };
            prop_assert_eq!(read, Some(value));
        }
    }

    #[test]
    fn select_reads_all_selected_items_exactly_once(clause in key_clause()) {
        let select = select(&clause, Vec::new()).unwrap();
        let (access, condition) = (select.access(&keys()).unwrap(), select.filter.condition().unwrap());
        for p in ["x", "y", "z"] {
            for (s, a) in (0..5).flat_map(|s| [(s, 0), (s, 1)]) {
                let number = |n: i64| AttributeValue::N(Number::from(n));
                let item: Item = [("p", AttributeValue::S(p.to_owned())), ("s", number(s)), ("a", number(a))]
                    .into_iter()
                    .map(|(name, value)| (name.to_owned(), value))
                    .collect();
                let times = times_read(&access, &item);
                prop_assert!(times <= 1 && (times == 1 || !condition.matches(&item)), "{clause}: {item:?} {times} times by {access:?}");
            }
        }
    }
}
