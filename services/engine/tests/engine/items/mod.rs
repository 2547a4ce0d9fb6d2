//! PutItem, GetItem and DeleteItem, and what they share with UpdateItem.

mod update;

use beringia_engine::{
    ApiError,
    api::{
        DeleteItemInput, GetItemInput, PutItemInput, ReturnValues, ReturnValuesOnConditionCheckFailure,
        UpdateItemInput, WriteOptions,
    },
};
use beringia_item::{AttributeValue, Item};
use beringia_storage::{Replica, ReplicaStatus, StoreError};
use bytes::Bytes;

use crate::support::{Harness, item, n, names, refused, region, s, text, values};

fn put(item: Item) -> PutItemInput {
    PutItemInput {
        table_name: "simple".to_owned(),
        item,
        ..PutItemInput::default()
    }
}

fn update(expression: &str) -> UpdateItemInput {
    UpdateItemInput {
        table_name: "simple".to_owned(),
        key: item([("p", s("a"))]),
        update_expression: text(expression),
        ..UpdateItemInput::default()
    }
}

fn delete() -> DeleteItemInput {
    DeleteItemInput {
        table_name: "simple".to_owned(),
        key: item([("p", s("a"))]),
        ..DeleteItemInput::default()
    }
}

fn get(key: Item) -> GetItemInput {
    GetItemInput {
        table_name: "simple".to_owned(),
        key,
        ..GetItemInput::default()
    }
}

#[tokio::test]
async fn get_returns_what_was_put() {
    let harness = Harness::new().with_simple().await;
    let stored = item([("p", s("a")), ("x", n(1))]);
    harness.put("simple", stored.clone()).await;
    assert_eq!(harness.get("simple", item([("p", s("a"))])).await, Some(stored));
    assert_eq!(harness.get("simple", item([("p", s("b"))])).await, None);
}

#[tokio::test]
async fn a_projection_returns_only_what_it_names() {
    let harness = Harness::new().with_simple().await;
    harness
        .put("simple", item([("p", s("a")), ("x", n(1)), ("y", n(2))]))
        .await;
    let input = GetItemInput {
        projection_expression: text("#x"),
        expression_attribute_names: names([("#x", "x")]),
        ..get(item([("p", s("a"))]))
    };
    assert_eq!(
        harness.engine.get_item(input).await.unwrap().item,
        Some(item([("x", n(1))]))
    );
}

#[tokio::test]
async fn put_returns_an_existing_old_item_on_request() {
    let harness = Harness::new().with_simple().await;
    let first = item([("p", s("a")), ("x", n(1))]);
    let asking = |item| PutItemInput {
        options: WriteOptions {
            return_values: ReturnValues::AllOld,
            ..WriteOptions::default()
        },
        ..put(item)
    };
    assert_eq!(
        harness.engine.put_item(asking(first.clone())).await.unwrap().attributes,
        None
    );
    assert_eq!(
        harness
            .engine
            .put_item(asking(item([("p", s("a"))])))
            .await
            .unwrap()
            .attributes,
        Some(first.clone())
    );
    assert_eq!(harness.engine.put_item(put(first)).await.unwrap().attributes, None);
}

/// The messages are DynamoDB's.
#[tokio::test]
async fn items_that_do_not_fit_their_table_are_rejected() {
    let harness = Harness::new().with_simple().await;
    let invalid = "One or more parameter values were invalid:";
    let cases: [(Item, String); 7] = [
        (item([("x", n(1))]), format!("{invalid} Missing the key p in the item")),
        (item([("p", n(1))]), format!("{invalid} Type mismatch for key p expected: S actual: N")),
        (
            item([("p", s(""))]),
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string \
             value. Key: p"
                .to_owned(),
        ),
        (
            item([("p", s(&"x".repeat(2049)))]),
            format!("{invalid} Size of hashkey has exceeded the maximum size limit of2048 bytes"),
        ),
        (
            item([("p", s("a")), ("x", s(&"x".repeat(400 * 1024)))]),
            "Item size has exceeded the maximum allowed size".to_owned(),
        ),
        (item([("p", s("a")), ("", n(1))]), format!("{invalid} Empty attribute name")),
        (
            item([("p", s("a")), (&"n".repeat(65_536), n(1))]),
            format!("{invalid} Attribute name is too large, must be less than 65536 bytes"),
        ),
    ];
    for (item, message) in cases {
        assert_eq!(refused(harness.engine.put_item(put(item)).await), message);
    }
    let largest = "x".repeat(400 * 1024 - "p".len() - "a".len() - "x".len());
    harness.put("simple", item([("p", s("a")), ("x", s(&largest))])).await;
}

