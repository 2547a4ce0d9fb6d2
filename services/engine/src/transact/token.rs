//! Client request tokens: a transaction that is repeated with its token within ten minutes has no
//! further effect.
//!
//! A token is an item of a regional table that clients cannot name, written in the same
//! transaction. It therefore exists exactly if the transaction was committed, even after a crash.
//! Later transactions with a token remove expired tokens, a few at a time.

use std::{collections::BTreeMap, ops::Bound, sync::Arc};

use beringia_item::{AttributeValue, Cause, Item, KeyBytes, KeyPart, KeySchema, KeyType, TableId};
use beringia_storage::{
    Aspect, Catalog, Change, Core, Edit, ItemEffect, ItemWrite, LocalSettings, RangeRead, Refusal, Throughput,
};
use bytes::Bytes;

use crate::{ApiError, Engine, constraint::Constraints, engine::HIDDEN};

/// How long a token is valid, in ms (API reference, TransactWriteItems).
const TOKEN_MS: u64 = 10 * 60 * 1000;
/// Bounds of a token's length, in characters.
const TOKEN_LENGTH: (usize, usize) = (1, 36);
/// How many tokens each transaction with a token examines in order to remove expired ones. It is
/// greater than one, so that the table shrinks.
const SWEPT: usize = 4;
/// The name of the attribute that contains the token.
const TOKEN: &str = "token";
/// The name of the attribute that contains the state: the request's fingerprint (16 bytes) and the
/// commit time (8 bytes, ms), both big-endian.
const STATE: &str = "state";

/// The record of a transaction in the item of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) fingerprint: u128,
    committed_ms: u64,
}

impl State {
    fn encode(self) -> AttributeValue {
        let mut bytes = self.fingerprint.to_be_bytes().to_vec();
        bytes.extend(self.committed_ms.to_be_bytes());
        AttributeValue::B(Bytes::from(bytes))
    }

    /// Decodes the state in a token's item.
    pub(super) fn of(item: &Item) -> Option<Self> {
        let Some(AttributeValue::B(bytes)) = item.get(STATE) else {
            return None;
        };
        let (fingerprint, committed_ms) = bytes.split_first_chunk()?;
        Some(Self {
            fingerprint: u128::from_be_bytes(*fingerprint),
            committed_ms: u64::from_be_bytes(committed_ms.try_into().ok()?),
        })
    }

    /// Whether the token is valid at `now_ms`. A token from the future (the clock was set back) is
    /// valid.
    const fn counts(self, now_ms: u64) -> bool {
        now_ms.saturating_sub(self.committed_ms) < TOKEN_MS
    }
}

/// Writes a token unless a valid one exists.
struct Remember {
    token: String,
    state: State,
}

impl Change for Remember {
    fn needs_current(&self) -> bool {
        true
    }

    fn decide(&mut self, current: Option<&Item>) -> Result<ItemEffect, Refusal> {
        if current
            .and_then(State::of)
            .is_some_and(|known| known.counts(self.state.committed_ms))
        {
            return Err(Refusal::ConditionFailed);
        }
        let token = AttributeValue::S(self.token.clone());
        Ok(ItemEffect::Put(Arc::new(Item::from([
            (TOKEN.to_owned(), token),
            (STATE.to_owned(), self.state.encode()),
        ]))))
    }
}

/// Removes a token if it has expired.
struct RemoveExpired {
    now_ms: u64,
}

impl Change for RemoveExpired {
    fn needs_current(&self) -> bool {
        true
    }

    fn only_deletes(&self) -> bool {
        true
    }

    fn decide(&mut self, current: Option<&Item>) -> Result<ItemEffect, Refusal> {
        let expired = current.is_some_and(|item| !State::of(item).is_some_and(|state| state.counts(self.now_ms)));
        Ok(if expired { ItemEffect::Delete } else { ItemEffect::Keep })
    }
}

/// The name of the table of tokens.
fn table_name() -> String {
    format!("{HIDDEN}transaction-tokens")
}

fn table_keys() -> KeySchema {
    KeySchema {
        partition: vec![KeyPart {
            name: TOKEN.to_owned(),
            kind: KeyType::S,
        }],
        sort: Vec::new(),
    }
}

/// Checks the length of the token.
pub(super) fn check_token(token: Option<&str>) -> Result<(), ApiError> {
    let mut constraints = Constraints::default();
    if let Some(token) = token {
        constraints.text_length("clientRequestToken", token, TOKEN_LENGTH);
    }
    constraints.finish()
}

