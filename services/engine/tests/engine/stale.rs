//! Stale reads: eventually consistent reads see data of up to a configured age, and nothing older.

use std::{collections::BTreeSet, time::Duration};

use beringia_engine::api::{
    BatchGetItemInput, GetItemInput, KeysAndAttributes, QueryInput, ScanInput, TransactGetItem, TransactGetItemsInput,
};
use beringia_item::{AttributeValue, Item};

use crate::support::{Harness, item, n, s, text, values};

const STALE: Duration = Duration::from_millis(100);
/// How often a random read is repeated.
const TRIES: usize = 200;

/// A harness with a song whose title changed ten times, every 20 ms, most recently to 9.
async fn library() -> Harness {
    let harness = Harness::stale(STALE).with_music().await;
    for number in 0..10 {
        harness.put("music", song(number)).await;
        tokio::time::advance(Duration::from_millis(20)).await;
    }
    harness
}

fn key() -> Item {
    item([("artist", s("a")), ("song", s("b"))])
}

fn song(number: i64) -> Item {
    let mut song = key();
    song.extend(item([("genre", s("jazz")), ("year", n(2000)), ("title", n(number))]));
    song
}

fn title(item: Option<&Item>) -> i64 {
    match item.and_then(|item| item.get("title")) {
        Some(AttributeValue::N(number)) => number.to_string().parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

async fn get(harness: &Harness, consistent_read: bool) -> i64 {
    let input = GetItemInput {
        table_name: "music".to_owned(),
        key: key(),
        consistent_read,
        ..GetItemInput::default()
    };
    title(harness.engine.get_item(input).await.unwrap().item.as_ref())
}

async fn batch_get(harness: &Harness, consistent: bool) -> i64 {
    let of_table = KeysAndAttributes {
        keys: vec![key()],
        consistent_read: Some(consistent),
        ..KeysAndAttributes::default()
    };
    let input = BatchGetItemInput {
        request_items: [("music".to_owned(), of_table)].into(),
        ..BatchGetItemInput::default()
    };
    let output = harness.engine.batch_get_item(input).await.unwrap();
    title(output.responses["music"].first())
}

async fn query(harness: &Harness, index: Option<&str>, consistent_read: bool) -> i64 {
    let (condition, value) = match index {
        Some("by-year") => ("genre = :v", s("jazz")),
        _ => ("artist = :v", s("a")),
    };
    let input = QueryInput {
        table_name: "music".to_owned(),
        index_name: index.map(str::to_owned),
        key_condition_expression: text(condition),
        expression_attribute_values: values([(":v", value)]),
        consistent_read,
        ..QueryInput::default()
    };
    let page = harness.engine.query(input).await.unwrap();
    assert_eq!(page.count, 1, "there was an item at every time");
    title(page.items.unwrap().first())
}

async fn scan(harness: &Harness, consistent_read: bool) -> i64 {
    let input = ScanInput {
        table_name: "music".to_owned(),
        consistent_read,
        ..ScanInput::default()
    };
    title(harness.engine.scan(input).await.unwrap().items.unwrap().first())
}

/// Eventually consistent reads see any state of that period, and none before it.
#[tokio::test(start_paused = true)]
async fn stale_reads_see_only_the_last_hundred_milliseconds() {
    let harness = library().await;
    // The titles were written 200, 180, …, 20 ms ago, so the title a hundred milliseconds ago was
    // 5.
    let expected: BTreeSet<i64> = (5..10).collect();
    let mut seen = [const { BTreeSet::<i64>::new() }; 5];
    for _ in 0..TRIES {
        seen[0].insert(get(&harness, false).await);
        seen[1].insert(batch_get(&harness, false).await);
        seen[2].insert(query(&harness, None, false).await);
        seen[3].insert(query(&harness, Some("by-year"), false).await);
        seen[4].insert(scan(&harness, false).await);
    }
    for seen in seen {
        assert_eq!(seen, expected);
    }
    tokio::time::advance(STALE).await;
    for _ in 0..TRIES {
        assert_eq!(get(&harness, false).await, 9);
        assert_eq!(query(&harness, Some("by-year"), false).await, 9);
    }
}

#[tokio::test(start_paused = true)]
async fn consistent_reads_and_transactions_see_the_newest() {
    let harness = library().await;
    let transaction = || TransactGetItemsInput {
        transact_items: vec![TransactGetItem {
            table_name: "music".to_owned(),
            key: key(),
            ..TransactGetItem::default()
        }],
        ..TransactGetItemsInput::default()
    };
    for _ in 0..TRIES {
        assert_eq!(get(&harness, true).await, 9);
        assert_eq!(batch_get(&harness, true).await, 9);
        assert_eq!(query(&harness, None, true).await, 9);
        assert_eq!(scan(&harness, true).await, 9);
        let read = harness.engine.transact_get_items(transaction()).await.unwrap();
        assert_eq!(title(read.responses[0].as_ref()), 9);
    }
}

#[tokio::test(start_paused = true)]
async fn index_shows_an_item_under_its_old_key_for_a_while() {
    let harness = library().await;
    tokio::time::advance(STALE).await;
    let mut moved = song(9);
    moved.insert("genre".to_owned(), s("blues"));
    harness.put("music", moved).await;
    tokio::time::advance(STALE / 2).await;
    let count = async |genre: &str| {
        let input = QueryInput {
            table_name: "music".to_owned(),
            index_name: text("by-year"),
            key_condition_expression: text("genre = :g"),
            expression_attribute_values: values([(":g", s(genre))]),
            ..QueryInput::default()
        };
        harness.engine.query(input).await.unwrap().count
    };
    let mut jazz = BTreeSet::new();
    for _ in 0..TRIES {
        jazz.insert(count("jazz").await);
    }
    assert_eq!(jazz, BTreeSet::from([0, 1]));
    tokio::time::advance(STALE / 2).await;
    for _ in 0..TRIES {
        assert_eq!((count("jazz").await, count("blues").await), (0, 1));
    }
}
