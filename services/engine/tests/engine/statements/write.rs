//! Tests of INSERT, UPDATE and DELETE statements.

use beringia_engine::{
    ApiError,
    api::{ExecuteStatementInput, ReturnValuesOnConditionCheckFailure},
};
use beringia_item::{AttributeValue, Item, MAX_ITEM_BYTES};

use super::{songs, statement};
use crate::support::{Harness, item, n, refused, s};

fn p(name: &str) -> Item {
    item([("p", s(name))])
}

#[tokio::test]
async fn insert_creates_an_item_once() {
    let harness = Harness::new().with_simple().await;
    let made = harness
        .execute_with(
            "INSERT INTO \"simple\" VALUE {'p': ?, 'tags': <<'x'>>, 'deep': {'l': [1, NULL]}}",
            [s("a")],
        )
        .await
        .unwrap();
    assert_eq!(made.items, Vec::<Item>::new());
    let expected = item([
        ("p", s("a")),
        ("tags", AttributeValue::Ss(["x".to_owned()].into())),
        (
            "deep",
            AttributeValue::M(item([("l", AttributeValue::L(vec![n(1), AttributeValue::Null]))])),
        ),
    ]);
    assert_eq!(harness.get("simple", p("a")).await, Some(expected.clone()));
    let again = harness
        .execute("INSERT INTO simple VALUE {'p': 'a'}")
        .await
        .unwrap_err();
    assert_eq!(again, ApiError::DuplicateItem);
    assert_eq!(again.to_string(), "Duplicate primary key exists in table");
    assert_eq!(harness.get("simple", p("a")).await, Some(expected));
}

#[tokio::test]
async fn insert_rejects_items_that_put_item_rejects() {
    let harness = Harness::new().with_music().await;
    let filler = s(&"x".repeat(MAX_ITEM_BYTES));
    for (text, parameters, expected) in [
        (
            "INSERT INTO music VALUE {'artist': 'a'}",
            vec![],
            "One or more parameter values were invalid: Missing the key song in the item",
        ),
        (
            "INSERT INTO music VALUE {'artist': 1, 'song': 'b'}",
            vec![],
            "One or more parameter values were invalid: Type mismatch for key artist expected: S actual: N",
        ),
        (
            "INSERT INTO music VALUE {'artist': 'a', 'song': 'b', 'year': 'x'}",
            vec![],
            "One or more parameter values were invalid: Type mismatch for Index Key year Expected: N Actual: S IndexName: by-year",
        ),
        (
            "INSERT INTO music VALUE {'artist': 'a', 'song': 'b', 'filler': ?}",
            vec![filler],
            "Item size has exceeded the maximum allowed size",
        ),
    ] {
        let input = ExecuteStatementInput {
            parameters: (!parameters.is_empty()).then_some(parameters),
            ..statement(text)
        };
        assert_eq!(
            refused(harness.engine.execute_statement(input).await),
            expected,
            "{text}"
        );
    }
}

