//! Implements the TransactWriteItems operation.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use beringia_expression::{Condition, Update};
use beringia_item::{Item, KeyBytes, TableId, item_size};
use beringia_storage::{CommitError, ItemWrite, Refusal, Table, WriteResult};

use super::{
    KeyErrors, TRANSACTION_BYTES, check_count,
    fingerprint::fingerprint,
    invalid_actions, repeated_item,
    token::{State, check_token},
    too_large,
};
use crate::{
    ApiError, CancellationReason, Engine,
    api::{
        ExpressionNames, ExpressionValues, ItemCollectionMetrics, ReturnConsumedCapacity,
        ReturnValuesOnConditionCheckFailure, TransactAction, TransactWriteItem, TransactWriteItemsInput,
        TransactWriteItemsOutput,
    },
    capacity::{Kind, Units, read_units},
    expressions::{update_and_condition, write_condition},
    item::collection_metrics,
    keys::{IndexKeyError, Wording, check_not_empty, check_write_paths, item_key, request_key, unfit_index_keys},
    throttle::{Throttle, Use},
    write::{ConditionalWrite, check_assigned, check_item, check_size, check_update},
};

/// An action with its expressions parsed.
pub(crate) enum Parsed {
    Check {
        key: Item,
        condition: Condition,
    },
    Put {
        item: Item,
        condition: Option<Condition>,
    },
    Delete {
        key: Item,
        condition: Option<Condition>,
    },
    Update {
        key: Item,
        update: Option<Update>,
        condition: Option<Condition>,
    },
}

/// A parsed action and its table.
pub(super) struct Planned {
    pub(super) table: Arc<Table>,
    pub(super) action: Parsed,
    /// Whether the reason of a failed condition contains the item.
    pub(super) with_item: bool,
    /// How a failed condition is reported.
    pub(super) failure: ConditionFailure,
}

/// The meaning of an action's failed condition.
#[derive(Debug, Clone, Copy)]
pub(super) enum ConditionFailure {
    /// The client's condition is false.
    Condition,
    /// The item that an INSERT would create already exists.
    Duplicate,
}

/// The part of an action that is kept after its write was handed to the store.
pub(super) struct Target {
    pub(super) table: Arc<Table>,
    key: KeyBytes,
    collection: Option<ItemCollectionMetrics>,
    with_item: bool,
    /// The minimum cost of the action, if the table is limited.
    least: Units,
    failure: ConditionFailure,
}

impl Engine {
    /// Executes up to 100 actions, all or none.
    ///
    /// # Errors
    /// ValidationException, ResourceNotFoundException, TransactionCanceledException,
    /// TransactionInProgressException, IdempotentParameterMismatchException, or the store's error.
    pub async fn transact_write_items(
        &self,
        input: TransactWriteItemsInput,
    ) -> Result<TransactWriteItemsOutput, ApiError> {
        check_count("transactItems", input.transact_items.len())?;
        check_token(input.client_request_token.as_deref())?;
        if input.transact_items.iter().map(payload).sum::<usize>() > TRANSACTION_BYTES {
            return Err(too_large());
        }
        let token = input
            .client_request_token
            .map(|token| (token, fingerprint(&input.transact_items)));
        let wants_before = input.return_consumed_capacity != ReturnConsumedCapacity::None;
        let actions = self.plan(input.transact_items)?;
        let (transaction, targets) = prepare(&self.throttle, actions, KeyErrors::First, |table, item| {
            (
                collection_metrics(table, item, input.return_item_collection_metrics),
                wants_before,
            )
        })?;
        let (units, kind) = self
            .carry_out(transaction, &targets, token, input.return_consumed_capacity)
            .await?;
        let units = by_table(&targets, units);
        let answer = |(table, units): (String, Units)| units.answer(input.return_consumed_capacity, &table, kind);
        let consumed: Vec<_> = units.into_iter().filter_map(answer).collect();
        let mut metrics: BTreeMap<String, Vec<ItemCollectionMetrics>> = BTreeMap::new();
        for target in targets {
            if let Some(collection) = target.collection {
                metrics
                    .entry(target.table.core.name.clone())
                    .or_default()
                    .push(collection);
            }
        }
        Ok(TransactWriteItemsOutput {
            consumed_capacity: (!consumed.is_empty()).then_some(consumed),
            item_collection_metrics: (!metrics.is_empty()).then_some(metrics),
        })
    }

