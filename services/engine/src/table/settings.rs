//! Capacity and stream settings in requests.

use beringia_storage::{Capacity, Stream, StreamView, Throughput, ThroughputChanges, Units};

use super::invalid;
use crate::{
    ApiError,
    api::{
        BillingMode, OnDemandThroughput, ProvisionedThroughput, StreamSpecification, StreamViewType, TableClass,
        WarmThroughput,
    },
    constraint::Constraints,
};

/// The maximum number of capacity units that a request can ask for.
const CAPACITY_UNITS_MAX: i64 = 1_000_000_000_000;

/// The load that every on-demand table sustains at once, in read units and write units per second
/// (developer guide, "Warm throughput").
const ON_DEMAND_WARM_UNITS: (u64, u64) = (12_000, 4_000);

/// The part of the developer guide to which a message about that load refers.
const ON_DEMAND_GUIDE: &str = "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html\
                               #on-demand-capacity-mode-initial";

/// Whether a setting is of a new or an existing table. DynamoDB's messages differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Request {
    /// The table is being created, by CreateTable.
    Create,
    /// The table is being changed, by UpdateTable.
    Update,
}

/// The table or index that capacity belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) enum Subject<'a> {
    /// The capacity of the table itself.
    Table,
    /// The global index of that name.
    Index(&'a str),
}

impl std::fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Table => f.write_str("table"),
            Self::Index(name) => write!(f, "index {name}"),
        }
    }
}

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

