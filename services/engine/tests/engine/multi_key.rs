//! Global indexes whose partition and sort keys consist of several attributes.

use beringia_engine::api::{
    AttributeDefinition, CreateTableInput, GlobalSecondaryIndexUpdate, PageOutput, ProjectionType, QueryInput,
    ScalarAttributeType, ScanInput, UpdateItemInput, UpdateTableInput, WriteOptions,
};
use beringia_item::{AttributeValue, Item};

use crate::support::{Harness, definition, global, hash, item, n, projection, range, refused, s, simple, text, values};

const INDEX: &str = "by-place";

fn definitions() -> Vec<AttributeDefinition> {
    use ScalarAttributeType::{N, S};
    [
        ("p", S),
        ("country", S),
        ("year", N),
        ("state", S),
        ("town", S),
        ("house", N),
    ]
    .map(|(name, kind)| definition(name, kind))
    .into()
}

/// An index with the partition key country and year, and the sort key state, town and house.
fn index() -> beringia_engine::api::GlobalSecondaryIndex {
    let keys = vec![
        hash("country"),
        hash("year"),
        range("state"),
        range("town"),
        range("house"),
    ];
    global(INDEX, keys, projection(ProjectionType::All, &[]))
}

fn house(country: &str, year: i64, state: &str, town: &str, house: i64) -> Item {
    item([
        ("p", s(&format!("{country}/{year}/{state}/{town}/{house}"))),
        ("country", s(country)),
        ("year", n(year)),
        ("state", s(state)),
        ("town", s(town)),
        ("house", n(house)),
    ])
}

async fn streets() -> Harness {
    let harness = Harness::new();
    let input = CreateTableInput {
        attribute_definitions: definitions(),
        global_secondary_indexes: Some(vec![index()]),
        ..simple()
    };
    harness.engine.create_table(input).await.unwrap();
    fill(&harness).await;
    harness
}

async fn fill(harness: &Harness) {
    for (state, town, number) in [
        ("b", "x", 10),
        ("b", "x", 9),
        ("b", "xy", 1),
        ("a", "z", 5),
        ("c", "x", -1),
        ("bx", "", 0),
    ] {
        if town.is_empty() {
            // Without a town, the item is not in the index.
            let mut incomplete = house("de", 1990, state, "-", number);
            incomplete.remove("town");
            harness.put("simple", incomplete).await;
        } else {
            harness.put("simple", house("de", 1990, state, town, number)).await;
        }
    }
    // Concatenated, these partition attributes resemble those that are queried.
    harness.put("simple", house("de1", 990, "a", "a", 1)).await;
    harness.put("simple", house("d", 1990, "a", "a", 1)).await;
}

fn query(condition: &str, more: &[(&str, AttributeValue)]) -> QueryInput {
    let mut all = item([(":c", s("de")), (":y", n(1990))]);
    all.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    QueryInput {
        table_name: "simple".to_owned(),
        index_name: text(INDEX),
        key_condition_expression: text(condition),
        expression_attribute_values: Some(all),
        ..QueryInput::default()
    }
}

fn houses(page: &PageOutput) -> Vec<String> {
    let items = page.items.iter().flatten();
    items
        .map(|item| match &item["p"] {
            AttributeValue::S(place) => place.trim_start_matches("de/1990/").to_owned(),
            other => panic!("{other:?}"),
        })
        .collect()
}

const ALL: [&str; 5] = ["a/z/5", "b/x/9", "b/x/10", "b/xy/1", "c/x/-1"];

#[tokio::test]
async fn query_needs_all_partition_and_leading_sort_attributes() {
    let harness = streets().await;
    for (rest, more, expected) in [
        ("", vec![], &ALL[..]),
        (" AND #s = :s", vec![(":s", s("b"))], &ALL[1..4]),
        (" AND #s >= :s", vec![(":s", s("b"))], &ALL[1..]),
        (" AND begins_with(#s, :s)", vec![(":s", s("b"))], &ALL[1..4]),
        (
            " AND #s BETWEEN :s AND :t",
            vec![(":s", s("a")), (":t", s("b"))],
            &ALL[..4],
        ),
        (
            " AND #s = :s AND begins_with(town, :t)",
            vec![(":s", s("b")), (":t", s("x"))],
            &ALL[1..4],
        ),
        (
            " AND #s = :s AND town = :t",
            vec![(":s", s("b")), (":t", s("x"))],
            &ALL[1..3],
        ),
        (
            " AND #s = :s AND town = :t AND house > :h",
            vec![(":s", s("b")), (":t", s("x")), (":h", n(9))],
            &ALL[2..3],
        ),
        (
            " AND #s = :s AND town = :t AND house = :h",
            vec![(":s", s("b")), (":t", s("x")), (":h", n(9))],
            &ALL[1..2],
        ),
    ] {
        let mut input = query(&format!("country = :c AND #y = :y{rest}"), &more);
        let mut placeholders = vec![("#y", "year")];
        if rest.contains("#s") {
            placeholders.push(("#s", "state"));
        }
        input.expression_attribute_names = Some(
            placeholders
                .iter()
                .map(|(name, of)| ((*name).to_owned(), (*of).to_owned()))
                .collect(),
        );
        let page = harness.engine.query(input.clone()).await.unwrap();
        assert_eq!(houses(&page), expected, "{rest}");
        input.scan_index_forward = false;
        let backwards = harness.engine.query(input).await.unwrap();
        let reversed: Vec<&str> = expected.iter().rev().copied().collect();
        assert_eq!(houses(&backwards), reversed, "{rest}");
    }
}