#[tokio::test]
async fn index_key_attributes_must_be_valid() {
    let harness = Harness::new().with_music().await;
    let song = |genre| item([("artist", s("a")), ("song", s("b")), ("genre", genre)]);
    let put = |item| PutItemInput {
        table_name: "music".to_owned(),
        item,
        ..PutItemInput::default()
    };
    let cases = [
        (
            song(n(1)),
            "One or more parameter values were invalid: Type mismatch for Index Key genre Expected: S Actual: N IndexName: by-genre",
        ),
        (
            song(AttributeValue::Null),
            "One or more parameter values were invalid: Type mismatch for Index Key genre Expected: S Actual: NULL IndexName: \
             by-genre",
        ),
        (
            song(s("")),
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The \
             AttributeValue for a key attribute cannot contain an empty string value. IndexName: by-genre, IndexKey: genre",
        ),
        (
            song(s(&"x".repeat(2049))),
            "One or more parameter values were invalid: Size limit exceeded for Index Key genre Actual Size: 2049 bytes Max Size: \
             2048 bytes IndexName: by-genre",
        ),
        (
            item([("artist", s("a")), ("song", s("b")), ("label", s(&"x".repeat(1025)))]),
            "One or more parameter values were invalid: Size limit exceeded for Index Key label Actual Size: 1025 bytes Max Size: \
             1024 bytes IndexName: by-label",
        ),
    ];
    for (item, message) in cases {
        assert_eq!(refused(harness.engine.put_item(put(item)).await), message);
    }
    harness.put("music", item([("artist", s("a")), ("song", s("b"))])).await;
}

#[tokio::test]
async fn a_key_must_be_exactly_the_tables() {
    let harness = Harness::new().with_simple().await;
    let mismatch = "The provided key element does not match the schema";
    for key in [
        Item::new(),
        item([("q", s("a"))]),
        item([("p", n(1))]),
        item([("p", s("a")), ("x", n(1))]),
    ] {
        assert_eq!(refused(harness.engine.get_item(get(key.clone())).await), mismatch);
        assert_eq!(
            refused(
                harness
                    .engine
                    .delete_item(DeleteItemInput {
                        key: key.clone(),
                        ..delete()
                    })
                    .await
            ),
            mismatch
        );
        assert_eq!(
            refused(
                harness
                    .engine
                    .update_item(UpdateItemInput {
                        key,
                        ..update("SET x = p")
                    })
                    .await
            ),
            mismatch
        );
    }
    let empty = refused(harness.engine.get_item(get(item([("p", s(""))]))).await);
    assert!(
        empty.ends_with("cannot contain an empty string value. Key: p"),
        "{empty}"
    );
}

#[tokio::test]
async fn keys_of_all_three_types_find_their_items() {
    use crate::support::{definition, hash, simple};
    use beringia_engine::api::ScalarAttributeType as Type;
    let harness = Harness::new();
    for (name, kind, value, empty) in [
        ("string", Type::S, s("x"), Some(s(""))),
        ("number", Type::N, n(-5), None),
        (
            "binary",
            Type::B,
            AttributeValue::B(Bytes::from_static(&[0, 255])),
            Some(AttributeValue::B(Bytes::new())),
        ),
    ] {
        let mut table = simple();
        name.clone_into(&mut table.table_name);
        table.attribute_definitions = vec![definition("k", kind)];
        table.key_schema = vec![hash("k")];
        harness.engine.create_table(table).await.unwrap();
        harness.put(name, item([("k", value.clone())])).await;
        assert!(harness.get(name, item([("k", value)])).await.is_some());
        if let Some(empty) = empty {
            let input = GetItemInput {
                table_name: name.to_owned(),
                ..get(item([("k", empty)]))
            };
            assert!(refused(harness.engine.get_item(input).await).contains("empty"));
        }
    }
}