/// Provisioned throughput that has passed [`check_throughput`].
pub(super) fn provisioned(throughput: ProvisionedThroughput, of: Subject<'_>) -> Result<Throughput, ApiError> {
    let units = |value: i64, name: &str| {
        if value > CAPACITY_UNITS_MAX {
            return Err(ApiError::Validation(match of {
                Subject::Table => format!("Given value {value} for {name} is out of bounds"),
                Subject::Index(index) => format!("Given value {value} for {name} is out of bounds for index {index}"),
            }));
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
        (BillingMode::Provisioned, Some(throughput)) => provisioned(throughput, Subject::Table),
        (BillingMode::Provisioned, None) => Err(invalid(
            "ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED",
        )),
    }
}

/// The throughput of a new index on a table with the given throughput.
pub(super) fn index_throughput(
    index: &str,
    table: Throughput,
    throughput: Option<ProvisionedThroughput>,
    request: Request,
) -> Result<Throughput, ApiError> {
    let refuse = |what: String| Err(invalid(what));
    match (table, throughput, request) {
        (Throughput::OnDemand, None, _) => Ok(Throughput::OnDemand),
        (Throughput::OnDemand, Some(_), Request::Create) => refuse(format!(
            "ProvisionedThroughput should not be specified for index: {index} when BillingMode is PAY_PER_REQUEST"
        )),
        (Throughput::OnDemand, Some(_), Request::Update) => refuse(format!(
            "Neither ReadCapacityUnits nor WriteCapacityUnits can be specified for index: {index} when BillingMode is \
             PAY_PER_REQUEST"
        )),
        (Throughput::Provisioned { .. }, Some(throughput), _) => provisioned(throughput, Subject::Index(index)),
        (Throughput::Provisioned { .. }, None, Request::Create) => {
            refuse(format!("ProvisionedThroughput is not specified for index: {index}"))
        }
        (Throughput::Provisioned { .. }, None, Request::Update) => refuse(format!(
            "Both ReadCapacityUnits and WriteCapacityUnits must be specified for index: {index}"
        )),
    }
}

/// The capacity of a table or index of that throughput, as a request changes it. `before` is its
/// previous capacity, `None` if it is new.
pub(super) fn capacity(
    before: Option<(Throughput, Capacity)>,
    throughput: Throughput,
    on_demand: Option<OnDemandThroughput>,
    warm: Option<WarmThroughput>,
    of: Subject<'_>,
) -> Result<Capacity, ApiError> {
    let mut after = before.map(|(_, capacity)| capacity).unwrap_or_default();
    if let Some(wanted) = on_demand {
        let is_new = before.is_none();
        let read = maximum(
            "MaxReadRequestUnits",
            wanted.max_read_request_units,
            of,
            throughput,
            is_new,
        )?;
        let write = maximum(
            "MaxWriteRequestUnits",
            wanted.max_write_request_units,
            of,
            throughput,
            is_new,
        )?;
        after.on_demand_max.read = read.over(after.on_demand_max.read);
        after.on_demand_max.write = write.over(after.on_demand_max.write);
    }
    if throughput != Throughput::OnDemand {
        after.on_demand_max = Units::default();
    }
    if let Some((was, capacity)) = before {
        // Warm throughput never falls, even if the throughput that raised it does.
        let (read, write) = warm_now(was, capacity);
        let (read_now, write_now) = warm_now(throughput, after);
        after.warm.read = if read > read_now { Some(read) } else { after.warm.read };
        after.warm.write = if write > write_now {
            Some(write)
        } else {
            after.warm.write
        };
    }
    if let Some(wanted) = warm {
        let least = warm_now(throughput, after);
        after.warm = warmer(wanted, after.warm, least, of, before.is_none().then_some(throughput))?;
    }
    Ok(after)
}

/// The warm throughput requested by `wanted`, which must not be below `least`; `new` is the
/// throughput of the table or index that is created with it.
fn warmer(
    wanted: WarmThroughput,
    asked: Units,
    least: (u64, u64),
    of: Subject<'_>,
    new: Option<Throughput>,
) -> Result<Units, ApiError> {
    let units = |wanted: Option<i64>, least: u64, what: &str| match wanted {
        Some(wanted) if wanted < least.cast_signed() => {
            let than = match new {
                None => "current WarmThroughput, decreasing WarmThroughput is not supported".to_owned(),
                Some(Throughput::OnDemand) => format!("initial throughput for OnDemand. See: {ON_DEMAND_GUIDE}"),
                Some(Throughput::Provisioned { .. }) => format!("{what}CapacityUnits of ProvisionedThroughput"),
            };
            Err(invalid(format!(
                "Requested {what}UnitsPerSecond for WarmThroughput for {of} is lower than {than}"
            )))
        }
        Some(wanted) => Ok(Some(wanted.unsigned_abs())),
        None => Ok(None),
    };
    Ok(Units {
        read: units(wanted.read_units_per_second, least.0, "Read")?.or(asked.read),
        write: units(wanted.write_units_per_second, least.1, "Write")?.or(asked.write),
    })
}

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Updates when the throughput of a table or index was changed, for a change to `after`. A change
/// of the billing mode does not count.
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

/// How often units were decreased on this day (UTC).
pub(super) fn decreases_today(changes: ThroughputChanges, now_ms: u64) -> u64 {
    let today = changes
        .decreased_ms
        .is_some_and(|last| last / DAY_MS == now_ms / DAY_MS);
    if today { changes.decreases_of_day } else { 0 }
}

/// The change of a maximum by a request.
#[derive(Debug, Clone, Copy)]
enum Maximum {
    /// The request does not mention it.
    Unchanged,
    /// The maximum is removed.
    Removed,
    /// The maximum becomes this number of units.
    Set(u64),
}

impl Maximum {
    /// The maximum after the request; `before` is the previous one.
    const fn over(self, before: Option<u64>) -> Option<u64> {
        match self {
            Self::Unchanged => before,
            Self::Removed => None,
            Self::Set(maximum) => Some(maximum),
        }
    }
}

/// Reads what a request does to this maximum; -1 removes it.
fn maximum(
    name: &str,
    wanted: Option<i64>,
    of: Subject<'_>,
    throughput: Throughput,
    is_new: bool,
) -> Result<Maximum, ApiError> {
    let Some(wanted) = wanted else {
        return Ok(Maximum::Unchanged);
    };
    if throughput != Throughput::OnDemand {
        let of = match of {
            Subject::Table => String::new(),
            Subject::Index(index) => format!(" for index : {index}"),
        };
        return Err(invalid(format!(
            "{name} for OnDemandThroughput{of} cannot be specified when the table BillingMode is PROVISIONED"
        )));
    }
    match wanted {
        -1 if !is_new => Ok(Maximum::Removed),
        1.. => Ok(Maximum::Set(wanted.unsigned_abs())),
        _ => {
            let of = match of {
                Subject::Table => "table".to_owned(),
                Subject::Index(index) => format!("index : {index}"),
            };
            Err(invalid(format!(
                "Requested {name} for OnDemandThroughput for {of} is outside of valid range"
            )))
        }
    }
}

/// The warm throughput of a table or index: what was requested or reached before, and at least what
/// every on-demand table has and what is provisioned.
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

/// The stream that a specification asks for, turned on at `stream_ms`; `None` for no stream.
pub(super) fn stream(
    specification: StreamSpecification,
    stream_ms: u64,
    request: Request,
) -> Result<Option<Stream>, ApiError> {
    match (specification.stream_enabled, specification.stream_view_type, request) {
        (true, Some(view), _) => Ok(Some(Stream {
            view: stored_view(view),
            enabled_ms: stream_ms,
        })),
        (true, None, Request::Create) => Err(invalid(
            "Table is being created with a stream enabled, UpdateViewType is required",
        )),
        (true, None, Request::Update) => Err(invalid("If stream is being enabled then UpdateViewType is required")),
        (false, Some(_), Request::Create) => Err(invalid(
            "Table is being created with a stream disabled, UpdateViewType should not be specified",
        )),
        (false, Some(_), Request::Update) => Err(invalid(
            "If stream is being disabled, then UpdateViewType must not be specified",
        )),
        (false, None, _) => Ok(None),
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

/// The wire name of a stream's view type.
pub(crate) const fn wire_view(view: StreamView) -> StreamViewType {
    match view {
        StreamView::KeysOnly => StreamViewType::KeysOnly,
        StreamView::NewImage => StreamViewType::NewImage,
        StreamView::OldImage => StreamViewType::OldImage,
        StreamView::NewAndOldImages => StreamViewType::NewAndOldImages,
    }
}

/// Converts a table's class to its stored form.
pub(super) const fn stored_class(class: TableClass) -> beringia_storage::TableClass {
    match class {
        TableClass::Standard => beringia_storage::TableClass::Standard,
        TableClass::StandardInfrequentAccess => beringia_storage::TableClass::InfrequentAccess,
    }
}

/// Converts a table's class to its wire form.
pub(super) const fn wire_class(class: beringia_storage::TableClass) -> TableClass {
    match class {
        beringia_storage::TableClass::Standard => TableClass::Standard,
        beringia_storage::TableClass::InfrequentAccess => TableClass::StandardInfrequentAccess,
    }
}
