//! Capacity and stream settings in requests.

use beringia_store::{Stream, StreamView, Throughput};

use super::invalid;
use crate::{
    ApiError,
    api::{BillingMode, ProvisionedThroughput, StreamSpecification, StreamViewType},
    constraint::Constraints,
};

/// The greatest number of capacity units that can be asked for.
const CAPACITY_UNITS_MAX: i64 = 1_000_000_000_000;

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
