//! Tests of Query and Scan.

mod refused;

use beringia_engine::api::{PageOutput, QueryInput, ReturnConsumedCapacity, ScanInput, Select};
use beringia_item::{AttributeValue, Item};
use beringia_storage::Store;

use crate::support::{Harness, item, n, names, refused, s, text, values};

/// Twenty songs of two artists. Every other song has a genre and a year; all have a length and a
/// label.
async fn library() -> Harness {
    library_on(Harness::new()).await
}

async fn library_on<S: Store>(harness: Harness<S>) -> Harness<S> {
    let harness = harness.with_music().await;
    for number in 0..20 {
        let artist = if number % 2 == 0 { "even" } else { "odd" };
        let mut song = item([
            ("artist", s(artist)),
            ("song", s(&format!("song-{number:02}"))),
            ("length", n(100 - number)),
            ("label", s("label")),
            ("title", s(&format!("Title {number}"))),
            ("text", s("la la la")),
        ]);
        if number % 4 < 2 {
            song.insert("genre".to_owned(), s("jazz"));
            song.insert("year".to_owned(), n(2000 - number));
        }
        harness.put("music", song).await;
    }
    harness
}

fn query(condition: &str) -> QueryInput {
    QueryInput {
        table_name: "music".to_owned(),
        key_condition_expression: text(condition),
        expression_attribute_values: values([(":a", s("even"))]),
        ..QueryInput::default()
    }
}

fn jazz(index: &str) -> QueryInput {
    QueryInput {
        index_name: text(index),
        key_condition_expression: text("genre = :a"),
        expression_attribute_values: values([(":a", s("jazz"))]),
        ..query("")
    }
}

fn scan() -> ScanInput {
    ScanInput {
        table_name: "music".to_owned(),
        ..ScanInput::default()
    }
}

fn of(page: &PageOutput, name: &str) -> Vec<String> {
    let show = |item: &Item| match item.get(name) {
        Some(AttributeValue::S(text)) => text.clone(),
        Some(AttributeValue::N(number)) => number.to_string(),
        other => format!("{other:?}"),
    };
    page.items.iter().flatten().map(show).collect()
}

fn songs(numbers: &[u32]) -> Vec<String> {
    numbers.iter().map(|number| format!("song-{number:02}")).collect()
}

#[tokio::test]
async fn a_query_returns_a_partition_in_the_order_of_its_sort_key() {
    let harness = library().await;
    let page = harness.engine.query(query("artist = :a")).await.unwrap();
    assert_eq!(of(&page, "song"), songs(&[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]));
    assert_eq!(
        (page.count, page.scanned_count, page.last_evaluated_key),
        (10, 10, None)
    );
    let backward = QueryInput {
        scan_index_forward: false,
        ..query("artist = :a")
    };
    let page = harness.engine.query(backward).await.unwrap();
    assert_eq!(of(&page, "song"), songs(&[18, 16, 14, 12, 10, 8, 6, 4, 2, 0]));
}

#[tokio::test]
async fn every_condition_on_the_sort_key_selects_its_songs() {
    let harness = library().await;
    let cases: [(&str, &[u32]); 8] = [
        ("song = :b", &[4]),
        ("song < :b", &[0, 2]),
        ("song <= :b", &[0, 2, 4]),
        ("song > :b", &[6, 8, 10, 12, 14, 16, 18]),
        ("song >= :b", &[4, 6, 8, 10, 12, 14, 16, 18]),
        ("song BETWEEN :b AND :c", &[4, 6, 8, 10, 12]),
        ("begins_with(song, :d)", &[10, 12, 14, 16, 18]),
        ("song > :e", &[]),
    ];
    for (condition, expected) in cases {
        let all = [
            (":a", s("even")),
            (":b", s("song-04")),
            (":c", s("song-12")),
            (":d", s("song-1")),
            (":e", s("x")),
        ];
        let used = all
            .into_iter()
            .filter(|(name, _)| *name == ":a" || condition.contains(name));
        let expression_attribute_values = Some(used.map(|(name, value)| (name.to_owned(), value)).collect());
        for forward in [true, false] {
            let input = QueryInput {
                expression_attribute_values: Option::clone(&expression_attribute_values),
                scan_index_forward: forward,
                ..query(&format!("artist = :a AND {condition}"))
            };
            let mut found = of(&harness.engine.query(input).await.unwrap(), "song");
            if !forward {
                found.reverse();
            }
            assert_eq!(found, songs(expected), "{condition}");
        }
    }
}

#[tokio::test]
async fn numbers_in_sort_keys_are_ordered_as_numbers() {
    let harness = library().await;
    let page = harness.engine.query(jazz("by-year")).await.unwrap();
    let years = [
        "1983", "1984", "1987", "1988", "1991", "1992", "1995", "1996", "1999", "2000",
    ];
    assert_eq!(of(&page, "year"), years);
}

