//! Fingerprints of transactions, which detect that one token is used for different requests.

use beringia_item::{Item, encode_item};
use xxhash_rust::xxh3::Xxh3;

use crate::api::{ReturnValuesOnConditionCheckFailure, TransactAction, TransactStatement, TransactWriteItem};

/// A hash of everything in a request that determines its effect.
pub(super) fn fingerprint(actions: &[TransactWriteItem]) -> u128 {
    let mut hash = Xxh3::new();
    for action in actions {
        text(&mut hash, &action.table_name);
        match &action.action {
            TransactAction::ConditionCheck {
                key,
                condition_expression,
            } => {
                text(&mut hash, "check");
                item(&mut hash, Some(key));
                text(&mut hash, condition_expression);
            }
            TransactAction::Put {
                item: whole,
                condition_expression,
            } => {
                text(&mut hash, "put");
                item(&mut hash, Some(whole));
                optional(&mut hash, condition_expression.as_deref());
            }
            TransactAction::Delete {
                key,
                condition_expression,
            } => {
                text(&mut hash, "delete");
                item(&mut hash, Some(key));
                optional(&mut hash, condition_expression.as_deref());
            }
            TransactAction::Update {
                key,
                update_expression,
                condition_expression,
            } => {
                text(&mut hash, "update");
                item(&mut hash, Some(key));
                text(&mut hash, update_expression);
                optional(&mut hash, condition_expression.as_deref());
            }
        }
        item(&mut hash, action.expression_attribute_values.as_ref());
        let names = action.expression_attribute_names.iter().flatten();
        for (placeholder, name) in names {
            text(&mut hash, placeholder);
            text(&mut hash, name);
        }
        let with_item = action.return_values_on_condition_check_failure == ReturnValuesOnConditionCheckFailure::AllOld;
        hash.update(&[u8::from(with_item)]);
    }
    hash.digest128()
}

/// The same hash for a list of statements.
pub(super) fn fingerprint_of_statements(statements: &[TransactStatement]) -> u128 {
    let mut hash = Xxh3::new();
    for statement in statements {
        text(&mut hash, &statement.statement);
        for parameter in statement.parameters.iter().flatten() {
            item(&mut hash, Some(&Item::from([(String::new(), parameter.clone())])));
        }
        let with_item =
            statement.return_values_on_condition_check_failure == ReturnValuesOnConditionCheckFailure::AllOld;
        hash.update(&[u8::from(with_item)]);
    }
    hash.digest128()
}

fn bytes(hash: &mut Xxh3, bytes: &[u8]) {
    hash.update(&(bytes.len() as u64).to_le_bytes());
    hash.update(bytes);
}

fn text(hash: &mut Xxh3, text: &str) {
    bytes(hash, text.as_bytes());
}

fn optional(hash: &mut Xxh3, given: Option<&str>) {
    hash.update(&[u8::from(given.is_some())]);
    text(hash, given.unwrap_or_default());
}

fn item(hash: &mut Xxh3, given: Option<&Item>) {
    hash.update(&[u8::from(given.is_some())]);
    if let Some(item) = given {
        bytes(hash, &encode_item(item));
    }
}
