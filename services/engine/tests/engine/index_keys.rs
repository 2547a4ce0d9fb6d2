//! The values allowed for an index's key attribute, and the error of each way of writing an invalid
//! one.

use std::collections::BTreeMap;

use beringia_engine::{
    ApiError,
    api::{
        AttributeAction, AttributeValueUpdate, TransactAction, TransactGetItem, TransactGetItemsInput,
        TransactWriteItem, TransactWriteItemsInput, UpdateItemInput, WriteOptions,
    },
};
use beringia_item::{AttributeValue, Item};

use crate::support::{Harness, item, n, names, refused, s, text, values};

fn song(more: &[(&str, AttributeValue)]) -> Item {
    let mut song = item([("artist", s("a")), ("song", s("b"))]);
    song.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    song
}

fn action(action: TransactAction, value: Option<AttributeValue>) -> TransactWriteItem {
    TransactWriteItem {
        table_name: "music".to_owned(),
        action,
        expression_attribute_names: None,
        expression_attribute_values: value.map(|value| BTreeMap::from([(":v".to_owned(), value)])),
        return_values_on_condition_check_failure: Default::default(),
    }
}

fn put(item: Item) -> TransactWriteItem {
    let put = TransactAction::Put {
        item,
        condition_expression: None,
    };
    action(put, None)
}

fn set_genre(value: AttributeValue) -> TransactWriteItem {
    let update = TransactAction::Update {
        key: item([("artist", s("c")), ("song", s("d"))]),
        update_expression: "SET genre = :v".to_owned(),
        condition_expression: None,
    };
    action(update, Some(value))
}

/// A transaction of a valid action and then `wrong`.
fn after_a_fit_one(wrong: TransactWriteItem) -> TransactWriteItemsInput {
    TransactWriteItemsInput {
        transact_items: vec![put(item([("artist", s("x")), ("song", s("y"))])), wrong],
        ..TransactWriteItemsInput::default()
    }
}

fn update(expression: &str, value: AttributeValue) -> UpdateItemInput {
    UpdateItemInput {
        table_name: "music".to_owned(),
        key: song(&[]),
        update_expression: text(expression),
        options: WriteOptions {
            expression_attribute_values: values([(":v", value)]),
            ..WriteOptions::default()
        },
        ..UpdateItemInput::default()
    }
}

#[tokio::test]
async fn update_must_leave_index_keys_valid() {
    let harness = Harness::new().with_music().await;
    harness
        .engine
        .update_item(update("SET genre = :v", s("jazz")))
        .await
        .unwrap();
    let long = s(&"x".repeat(2049));
    let empty = "One or more parameter values are not valid. The update expression attempted to update a secondary index key to a \
                 value that is not supported. The AttributeValue for a key attribute cannot contain an empty string value.";
    for (expression, value, expected) in [
        (
            "SET genre = :v",
            n(1),
            "The update expression attempted to update the secondary index key to unsupported type",
        ),
        ("SET genre = :v", s(""), empty),
        ("SET genre = if_not_exists(nowhere, :v)", s(""), empty),
        (
            "SET genre = :v",
            long,
            "The update expression attempted to update the secondary index key beyond allowed size limits",
        ),
    ] {
        let message = refused(harness.engine.update_item(update(expression, value)).await);
        assert_eq!(message, expected, "{expression}");
    }
    let changes = |value| UpdateItemInput {
        table_name: "music".to_owned(),
        key: song(&[]),
        attribute_updates: Some(BTreeMap::from([(
            "genre".to_owned(),
            AttributeValueUpdate {
                action: Some(AttributeAction::Put),
                value: Some(value),
            },
        )])),
        ..UpdateItemInput::default()
    };
    for (value, expected) in [
        (
            n(1),
            "One or more parameter values were invalid: Type mismatch for Index Key genre Expected: S Actual: N IndexName: by-genre",
        ),
        (
            s(""),
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The \
             AttributeValue for a key attribute cannot contain an empty string value. IndexName: by-genre, IndexKey: genre",
        ),
    ] {
        assert_eq!(refused(harness.engine.update_item(changes(value)).await), expected);
    }
}