#[tokio::test]
async fn update_changes_an_existing_item_and_returns_as_requested() {
    let harness = songs().await;
    let key = "artist = 'Can' AND song = 'Spoon'";
    for (clauses, returning, expected) in [
        ("SET plays = 1", "", vec![]),
        (
            "SET plays = plays + 2",
            "RETURNING MODIFIED OLD *",
            vec![item([("plays", n(1))])],
        ),
        (
            "SET plays = plays - 1, m = {'a': [1]} SET genre = 'pop'",
            "RETURNING MODIFIED NEW *",
            vec![item([
                ("plays", n(2)),
                ("genre", s("pop")),
                ("m", AttributeValue::M(item([("a", AttributeValue::L(vec![n(1)]))]))),
            ])],
        ),
        (
            "SET m.a = list_append(m.a, [2]) REMOVE genre, year REMOVE length",
            "RETURNING ALL NEW *",
            vec![item([
                ("artist", s("Can")),
                ("song", s("Spoon")),
                ("plays", n(2)),
                (
                    "m",
                    AttributeValue::M(item([("a", AttributeValue::L(vec![n(1), n(2)]))])),
                ),
            ])],
        ),
        (
            "REMOVE m",
            "RETURNING ALL OLD *",
            vec![item([
                ("artist", s("Can")),
                ("song", s("Spoon")),
                ("plays", n(2)),
                (
                    "m",
                    AttributeValue::M(item([("a", AttributeValue::L(vec![n(1), n(2)]))])),
                ),
            ])],
        ),
        ("REMOVE missed", "RETURNING MODIFIED OLD *", vec![]),
    ] {
        let text = format!("UPDATE music {clauses} WHERE {key} {returning}");
        assert_eq!(harness.items_of(&text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn update_creates_no_item_and_checks_its_conditions() {
    let harness = songs().await;
    let key = "artist = 'Can' AND song = 'Spoon'";
    let failed = |result: Result<_, ApiError>| match result {
        Err(ApiError::ConditionalCheckFailed { item }) => item,
        other => panic!("{other:?}"),
    };
    let before = harness
        .get("music", item([("artist", s("Can")), ("song", s("Spoon"))]))
        .await;
    for clause in [
        "artist = 'Can' AND song = 'Nothing'".to_owned(),
        format!("{key} AND year = 1900"),
        format!("{key} AND genre IS MISSING"),
        format!("year > 1972 AND {key}"),
        format!("{key} AND song = 'Moonshake'"),
    ] {
        let text = format!("UPDATE music SET plays = 1 WHERE {clause}");
        let input = ExecuteStatementInput {
            return_values_on_condition_check_failure: ReturnValuesOnConditionCheckFailure::AllOld,
            ..statement(&text)
        };
        let item = failed(harness.engine.execute_statement(input).await);
        let expected = if clause.contains("Nothing") { &None } else { &before };
        assert_eq!(&item, expected, "{text}");
    }
    assert_eq!(harness.items(), 5);
    assert_eq!(
        harness
            .get("music", item([("artist", s("Can")), ("song", s("Spoon"))]))
            .await,
        before
    );
    harness
        .execute(&format!(
            "UPDATE music SET plays = 1 WHERE {key} AND (year = 1900 OR year = 1972)"
        ))
        .await
        .unwrap();
}

#[tokio::test]
async fn delete_removes_an_item_and_accepts_a_missing_one() {
    let harness = songs().await;
    let key = "artist = 'Can' AND song = 'Spoon'";
    let failed = harness
        .execute(&format!("DELETE FROM music WHERE {key} AND year = 1900"))
        .await;
    assert_eq!(failed, Err(ApiError::ConditionalCheckFailed { item: None }));
    let old = harness
        .items_of(&format!(
            "DELETE FROM music WHERE {key} AND year = 1972 RETURNING ALL OLD *"
        ))
        .await;
    assert_eq!(old.len(), 1);
    assert_eq!(old[0]["year"], n(1972));
    for clause in ["", "AND year = 1900"] {
        let text = format!("DELETE FROM music WHERE {key} {clause} RETURNING ALL OLD *");
        assert_eq!(harness.items_of(&text).await, Vec::<Item>::new(), "{text}");
    }
    assert_eq!(harness.items(), 4);
}

#[tokio::test]
async fn a_write_needs_the_whole_key_and_leaves_it_alone() {
    let harness = songs().await;
    let no_key = "Where clause does not contain a mandatory equality on all key attributes";
    for (text, expected) in [
        ("UPDATE music SET a = 1", no_key),
        ("UPDATE music SET a = 1 WHERE artist = 'Can'", no_key),
        ("DELETE FROM music WHERE artist = 'Can' AND song > 'A'", no_key),
        ("DELETE FROM music", no_key),
        (
            "UPDATE music SET song = 'x' WHERE artist = 'Can' AND song = 'Spoon'",
            "One or more parameter values were invalid: Cannot update attribute song. This attribute is part of the key",
        ),
        (
            "DELETE FROM music WHERE artist = 'Can' AND song = 1",
            "The provided key element does not match the schema",
        ),
        (
            "UPDATE music SET a = b + 1 WHERE artist = 'Can' AND song = 'Spoon'",
            "The provided expression refers to an attribute that does not exist in the item",
        ),
    ] {
        assert_eq!(refused(harness.execute(text).await), expected, "{text}");
    }
}

#[tokio::test]
async fn statements_consume_what_item_operations_consume() {
    let harness = songs().await;
    for (text, expected) in [
        (
            "INSERT INTO music VALUE {'artist': 'a', 'song': 'b', 'genre': 'c'}",
            3.0,
        ),
        ("UPDATE music SET x = 1 WHERE artist = 'a' AND song = 'b'", 2.0),
        ("DELETE FROM music WHERE artist = 'x' AND song = 'y'", 1.0),
    ] {
        assert_eq!(harness.units_of(statement(text)).await, expected, "{text}");
    }
}

#[tokio::test]
async fn drained_region_rejects_writing_statements_only() {
    let harness = songs().await;
    harness.engine.stop_writes();
    for text in [
        "INSERT INTO music VALUE {'artist': 'a', 'song': 'b'}",
        "UPDATE music SET x = 1 WHERE artist = 'Can' AND song = 'Spoon'",
        "DELETE FROM music WHERE artist = 'Can' AND song = 'Spoon'",
    ] {
        assert_eq!(
            harness.execute(text).await.unwrap_err().name(),
            "ServiceUnavailable",
            "{text}"
        );
    }
    assert_eq!(harness.items_of("SELECT * FROM music").await.len(), 5);
    harness.engine.allow_writes();
    harness
        .execute("DELETE FROM music WHERE artist = 'Can' AND song = 'Spoon'")
        .await
        .unwrap();
    assert_eq!(harness.engine.writes_under_way(), 0);
}
