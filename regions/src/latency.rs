//! Tables of measured round-trip times, from which links take their delays. The built-in table of
//! AWS regions adds estimates for pairs without measurements.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use crate::{
    DELAY_MS_MAX,
    distance::estimated_rtt_ms,
    error::TopologyError,
    form::{self, Mistake},
};

/// `latencies = "aws"`, the default: median round-trip times between AWS regions (README.md names
/// the source).
const AWS: &str = include_str!("../aws-region-rtt.csv");

/// Round-trip times between regions, from a CSV file or the built-in table.
#[derive(Debug, Default)]
pub(crate) struct Latencies {
    /// In milliseconds, by the measuring region and the measured region.
    measured: BTreeMap<(String, String), f64>,
    /// Whether this is the built-in table of AWS regions. Pairs without measurements are then
    /// estimated.
    are_aws: bool,
}

/// The delay of a link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Delay {
    /// The one-way delay in milliseconds: half of the round-trip time.
    pub(crate) ms: f64,
    /// Whether the delay is estimated from a distance.
    pub(crate) is_estimated: bool,
}

#[derive(Deserialize)]
struct Row {
    from: String,
    to: String,
    rtt_ms: f64,
}

impl Latencies {
    /// The built-in table of AWS regions.
    pub(crate) fn aws() -> Result<Self, TopologyError> {
        Ok(Self {
            are_aws: true,
            ..Self::parse(AWS, Path::new("aws-region-rtt.csv"))?
        })
    }

    /// The built-in table for the name `aws`, an empty one for `none`, else the file of that name
    /// beside the topology.
    pub(crate) fn named(name: &str, topology: &Path) -> Result<Self, TopologyError> {
        match name {
            "aws" => return Self::aws(),
            "none" => return Ok(Self::default()),
            _ => {}
        }
        let file = topology.parent().unwrap_or(Path::new("")).join(name);
        Self::parse(&form::read(&file)?, &file)
    }

    fn parse(text: &str, file: &Path) -> Result<Self, TopologyError> {
        let invalid = |line: u64, mistake: Mistake| TopologyError::Invalid {
            file: file.to_path_buf(),
            line: usize::try_from(line).unwrap_or(usize::MAX),
            column: 1,
            problem: mistake.into(),
        };
        let mut rows = csv::Reader::from_reader(text.as_bytes());
        let headers = rows.headers().cloned();
        let headers = headers.map_err(|error| invalid(1, Mistake::Form(error.to_string())))?;
        let mut measured = BTreeMap::new();
        for record in rows.records() {
            let line_of = |position: Option<&csv::Position>| position.map_or(1, csv::Position::line);
            let record = record
                .map_err(|error| invalid(line_of(error.position()), Mistake::Form(format!("{error}; {EXPECTED}"))))?;
            let line = line_of(record.position());
            let row: Row = record
                .deserialize(Some(&headers))
                .map_err(|error| invalid(line, Mistake::Form(format!("{error}; {EXPECTED}"))))?;
            let bounds = 0.0..=2.0 * DELAY_MS_MAX;
            if !bounds.contains(&row.rtt_ms) {
                let expected = format!("{} to {} (milliseconds)", bounds.start(), bounds.end());
                let problem = Mistake::OutOfBounds {
                    field: "rtt_ms",
                    value: row.rtt_ms.to_string(),
                    expected,
                };
                return Err(invalid(line, problem));
            }
            measured.insert((row.from, row.to), row.rtt_ms);
        }
        Ok(Self {
            measured,
            are_aws: false,
        })
    }

    /// Half of the round-trip time: as measured from `from`, else as measured from `to`, else as
    /// estimated. `None` if there is no estimate either.
    pub(crate) fn one_way(&self, from: &str, to: &str) -> Option<Delay> {
        let measured = |a: &str, b: &str| self.measured.get(&(a.to_owned(), b.to_owned())).copied();
        let estimated = || self.are_aws.then(|| estimated_rtt_ms(from, to)).flatten();
        let half = |rtt_ms: f64, is_estimated| Delay {
            ms: rtt_ms / 2.0,
            is_estimated,
        };
        measured(from, to)
            .or_else(|| measured(to, from))
            .map(|rtt_ms| half(rtt_ms, false))
            .or_else(|| estimated().map(|rtt_ms| half(rtt_ms, true)))
    }
}

const EXPECTED: &str = "expected the columns from,to,rtt_ms";
