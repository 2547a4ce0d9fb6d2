//! The rows of a drill's table in its regions, for reading them back.

use std::collections::BTreeMap;

use async_trait::async_trait;
use beringia_host::fleet::Fleet;
use beringia_proto::v1::{ControlDigestsRequest, ControlEvidenceRequest, EvidenceWrite, control_evidence::What};
use beringia_workload::{HeldItems, HeldRows, WorkloadTable};

use crate::{
    error::DrillError,
    evidence::{EvidenceError, attributes, image, text_of},
};

/// The rows of a table, as the regions' control services report them.
pub(crate) struct Rows<'a> {
    fleet: &'a Fleet,
    table: &'a WorkloadTable,
}

impl<'a> Rows<'a> {
    pub(crate) const fn new(fleet: &'a Fleet, table: &'a WorkloadTable) -> Self {
        Self { fleet, table }
    }

    /// The digest of the table in each region that holds it, as text.
    pub(crate) async fn digests(&self) -> Result<BTreeMap<String, String>, DrillError> {
        let mut digests = BTreeMap::new();
        for region in self.fleet.digests(ControlDigestsRequest::default()).await?.replies {
            let mut tables = region.tables.iter();
            if let Some(table) = tables.find(|table| table.table == self.table.name) {
                let digits = table.digest.iter().map(|byte| format!("{byte:02x}"));
                digests.insert(region.region, digits.collect());
            }
        }
        Ok(digests)
    }

    fn row(&self, write: &EvidenceWrite, items: &mut HeldItems) -> Result<(), EvidenceError> {
        let key = attributes(&write.key)?;
        let text = text_of(&key, &self.table.key)?;
        let item = image(write, &text)?;
        items.insert(text, (key, item));
        Ok(())
    }
}

#[async_trait]
impl HeldRows for Rows<'_> {
    type Error = DrillError;

    async fn digest(&self, region: &str) -> Result<String, DrillError> {
        Ok(self.digests().await?.remove(region).unwrap_or_default())
    }

    async fn items(&self, region: &str) -> Result<HeldItems, DrillError> {
        let mut items = HeldItems::new();
        let request = ControlEvidenceRequest {
            table: self.table.name.clone(),
            rows_of: region.to_owned(),
            ..ControlEvidenceRequest::default()
        };
        let mut client = self.fleet.hosting(region)?;
        let mut stream = client.evidence(request).await?.into_inner();
        while let Some(message) = stream.message().await? {
            if let Some(What::Current(write)) = message.what {
                self.row(&write, &mut items).map_err(|source| DrillError::Evidence {
                    region: region.to_owned(),
                    table: self.table.name.clone(),
                    source,
                })?;
            }
        }
        Ok(items)
    }
}
