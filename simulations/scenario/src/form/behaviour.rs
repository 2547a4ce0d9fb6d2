//! The `[behaviour]` of a scenario file, and the throughput of its tables.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{At, bounded, nowhere, number, one_of};
use crate::{DURATION_MAX, RegionOptions, ScenarioProblem, TableThroughput, time};

/// The same bound as that of the flag `--stale-reads`.
const STALE_READS_MAX: Duration = Duration::from_mins(1);
/// A load waits at most a minute for its tables.
const SLOW_CHANGES_MAX: Duration = Duration::from_secs(10);
const UNITS_MAX: u64 = 1_000_000_000;

#[derive(Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BehaviourForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    throttling: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stale_reads: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_changes: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_unreachable: Option<Spanned<String>>,
}

impl BehaviourForm {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn read(&self) -> Result<RegionOptions, At<ScenarioProblem>> {
        let stale = |text| bounded("stale_reads", text, Duration::ZERO, STALE_READS_MAX);
        let slow = |text| bounded("slow_changes", text, Duration::ZERO, SLOW_CHANGES_MAX);
        let unreachable = |text| bounded("max_unreachable", text, Duration::from_millis(1), DURATION_MAX);
        Ok(RegionOptions {
            throttling: self.throttling.unwrap_or(false),
            stale_reads: self.stale_reads.as_ref().map_or(Ok(Duration::ZERO), stale)?,
            slow_changes: self.slow_changes.as_ref().map_or(Ok(Duration::ZERO), slow)?,
            max_unreachable: self.max_unreachable.as_ref().map(unreachable).transpose()?,
        })
    }

    pub(super) fn of(behaviour: &RegionOptions) -> Self {
        let length = |length: Duration| nowhere(time::show(length));
        let set = |some: Duration| Some(some).filter(|some| !some.is_zero()).map(length);
        Self {
            throttling: behaviour.throttling.then_some(true),
            stale_reads: set(behaviour.stale_reads),
            slow_changes: set(behaviour.slow_changes),
            max_unreachable: behaviour.max_unreachable.map(length),
        }
    }
}

/// The throughput of a workload's table according to its fields `billing`, `read_units` and
/// `write_units`. The workload begins at `start` in the file.
pub(super) fn billing(
    name: Option<&Spanned<String>>,
    read: Option<&Spanned<u64>>,
    write: Option<&Spanned<u64>>,
    start: usize,
) -> Result<TableThroughput, At<ScenarioProblem>> {
    let kinds = [("on-demand", false), ("provisioned", true)];
    let is_provisioned = name.map_or(Ok(false), |name| one_of("billing", name, &kinds))?;
    let read = read
        .map(|units| number("read_units", units, 1, UNITS_MAX))
        .transpose()?;
    let write = write
        .map(|units| number("write_units", units, 1, UNITS_MAX))
        .transpose()?;
    if !is_provisioned {
        return Ok(TableThroughput::OnDemand {
            read_max: read,
            write_max: write,
        });
    }
    let needed = |field: &'static str| {
        let action = "billing = \"provisioned\"".to_owned();
        let expected = "capacity units per second, such as read_units = 100 and write_units = 50";
        At(
            name.map_or(start, |name| name.span().start),
            ScenarioProblem::Missing {
                action,
                field,
                expected,
            },
        )
    };
    Ok(TableThroughput::Provisioned {
        read: read.ok_or_else(|| needed("read_units"))?,
        write: write.ok_or_else(|| needed("write_units"))?,
    })
}

type Name = Option<Spanned<String>>;
type Units = Option<Spanned<u64>>;

/// The fields of a table's throughput: its billing, if it is not the default, and its units.
pub(super) fn fields(billing: TableThroughput) -> (Name, Units, Units) {
    match billing {
        TableThroughput::OnDemand { read_max, write_max } => (None, read_max.map(nowhere), write_max.map(nowhere)),
        TableThroughput::Provisioned { read, write } => (
            Some(nowhere("provisioned".to_owned())),
            Some(nowhere(read)),
            Some(nowhere(write)),
        ),
    }
}
