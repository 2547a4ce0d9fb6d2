//! Throttling: which requests are rejected when the throughput of a table or index is used up, with
//! which messages, and when requests succeed again.

use beringia_engine::{
    ApiError, CancellationReason, Refused, ThrottlingReason,
    api::{
        BatchGetItemInput, BatchWriteItemInput, BillingMode, CreateTableInput, DeleteItemInput, GetItemInput,
        KeysAndAttributes, OnDemandThroughput, ProjectionType, ProvisionedThroughput, PutItemInput, QueryInput,
        ScalarAttributeType, ScanInput, TransactAction, TransactGetItem, TransactGetItemsInput, TransactWriteItem,
        TransactWriteItemsInput, UpdateItemInput, UpdateTableInput, WriteOptions, WriteRequest,
    },
};
use beringia_item::Item;

use crate::support::{Harness, NOW_MS, definition, global, hash, item, n, projection, s, simple, text, values};

/// The number of seconds of its rate that a bucket keeps.
const BURST: usize = 300;

fn units(read: i64, write: i64) -> ProvisionedThroughput {
    ProvisionedThroughput {
        read_capacity_units: read,
        write_capacity_units: write,
    }
}

/// The table `simple` with these units per second.
fn provisioned(read: i64, write: i64) -> CreateTableInput {
    CreateTableInput {
        billing_mode: Some(BillingMode::Provisioned),
        provisioned_throughput: Some(units(read, write)),
        ..simple()
    }
}

/// The same with an index `by-g` that has one read unit and one write unit.
fn indexed() -> CreateTableInput {
    let mut by_g = global("by-g", vec![hash("g")], projection(ProjectionType::KeysOnly, &[]));
    by_g.provisioned_throughput = Some(units(1, 1));
    CreateTableInput {
        attribute_definitions: vec![
            definition("p", ScalarAttributeType::S),
            definition("g", ScalarAttributeType::S),
        ],
        global_secondary_indexes: Some(vec![by_g]),
        ..provisioned(1000, 1000)
    }
}

async fn with(table: CreateTableInput) -> Harness {
    let harness = Harness::new().throttling();
    harness.engine.create_table(table).await.unwrap();
    harness
}

/// The key of an item.
fn key(name: &str) -> Item {
    item([("p", s(name))])
}

async fn put(harness: &Harness, item: Item) -> Result<(), ApiError> {
    let input = PutItemInput {
        table_name: "simple".to_owned(),
        item,
        ..PutItemInput::default()
    };
    harness.engine.put_item(input).await.map(drop)
}

async fn get(harness: &Harness, consistent_read: bool) -> Result<(), ApiError> {
    let input = GetItemInput {
        table_name: "simple".to_owned(),
        key: key("a"),
        consistent_read,
        ..GetItemInput::default()
    };
    harness.engine.get_item(input).await.map(drop)
}

async fn scan(harness: &Harness) -> Result<(), ApiError> {
    let input = ScanInput {
        table_name: "simple".to_owned(),
        consistent_read: true,
        ..ScanInput::default()
    };
    harness.engine.scan(input).await.map(drop)
}

/// The throttling reasons of a request, for provisioned tables and indexes.
#[track_caller]
fn reasons<T: std::fmt::Debug>(result: Result<T, ApiError>) -> Vec<(String, String)> {
    match result {
        Err(ApiError::ProvisionedThroughputExceeded { reasons, .. }) => reasons
            .into_iter()
            .map(|ThrottlingReason { reason, resource }| (reason, resource))
            .collect(),
        other => panic!("expected a ProvisionedThroughputExceededException, got {other:?}"),
    }
}

fn table_reason(usage: &str) -> Vec<(String, String)> {
    vec![(
        format!("Table{usage}ProvisionedThroughputExceeded"),
        "arn:aws:dynamodb:us-east-1:000000000000:table/simple".to_owned(),
    )]
}

fn index_reason(usage: &str) -> Vec<(String, String)> {
    vec![(
        format!("Index{usage}ProvisionedThroughputExceeded"),
        "arn:aws:dynamodb:us-east-1:000000000000:table/simple/index/by-g".to_owned(),
    )]
}

