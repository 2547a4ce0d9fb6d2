//! The `#names` and `:values` of a request.

use std::{collections::BTreeMap, sync::Arc};

use beringia_item::AttributeValue;

use crate::{
    ExpressionError,
    limits::{MAX_NAME_BYTES, MAX_PLACEHOLDER_BYTES},
};

/// The `#names` and `:values` of a request; remembers which of them were used.
#[derive(Debug, Clone, Default)]
pub struct Placeholders {
    names: BTreeMap<String, Entry<String>>,
    values: BTreeMap<String, Entry<Arc<AttributeValue>>>,
}

#[derive(Debug, Clone)]
struct Entry<T> {
    meaning: T,
    used: bool,
}

impl Placeholders {
    /// Takes ExpressionAttributeNames and ExpressionAttributeValues as the request has them; `None` where it has none.
    ///
    /// # Errors
    /// DynamoDB's messages for an empty map, a key that is no placeholder, and a name that no attribute can have.
    pub fn new(
        names: Option<BTreeMap<String, String>>,
        values: Option<BTreeMap<String, AttributeValue>>,
    ) -> Result<Self, ExpressionError> {
        const NAMES: &str = "ExpressionAttributeNames";
        const VALUES: &str = "ExpressionAttributeValues";
        let names = checked(names, '#', NAMES)?;
        for (key, Entry { meaning, .. }) in &names {
            let wrong = match meaning.len() {
                0 => "Empty attribute name",
                1..=MAX_NAME_BYTES => continue,
                _ => "Attribute name is too large, must be less than 65536 bytes",
            };
            return Err(ExpressionError(format!(
                "{NAMES} contains invalid value: {wrong} for key {key}"
            )));
        }
        let values = checked(values, ':', VALUES)?;
        let values = values.into_iter().map(|(key, entry)| {
            (
                key,
                Entry {
                    meaning: Arc::new(entry.meaning),
                    used: false,
                },
            )
        });
        Ok(Self {
            names,
            values: values.collect(),
        })
    }

    /// To be called when all expressions of the request are parsed.
    ///
    /// # Errors
    /// `Value provided in ExpressionAttributeValues unused in expressions: keys: {:x}`, and likewise for names.
    pub fn check_all_used(&self) -> Result<(), ExpressionError> {
        check_used(&self.names, "ExpressionAttributeNames")?;
        check_used(&self.values, "ExpressionAttributeValues")
    }

    /// The attribute that `#placeholder` stands for.
    pub(crate) fn name(&mut self, placeholder: &str) -> Option<&str> {
        let entry = self.names.get_mut(placeholder)?;
        entry.used = true;
        Some(&entry.meaning)
    }

    /// The value that `:placeholder` stands for.
    pub(crate) fn value(&mut self, placeholder: &str) -> Option<Arc<AttributeValue>> {
        let entry = self.values.get_mut(placeholder)?;
        entry.used = true;
        Some(Arc::clone(&entry.meaning))
    }
}

fn checked<T>(
    entries: Option<BTreeMap<String, T>>,
    sign: char,
    parameter: &str,
) -> Result<BTreeMap<String, Entry<T>>, ExpressionError> {
    let Some(entries) = entries else {
        return Ok(BTreeMap::new());
    };
    if entries.is_empty() {
        return Err(ExpressionError(format!("{parameter} must not be empty")));
    }
    for key in entries.keys() {
        let well_formed = key.strip_prefix(sign).is_some_and(|rest| {
            !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        });
        let wrong = match well_formed {
            false => "Syntax error",
            true if key.len() > MAX_PLACEHOLDER_BYTES => "The expression attribute map contains a key that is too long",
            true => continue,
        };
        return Err(ExpressionError(format!(
            "{parameter} contains invalid key: {wrong}; key: \"{key}\""
        )));
    }
    Ok(entries
        .into_iter()
        .map(|(key, meaning)| (key, Entry { meaning, used: false }))
        .collect())
}

fn check_used<T>(entries: &BTreeMap<String, Entry<T>>, parameter: &str) -> Result<(), ExpressionError> {
    let unused: Vec<&str> = entries
        .iter()
        .filter(|(_, entry)| !entry.used)
        .map(|(key, _)| key.as_str())
        .collect();
    if unused.is_empty() {
        return Ok(());
    }
    let keys = unused.join(", ");
    Err(ExpressionError(format!(
        "Value provided in {parameter} unused in expressions: keys: {{{keys}}}"
    )))
}
