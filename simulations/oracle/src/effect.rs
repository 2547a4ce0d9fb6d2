//! The effects of writes on items, as far as workloads know them.

use std::collections::{BTreeMap, BTreeSet};

use beringia_history::{Content, Effect};

/// Applies an effect to an item; `None` if the result is not known.
pub(crate) fn made_of(before: Option<&Content>, effect: &Effect, marker: &str) -> Option<Content> {
    let of_fields = |fields: &[String]| -> BTreeMap<String, String> {
        fields.iter().map(|field| (field.clone(), marker.to_owned())).collect()
    };
    let mut content = match effect {
        Effect::Put { .. } => Content::default(),
        _ => before.cloned().unwrap_or_default(),
    };
    marker.clone_into(&mut content.marker);
    match effect {
        Effect::Put { fields, number } => {
            content.fields = of_fields(fields);
            content.number = *number;
        }
        Effect::Update { fields } => content.fields.append(&mut of_fields(fields)),
        Effect::Add(by) => content.number = Some(content.number.unwrap_or(0) + by),
        Effect::Set { add, delete } => {
            let mut set: BTreeSet<String> = content.set.into_iter().collect();
            set.extend(add.iter().cloned());
            set.retain(|element| !delete.contains(element));
            content.set = set.into_iter().collect();
        }
        Effect::Append => content.list.push(marker.to_owned()),
        Effect::Delete | Effect::Recorded { .. } => return None,
    }
    Some(content)
}

/// Returns whether a write's result is its effect applied to the item before. The result has the
/// write's marker. Effects that are not known have any result.
pub(crate) fn is_result_of(before: Option<&Content>, effect: &Effect, result: &Content) -> bool {
    made_of(before, effect, &result.marker).is_none_or(|made| is_same_but_for_image(&made, result))
}

/// Returns whether two items are equal in all that workloads know.
pub(crate) fn is_same_but_for_image(one: &Content, other: &Content) -> bool {
    one.marker == other.marker
        && one.fields == other.fields
        && one.number == other.number
        && one.set == other.set
        && one.list == other.list
}