#[tokio::test]
async fn condition_is_evaluated_on_the_current_item() {
    let harness = Harness::new().with_simple().await;
    let first = item([("p", s("a")), ("x", n(1))]);
    let unless_there = |item| PutItemInput {
        options: WriteOptions {
            condition_expression: text("attribute_not_exists(p)"),
            ..WriteOptions::default()
        },
        ..put(item)
    };
    harness.engine.put_item(unless_there(first.clone())).await.unwrap();
    let again = harness.engine.put_item(unless_there(item([("p", s("a"))]))).await;
    assert_eq!(again, Err(ApiError::ConditionalCheckFailed { item: None }));
    assert_eq!(harness.get("simple", item([("p", s("a"))])).await, Some(first.clone()));

    let mut asking = unless_there(item([("p", s("a"))]));
    asking.options.return_values_on_condition_check_failure = ReturnValuesOnConditionCheckFailure::AllOld;
    assert_eq!(
        harness.engine.put_item(asking).await,
        Err(ApiError::ConditionalCheckFailed { item: Some(first) })
    );

    let delete_if = |x| DeleteItemInput {
        options: WriteOptions {
            condition_expression: text("x = :x"),
            expression_attribute_values: values([(":x", n(x))]),
            ..WriteOptions::default()
        },
        ..delete()
    };
    let failed = harness.engine.delete_item(delete_if(2)).await;
    assert_eq!(failed, Err(ApiError::ConditionalCheckFailed { item: None }));
    harness.engine.delete_item(delete_if(1)).await.unwrap();
    assert_eq!(harness.get("simple", item([("p", s("a"))])).await, None);
}

/// Deleting an item that does not exist is not an error.
#[tokio::test]
async fn delete_returns_the_old_item_on_request() {
    let harness = Harness::new().with_simple().await;
    let stored = item([("p", s("a")), ("x", n(1))]);
    harness.put("simple", stored.clone()).await;
    let asking = || DeleteItemInput {
        options: WriteOptions {
            return_values: ReturnValues::AllOld,
            ..WriteOptions::default()
        },
        ..delete()
    };
    assert_eq!(
        harness.engine.delete_item(asking()).await.unwrap().attributes,
        Some(stored)
    );
    assert_eq!(harness.engine.delete_item(asking()).await.unwrap().attributes, None);
}

#[tokio::test]
async fn only_updates_return_new_or_updated_values() {
    let harness = Harness::new().with_simple().await;
    for return_values in [ReturnValues::AllNew, ReturnValues::UpdatedOld, ReturnValues::UpdatedNew] {
        let message = "ReturnValues can only be ALL_OLD or NONE";
        let input = PutItemInput {
            options: WriteOptions {
                return_values,
                ..WriteOptions::default()
            },
            ..put(item([("p", s("a"))]))
        };
        assert_eq!(refused(harness.engine.put_item(input).await), message);
        assert_eq!(
            refused(
                harness
                    .engine
                    .delete_item(DeleteItemInput {
                        options: WriteOptions {
                            return_values,
                            ..WriteOptions::default()
                        },
                        ..delete()
                    })
                    .await
            ),
            message
        );
    }
}