#[tokio::test]
async fn writes_burst_for_five_minutes_and_then_keep_their_rate() {
    let harness = with(provisioned(1, 2)).await;
    for _ in 0..2 * BURST {
        put(&harness, key("a")).await.unwrap();
    }
    assert_eq!(reasons(put(&harness, key("a")).await), table_reason("Write"));
    harness.clock.set(NOW_MS + 1_000);
    for _ in 0..2 {
        put(&harness, key("a")).await.unwrap();
    }
    assert_eq!(reasons(put(&harness, key("a")).await), table_reason("Write"));
    get(&harness, true).await.unwrap();
    let refused = Refused {
        throttled_writes: 2,
        ..Refused::default()
    };
    assert_eq!(harness.engine.refused(), refused);
}

/// That is, with throttling switched off, or on demand.
#[tokio::test]
async fn unlimited_tables_are_never_throttled() {
    let harness = Harness::new();
    harness.engine.create_table(provisioned(1, 1)).await.unwrap();
    let on_demand = with(simple()).await;
    for _ in 0..BURST + 1 {
        put(&harness, key("a")).await.unwrap();
        put(&on_demand, key("a")).await.unwrap();
        get(&on_demand, true).await.unwrap();
    }
    assert_eq!(harness.engine.refused(), Refused::default());
}

#[tokio::test]
async fn reads_of_single_items_consume_whole_or_half_units() {
    let harness = with(provisioned(1, 1)).await;
    for _ in 0..BURST - 1 {
        get(&harness, true).await.unwrap();
    }
    get(&harness, false).await.unwrap();
    assert_eq!(reasons(get(&harness, true).await), table_reason("Read"));
    get(&harness, false).await.unwrap();
    assert_eq!(reasons(get(&harness, false).await), table_reason("Read"));
    assert_eq!(harness.engine.refused().throttled_reads, 2);
}

#[tokio::test]
async fn pages_can_go_into_debt() {
    let harness = with(provisioned(1, 1000)).await;
    // 62 items of 16 KiB fit into a page: a little more than 250 units.
    for number in 0..62 {
        let large = item([("p", s(&number.to_string())), ("x", s(&"x".repeat(16 * 1024)))]);
        put(&harness, large).await.unwrap();
    }
    scan(&harness).await.unwrap();
    scan(&harness).await.unwrap();
    assert_eq!(reasons(scan(&harness).await), table_reason("Read"));
    harness.clock.set(NOW_MS + 190_000);
    assert_eq!(reasons(get(&harness, true).await), table_reason("Read"));
    harness.clock.set(NOW_MS + 210_000);
    get(&harness, true).await.unwrap();
}

#[tokio::test]
async fn write_consumes_the_units_of_the_larger_item() {
    let harness = with(provisioned(1000, 1)).await;
    let large = item([("p", s("a")), ("x", s(&"x".repeat(150 * 1024)))]);
    put(&harness, large).await.unwrap();
    // 149 of 300 units are left, and one is requested.
    let delete = DeleteItemInput {
        table_name: "simple".to_owned(),
        key: key("a"),
        ..DeleteItemInput::default()
    };
    harness.engine.delete_item(delete).await.unwrap();
    assert_eq!(reasons(put(&harness, key("a")).await), table_reason("Write"));
    harness.clock.set(NOW_MS + 3_000);
    put(&harness, key("a")).await.unwrap();
}

#[tokio::test]
async fn failed_condition_consumes_the_units_of_the_existing_item() {
    let harness = with(provisioned(1000, 1)).await;
    put(&harness, item([("p", s("a")), ("x", s(&"x".repeat(99 * 1024)))]))
        .await
        .unwrap();
    let update = || UpdateItemInput {
        table_name: "simple".to_owned(),
        key: key("a"),
        update_expression: text("SET y = :y"),
        options: WriteOptions {
            condition_expression: text("attribute_exists(y)"),
            expression_attribute_values: values([(":y", n(1))]),
            ..WriteOptions::default()
        },
        ..UpdateItemInput::default()
    };
    for _ in 0..2 {
        let failed = harness.engine.update_item(update()).await;
        assert!(
            matches!(failed, Err(ApiError::ConditionalCheckFailed { .. })),
            "{failed:?}"
        );
    }
    assert_eq!(
        reasons(harness.engine.update_item(update()).await),
        table_reason("Write")
    );
}

