//! The `#names` and `:values` of a request, and the parameters of a statement.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use beringia_item::AttributeValue;

use crate::{
    ExpressionError,
    limits::{MAX_NAME_BYTES, MAX_PLACEHOLDER_BYTES},
};

/// The message if the number of `?` in a statement differs from that of the parameters.
pub(crate) const PARAMETERS_MISMATCH: &str = "Number of parameters in request and statement don't match.";

/// The `#names` and `:values` of a request, or the parameters that the `?` of a statement refer to.
/// Tracks which of them were used.
#[derive(Debug, Clone, Default)]
pub struct Placeholders {
    parameters: VecDeque<Arc<AttributeValue>>,
    names: BTreeMap<String, Entry<String>>,
    values: BTreeMap<String, Entry<Arc<AttributeValue>>>,
}

#[derive(Debug, Clone)]
struct Entry<T> {
    meaning: T,
    used: bool,
}

impl Placeholders {
    /// Takes ExpressionAttributeNames and ExpressionAttributeValues from the request; `None` if it
    /// has none.
    ///
    /// # Errors
    /// DynamoDB's messages for an empty map, for a malformed placeholder, and for an invalid
    /// attribute name.
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
            parameters: VecDeque::new(),
            names,
            values: values.collect(),
        })
    }

    /// The parameters of a PartiQL statement.
    pub(crate) fn of_parameters(parameters: Vec<AttributeValue>) -> Self {
        Self {
            parameters: parameters.into_iter().map(Arc::new).collect(),
            ..Self::default()
        }
    }

    /// The value of the next `?`.
    pub(crate) fn next_parameter(&mut self) -> Option<Arc<AttributeValue>> {
        self.parameters.pop_front()
    }

    /// Checks that the statement had one `?` per parameter. Call it after parsing the whole
    /// statement.
    pub(crate) fn check_parameters_used(&self) -> Result<(), ExpressionError> {
        if self.parameters.is_empty() {
            Ok(())
        } else {
            Err(ExpressionError(PARAMETERS_MISMATCH.to_owned()))
        }
    }

    /// Checks that every placeholder was used. Call it after parsing all expressions of the
    /// request.
    ///
    /// # Errors
    /// `Value provided in ExpressionAttributeValues unused in expressions: keys: {:x}`, and the
    /// corresponding message for names.
    pub fn check_all_used(&self) -> Result<(), ExpressionError> {
        check_used(&self.names, "ExpressionAttributeNames")?;
        check_used(&self.values, "ExpressionAttributeValues")
    }

    /// The attribute name of `#placeholder`.
    pub(crate) fn name(&mut self, placeholder: &str) -> Option<&str> {
        let entry = self.names.get_mut(placeholder)?;
        entry.used = true;
        Some(&entry.meaning)
    }

    /// The value of `:placeholder`, which counts as used from now on. `None` if the request does
    /// not define it.
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
