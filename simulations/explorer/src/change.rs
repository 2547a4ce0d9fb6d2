//! What a client sends: a kind of write, decided from the current item.

use std::sync::Arc;

use beringia_item::{AttributeValue, Item, Number, Touch, Touched};
use beringia_storage::{Change, ItemEffect, Refusal};

use crate::{bounds::Kind, table::key_item};

/// A write of a region to a key, with a value that no other write has.
pub(crate) struct ClientWrite {
    pub(crate) kind: Kind,
    pub(crate) key: u8,
    pub(crate) attribute: String,
    pub(crate) value: String,
}

impl ClientWrite {
    fn touched(&self, touch: Touch) -> Touched {
        Touched::from([(self.name(), touch)])
    }

    fn name(&self) -> String {
        match self.kind {
            Kind::Add => "n".to_owned(),
            _ => self.attribute.clone(),
        }
    }
}

impl Change for ClientWrite {
    fn needs_current(&self) -> bool {
        !matches!(self.kind, Kind::Put)
    }

    fn decide(&mut self, current: Option<&Item>) -> Result<ItemEffect, Refusal> {
        let value = AttributeValue::S(self.value.clone());
        let mut item = current.cloned().unwrap_or_else(|| key_item(self.key));
        Ok(match self.kind {
            Kind::Put => {
                let mut item = key_item(self.key);
                item.insert("w".to_owned(), value);
                ItemEffect::Put(Arc::new(item))
            }
            Kind::Delete => ItemEffect::Delete,
            Kind::Set => {
                item.insert(self.name(), value);
                let touched = self.touched(Touch::Assign);
                ItemEffect::Update { item, touched }
            }
            Kind::Add => {
                let one = Number::from(1_u64);
                let sum = match item.get("n") {
                    Some(AttributeValue::N(number)) => number.checked_add(&one).unwrap_or(one),
                    _ => one,
                };
                item.insert("n".to_owned(), AttributeValue::N(sum));
                let touched = self.touched(Touch::Add(one));
                ItemEffect::Update { item, touched }
            }
        })
    }
}