/// The reason names the index.
#[tokio::test]
async fn write_is_throttled_for_an_index_without_units() {
    let harness = with(indexed()).await;
    let entry = |group: usize| item([("p", s("a")), ("g", s(&group.to_string()))]);
    put(&harness, entry(0)).await.unwrap();
    // Moving an entry costs two units.
    for group in 1..=149 {
        put(&harness, entry(group)).await.unwrap();
    }
    put(&harness, entry(150)).await.unwrap();
    let refused = put(&harness, entry(151)).await;
    let message = "The level of configured provisioned throughput for one or more global secondary indexes of the table was exceeded.";
    assert!(
        refused.as_ref().unwrap_err().to_string().starts_with(message),
        "{refused:?}"
    );
    assert_eq!(reasons(refused), index_reason("Write"));
    put(&harness, key("b")).await.unwrap();
    let update = |expression: &str| UpdateItemInput {
        table_name: "simple".to_owned(),
        key: key("a"),
        update_expression: text(expression),
        options: WriteOptions {
            expression_attribute_values: values([(":v", s("v"))]),
            ..WriteOptions::default()
        },
        ..UpdateItemInput::default()
    };
    harness.engine.update_item(update("SET note = :v")).await.unwrap();
    assert_eq!(
        reasons(harness.engine.update_item(update("SET g = :v")).await),
        index_reason("Write")
    );
}

#[tokio::test]
async fn an_index_is_read_from_units_of_its_own() {
    let harness = with(indexed()).await;
    let query = || QueryInput {
        table_name: "simple".to_owned(),
        index_name: text("by-g"),
        key_condition_expression: text("g = :g"),
        expression_attribute_values: values([(":g", s("x"))]),
        ..QueryInput::default()
    };
    for _ in 0..2 * BURST {
        harness.engine.query(query()).await.unwrap();
    }
    assert_eq!(reasons(harness.engine.query(query()).await), index_reason("Read"));
    get(&harness, true).await.unwrap();
    // Conversely, the index does not owe what the table owes.
    let narrow = UpdateTableInput {
        table_name: "simple".to_owned(),
        provisioned_throughput: Some(units(1, 1000)),
        ..UpdateTableInput::default()
    };
    harness.engine.update_table(narrow).await.unwrap();
    harness.clock.set(NOW_MS + 1_000);
    put(&harness, item([("p", s("a")), ("x", s(&"x".repeat(390 * 1024)))]))
        .await
        .unwrap();
    for _ in 0..4 {
        get(&harness, true).await.unwrap();
    }
    assert_eq!(reasons(get(&harness, true).await), table_reason("Read"));
    harness.engine.query(query()).await.unwrap();
}

/// Otherwise it does what there are units for.
#[tokio::test]
async fn batch_fails_only_if_there_are_no_units_at_all() {
    let harness = with(provisioned(1, 1)).await;
    let writes = |count: usize| BatchWriteItemInput {
        request_items: [(
            "simple".to_owned(),
            (0..count)
                .map(|number| WriteRequest::Put {
                    item: key(&number.to_string()),
                })
                .collect(),
        )]
        .into(),
        ..BatchWriteItemInput::default()
    };
    for _ in 0..BURST / 25 - 1 {
        let done = harness.engine.batch_write_item(writes(25)).await.unwrap();
        assert!(done.unprocessed_items.is_empty());
    }
    for _ in 0..5 {
        put(&harness, key("a")).await.unwrap();
    }
    let done = harness.engine.batch_write_item(writes(25)).await.unwrap();
    assert_eq!(done.unprocessed_items["simple"].len(), 5);
    assert_eq!(
        reasons(harness.engine.batch_write_item(writes(3)).await),
        table_reason("Write")
    );

    let keys = |count: usize| BatchGetItemInput {
        request_items: [(
            "simple".to_owned(),
            KeysAndAttributes {
                keys: (0..count).map(|number| key(&number.to_string())).collect(),
                ..KeysAndAttributes::default()
            },
        )]
        .into(),
        ..BatchGetItemInput::default()
    };
    for _ in 0..5 {
        let read = harness.engine.batch_get_item(keys(100)).await.unwrap();
        assert!(read.unprocessed_keys.is_empty());
    }
    for _ in 0..90 {
        get(&harness, false).await.unwrap();
    }
    let read = harness.engine.batch_get_item(keys(20)).await.unwrap();
    assert_eq!(read.responses["simple"].len(), 10);
    let left: Vec<Item> = (10..20).map(|number| key(&number.to_string())).collect();
    assert_eq!(read.unprocessed_keys["simple"].keys, left);
    assert_eq!(
        reasons(harness.engine.batch_get_item(keys(2)).await),
        table_reason("Read")
    );
}

