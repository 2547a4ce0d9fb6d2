//! Restores what a conflict lost, as requested by the control protocol.

use beringia_item::{Item, item_from_json};
use beringia_node::LostWrite;
use beringia_proto::v1::{ControlRestoreReply, ControlRestoreRequest};
use tonic::Status;

use super::journal;
use crate::host::Host;

/// Writes the lost image back in the requested region.
pub(crate) async fn apply(host: &Host, request: ControlRestoreRequest) -> Result<ControlRestoreReply, Status> {
    let region = host.hosted(&request.region)?;
    let lost = LostWrite {
        key: item(&request.key_json)?,
        image: request.image_json.as_deref().map(item).transpose()?,
        attributes: request.attributes,
    };
    let restored = region.restore(&request.table, lost).await;
    let restored = restored.ok_or_else(|| Status::failed_precondition(format!("{} is down", request.region)))?;
    let version = restored.map_err(|error| Status::failed_precondition(format!("{}: {error}", request.region)))?;
    Ok(ControlRestoreReply {
        version: version.as_ref().map(journal::version),
    })
}

fn item(json: &str) -> Result<Item, Status> {
    let json = serde_json::from_str(json).map_err(|error| Status::invalid_argument(format!("not JSON: {error}")))?;
    item_from_json(json).map_err(|error| Status::invalid_argument(format!("not an item: {error}")))
}
