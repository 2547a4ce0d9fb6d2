//! Capacity and stream settings in requests.

use beringia_store::{Capacity, Stream, StreamView, Throughput, ThroughputChanges, Units};

use super::invalid;
use crate::{
    ApiError,
    api::{
        BillingMode, OnDemandThroughput, ProvisionedThroughput, StreamSpecification, StreamViewType, TableClass,
        WarmThroughput,
    },
    constraint::Constraints,
};

/// The greatest number of capacity units that can be asked for.
const CAPACITY_UNITS_MAX: i64 = 1_000_000_000_000;

/// What every on-demand table is ready for, units a second of reads and of writes (developer guide, "Warm throughput").
const ON_DEMAND_WARM_UNITS: (u64, u64) = (12_000, 4_000);

/// Checks that capacity units are positive.
pub(super) fn check_throughput(
    constraints: &mut Constraints,
    member: &str,
    throughput: Option<&ProvisionedThroughput>,
) {
    if let Some(ProvisionedThroughput {
        read_capacity_units,
        write_capacity_units,
    }) = throughput
    {
        constraints.at_least(&format!("{member}.writeCapacityUnits"), *write_capacity_units, 1);
        constraints.at_least(&format!("{member}.readCapacityUnits"), *read_capacity_units, 1);
    }
}

/// Throughput that was bought; [`check_throughput`] has passed it.
pub(super) fn provisioned(throughput: ProvisionedThroughput) -> Result<Throughput, ApiError> {
    let units = |value: i64, name: &str| {
        if value > CAPACITY_UNITS_MAX {
            return Err(ApiError::Validation(format!(
                "Given value {value} for {name} is out of bounds"
            )));
        }
        Ok(value.unsigned_abs())
    };
    Ok(Throughput::Provisioned {
        read_units: units(throughput.read_capacity_units, "ReadCapacityUnits")?,
        write_units: units(throughput.write_capacity_units, "WriteCapacityUnits")?,
    })
}

/// The throughput of a new table.
pub(super) fn table_throughput(
    mode: Option<BillingMode>,
    throughput: Option<ProvisionedThroughput>,
) -> Result<Throughput, ApiError> {
    match (mode.unwrap_or(BillingMode::Provisioned), throughput) {
        (BillingMode::PayPerRequest, None) => Ok(Throughput::OnDemand),
        (BillingMode::PayPerRequest, Some(_)) => Err(invalid(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST",
        )),
        (BillingMode::Provisioned, Some(throughput)) => provisioned(throughput),
        (BillingMode::Provisioned, None) => Err(invalid(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )),
    }
}

/// The throughput of a new index on a table with that throughput.
pub(super) fn index_throughput(
    index: &str,
    table: Throughput,
    throughput: Option<ProvisionedThroughput>,
) -> Result<Throughput, ApiError> {
    match (table, throughput) {
        (Throughput::OnDemand, None) => Ok(Throughput::OnDemand),
        (Throughput::OnDemand, Some(_)) => Err(invalid(format!(
            "ProvisionedThroughput should not be specified for index: {index} when BillingMode is PAY_PER_REQUEST"
        ))),
        (Throughput::Provisioned { .. }, Some(throughput)) => provisioned(throughput),
        (Throughput::Provisioned { .. }, None) => Err(invalid(format!(
            "ProvisionedThroughput must be specified for index: {index}"
        ))),
    }
}

/// The capacity of a table or index of that throughput (`of` is what messages call it), as a request changes it.
pub(super) fn capacity(
    before: Capacity,
    throughput: Throughput,
    on_demand: Option<OnDemandThroughput>,
    warm: Option<WarmThroughput>,
    of: &str,
) -> Result<Capacity, ApiError> {
    let mut after = before;
    if let Some(wanted) = on_demand {
        if throughput != Throughput::OnDemand {
            return Err(invalid(format!(
                "OnDemandThroughput should not be specified for {of} when BillingMode is PROVISIONED"
            )));
        }
        maximum(
            wanted.max_read_request_units,
            "MaxReadRequestUnits",
            &mut after.on_demand_max.read,
        )?;
        maximum(
            wanted.max_write_request_units,
            "MaxWriteRequestUnits",
            &mut after.on_demand_max.write,
        )?;
    }
    if let Some(wanted) = warm {
        let (read, write) = warm_now(throughput, before);
        let refuse = |name: &str| {
            Err(invalid(format!(
                "Requested {name} for WarmThroughput for {of} is lower than current WarmThroughput, decreasing WarmThroughput is \
                 not supported"
            )))
        };
        let units = |wanted: Option<i64>, now: u64, name: &str| match wanted {
            Some(wanted) if wanted < now.cast_signed() => refuse(name),
            Some(wanted) => Ok(Some(wanted.unsigned_abs())),
            None => Ok(None),
        };
        after.warm.read = units(wanted.read_units_per_second, read, "ReadUnitsPerSecond")?.or(after.warm.read);
        after.warm.write = units(wanted.write_units_per_second, write, "WriteUnitsPerSecond")?.or(after.warm.write);
    }
    Ok(after)
}