#[tokio::test]
async fn throttled_transaction_has_a_reason_per_throttled_action() {
    let harness = with(provisioned(1, 1)).await;
    let action = |name: &str| TransactWriteItem {
        table_name: "simple".to_owned(),
        action: TransactAction::Put {
            item: key(name),
            condition_expression: None,
        },
        expression_attribute_names: None,
        expression_attribute_values: None,
        return_values_on_condition_check_failure: Default::default(),
    };
    let transaction = |names: &[&str]| TransactWriteItemsInput {
        transact_items: names.iter().map(|name| action(name)).collect(),
        ..TransactWriteItemsInput::default()
    };
    for _ in 0..BURST / 4 - 1 {
        harness
            .engine
            .transact_write_items(transaction(&["a", "b"]))
            .await
            .unwrap();
    }
    let cancelled = harness
        .engine
        .transact_write_items(transaction(&["a", "b", "c"]))
        .await
        .unwrap_err();
    let exceeded = CancellationReason {
        code: "ProvisionedThroughputExceeded",
        message: text(
            "The level of configured provisioned throughput for the table was exceeded. Consider increasing your provisioning level \
             with the UpdateTable API.",
        ),
        item: None,
    };
    assert_eq!(
        cancelled,
        ApiError::TransactionCanceled {
            reasons: vec![CancellationReason::none(), CancellationReason::none(), exceeded.clone()]
        }
    );
    // The units reserved for the first two were returned.
    harness
        .engine
        .transact_write_items(transaction(&["a", "b"]))
        .await
        .unwrap();
    let get = TransactGetItem {
        table_name: "simple".to_owned(),
        key: key("a"),
        ..TransactGetItem::default()
    };
    let gets = TransactGetItemsInput {
        transact_items: vec![get],
        ..TransactGetItemsInput::default()
    };
    for _ in 0..BURST / 2 {
        harness.engine.transact_get_items(gets.clone()).await.unwrap();
    }
    let reasons = vec![exceeded];
    assert_eq!(
        harness.engine.transact_get_items(gets).await,
        Err(ApiError::TransactionCanceled { reasons })
    );
}

#[tokio::test]
async fn on_demand_maxima_limit_until_they_are_removed() {
    let maxima = |most: i64| OnDemandThroughput {
        max_read_request_units: None,
        max_write_request_units: Some(most),
    };
    let harness = with(CreateTableInput {
        on_demand_throughput: Some(maxima(1)),
        ..simple()
    })
    .await;
    for _ in 0..BURST {
        put(&harness, key("a")).await.unwrap();
    }
    assert_eq!(
        put(&harness, key("a")).await,
        Err(ApiError::Throttling {
            message: "Throughput exceeds the maximum OnDemandThroughput configured on table or index".to_owned(),
            reasons: vec![ThrottlingReason {
                reason: "TableWriteMaxOnDemandThroughputExceeded".to_owned(),
                resource: "arn:aws:dynamodb:us-east-1:000000000000:table/simple".to_owned(),
            }],
        })
    );
    let update = UpdateTableInput {
        table_name: "simple".to_owned(),
        on_demand_throughput: Some(maxima(-1)),
        ..UpdateTableInput::default()
    };
    harness.engine.update_table(update).await.unwrap();
    put(&harness, key("a")).await.unwrap();
}

#[tokio::test]
async fn a_higher_throughput_counts_from_when_it_is_set() {
    let harness = with(provisioned(1, 1)).await;
    for _ in 0..BURST {
        put(&harness, key("a")).await.unwrap();
    }
    let update = UpdateTableInput {
        table_name: "simple".to_owned(),
        provisioned_throughput: Some(units(1, 50)),
        ..UpdateTableInput::default()
    };
    harness.engine.update_table(update).await.unwrap();
    assert_eq!(reasons(put(&harness, key("a")).await), table_reason("Write"));
    harness.clock.set(NOW_MS + 100);
    for _ in 0..5 {
        put(&harness, key("a")).await.unwrap();
    }
    assert_eq!(reasons(put(&harness, key("a")).await), table_reason("Write"));
}