    /// Commits a transaction, or finds that its token was already used for the same one. Returns
    /// what each action consumed; if that was not asked for, possibly nothing.
    pub(super) async fn carry_out(
        &self,
        mut transaction: Vec<ItemWrite>,
        targets: &[Target],
        token: Option<(String, u128)>,
        wanted: ReturnConsumedCapacity,
    ) -> Result<(Vec<Units>, Kind), ApiError> {
        let mut of_token = Vec::new();
        if let Some((token, fingerprint)) = &token {
            of_token = self.token_writes(token, *fingerprint).await?;
        }
        // The token's own write comes first; the removal of expired tokens blocks no other request.
        let own = of_token.first().map(|own| (own.table, own.key.clone()));
        let _token = own.map(|place| self.contention.token(place)).transpose()?;
        transaction.extend(of_token);
        let places = targets.iter().map(|of| (of.table.id, of.key.clone())).collect();
        // Acquire this first, so that a transaction that is rejected here has consumed nothing.
        let _held = self.contention.transaction(places)?;
        let least = targets.iter().map(|of| (of.table.as_ref(), of.least.clone()));
        let reserved = self.reserve_all(Use::Write, least)?;
        match self.store.commit(transaction).await {
            Ok(outcomes) => {
                let units: Vec<Units> = targets.iter().zip(&outcomes).map(units_of).collect();
                self.charge_actual_all(targets, reserved, units.iter().cloned());
                Ok((units, Kind::TransactWrite))
            }
            Err(CommitError::Store(error)) => {
                self.charge_actual_all(targets, reserved, std::iter::repeat_with(Units::default));
                Err(error.into())
            }
            // A rejected transaction has consumed what was reserved for it.
            Err(CommitError::Refused(mut refusals)) => {
                let of_token = refusals.split_off(targets.len().min(refusals.len()));
                match (of_token.into_iter().next().flatten(), &token) {
                    (Some((_, known)), Some((_, fingerprint))) => {
                        check_same(known.as_ref(), *fingerprint)?;
                        Ok((self.read_units_of(targets, wanted).await?, Kind::TransactRead))
                    }
                    _ => Err(canceled(targets, refusals)),
                }
            }
        }
    }

    /// Checks all expressions, then all tables, as DynamoDB does.
    fn plan(&self, actions: Vec<TransactWriteItem>) -> Result<Vec<Planned>, ApiError> {
        let count = actions.len();
        let mut parsed = Vec::with_capacity(count);
        for action in actions {
            let with_item =
                action.return_values_on_condition_check_failure == ReturnValuesOnConditionCheckFailure::AllOld;
            let table_name = action.table_name.clone();
            parsed.push((table_name, with_item, parse(action)?));
        }
        let planned = parsed.into_iter().map(|(table_name, with_item, action)| {
            let table = self.usable_table(&table_name)?;
            check_write_paths(&table, Wording::Request, action.update(), action.condition())?;
            Ok(Planned {
                table,
                action,
                with_item,
                failure: ConditionFailure::Condition,
            })
        });
        planned.collect()
    }

    fn charge_actual_all(&self, targets: &[Target], reserved: Vec<Option<Units>>, taken: impl Iterator<Item = Units>) {
        for ((target, reserved), taken) in targets.iter().zip(reserved).zip(taken) {
            self.throttle
                .charge_actual(&target.table, Use::Write, reserved, || taken);
        }
    }

    /// The cost of a repeated transaction, which is that of reading its items.
    async fn read_units_of(&self, targets: &[Target], wanted: ReturnConsumedCapacity) -> Result<Vec<Units>, ApiError> {
        if wanted == ReturnConsumedCapacity::None {
            return Ok(Vec::new());
        }
        let keys = targets
            .iter()
            .map(|target| (target.table.id, target.key.clone()))
            .collect();
        let rows = self.store.get_many(keys).await?;
        let units_of = |row: Option<(_, Item)>| {
            let bytes = row.map_or(0, |(_, item)| item_size(&item));
            Units::of_table(read_units(bytes, true)).in_transaction()
        };
        Ok(rows.into_iter().map(units_of).collect())
    }
}

