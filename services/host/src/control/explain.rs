//! The data of regions under a key, in the form of the control protocol.

use beringia_item::{item_from_json, item_to_json};
use beringia_proto::v1::RegionExplanation;
use beringia_storage::{Catalog, StoreError};
use tonic::Status;

use super::{digests, journal};
use crate::region::Hosted;

/// The region's data under the key, in the table with that name.
pub(crate) async fn of(region: &Hosted, table: &str, key_json: &str) -> Result<RegionExplanation, Status> {
    let mut explanation = RegionExplanation {
        region: region.name().to_string(),
        ..RegionExplanation::default()
    };
    let Some(store) = region.store().await else {
        return Ok(explanation);
    };
    explanation.running = true;
    let catalog = store.catalog();
    let Some(table) = catalog.by_name.get(table).filter(|table| table.held).cloned() else {
        return Ok(explanation);
    };
    let key = serde_json::from_str(key_json)
        .map_err(|error| Status::invalid_argument(format!("the key is not JSON: {error}")))?;
    let key = item_from_json(key).map_err(|error| Status::invalid_argument(format!("the key: {error}")))?;
    let extra = key
        .keys()
        .find(|name| table.core.keys.parts().all(|part| part.name != **name));
    if let Some(extra) = extra {
        return Err(Status::invalid_argument(format!(
            "the key: {extra} is not a key attribute of {}",
            table.core.name
        )));
    }
    let key = table
        .core
        .keys
        .key_of(&key)
        .map_err(|error| Status::invalid_argument(format!("the key: {error}")))?;
    explanation.has_table = true;
    explanation.table_id = table.id.to_string();
    explanation.replicas = if table.is_global() {
        table.replicas.keys().map(ToString::to_string).collect()
    } else {
        vec![region.name().to_string()]
    };
    explanation.applied = store.vectors().get(&table.id).map(digests::vector).unwrap_or_default();
    let found = match store.explain(table.id, &key).await {
        Ok(found) => found,
        Err(StoreError::Closed | StoreError::UnknownTable(_)) => None,
        Err(error) => return Err(Status::internal(format!("{}: {error}", region.name()))),
    };
    if let Some(found) = found {
        let names: &Catalog = &catalog;
        explanation.version = Some(journal::version(&found.version));
        explanation.causal_context = digests::vector(&found.causal_context);
        explanation.item_json = found.item.as_ref().map(|item| item_to_json(item).to_string());
        explanation.conflicts = found
            .conflicts
            .iter()
            .map(|conflict| journal::report(region.name(), conflict, names))
            .collect();
    }
    Ok(explanation)
}
