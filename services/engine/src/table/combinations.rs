//! Which changes of a table can be combined in one UpdateTable. Few can, as DynamoDB carries them
//! out one after the other.

use std::collections::BTreeSet;

use super::{
    invalid,
    settings::{Subject, provisioned},
};
use crate::{
    ApiError,
    api::{BillingMode, GlobalSecondaryIndex, GlobalSecondaryIndexUpdate, MultiRegionConsistency, UpdateTableInput},
};

/// Checks what can be checked without the table. The order of the checks is DynamoDB's, as far as
/// it is known.
pub(super) fn check_combination(input: &UpdateTableInput) -> Result<(), ApiError> {
    let kinds = RequestedChanges::of(input);
    if kinds.settings == 0 && !kinds.replicas {
        return Err(nothing_to_do(input));
    }
    if input.global_secondary_index_updates.as_ref().is_some_and(Vec::is_empty) {
        return Err(invalid("List of GlobalSecondaryIndexUpdates is empty"));
    }
    check_alone(input, &kinds)?;
    check_together(input, &kinds)?;
    if input.multi_region_consistency == Some(MultiRegionConsistency::Strong) {
        return Err(invalid(
            "MultiRegionConsistency STRONG is not supported: replicas are eventually consistent",
        ));
    }
    if input.billing_mode == Some(BillingMode::Provisioned) && input.provisioned_throughput.is_none() {
        return Err(invalid(
            "ProvisionedThroughput must be specified when BillingMode is PROVISIONED",
        ));
    }
    check_units(input)?;
    check_indexes(input.global_secondary_index_updates.as_deref().unwrap_or_default())
}

/// Rejects capacity units that no table can have, for the table and for indexes.
fn check_units(input: &UpdateTableInput) -> Result<(), ApiError> {
    if let Some(wanted) = input.provisioned_throughput {
        provisioned(wanted, Subject::Table)?;
    }
    for update in input.global_secondary_index_updates.iter().flatten() {
        let (name, wanted) = match update {
            GlobalSecondaryIndexUpdate::Create(index) => (&index.index_name, index.provisioned_throughput),
            GlobalSecondaryIndexUpdate::Update {
                index_name,
                provisioned_throughput,
                ..
            } => (index_name, *provisioned_throughput),
            GlobalSecondaryIndexUpdate::Delete { .. } => continue,
        };
        if let Some(wanted) = wanted {
            provisioned(wanted, Subject::Index(name))?;
        }
    }
    Ok(())
}

/// The kinds of changes in a request.
struct RequestedChanges {
    /// The number of kinds of settings, not counting replicas.
    settings: usize,
    /// Whether replicas are changed.
    replicas: bool,
    /// Whether an index is created or deleted.
    builds: bool,
    /// Whether an index is created.
    creates: bool,
}

impl RequestedChanges {
    fn of(input: &UpdateTableInput) -> Self {
        let indexes = input.global_secondary_index_updates.as_deref().unwrap_or_default();
        let replicas = input.replica_updates.as_deref().unwrap_or_default();
        let given = [
            !indexes.is_empty(),
            input.billing_mode.is_some(),
            input.provisioned_throughput.is_some(),
            input.on_demand_throughput.is_some(),
            input.warm_throughput.is_some(),
            input.table_class.is_some(),
            input.stream_specification.is_some(),
            input.sse_specification.is_some(),
            input.deletion_protection_enabled.is_some(),
        ];
        Self {
            settings: given.into_iter().filter(|given| *given).count(),
            replicas: !replicas.is_empty(),
            builds: builds_index(input),
            creates: indexes
                .iter()
                .any(|update| matches!(update, GlobalSecondaryIndexUpdate::Create(_))),
        }
    }
}

/// The error for a request that changes nothing. It lists what a request can change, except the
/// parameter that this one names.
fn nothing_to_do(input: &UpdateTableInput) -> ApiError {
    let consistency = if input.multi_region_consistency.is_some() {
        ""
    } else {
        "MultiRegionConsistency, "
    };
    ApiError::Validation(format!(
        "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, SSESpecification, \
         ReplicaUpdates, MultiAccountReplicaReady, ReplicaTransitRoleArn, {consistency}DeletionProtectionEnabled, OnDemandThroughput, \
         WarmThroughput or TableClass is required"
    ))
}