/// Prepares the writes of all actions. Checks keys and items before looking for items that occur
/// twice. Given a table and an item, `extras` returns the answer's collection metrics and whether
/// the answer needs the previous item.
pub(super) fn prepare(
    throttle: &Throttle,
    actions: Vec<Planned>,
    key_errors: KeyErrors,
    extras: impl Fn(&Table, &Item) -> (Option<ItemCollectionMetrics>, bool),
) -> Result<(Vec<ItemWrite>, Vec<Target>), ApiError> {
    let count = actions.len();
    for planned in &actions {
        check_no_empty_keys(&planned.table, &planned.action)?;
    }
    let keys = all_keys(&actions, key_errors)?;
    let places = actions.iter().zip(&keys).map(|(planned, key)| (planned.table.id, key));
    if places.collect::<BTreeSet<(TableId, &KeyBytes)>>().len() < count {
        return Err(repeated_item());
    }
    let (mut transaction, mut targets) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for (planned, key) in actions.into_iter().zip(keys) {
        let Planned {
            table,
            action,
            with_item,
            failure,
        } = planned;
        let (collection, wants_before) = extras(&table, action.attributes());
        let write = action.into_write(&table);
        let limited = throttle.limits(&table, Use::Write);
        let least = if limited {
            write.least_units(&table).in_transaction()
        } else {
            Units::default()
        };
        let write = write.returning_before(with_item || wants_before || limited);
        transaction.push(write.on(&table, key.clone()));
        targets.push(Target {
            table,
            key,
            collection,
            with_item,
            least,
            failure,
        });
    }
    Ok((transaction, targets))
}

/// The stored keys of all actions' items, or the error that cancels the transaction.
fn all_keys(actions: &[Planned], key_errors: KeyErrors) -> Result<Vec<KeyBytes>, ApiError> {
    let mut keys = Vec::with_capacity(actions.len());
    let mut wrong: Vec<Option<ApiError>> = actions.iter().map(|_| None).collect();
    for (planned, wrong) in actions.iter().zip(&mut wrong) {
        match action_key(&planned.table, &planned.action) {
            Ok(key) => keys.push(key),
            Err(error) => {
                *wrong = Some(error);
                if key_errors == KeyErrors::First {
                    break;
                }
            }
        }
    }
    if keys.len() < actions.len() {
        return Err(invalid_actions(wrong));
    }
    Ok(keys)
}

/// The size of an action's item or key and of its expression values, in bytes.
fn payload(action: &TransactWriteItem) -> usize {
    let item = match &action.action {
        TransactAction::Put { item, .. } => item,
        TransactAction::ConditionCheck { key, .. }
        | TransactAction::Delete { key, .. }
        | TransactAction::Update { key, .. } => key,
    };
    item_size(item) + action.expression_attribute_values.as_ref().map_or(0, item_size)
}

fn parse(action: TransactWriteItem) -> Result<Parsed, ApiError> {
    let TransactWriteItem {
        action,
        expression_attribute_names: names,
        expression_attribute_values: values,
        ..
    } = action;
    Ok(match action {
        TransactAction::ConditionCheck {
            key,
            condition_expression,
        } => {
            let condition = write_condition(Some(&condition_expression), names, values)?
                .ok_or_else(|| ApiError::missing("conditionExpression"))?;
            Parsed::Check { key, condition }
        }
        TransactAction::Put {
            item,
            condition_expression,
        } => {
            // Unlike other faults of an item, this one makes the whole request invalid.
            check_size(&item)?;
            let condition = optional_condition(condition_expression.as_deref(), names, values)?;
            Parsed::Put { item, condition }
        }
        TransactAction::Delete {
            key,
            condition_expression,
        } => Parsed::Delete {
            key,
            condition: optional_condition(condition_expression.as_deref(), names, values)?,
        },
        TransactAction::Update {
            key,
            update_expression,
            condition_expression,
        } => {
            let (update, condition) =
                update_and_condition(Some(&update_expression), condition_expression.as_deref(), names, values)?;
            Parsed::Update { key, update, condition }
        }
    })
}

/// The condition of an action that does not need one. Unlike outside transactions, placeholders may
/// then be given without an expression.
fn optional_condition(
    text: Option<&str>,
    names: ExpressionNames,
    values: ExpressionValues,
) -> Result<Option<Condition>, ApiError> {
    match text {
        None => Ok(None),
        text => write_condition(text, names, values),
    }
}

/// Rejects empty values of key attributes. They make the whole request invalid; any other fault of
/// an action's item cancels the transaction.
fn check_no_empty_keys(table: &Table, action: &Parsed) -> Result<(), ApiError> {
    check_not_empty(table, action.attributes())?;
    match action {
        Parsed::Put { item, .. } => {
            let empty = unfit_index_keys(table, |name| item.get(name)).find(IndexKeyError::is_empty);
            empty.map_or(Ok(()), |error| Err(ApiError::Validation(error.in_item())))
        }
        Parsed::Update {
            update: Some(update), ..
        } => check_assigned(table, update),
        _ => Ok(()),
    }
}