#[tokio::test]
async fn pages_cover_the_partition_once_in_either_direction() {
    let harness = library().await;
    for forward in [true, false] {
        for limit in 1..=11 {
            let mut found = Vec::new();
            let mut start = None;
            loop {
                let input = QueryInput {
                    limit: Some(limit),
                    exclusive_start_key: start,
                    scan_index_forward: forward,
                    ..query("artist = :a")
                };
                let page = harness.engine.query(input).await.unwrap();
                assert!(page.scanned_count <= limit.unsigned_abs());
                found.extend(of(&page, "song"));
                start = page.last_evaluated_key;
                if start.is_none() {
                    break;
                }
            }
            let mut expected = songs(&[0, 2, 4, 6, 8, 10, 12, 14, 16, 18]);
            if !forward {
                expected.reverse();
            }
            assert_eq!(found, expected, "limit {limit}");
        }
    }
}

#[tokio::test]
async fn limit_counts_what_is_read_before_the_filter() {
    let harness = library().await;
    let input = QueryInput {
        limit: Some(4),
        filter_expression: text("title = :t"),
        expression_attribute_values: values([(":a", s("even")), (":t", s("Title 6"))]),
        ..query("artist = :a")
    };
    let page = harness.engine.query(input).await.unwrap();
    assert_eq!((page.count, page.scanned_count), (1, 4));
    assert_eq!(
        page.last_evaluated_key,
        Some(item([("artist", s("even")), ("song", s("song-06"))]))
    );
}

#[tokio::test]
async fn a_page_ends_with_a_megabyte() {
    let harness = Harness::new().with_music().await;
    for number in 0..10 {
        let song = item([
            ("artist", s("a")),
            ("song", n_as_text(number)),
            ("text", s(&"x".repeat(300 * 1024))),
        ]);
        harness.put("music", song).await;
    }
    let input = QueryInput {
        expression_attribute_values: values([(":a", s("a"))]),
        ..query("artist = :a")
    };
    let page = harness.engine.query(input).await.unwrap();
    assert_eq!(page.count, 4, "the item that reaches the limit is the last");
    assert_eq!(
        page.last_evaluated_key,
        Some(item([("artist", s("a")), ("song", n_as_text(3))]))
    );
    // Reading an index that contains only keys does not cost as much as reading whole items.
    let input = ScanInput {
        index_name: text("by-song"),
        select: Some(Select::Count),
        ..scan()
    };
    assert_eq!(harness.engine.scan(input).await.unwrap().count, 4);
    for number in 0..10 {
        let input = item([
            ("artist", s("a")),
            ("song", n_as_text(number)),
            ("label", s("l")),
            ("text", s(&"x".repeat(300 * 1024))),
        ]);
        harness.put("music", input).await;
    }
    let input = ScanInput {
        index_name: text("by-label"),
        ..scan()
    };
    let page = harness.engine.scan(input).await.unwrap();
    assert_eq!((page.count, page.last_evaluated_key), (10, None));
}

fn n_as_text(number: u32) -> AttributeValue {
    s(&format!("{number:04}"))
}

#[tokio::test]
async fn an_index_returns_what_it_projects() {
    let harness = library().await;
    for (index, expected) in [
        ("by-genre", vec!["artist", "genre", "song"]),
        ("by-year", vec!["artist", "genre", "song", "title", "year"]),
    ] {
        let page = harness.engine.query(jazz(index)).await.unwrap();
        assert_eq!(page.count, 10);
        for item in page.items.unwrap() {
            assert_eq!(item.keys().collect::<Vec<_>>(), expected, "{index}");
        }
    }
    let local = QueryInput {
        index_name: text("by-label"),
        ..query("artist = :a")
    };
    let page = harness.engine.query(local.clone()).await.unwrap();
    assert_eq!(
        page.items.unwrap()[0].keys().collect::<Vec<_>>(),
        ["artist", "label", "song"]
    );
    let whole = QueryInput {
        select: Some(Select::AllAttributes),
        ..local.clone()
    };
    let page = harness.engine.query(whole).await.unwrap();
    assert!(
        page.items.unwrap()[0].contains_key("text"),
        "a local index fetches from its table"
    );
    let part = QueryInput {
        projection_expression: text("title"),
        ..local
    };
    let page = harness.engine.query(part).await.unwrap();
    assert_eq!(page.items.unwrap()[0], item([("title", s("Title 0"))]));
}

#[tokio::test]
async fn pages_of_an_index_continue_where_the_last_ended() {
    let harness = library().await;
    for index in ["by-genre", "by-year"] {
        let mut found = Vec::new();
        let mut start = None;
        loop {
            let input = QueryInput {
                limit: Some(3),
                exclusive_start_key: start,
                ..jazz(index)
            };
            let page = harness.engine.query(input).await.unwrap();
            found.extend(of(&page, "song"));
            start = page.last_evaluated_key;
            let Some(position) = &start else { break };
            let expected: &[&str] = if index == "by-genre" {
                &["artist", "genre", "song"]
            } else {
                &["artist", "genre", "song", "year"]
            };
            assert_eq!(position.keys().collect::<Vec<_>>(), expected);
        }
        found.sort();
        assert_eq!(found, songs(&[0, 1, 4, 5, 8, 9, 12, 13, 16, 17]), "{index}");
    }
}

