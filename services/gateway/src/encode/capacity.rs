//! Encodes capacity and item collections in answers.

use beringia_engine::api::{ConsumedCapacity, ConsumedUnits, ItemCollectionMetrics};
use serde::Serializer;

use super::{Encode, Fields};

impl Encode for ConsumedUnits {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        push_units(&mut fields, self)?;
        fields.end()
    }
}

impl Encode for ConsumedCapacity {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.plain("TableName", &self.table_name)?;
        push_units(&mut fields, &self.total)?;
        fields.wire_some("Table", self.table.as_ref())?;
        fields.wire_some("LocalSecondaryIndexes", self.local_secondary_indexes.as_ref())?;
        fields.wire_some("GlobalSecondaryIndexes", self.global_secondary_indexes.as_ref())?;
        fields.end()
    }
}

impl Encode for ItemCollectionMetrics {
    fn encode<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut fields = Fields::begin(serializer)?;
        fields.wire("ItemCollectionKey", &self.item_collection_key)?;
        fields.plain("SizeEstimateRangeGB", &self.size_estimate_range_gb)?;
        fields.end()
    }
}

fn push_units<M: serde::ser::SerializeMap>(fields: &mut Fields<M>, capacity: &ConsumedUnits) -> Result<(), M::Error> {
    fields.plain("CapacityUnits", &capacity.capacity_units)?;
    fields.plain_some("ReadCapacityUnits", capacity.read_capacity_units.as_ref())?;
    fields.plain_some("WriteCapacityUnits", capacity.write_capacity_units.as_ref())
}