/// An attribute that is unfit for an index created later does not prevent updates of other
/// attributes.
#[tokio::test]
async fn invalid_key_older_than_its_index_blocks_no_update() {
    let harness = Harness::faked().with_music().await;
    let mut indexes = Default::default();
    harness
        .store
        .alter("music", |table| indexes = std::mem::take(&mut table.global_indexes));
    harness
        .engine
        .update_item(update("SET genre = :v", n(1)))
        .await
        .unwrap();
    harness.store.alter("music", |table| table.global_indexes = indexes);
    harness
        .engine
        .update_item(update("SET title = :v", s("t")))
        .await
        .unwrap();
    assert!(
        harness
            .engine
            .update_item(update("SET genre = :v", n(2)))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn empty_key_rejects_and_invalid_key_cancels_transaction() {
    let harness = Harness::new().with_music().await;
    let empty = "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an empty string \
                 value. Key: artist";
    let no_artist = item([("artist", s("")), ("song", s("b"))]);
    let delete = TransactAction::Delete {
        key: no_artist.clone(),
        condition_expression: None,
    };
    for (wrong, expected) in [
        (put(no_artist.clone()), empty),
        (action(delete, None), empty),
        (
            put(song(&[("length", s("long")), ("genre", s(""))])),
            "One or more parameter values are not valid. A value specified for a secondary index key is not supported. The \
             AttributeValue for a key attribute cannot contain an empty string value. IndexName: by-genre, IndexKey: genre",
        ),
        (
            set_genre(s("")),
            "One or more parameter values are not valid. The update expression attempted to update a secondary index key to a \
             value that is not supported. The AttributeValue for a key attribute cannot contain an empty string value.",
        ),
    ] {
        let result = harness.engine.transact_write_items(after_a_fit_one(wrong)).await;
        assert_eq!(refused(result), expected);
    }
    let get = TransactGetItemsInput {
        transact_items: vec![TransactGetItem {
            table_name: "music".to_owned(),
            key: no_artist,
            ..TransactGetItem::default()
        }],
        ..TransactGetItemsInput::default()
    };
    assert_eq!(refused(harness.engine.transact_get_items(get).await), empty);

    let long = "x".repeat(2049);
    for (wrong, expected) in [
        (
            put(song(&[("genre", n(1))])),
            "One or more parameter values were invalid: Type mismatch for Index Key genre Expected: S Actual: N IndexName: by-genre",
        ),
        (
            put(item([("artist", s(&long)), ("song", s("b"))])),
            "One or more parameter values were invalid: Size of hashkey has exceeded the maximum size limit of2048 bytes",
        ),
        (
            put(song(&[("genre", s(&long))])),
            "One or more parameter values were invalid: Size limit exceeded for Index Key genre Actual Size: 2049 bytes Max Size: \
             2048 bytes IndexName: by-genre",
        ),
        (
            set_genre(n(1)),
            "The update expression attempted to update the secondary index key to unsupported type",
        ),
        (
            set_genre(s(&long)),
            "The update expression attempted to update the secondary index key beyond allowed size limits",
        ),
    ] {
        let result = harness.engine.transact_write_items(after_a_fit_one(wrong)).await;
        let Err(ApiError::TransactionCanceled { reasons }) = result else {
            panic!("expected a TransactionCanceledException, got {result:?}");
        };
        let reported: Vec<_> = reasons
            .iter()
            .map(|reason| (reason.code, reason.message.as_deref()))
            .collect();
        assert_eq!(reported, [("None", None), ("ValidationError", Some(expected))]);
    }
    assert_eq!(harness.items(), 0);
}

/// Other operations reject them.
#[tokio::test]
async fn transactions_ignore_placeholders_without_expressions() {
    let harness = Harness::new().with_music().await;
    let delete = TransactAction::Delete {
        key: song(&[]),
        condition_expression: None,
    };
    let mut writes = vec![put(item([("artist", s("x")), ("song", s("y"))])), action(delete, None)];
    for write in &mut writes {
        write.expression_attribute_names = names([("#unused", "a")]);
        write.expression_attribute_values = values([(":unused", n(1))]);
    }
    let written = TransactWriteItemsInput {
        transact_items: writes.clone(),
        ..TransactWriteItemsInput::default()
    };
    harness.engine.transact_write_items(written).await.unwrap();
    let read = TransactGetItemsInput {
        transact_items: vec![TransactGetItem {
            table_name: "music".to_owned(),
            key: item([("artist", s("x")), ("song", s("y"))]),
            expression_attribute_names: names([("#unused", "a")]),
            ..TransactGetItem::default()
        }],
        ..TransactGetItemsInput::default()
    };
    let responses = harness.engine.transact_get_items(read).await.unwrap().responses;
    assert_eq!(responses, [Some(item([("artist", s("x")), ("song", s("y"))]))]);

    // With an expression, every placeholder must be used.
    if let TransactAction::Put {
        condition_expression, ..
    } = &mut writes[0].action
    {
        *condition_expression = text("attribute_exists(artist)");
    }
    let unused = TransactWriteItemsInput {
        transact_items: writes,
        ..TransactWriteItemsInput::default()
    };
    assert_eq!(
        refused(harness.engine.transact_write_items(unused).await),
        "Value provided in ExpressionAttributeNames unused in expressions: keys: {#unused}"
    );
}