/// A day, ms.
const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// When the throughput of a table or index was changed, after it changes to `after`. A change of the mode is none of the units.
pub(super) fn throughput_changes(
    changes: ThroughputChanges,
    before: Throughput,
    after: Throughput,
    now_ms: u64,
) -> ThroughputChanges {
    let (
        Throughput::Provisioned {
            read_units: read_before,
            write_units: write_before,
        },
        Throughput::Provisioned {
            read_units,
            write_units,
        },
    ) = (before, after)
    else {
        return changes;
    };
    let mut changes = changes;
    if read_units > read_before || write_units > write_before {
        changes.increased_ms = Some(now_ms);
    }
    if read_units < read_before || write_units < write_before {
        changes.decreases_of_day = decreases_today(changes, now_ms) + 1;
        changes.decreased_ms = Some(now_ms);
    }
    changes
}

/// How often units were taken away on this day (UTC).
pub(super) fn decreases_today(changes: ThroughputChanges, now_ms: u64) -> u64 {
    let today = changes
        .decreased_ms
        .is_some_and(|last| last / DAY_MS == now_ms / DAY_MS);
    if today { changes.decreases_of_day } else { 0 }
}

/// Sets a maximum where the request names one; -1 takes it away.
fn maximum(wanted: Option<i64>, name: &str, units: &mut Option<u64>) -> Result<(), ApiError> {
    match wanted {
        None => {}
        Some(-1) => *units = None,
        Some(wanted @ 1..) => *units = Some(wanted.unsigned_abs()),
        Some(wanted) => {
            return Err(invalid(format!("{name} must be -1 or greater than 0: {wanted}")));
        }
    }
    Ok(())
}

/// What a table or index is ready for: what was asked for, and never less than what every on-demand table is ready for, or than
/// what was bought.
pub(super) fn warm_now(throughput: Throughput, capacity: Capacity) -> (u64, u64) {
    let (read, write) = match throughput {
        Throughput::OnDemand => ON_DEMAND_WARM_UNITS,
        Throughput::Provisioned {
            read_units,
            write_units,
        } => (read_units, write_units),
    };
    let Units {
        read: asked_read,
        write: asked_write,
    } = capacity.warm;
    (asked_read.unwrap_or(0).max(read), asked_write.unwrap_or(0).max(write))
}

/// The stream that a specification asks for, beginning at `stream_ms`; `None` for none.
pub(super) fn stream(specification: StreamSpecification, stream_ms: u64) -> Result<Option<Stream>, ApiError> {
    match (specification.stream_enabled, specification.stream_view_type) {
        (true, Some(view)) => Ok(Some(Stream {
            view: stored_view(view),
            enabled_ms: stream_ms,
        })),
        (true, None) => Err(invalid("StreamViewType is required when StreamEnabled is true")),
        (false, Some(_)) => Err(invalid(
            "StreamViewType must not be specified when StreamEnabled is false",
        )),
        (false, None) => Ok(None),
    }
}

const fn stored_view(view: StreamViewType) -> StreamView {
    match view {
        StreamViewType::KeysOnly => StreamView::KeysOnly,
        StreamViewType::NewImage => StreamView::NewImage,
        StreamViewType::OldImage => StreamView::OldImage,
        StreamViewType::NewAndOldImages => StreamView::NewAndOldImages,
    }
}

/// The wire's name of what a stream's records hold.
pub(crate) const fn wire_view(view: StreamView) -> StreamViewType {
    match view {
        StreamView::KeysOnly => StreamViewType::KeysOnly,
        StreamView::NewImage => StreamViewType::NewImage,
        StreamView::OldImage => StreamViewType::OldImage,
        StreamView::NewAndOldImages => StreamViewType::NewAndOldImages,
    }
}

/// A table's class as it is stored.
pub(super) const fn stored_class(class: TableClass) -> beringia_store::TableClass {
    match class {
        TableClass::Standard => beringia_store::TableClass::Standard,
        TableClass::StandardInfrequentAccess => beringia_store::TableClass::InfrequentAccess,
    }
}

/// The wire's name of a table's class.
pub(super) const fn wire_class(class: beringia_store::TableClass) -> TableClass {
    match class {
        beringia_store::TableClass::Standard => TableClass::Standard,
        beringia_store::TableClass::InfrequentAccess => TableClass::StandardInfrequentAccess,
    }
}
