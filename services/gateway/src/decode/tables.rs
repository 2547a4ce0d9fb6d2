//! Decodes the requests of CreateTable, DescribeTable, ListTables, DeleteTable and UpdateTable.

use beringia_engine::{
    ApiError,
    api::{
        AttributeDefinition, BillingMode, CreateTableInput, DeleteTableInput, DescribeTableInput, GlobalSecondaryIndex,
        GlobalSecondaryIndexUpdate, KeyRole, KeySchemaElement, ListTablesInput, LocalSecondaryIndex,
        MultiRegionConsistency, OnDemandThroughput, ProjectionSpecification, ProjectionType, ProvisionedThroughput,
        ReplicationGroupUpdate, ScalarAttributeType, SseSpecification, SseType, StreamSpecification, StreamViewType,
        TableClass, UpdateTableInput, WarmThroughput,
    },
};

use super::{Decode, Fields, tags::tag};
use crate::shape::{Structure, requests};

impl Decode for CreateTableInput {
    const SHAPE: &'static Structure = &requests::CREATE_TABLE;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            table_name: fields.table_name()?,
            attribute_definitions: fields.required_list("AttributeDefinitions", attribute_definition)?,
            key_schema: key_schema(&mut fields)?,
            local_secondary_indexes: fields.list("LocalSecondaryIndexes", local_index)?,
            global_secondary_indexes: fields.list("GlobalSecondaryIndexes", global_index)?,
            billing_mode: fields.one_of("BillingMode", BillingMode::from_wire)?,
            provisioned_throughput: throughput(&mut fields)?,
            on_demand_throughput: on_demand(&mut fields),
            warm_throughput: warm(&mut fields),
            table_class: table_class(&mut fields)?,
            stream_specification: stream(&mut fields)?,
            sse_specification: encryption(&mut fields)?,
            deletion_protection_enabled: fields.boolean("DeletionProtectionEnabled"),
            tags: fields.list("Tags", tag)?,
        })
    }
}

impl Decode for DescribeTableInput {
    const SHAPE: &'static Structure = &requests::DESCRIBE_TABLE;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            table_name: fields.table_name()?,
        })
    }
}

impl Decode for DeleteTableInput {
    const SHAPE: &'static Structure = &requests::DELETE_TABLE;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            table_name: fields.table_name()?,
        })
    }
}

impl Decode for ListTablesInput {
    const SHAPE: &'static Structure = &requests::LIST_TABLES;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            exclusive_start_table_name: fields.text("ExclusiveStartTableName"),
            limit: fields.integer("Limit"),
        })
    }
}

impl Decode for UpdateTableInput {
    const SHAPE: &'static Structure = &requests::UPDATE_TABLE;

    fn from_fields(mut fields: Fields) -> Result<Self, ApiError> {
        Ok(Self {
            table_name: fields.table_name()?,
            attribute_definitions: fields.list("AttributeDefinitions", attribute_definition)?,
            billing_mode: fields.one_of("BillingMode", BillingMode::from_wire)?,
            provisioned_throughput: throughput(&mut fields)?,
            // A value without members asks for nothing.
            on_demand_throughput: on_demand(&mut fields).filter(|wanted| *wanted != OnDemandThroughput::default()),
            warm_throughput: warm(&mut fields).filter(|wanted| *wanted != WarmThroughput::default()),
            table_class: table_class(&mut fields)?,
            global_secondary_index_updates: fields.list("GlobalSecondaryIndexUpdates", index_update)?,
            stream_specification: stream(&mut fields)?,
            sse_specification: encryption(&mut fields)?,
            replica_updates: fields.list("ReplicaUpdates", replica_update)?,
            multi_region_consistency: fields.one_of("MultiRegionConsistency", MultiRegionConsistency::from_wire)?,
            deletion_protection_enabled: fields.boolean("DeletionProtectionEnabled"),
        })
    }
}

fn attribute_definition(mut fields: Fields) -> Result<AttributeDefinition, ApiError> {
    Ok(AttributeDefinition {
        attribute_name: fields.required_text("AttributeName")?,
        attribute_type: fields.required_one_of("AttributeType", ScalarAttributeType::from_wire)?,
    })
}

fn key_schema(fields: &mut Fields) -> Result<Vec<KeySchemaElement>, ApiError> {
    fields.required_list("KeySchema", |mut element| {
        Ok(KeySchemaElement {
            attribute_name: element.required_text("AttributeName")?,
            key_type: element.required_one_of("KeyType", KeyRole::from_wire)?,
        })
    })
}

fn projection(fields: &mut Fields) -> Result<ProjectionSpecification, ApiError> {
    let mut projection = fields
        .structure("Projection")
        .ok_or_else(|| ApiError::missing("projection"))?;
    Ok(ProjectionSpecification {
        projection_type: projection.one_of("ProjectionType", ProjectionType::from_wire)?,
        non_key_attributes: projection.texts("NonKeyAttributes"),
    })
}