/// The stored key of an action's item. Checks everything about the item.
pub(crate) fn action_key(table: &Table, action: &Parsed) -> Result<KeyBytes, ApiError> {
    match action {
        Parsed::Put { item, .. } => {
            let key = item_key(table, item)?;
            check_item(table, item)?;
            Ok(key)
        }
        Parsed::Update { key, update, .. } => {
            let stored = request_key(table, key)?;
            check_update(table, update.as_ref())?;
            Ok(stored)
        }
        Parsed::Check { key, .. } | Parsed::Delete { key, .. } => request_key(table, key),
    }
}

impl Parsed {
    /// The item to put, or the key.
    const fn attributes(&self) -> &Item {
        match self {
            Self::Put { item, .. } => item,
            Self::Check { key, .. } | Self::Delete { key, .. } | Self::Update { key, .. } => key,
        }
    }

    /// The condition on the item, if there is one.
    pub(crate) const fn condition(&self) -> Option<&Condition> {
        match self {
            Self::Check { condition, .. } => Some(condition),
            Self::Put { condition, .. } | Self::Delete { condition, .. } | Self::Update { condition, .. } => {
                condition.as_ref()
            }
        }
    }

    /// The update of the item, if the action is one that changes something.
    pub(crate) const fn update(&self) -> Option<&Update> {
        match self {
            Self::Update { update, .. } => update.as_ref(),
            Self::Check { .. } | Self::Put { .. } | Self::Delete { .. } => None,
        }
    }

    /// Converts an action that has passed [`action_key`] to a write.
    pub(crate) fn into_write(self, table: &Arc<Table>) -> ConditionalWrite {
        match self {
            Self::Check { condition, .. } => ConditionalWrite::check(condition),
            Self::Put { item, condition } => ConditionalWrite::put(item, condition),
            Self::Delete { condition, .. } => ConditionalWrite::delete(condition),
            Self::Update { key, update, condition } => {
                ConditionalWrite::update(Arc::clone(table), key, update.map(Arc::new), condition)
            }
        }
    }
}

/// The units that an action consumed.
fn units_of((target, outcome): (&Target, &WriteResult)) -> Units {
    let after = if outcome.version.is_some() {
        outcome.after.as_deref()
    } else {
        outcome.before.as_ref()
    };
    Units::of_write(&target.table, outcome.before.as_ref(), after).in_transaction()
}

fn by_table(targets: &[Target], units: Vec<Units>) -> BTreeMap<String, Units> {
    let mut sums: BTreeMap<String, Units> = BTreeMap::new();
    for (target, units) in targets.iter().zip(units) {
        *sums.entry(target.table.core.name.clone()).or_default() += units;
    }
    sums
}

/// Checks that the token's transaction was this one.
fn check_same(known: Option<&Item>, fingerprint: u128) -> Result<(), ApiError> {
    if known
        .and_then(State::of)
        .is_some_and(|state| state.fingerprint == fingerprint)
    {
        return Ok(());
    }
    Err(ApiError::IdempotentParameterMismatch(
        "DynamoDB rejected the request because you retried a request with a different payload but with an idempotent token that \
         was already used."
            .to_owned(),
    ))
}

fn canceled(targets: &[Target], refusals: Vec<Option<(Refusal, Option<Item>)>>) -> ApiError {
    let reason = |(target, refusal): (&Target, Option<(Refusal, Option<Item>)>)| match refusal {
        None => CancellationReason::none(),
        Some((Refusal::ConditionFailed, _)) if matches!(target.failure, ConditionFailure::Duplicate) => {
            CancellationReason {
                code: "DuplicateItem",
                message: Some(ApiError::DuplicateItem.to_string()),
                item: None,
            }
        }
        Some((Refusal::ConditionFailed, item)) => CancellationReason {
            code: "ConditionalCheckFailed",
            message: Some("The conditional request failed".to_owned()),
            item: item.filter(|_| target.with_item),
        },
        Some((Refusal::Repeated, _)) => CancellationReason {
            code: "ValidationError",
            message: Some(repeated_item().to_string()),
            item: None,
        },
        Some((Refusal::Invalid(message), _)) => CancellationReason {
            code: "ValidationError",
            message: Some(message),
            item: None,
        },
    };
    ApiError::TransactionCanceled {
        reasons: targets.iter().zip(refusals).map(reason).collect(),
    }
}