#[tokio::test]
async fn skipped_sort_attributes_and_late_ranges_are_rejected() {
    let harness = streets().await;
    for (condition, more, message) in [
        (
            "country = :c",
            vec![],
            "Query key condition not supported: all HASH key attributes need an equality condition, year has no condition",
        ),
        (
            "country = :c AND #y > :y",
            vec![],
            "Query key condition not supported: all HASH key attributes need an equality condition, year has another condition",
        ),
        (
            "country = :c AND #y = :y AND town = :t",
            vec![(":t", s("x"))],
            "Query key condition not supported: RANGE key attributes before town need an equality condition",
        ),
        (
            "country = :c AND #y = :y AND #s > :s AND town = :t",
            vec![(":s", s("a")), (":t", s("x"))],
            "Query key condition not supported: RANGE key attributes before town need an equality condition",
        ),
    ] {
        let mut input = query(condition, &more);
        let used = |name: &str| condition.contains(name);
        let placeholders = [("#y", "year"), ("#s", "state")]
            .into_iter()
            .filter(|(name, _)| used(name));
        let placeholders: std::collections::BTreeMap<_, _> = placeholders
            .map(|(name, of)| (name.to_owned(), of.to_owned()))
            .collect();
        input.expression_attribute_names = (!placeholders.is_empty()).then_some(placeholders);
        if !used(":y") {
            input.expression_attribute_values = values([(":c", s("de"))]);
        }
        assert_eq!(refused(harness.engine.query(input).await), message, "{condition}");
    }
}

#[tokio::test]
async fn pages_of_the_index_continue_from_the_whole_key() {
    let harness = streets().await;
    let mut input = query("country = :c AND #y = :y", &[]);
    input.expression_attribute_names = crate::support::names([("#y", "year")]);
    input.limit = Some(2);
    let mut seen = Vec::new();
    loop {
        let page = harness.engine.query(input.clone()).await.unwrap();
        seen.extend(houses(&page));
        let Some(position) = page.last_evaluated_key else { break };
        let names: Vec<&str> = position.keys().map(String::as_str).collect();
        assert_eq!(names, ["country", "house", "p", "state", "town", "year"]);
        input.exclusive_start_key = Some(position);
    }
    assert_eq!(seen, ALL);
    let scan = ScanInput {
        table_name: "simple".to_owned(),
        index_name: text(INDEX),
        ..ScanInput::default()
    };
    assert_eq!(
        harness.engine.scan(scan).await.unwrap().count,
        7,
        "all but the one without a town"
    );
}

#[tokio::test]
async fn index_added_later_contains_existing_items() {
    let harness = Harness::new().with_simple().await;
    fill(&harness).await;
    let created = index();
    let update = UpdateTableInput {
        table_name: "simple".to_owned(),
        attribute_definitions: Some(definitions()),
        global_secondary_index_updates: Some(vec![GlobalSecondaryIndexUpdate::Create(created)]),
        ..UpdateTableInput::default()
    };
    harness.engine.update_table(update).await.unwrap();
    let described = harness.once_active("simple").await;
    let keys = &described.global_secondary_indexes.unwrap()[0].key_schema;
    assert_eq!(*keys, index().key_schema);
    let mut input = query("country = :c AND #y = :y", &[]);
    input.expression_attribute_names = crate::support::names([("#y", "year")]);
    assert_eq!(houses(&harness.engine.query(input).await.unwrap()), ALL);
}

/// Each key attribute must have its type.
#[tokio::test]
async fn write_moves_entry_when_any_key_attribute_changes() {
    let harness = streets().await;
    let update = |expression: &str, value: AttributeValue| UpdateItemInput {
        table_name: "simple".to_owned(),
        key: item([("p", s("de/1990/a/z/5"))]),
        update_expression: text(expression),
        options: WriteOptions {
            expression_attribute_values: values([(":v", value)]),
            ..WriteOptions::default()
        },
        ..UpdateItemInput::default()
    };
    let all = async || {
        let mut input = query("country = :c AND #y = :y", &[]);
        input.expression_attribute_names = crate::support::names([("#y", "year")]);
        houses(&harness.engine.query(input).await.unwrap())
    };
    for (expression, wrong) in [
        ("SET town = :v", n(1)),
        ("SET house = :v", s("x")),
        ("SET country = :v", s("")),
    ] {
        let message = refused(harness.engine.update_item(update(expression, wrong)).await);
        assert!(message.contains("secondary index key"), "{message}");
    }
    assert_eq!(all().await, ALL);
    let to_the_end = update("SET house = :v, town = town", n(6));
    harness.engine.update_item(to_the_end).await.unwrap();
    let mut moved = update("SET #s = :v", s("d"));
    moved.options.expression_attribute_names = crate::support::names([("#s", "state")]);
    harness.engine.update_item(moved).await.unwrap();
    assert_eq!(all().await, ["b/x/9", "b/x/10", "b/xy/1", "c/x/-1", "a/z/5"]);
    let elsewhere = update("SET country = :v", s("at"));
    harness.engine.update_item(elsewhere).await.unwrap();
    assert_eq!(all().await, &ALL[1..], "another partition");
}
