//! Compares queries with a direct evaluation of their conditions, on keys that are hard to order.

use beringia_engine::api::{
    BatchWriteItemInput, BillingMode, CreateTableInput, QueryInput, ScalarAttributeType, WriteRequest,
};
use beringia_item::{AttributeValue, Item};
use bytes::Bytes;
use proptest::{collection::btree_set, prelude::*};

use crate::support::{Harness, definition, global, hash, item, n, projection, range, s, text, values};

/// Bytes that terminate, escape or follow something in stored keys, and one ordinary byte.
fn key() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(prop::sample::select(vec![0x00, 0x01, 0x02, 0x61, 0xFE, 0xFF]), 1..4)
}

/// The text of a condition, and its meaning.
type Case = (&'static str, fn(&[u8], &[u8], &[u8]) -> bool);

const CASES: [Case; 7] = [
    ("k = :low", |key, low, _| key == low),
    ("k < :low", |key, low, _| key < low),
    ("k <= :low", |key, low, _| key <= low),
    ("k > :low", |key, low, _| key > low),
    ("k >= :low", |key, low, _| key >= low),
    ("k BETWEEN :low AND :high", |key, low, high| low <= key && key <= high),
    ("begins_with(k, :low)", |key, low, _| key.starts_with(low)),
];

fn binary(bytes: &[u8]) -> AttributeValue {
    AttributeValue::B(Bytes::copy_from_slice(bytes))
}

async fn filled(keys: impl Iterator<Item = Vec<u8>>) -> Harness {
    let harness = Harness::new();
    let table = CreateTableInput {
        table_name: "binary".to_owned(),
        attribute_definitions: vec![
            definition("p", ScalarAttributeType::S),
            definition("k", ScalarAttributeType::B),
        ],
        key_schema: vec![hash("p"), range("k")],
        billing_mode: Some(BillingMode::PayPerRequest),
        ..CreateTableInput::default()
    };
    harness.engine.create_table(table).await.unwrap();
    for key in keys {
        let put = |p: &str| WriteRequest::Put {
            item: item([("p", s(p)), ("k", binary(&key))]),
        };
        let requests = [("binary".to_owned(), vec![put("a"), put("b")])].into();
        let batch = BatchWriteItemInput {
            request_items: requests,
            ..BatchWriteItemInput::default()
        };
        harness.engine.batch_write_item(batch).await.unwrap();
    }
    harness
}

/// The keys that a query finds, page by page.
async fn found(harness: &Harness, mut query: QueryInput) -> Vec<AttributeValue> {
    let mut keys = Vec::new();
    loop {
        let page = harness.engine.query(query.clone()).await.unwrap();
        keys.extend(page.items.unwrap().into_iter().map(|item| item["k"].clone()));
        query.exclusive_start_key = page.last_evaluated_key;
        if query.exclusive_start_key.is_none() {
            return keys;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn query_finds_exactly_the_keys_of_its_condition(
        keys in btree_set(key(), 1..24),
        low in key(),
        high in key(),
        limit in 1_i64..6,
    ) {
        let (low, high) = if low <= high { (low, high) } else { (high, low) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            let harness = filled(keys.iter().cloned()).await;
            for (condition, means) in CASES {
                let mut expected: Vec<AttributeValue> =
                    keys.iter().filter(|key| means(key, &low, &high)).map(|key| binary(key)).collect();
                for forward in [true, false] {
                    let mut bounds: Item = item([(":p", s("a")), (":low", binary(&low))]);
                    if condition.contains(":high") {
                        bounds.insert(":high".to_owned(), binary(&high));
                    }
                    let query = QueryInput {
                        table_name: "binary".to_owned(),
                        key_condition_expression: text(&format!("p = :p AND {condition}")),
                        expression_attribute_values: Some(bounds),
                        scan_index_forward: forward,
                        limit: Some(limit),
                        ..QueryInput::default()
                    };
                    assert_eq!(found(&harness, query).await, expected, "{condition} {low:?} {high:?}");
                    expected.reverse();
                }
            }
        });
    }
}

#[tokio::test]
async fn a_key_of_several_attributes_is_queried_from_the_left() {
    let harness = Harness::new();
    let keys = vec![hash("tenant"), hash("kind"), range("year"), range("name")];
    let table = CreateTableInput {
        table_name: "wide".to_owned(),
        attribute_definitions: vec![
            definition("k", ScalarAttributeType::N),
            definition("tenant", ScalarAttributeType::S),
            definition("kind", ScalarAttributeType::S),
            definition("year", ScalarAttributeType::N),
            definition("name", ScalarAttributeType::S),
        ],
        key_schema: vec![hash("k")],
        global_secondary_indexes: Some(vec![global(
            "wide-index",
            keys,
            projection(beringia_engine::api::ProjectionType::All, &[]),
        )]),
        billing_mode: Some(BillingMode::PayPerRequest),
        ..CreateTableInput::default()
    };
    harness.engine.create_table(table).await.unwrap();
    for number in 0..24 {
        let whole = item([
            ("k", n(number)),
            ("tenant", s(if number % 2 == 0 { "even" } else { "odd" })),
            ("kind", s("order")),
            ("year", n(2000 + number / 8)),
            ("name", s(&format!("name-{:02}", 23 - number))),
        ]);
        harness.put("wide", whole).await;
    }
    let cases: [(&str, &[i64]); 4] = [
        (
            "tenant = :t AND kind = :k",
            &[6, 4, 2, 0, 14, 12, 10, 8, 22, 20, 18, 16],
        ),
        ("tenant = :t AND kind = :k AND #y = :y", &[14, 12, 10, 8]),
        ("tenant = :t AND kind = :k AND #y > :y", &[22, 20, 18, 16]),
        ("tenant = :t AND kind = :k AND #y = :y AND #n < :n", &[14, 12]),
    ];
    for (condition, expected) in cases {
        let all = values([
            (":t", s("even")),
            (":k", s("order")),
            (":y", n(2001)),
            (":n", s("name-13")),
        ]);
        let names = crate::support::names([("#y", "year"), ("#n", "name")]);
        let query = QueryInput {
            table_name: "wide".to_owned(),
            index_name: text("wide-index"),
            key_condition_expression: text(condition),
            expression_attribute_names: names
                .map(|names| {
                    names
                        .into_iter()
                        .filter(|(name, _)| condition.contains(name.as_str()))
                        .collect()
                })
                .filter(|names: &std::collections::BTreeMap<_, _>| !names.is_empty()),
            expression_attribute_values: all.map(|all| {
                all.into_iter()
                    .filter(|(name, _)| condition.contains(name.as_str()))
                    .collect()
            }),
            limit: Some(3),
            ..QueryInput::default()
        };
        let expected: Vec<AttributeValue> = expected.iter().map(|number| n(*number)).collect();
        assert_eq!(found(&harness, query).await, expected, "{condition}");
    }
}