fn throughput(fields: &mut Fields) -> Result<Option<ProvisionedThroughput>, ApiError> {
    let Some(mut units) = fields.structure("ProvisionedThroughput") else {
        return Ok(None);
    };
    let mut required = |name| units.integer(name).ok_or_else(|| ApiError::missing(name));
    Ok(Some(ProvisionedThroughput {
        read_capacity_units: required("ReadCapacityUnits")?,
        write_capacity_units: required("WriteCapacityUnits")?,
    }))
}

fn on_demand(fields: &mut Fields) -> Option<OnDemandThroughput> {
    fields
        .structure("OnDemandThroughput")
        .map(|mut units| OnDemandThroughput {
            max_read_request_units: units.integer("MaxReadRequestUnits"),
            max_write_request_units: units.integer("MaxWriteRequestUnits"),
        })
}

fn warm(fields: &mut Fields) -> Option<WarmThroughput> {
    fields.structure("WarmThroughput").map(|mut units| WarmThroughput {
        read_units_per_second: units.integer("ReadUnitsPerSecond"),
        write_units_per_second: units.integer("WriteUnitsPerSecond"),
    })
}

fn table_class(fields: &mut Fields) -> Result<Option<TableClass>, ApiError> {
    let class = fields.one_of("TableClass", TableClass::from_wire);
    class.map_err(|_| {
        ApiError::Validation(format!(
            "Invalid table-class parameter provided. Please try again with a valid table-class value: [{}].",
            TableClass::NAMES.join(", ")
        ))
    })
}

fn stream(fields: &mut Fields) -> Result<Option<StreamSpecification>, ApiError> {
    let Some(mut stream) = fields.structure("StreamSpecification") else {
        return Ok(None);
    };
    Ok(Some(StreamSpecification {
        stream_enabled: stream
            .boolean("StreamEnabled")
            .ok_or_else(|| ApiError::missing("streamEnabled"))?,
        stream_view_type: stream.one_of("StreamViewType", StreamViewType::from_wire)?,
    }))
}

fn encryption(fields: &mut Fields) -> Result<Option<SseSpecification>, ApiError> {
    let Some(mut encryption) = fields.structure("SSESpecification") else {
        return Ok(None);
    };
    Ok(Some(SseSpecification {
        enabled: encryption.boolean("Enabled"),
        sse_type: encryption.one_of("SSEType", SseType::from_wire)?,
        kms_master_key_id: encryption.text("KMSMasterKeyId"),
    }))
}

fn local_index(mut fields: Fields) -> Result<LocalSecondaryIndex, ApiError> {
    Ok(LocalSecondaryIndex {
        index_name: fields.required_text("IndexName")?,
        key_schema: key_schema(&mut fields)?,
        projection: projection(&mut fields)?,
    })
}

fn global_index(mut fields: Fields) -> Result<GlobalSecondaryIndex, ApiError> {
    Ok(GlobalSecondaryIndex {
        index_name: fields.required_text("IndexName")?,
        key_schema: key_schema(&mut fields)?,
        projection: projection(&mut fields)?,
        provisioned_throughput: throughput(&mut fields)?,
        on_demand_throughput: on_demand(&mut fields),
        warm_throughput: warm(&mut fields),
    })
}

fn index_update(mut fields: Fields) -> Result<GlobalSecondaryIndexUpdate, ApiError> {
    let [create, update, delete] = ["Create", "Update", "Delete"].map(|action| fields.structure(action));
    match (create, update, delete) {
        (Some(create), None, None) => Ok(GlobalSecondaryIndexUpdate::Create(global_index(create)?)),
        (None, Some(mut update), None) => Ok(GlobalSecondaryIndexUpdate::Update {
            index_name: update.required_text("IndexName")?,
            provisioned_throughput: throughput(&mut update)?,
            on_demand_throughput: on_demand(&mut update),
            warm_throughput: warm(&mut update),
        }),
        (None, None, Some(mut delete)) => Ok(GlobalSecondaryIndexUpdate::Delete {
            index_name: delete.required_text("IndexName")?,
        }),
        (None, None, None) => Err(ApiError::validation(
            "One or more parameter values were invalid: One of GlobalSecondaryIndexUpdate.Update, \
             GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null",
        )),
        _ => Err(ApiError::validation(
            "One or more parameter values were invalid: Only one global secondary index action is allowed per \
             GlobalSecondaryIndexUpdate object",
        )),
    }
}

fn replica_update(mut fields: Fields) -> Result<ReplicationGroupUpdate, ApiError> {
    let region = |mut action: Fields| action.required_text("RegionName");
    let [create, update, delete] = ["Create", "Update", "Delete"].map(|action| fields.structure(action));
    match (create, update, delete) {
        (Some(create), None, None) => Ok(ReplicationGroupUpdate::Create {
            region_name: region(create)?,
        }),
        (None, Some(update), None) => Ok(ReplicationGroupUpdate::Update {
            region_name: region(update)?,
        }),
        (None, None, Some(delete)) => Ok(ReplicationGroupUpdate::Delete {
            region_name: region(delete)?,
        }),
        (None, None, None) => Err(ApiError::validation(
            "There are no actions specified in the Replica Update Action of the request.",
        )),
        _ => Err(ApiError::validation(
            "Update table operation with more than one type of replica actions not allowed.",
        )),
    }
}
