//! Contention between transactions and other requests for the same items, with commits that take
//! time.

use std::{sync::Arc, time::Duration};

use beringia_engine::{
    ApiError, CancellationReason, Refused,
    api::{
        BatchWriteItemInput, BillingMode, CreateTableInput, GetItemInput, ProvisionedThroughput, PutItemInput,
        QueryInput, TransactAction, TransactGetItem, TransactGetItemsInput, TransactGetItemsOutput, TransactWriteItem,
        TransactWriteItemsInput, TransactWriteItemsOutput, UpdateItemInput, WriteOptions, WriteRequest,
    },
};
use beringia_item::{AttributeValue, Item};
use futures_util::future::join_all;
use tokio::join;

use crate::support::{Harness, item, n, s, simple, text, values};

/// A harness on a disk where every commit takes ten milliseconds.
async fn slow() -> Harness {
    Harness::slow(Duration::from_millis(10)).with_simple().await
}

fn key(name: &str) -> Item {
    item([("p", s(name))])
}

async fn put(harness: &Harness, name: &str) -> Result<(), ApiError> {
    let input = PutItemInput {
        table_name: "simple".to_owned(),
        item: key(name),
        ..PutItemInput::default()
    };
    harness.engine.put_item(input).await.map(drop)
}

fn add(name: &str, number: i64, condition: Option<&str>) -> TransactWriteItem {
    TransactWriteItem {
        table_name: "simple".to_owned(),
        action: TransactAction::Update {
            key: key(name),
            update_expression: "ADD x :n".to_owned(),
            condition_expression: condition.map(str::to_owned),
        },
        expression_attribute_names: None,
        expression_attribute_values: values([(":n", n(number))]),
        return_values_on_condition_check_failure: Default::default(),
    }
}

async fn transact(
    harness: &Harness,
    names: &[&str],
    token: Option<&str>,
) -> Result<TransactWriteItemsOutput, ApiError> {
    let input = TransactWriteItemsInput {
        transact_items: names.iter().map(|name| add(name, 1, None)).collect(),
        client_request_token: token.map(str::to_owned),
        ..TransactWriteItemsInput::default()
    };
    harness.engine.transact_write_items(input).await
}

async fn transact_get(harness: &Harness, names: &[&str]) -> Result<TransactGetItemsOutput, ApiError> {
    let get = |name: &&str| TransactGetItem {
        table_name: "simple".to_owned(),
        key: key(name),
        ..TransactGetItem::default()
    };
    let input = TransactGetItemsInput {
        transact_items: names.iter().map(get).collect(),
        ..TransactGetItemsInput::default()
    };
    harness.engine.transact_get_items(input).await
}

fn conflict() -> CancellationReason {
    CancellationReason {
        code: "TransactionConflict",
        message: text("Transaction is ongoing for the item"),
        item: None,
    }
}

#[tokio::test(start_paused = true)]
async fn concurrent_transaction_is_cancelled_and_can_be_retried() {
    let harness = slow().await;
    let (first, second, other) = join!(
        transact(&harness, &["a", "b"], None),
        transact(&harness, &["c", "b"], None),
        transact(&harness, &["d"], None),
    );
    assert!(first.is_ok() && other.is_ok());
    assert_eq!(
        second,
        Err(ApiError::TransactionCanceled {
            reasons: vec![CancellationReason::none(), conflict()]
        })
    );
    assert_eq!(
        harness.get("simple", key("c")).await,
        None,
        "the cancelled transaction wrote nothing"
    );
    transact(&harness, &["c", "b"], None).await.unwrap();
    let refused = Refused {
        transaction_conflicts: 1,
        ..Refused::default()
    };
    assert_eq!(harness.engine.refused(), refused);
}

/// A plain write in progress does not block a transaction.
#[tokio::test(start_paused = true)]
async fn plain_write_is_rejected_during_a_transaction() {
    let harness = slow().await;
    let (transaction, write) = join!(transact(&harness, &["a", "b"], None), put(&harness, "a"));
    transaction.unwrap();
    let ongoing = ApiError::TransactionConflict("Transaction is ongoing for the item".to_owned());
    assert_eq!(write, Err(ongoing));
    let (write, again, transaction) = join!(
        put(&harness, "a"),
        put(&harness, "a"),
        transact(&harness, &["a", "b"], None)
    );
    assert!(write.is_ok() && again.is_ok() && transaction.is_ok());
    let found = harness.get("simple", key("a")).await;
    assert_eq!(
        found,
        Some(item([("p", s("a")), ("x", n(1))])),
        "the transaction came after the writes"
    );
}