/// Rejects other changes beside one that must come alone.
fn check_alone(input: &UpdateTableInput, kinds: &RequestedChanges) -> Result<(), ApiError> {
    if kinds.settings + usize::from(kinds.replicas) < 2 {
        return Ok(());
    }
    let only = |what: &str| Err(invalid(format!("{what} must be the only operation in the request")));
    if kinds.replicas {
        return only("Replica modification");
    }
    if input.table_class.is_some() {
        return only("TableClass modification");
    }
    if input.deletion_protection_enabled.is_some() {
        return only("DeletionProtection modification");
    }
    if input.warm_throughput.is_some() && kinds.creates {
        return Err(invalid(
            "Create global secondary index cannot be specified when updating WarmThroughput",
        ));
    }
    if input.on_demand_throughput.is_some() && (input.billing_mode.is_none() || kinds.settings > 2) {
        return Err(invalid(
            "OnDemandThroughput can only be combined with BillingMode in an UpdateTable request",
        ));
    }
    if input.warm_throughput.is_some() {
        return only("WarmThroughput");
    }
    Ok(())
}

/// Rejects changes that exclude each other.
fn check_together(input: &UpdateTableInput, kinds: &RequestedChanges) -> Result<(), ApiError> {
    let units = input.provisioned_throughput.is_some();
    if kinds.builds && units {
        return Err(invalid("You cannot create or delete index while updating table IOPS"));
    }
    let Some(_) = input.stream_specification else {
        return Ok(());
    };
    if units || input.billing_mode == Some(BillingMode::Provisioned) {
        return Err(invalid("You cannot modify stream status while updating table IOPS"));
    }
    if kinds.builds {
        return Err(invalid(
            "You cannot create or delete index while changing stream status",
        ));
    }
    Ok(())
}

fn check_indexes(indexes: &[GlobalSecondaryIndexUpdate]) -> Result<(), ApiError> {
    let mut names = BTreeSet::new();
    for update in indexes {
        let name = index_name(update);
        if !names.insert(name) {
            return Err(invalid(format!(
                "Only one global secondary index update per index is allowed simultaneously. Index: {name}"
            )));
        }
        if let GlobalSecondaryIndexUpdate::Update {
            warm_throughput: Some(warm),
            ..
        } = update
            && warm.read_units_per_second.is_none()
            && warm.write_units_per_second.is_none()
        {
            return Err(invalid(format!(
                "WarmThroughput must have at least one of ReadUnitsPerSecond or WriteUnitsPerSecond specified for index: {name}"
            )));
        }
    }
    if indexes.iter().filter(|update| builds(update)).count() > 1 {
        return Err(one_index_at_a_time());
    }
    Ok(())
}

/// Whether the update creates or deletes an index.
const fn builds(update: &GlobalSecondaryIndexUpdate) -> bool {
    !matches!(update, GlobalSecondaryIndexUpdate::Update { .. })
}

/// Whether the request creates or deletes an index.
pub(super) fn builds_index(input: &UpdateTableInput) -> bool {
    input.global_secondary_index_updates.iter().flatten().any(builds)
}

/// The error for creating or deleting more than one index at a time.
pub(super) fn one_index_at_a_time() -> ApiError {
    ApiError::LimitExceeded(
        "Subscriber limit exceeded: Only 1 online index can be created or deleted simultaneously per table".to_owned(),
    )
}

fn index_name(update: &GlobalSecondaryIndexUpdate) -> &str {
    match update {
        GlobalSecondaryIndexUpdate::Create(GlobalSecondaryIndex { index_name, .. })
        | GlobalSecondaryIndexUpdate::Update { index_name, .. }
        | GlobalSecondaryIndexUpdate::Delete { index_name } => index_name,
    }
}