impl Engine {
    /// The writes that accompany a transaction with this token: first the token's own, then the
    /// removal of expired ones.
    pub(super) async fn token_writes(&self, token: &str, fingerprint: u128) -> Result<Vec<ItemWrite>, ApiError> {
        let table = self.token_table().await?;
        let now_ms = self.clock.now_ms();
        let item = Item::from([(TOKEN.to_owned(), AttributeValue::S(token.to_owned()))]);
        let own = table_keys()
            .key_of(&item)
            .map_err(|error| ApiError::Validation(error.to_string()))?;
        let state = State {
            fingerprint,
            committed_ms: now_ms,
        };
        let write = |key, change| ItemWrite {
            table,
            replica_epoch: None,
            key,
            cause: Cause::Client,
            change,
        };
        let mut writes = vec![write(
            own.clone(),
            Box::new(Remember {
                token: token.to_owned(),
                state,
            }) as Box<dyn Change>,
        )];
        for key in self
            .expired_tokens(table, now_ms)
            .await?
            .into_iter()
            .filter(|key| *key != own)
        {
            writes.push(write(key, Box::new(RemoveExpired { now_ms })));
        }
        Ok(writes)
    }

    /// The expired ones among the next few tokens of the sweep.
    async fn expired_tokens(&self, table: TableId, now_ms: u64) -> Result<Vec<KeyBytes>, ApiError> {
        let reached = self.token_sweep.lock().take();
        let page = self
            .store
            .range(RangeRead {
                table,
                index: None,
                from: reached.map_or(Bound::Unbounded, |key| Bound::Excluded(key.0.to_vec())),
                to: Bound::Unbounded,
                reverse: false,
                max_rows: SWEPT,
                max_bytes: usize::MAX >> 1,
            })
            .await?;
        let next = page.rows.last().filter(|_| page.limited).map(|row| row.key.clone());
        *self.token_sweep.lock() = next;
        let expired = page
            .rows
            .into_iter()
            .filter(|row| !State::of(&row.item).is_some_and(|state| state.counts(now_ms)));
        Ok(expired.map(|row| row.key).collect())
    }

    /// The table of tokens, which is created on first use.
    async fn token_table(&self) -> Result<TableId, ApiError> {
        let name = table_name();
        let id = |catalog: &Catalog| catalog.by_name.get(&name).map(|table| table.id);
        if let Some(id) = id(&self.store.catalog()) {
            return Ok(id);
        }
        let (table, created_ms, core_name) = (self.new_table_id(), self.clock.now_ms(), name.clone());
        let create = move |catalog: &Catalog| {
            if catalog.by_name.contains_key(&core_name) {
                return Ok(Vec::new());
            }
            let core = Core {
                name: core_name.clone(),
                keys: table_keys(),
                local_indexes: BTreeMap::new(),
                created_ms,
            };
            let aspects = [
                Aspect::Core(core),
                Aspect::Throughput(Throughput::OnDemand),
                Aspect::Local(LocalSettings::default()),
            ];
            Ok(aspects.into_iter().map(|aspect| Edit::Set { table, aspect }).collect())
        };
        let catalog = self.store.change_schema(Box::new(create)).await?;
        id(&catalog).ok_or_else(|| ApiError::InternalServer("Internal server error: no table of tokens".to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(committed_ms: u64) -> State {
        State {
            fingerprint: 7,
            committed_ms,
        }
    }

    #[test]
    fn state_survives_its_encoding_as_an_item() {
        let item = Item::from([(STATE.to_owned(), state(123).encode())]);
        assert_eq!(State::of(&item), Some(state(123)));
        assert_eq!(State::of(&Item::new()), None);
    }

    #[test]
    fn token_is_valid_for_ten_minutes_under_clock_changes() {
        assert!(state(1_000_000).counts(1_000_000 + TOKEN_MS - 1));
        assert!(!state(1_000_000).counts(1_000_000 + TOKEN_MS));
        assert!(state(1_000_000).counts(0));
    }

    #[test]
    fn only_expired_tokens_are_overwritten() {
        let known = Item::from([(STATE.to_owned(), state(0).encode())]);
        let remember = |committed_ms| Remember {
            token: "t".to_owned(),
            state: state(committed_ms),
        };
        assert_eq!(
            remember(TOKEN_MS - 1).decide(Some(&known)),
            Err(Refusal::ConditionFailed)
        );
        assert!(matches!(
            remember(TOKEN_MS).decide(Some(&known)),
            Ok(ItemEffect::Put(_))
        ));
        assert!(matches!(remember(5).decide(None), Ok(ItemEffect::Put(_))));
    }

    #[test]
    fn only_expired_tokens_are_removed() {
        let known = Item::from([(STATE.to_owned(), state(0).encode())]);
        assert_eq!(
            RemoveExpired { now_ms: TOKEN_MS }.decide(Some(&known)),
            Ok(ItemEffect::Delete)
        );
        assert_eq!(
            RemoveExpired { now_ms: TOKEN_MS - 1 }.decide(Some(&known)),
            Ok(ItemEffect::Keep)
        );
        assert_eq!(RemoveExpired { now_ms: TOKEN_MS }.decide(None), Ok(ItemEffect::Keep));
    }
}