#[tokio::test(start_paused = true)]
async fn condition_checked_items_are_held() {
    let harness = slow().await;
    let check = TransactWriteItem {
        action: TransactAction::ConditionCheck {
            key: key("a"),
            condition_expression: "attribute_not_exists(p)".to_owned(),
        },
        expression_attribute_values: None,
        ..add("a", 0, None)
    };
    let input = TransactWriteItemsInput {
        transact_items: vec![check, add("b", 1, None)],
        ..TransactWriteItemsInput::default()
    };
    let (checked, write) = join!(harness.engine.transact_write_items(input), put(&harness, "a"));
    checked.unwrap();
    assert!(matches!(write, Err(ApiError::TransactionConflict(_))), "{write:?}");
}

#[tokio::test(start_paused = true)]
async fn batch_returns_writes_that_conflict_with_a_transaction() {
    let harness = slow().await;
    let batch = |names: &[&str]| BatchWriteItemInput {
        request_items: [(
            "simple".to_owned(),
            names.iter().map(|name| WriteRequest::Put { item: key(name) }).collect(),
        )]
        .into(),
        ..BatchWriteItemInput::default()
    };
    let (transaction, some, none) = join!(
        transact(&harness, &["a", "b"], None),
        harness.engine.batch_write_item(batch(&["a", "c"])),
        harness.engine.batch_write_item(batch(&["b"])),
    );
    transaction.unwrap();
    assert_eq!(
        some.unwrap().unprocessed_items["simple"],
        [WriteRequest::Put { item: key("a") }]
    );
    assert_eq!(
        none.unwrap().unprocessed_items["simple"],
        [WriteRequest::Put { item: key("b") }]
    );
    assert_eq!(harness.get("simple", key("c")).await, Some(key("c")));
}