#[tokio::test]
async fn unused_placeholders_are_rejected() {
    let harness = Harness::new().with_simple().await;
    let plain = put(item([("p", s("a"))]));
    let with_names = PutItemInput {
        options: WriteOptions {
            expression_attribute_names: names([("#a", "a")]),
            ..WriteOptions::default()
        },
        ..plain.clone()
    };
    assert_eq!(
        refused(harness.engine.put_item(with_names).await),
        "ExpressionAttributeNames can only be specified when using expressions"
    );
    let with_values = PutItemInput {
        options: WriteOptions {
            expression_attribute_values: values([(":a", n(1))]),
            ..WriteOptions::default()
        },
        ..plain.clone()
    };
    assert_eq!(
        refused(harness.engine.put_item(with_values).await),
        "ExpressionAttributeValues can only be specified when using expressions: ConditionExpression is null"
    );
    let update = UpdateItemInput {
        update_expression: None,
        options: WriteOptions {
            expression_attribute_values: values([(":a", n(1))]),
            ..WriteOptions::default()
        },
        ..update("")
    };
    assert_eq!(
        refused(harness.engine.update_item(update).await),
        "ExpressionAttributeValues can only be specified when using expressions: UpdateExpression and ConditionExpression are null"
    );
    let unused = PutItemInput {
        options: WriteOptions {
            condition_expression: text("attribute_not_exists(p)"),
            expression_attribute_values: values([(":a", n(1))]),
            ..WriteOptions::default()
        },
        ..plain
    };
    let message = refused(harness.engine.put_item(unused).await);
    assert!(message.contains("unused in expressions: keys: {:a}"), "{message}");
}

#[tokio::test]
async fn missing_and_unready_tables_are_not_found() {
    let harness = Harness::faked().with_simple().await;
    let not_found = Err(ApiError::ResourceNotFound("Requested resource not found".to_owned()));
    let missing = GetItemInput {
        table_name: "missing".to_owned(),
        ..get(item([("p", s("a"))]))
    };
    assert_eq!(harness.engine.get_item(missing).await, not_found);

    let replica = |status| Replica { status, since_ms: 0 };
    let get = || get(item([("p", s("a"))]));
    harness.store.alter("simple", |table| {
        let creating = ReplicaStatus::Creating {
            from: region("eu-west-1"),
        };
        table.replicas.insert(region("us-east-1"), replica(creating));
    });
    assert_eq!(harness.engine.get_item(get()).await, not_found, "still being filled");
    harness.store.alter("simple", |table| {
        table
            .replicas
            .insert(region("us-east-1"), replica(ReplicaStatus::Active));
    });
    assert!(harness.engine.get_item(get()).await.is_ok());
    harness.store.alter("simple", |table| table.bootstrapped = false);
    assert_eq!(harness.engine.get_item(get()).await, not_found, "lost its disk");
    harness.store.alter("simple", |table| {
        table.bootstrapped = true;
        table
            .replicas
            .insert(region("us-east-1"), replica(ReplicaStatus::Deleting));
    });
    assert_eq!(harness.engine.get_item(get()).await, not_found, "being deleted");
}

#[tokio::test]
async fn a_table_can_be_named_by_its_arn() {
    let harness = Harness::new().with_simple().await;
    harness
        .put(
            "arn:aws:dynamodb:us-east-1:000000000000:table/simple",
            item([("p", s("a"))]),
        )
        .await;
    assert!(harness.get("simple", item([("p", s("a"))])).await.is_some());
    let elsewhere = GetItemInput {
        table_name: "arn:aws:dynamodb:eu-west-1:000000000000:table/simple".to_owned(),
        ..get(item([("p", s("a"))]))
    };
    assert!(refused(harness.engine.get_item(elsewhere).await).contains("Invalid AWS region"));
}

#[tokio::test]
async fn a_malformed_table_name_is_a_validation_error() {
    let harness = Harness::new();
    for name in ["", "ab", "no spaces", "$transaction-tokens", &"n".repeat(256)] {
        let input = GetItemInput {
            table_name: name.to_owned(),
            ..get(item([("p", s("a"))]))
        };
        assert!(refused(harness.engine.get_item(input).await).contains("'tableName' failed to satisfy constraint"));
    }
}

#[tokio::test]
async fn store_failure_is_internal_error_and_closing_unavailable() {
    let harness = Harness::faked().with_simple().await;
    harness.store.fail(StoreError::DiskFull("full".to_owned()), 0);
    let error = harness.engine.put_item(put(item([("p", s("a"))]))).await.unwrap_err();
    assert_eq!((error.name(), error.http_status()), ("InternalServerError", 500));
    assert!(error.to_string().contains("no space is left"), "{error}");
    harness.store.fail(StoreError::Closed, 0);
    let error = harness.engine.put_item(put(item([("p", s("a"))]))).await.unwrap_err();
    assert_eq!((error.name(), error.http_status()), ("ServiceUnavailable", 503));
}