#[tokio::test]
async fn scan_returns_every_item_once_for_any_segments() {
    let harness = library().await;
    let every: Vec<u32> = (0..20).collect();
    for total in [1, 2, 3, 5, 100] {
        let mut found = Vec::new();
        for segment in 0..total {
            let mut start = None;
            loop {
                let input = ScanInput {
                    segment: Some(segment),
                    total_segments: Some(total),
                    limit: Some(3),
                    exclusive_start_key: start,
                    ..scan()
                };
                let page = harness.engine.scan(input).await.unwrap();
                found.extend(of(&page, "song"));
                start = page.last_evaluated_key;
                if start.is_none() {
                    break;
                }
            }
        }
        found.sort();
        assert_eq!(found, songs(&every), "{total} segments");
    }
    let page = harness
        .engine
        .scan(ScanInput {
            index_name: text("by-genre"),
            ..scan()
        })
        .await
        .unwrap();
    assert_eq!(
        (page.count, page.last_evaluated_key),
        (10, None),
        "items without the index's key are not in it"
    );
}

#[tokio::test]
async fn select_chooses_what_is_returned() {
    let harness = library().await;
    let count = QueryInput {
        select: Some(Select::Count),
        ..query("artist = :a")
    };
    let page = harness.engine.query(count).await.unwrap();
    assert_eq!((page.items, page.count), (None, 10));
    let specific = QueryInput {
        select: Some(Select::SpecificAttributes),
        projection_expression: text("#s"),
        expression_attribute_names: names([("#s", "song")]),
        ..query("artist = :a")
    };
    let page = harness.engine.query(specific).await.unwrap();
    assert_eq!(page.items.unwrap()[0], item([("song", s("song-00"))]));

    let base = query("artist = :a");
    let projecting = |select| QueryInput {
        select: Some(select),
        projection_expression: text("song"),
        ..base.clone()
    };
    let selecting = |select| QueryInput {
        select: Some(select),
        ..base.clone()
    };
    let cases = [
        (
            projecting(Select::AllAttributes),
            "1 validation error detected: Cannot specify the ProjectionExpression when choosing to get ALL_ATTRIBUTES",
        ),
        (
            projecting(Select::Count),
            "1 validation error detected: Cannot specify the ProjectionExpression when choosing to get only the Count",
        ),
        (
            selecting(Select::SpecificAttributes),
            "1 validation error detected: Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
        ),
        (
            selecting(Select::AllProjectedAttributes),
            "1 validation error detected: ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
        ),
        (
            QueryInput {
                select: Some(Select::AllAttributes),
                ..jazz("by-genre")
            },
            "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported for global secondary index by-genre because its projection type is not ALL",
        ),
        (
            QueryInput {
                projection_expression: text("title, song"),
                ..jazz("by-genre")
            },
            "One or more parameter values were invalid: Global secondary index by-genre does not project [title]",
        ),
    ];
    for (input, message) in cases {
        let refused = refused(harness.engine.query(input).await);
        assert_eq!(refused, message);
    }
}

#[tokio::test]
async fn reading_costs_what_was_read_not_what_was_returned() {
    let harness = library().await;
    let filtered = |consistent_read| QueryInput {
        filter_expression: text("title = :t"),
        expression_attribute_values: values([(":a", s("even")), (":t", s("none"))]),
        consistent_read,
        return_consumed_capacity: ReturnConsumedCapacity::Indexes,
        ..query("artist = :a")
    };
    let units = |page: PageOutput| page.consumed_capacity.unwrap().total.capacity_units;
    assert!((units(harness.engine.query(filtered(false)).await.unwrap()) - 0.5).abs() < f64::EPSILON);
    assert!((units(harness.engine.query(filtered(true)).await.unwrap()) - 1.0).abs() < f64::EPSILON);
    let by_index = QueryInput {
        return_consumed_capacity: ReturnConsumedCapacity::Indexes,
        ..jazz("by-genre")
    };
    let capacity = harness.engine.query(by_index).await.unwrap().consumed_capacity.unwrap();
    assert!((capacity.global_secondary_indexes.unwrap()["by-genre"].capacity_units - 0.5).abs() < f64::EPSILON);
    assert!(capacity.table.unwrap().capacity_units.abs() < f64::EPSILON);
}

#[tokio::test]
async fn query_of_a_key_without_sort_part_has_one_page() {
    let harness = Harness::new().with_simple().await;
    harness.put("simple", item([("p", s("a"))])).await;
    let query = QueryInput {
        table_name: "simple".to_owned(),
        key_condition_expression: text("p = :p"),
        expression_attribute_values: values([(":p", s("a"))]),
        limit: Some(1),
        ..QueryInput::default()
    };
    let found = harness.engine.query(query.clone()).await.unwrap();
    assert_eq!((found.count, found.last_evaluated_key), (1, None));
    let going_on = QueryInput {
        exclusive_start_key: Some(item([("p", s("a"))])),
        ..query
    };
    assert_eq!(
        refused(harness.engine.query(going_on).await),
        "The provided exclusive start key is invalid: ExclusiveStartKey: {p=AttributeValue: {S:a}}"
    );
}