#[tokio::test(start_paused = true)]
async fn only_transactional_reads_are_rejected_during_writes() {
    let harness = slow().await;
    let get = GetItemInput {
        table_name: "simple".to_owned(),
        key: key("a"),
        consistent_read: true,
        ..GetItemInput::default()
    };
    let query = QueryInput {
        table_name: "simple".to_owned(),
        key_condition_expression: text("p = :p"),
        expression_attribute_values: values([(":p", s("a"))]),
        consistent_read: true,
        ..QueryInput::default()
    };
    let (written, transaction, read, single, queried, free) = join!(
        put(&harness, "b"),
        transact(&harness, &["a"], None),
        transact_get(&harness, &["a", "b", "c"]),
        harness.engine.get_item(get),
        harness.engine.query(query),
        transact_get(&harness, &["c"]),
    );
    written.unwrap();
    transaction.unwrap();
    assert_eq!(
        read,
        Err(ApiError::TransactionCanceled {
            reasons: vec![conflict(), conflict(), CancellationReason::none()]
        })
    );
    assert_eq!(single.unwrap().item, None);
    assert_eq!(queried.unwrap().count, 0);
    free.unwrap();
    transact_get(&harness, &["a", "b", "c"]).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn token_in_use_is_reported_then_idempotent() {
    let harness = slow().await;
    let (first, second) = join!(
        transact(&harness, &["a"], Some("t")),
        transact(&harness, &["a"], Some("t"))
    );
    // The creation of the token table determines which of the two is first.
    let (done, refused) = if first.is_ok() {
        (first, second)
    } else {
        (second, first)
    };
    done.unwrap();
    let in_progress = ApiError::TransactionInProgress(
        "The transaction with the given request token is already in progress".to_owned(),
    );
    assert_eq!(refused, Err(in_progress));
    transact(&harness, &["a"], Some("t")).await.unwrap();
    assert_eq!(
        harness.get("simple", key("a")).await.unwrap()["x"],
        n(1),
        "it took effect once"
    );
    assert_eq!(harness.engine.refused(), Refused::default());
}

#[tokio::test(start_paused = true)]
async fn rejected_writes_consume_no_throughput() {
    let harness = Harness::slow(Duration::from_millis(10)).throttling();
    let one_unit = CreateTableInput {
        billing_mode: Some(BillingMode::Provisioned),
        provisioned_throughput: Some(ProvisionedThroughput {
            read_capacity_units: 1,
            write_capacity_units: 1,
        }),
        ..simple()
    };
    harness.engine.create_table(one_unit).await.unwrap();
    // The table has 300 units, of which the transaction consumes two.
    let refused = async {
        for _ in 0..300 {
            assert!(matches!(
                put(&harness, "a").await,
                Err(ApiError::TransactionConflict(_))
            ));
            assert!(transact(&harness, &["a", "b"], None).await.is_err());
            let batch = BatchWriteItemInput {
                request_items: [("simple".to_owned(), vec![WriteRequest::Put { item: key("a") }])].into(),
                ..BatchWriteItemInput::default()
            };
            let output = harness.engine.batch_write_item(batch).await.unwrap();
            assert_eq!(output.unprocessed_items.len(), 1);
            assert!(transact_get(&harness, &["a"]).await.is_err());
        }
    };
    let (transacted, ()) = join!(transact(&harness, &["a"], None), refused);
    transacted.unwrap();
    let puts = join_all((0..298).map(|_| put(&harness, "c"))).await;
    assert_eq!(puts.into_iter().filter(Result::is_ok).count(), 298);
    assert!(matches!(
        put(&harness, "c").await,
        Err(ApiError::ProvisionedThroughputExceeded { .. })
    ));
    let conflicts = harness.engine.refused();
    assert_eq!((conflicts.throttled_reads, conflicts.throttled_writes), (0, 1));
}

/// Runs clients that move money between a few accounts. Like users of an SDK, they retry after a
/// conflict with a delay. Returns the transfers and rejections of each client, and the final
/// balances.
async fn bank() -> (Vec<(i64, u64)>, Vec<i64>) {
    const ACCOUNTS: [&str; 4] = ["a", "b", "c", "d"];
    let harness = Arc::new(slow().await);
    for account in ACCOUNTS {
        let update = UpdateItemInput {
            table_name: "simple".to_owned(),
            key: key(account),
            update_expression: text("SET x = :x"),
            options: WriteOptions {
                expression_attribute_values: values([(":x", n(1000))]),
                ..WriteOptions::default()
            },
            ..UpdateItemInput::default()
        };
        harness.engine.update_item(update).await.unwrap();
    }
    let client = |number: usize| {
        let harness = Arc::clone(&harness);
        async move {
            let (mut made, mut refused) = (0, 0);
            for turn in 0..20 {
                let (from, to) = (ACCOUNTS[(number + turn) % 4], ACCOUNTS[(number * turn + 3) % 4]);
                if from == to {
                    continue;
                }
                let input = || TransactWriteItemsInput {
                    transact_items: vec![add(from, -1, Some("attribute_exists(x)")), add(to, 1, None)],
                    ..TransactWriteItemsInput::default()
                };
                loop {
                    match harness.engine.transact_write_items(input()).await {
                        Ok(_) => break made += 1,
                        Err(ApiError::TransactionCanceled { reasons }) => {
                            assert!(reasons.contains(&conflict()), "{reasons:?}");
                            refused += 1;
                            tokio::time::sleep(Duration::from_millis(3 + 2 * number as u64)).await;
                        }
                        Err(other) => panic!("{other}"),
                    }
                }
            }
            (made, refused)
        }
    };
    let done = join_all((0..6).map(client)).await;
    let mut balances = Vec::new();
    for account in ACCOUNTS {
        match harness.get("simple", key(account)).await.unwrap().remove("x") {
            Some(AttributeValue::N(balance)) => balances.push(balance.to_string().parse().unwrap()),
            other => panic!("{other:?}"),
        }
    }
    let refused: u64 = done.iter().map(|(_, refused)| refused).sum();
    assert!(
        harness.engine.refused().transaction_conflicts >= refused,
        "at least one item of each rejected transfer conflicted"
    );
    (done, balances)
}

/// No money is lost, and a second run gives the same result.
#[tokio::test(start_paused = true)]
async fn retrying_clients_all_succeed_deterministically() {
    let (done, balances) = bank().await;
    assert_eq!(balances.iter().sum::<i64>(), 4000, "{balances:?}");
    assert!(done.iter().all(|(made, _)| *made > 5), "{done:?}");
    assert!(done.iter().map(|(_, refused)| refused).sum::<u64>() > 20, "{done:?}");
    assert_eq!(bank().await, (done, balances));
}
