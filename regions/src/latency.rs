//! Tables of measured round-trip times, from which links take their delays.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use crate::{
    DELAY_MS_MAX,
    error::TopologyError,
    form::{self, Mistake},
};

/// `latencies = "aws"`: median round-trip times between AWS regions (README.md names the source).
const AWS: &str = include_str!("../aws-region-rtt.csv");

/// Round-trip times in milliseconds, by the region that measured them and the region that they were
/// measured to.
#[derive(Debug, Default)]
pub(crate) struct Latencies(BTreeMap<(String, String), f64>);

#[derive(Deserialize)]
struct Row {
    from: String,
    to: String,
    rtt_ms: f64,
}

impl Latencies {
    /// The built-in table for the name `aws`, else the file of that name beside the topology.
    pub(crate) fn named(name: &str, topology: &Path) -> Result<Self, TopologyError> {
        if name == "aws" {
            return Self::parse(AWS, Path::new("aws-region-rtt.csv"));
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
        let mut round_trips = BTreeMap::new();
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
            round_trips.insert((row.from, row.to), row.rtt_ms);
        }
        Ok(Self(round_trips))
    }

    /// Half of the round-trip time as measured from `from`, else as measured from `to`.
    pub(crate) fn one_way_ms(&self, from: &str, to: &str) -> Option<f64> {
        let measured = |a: &str, b: &str| self.0.get(&(a.to_owned(), b.to_owned()));
        measured(from, to)
            .or_else(|| measured(to, from))
            .map(|rtt_ms| rtt_ms / 2.0)
    }
}

const EXPECTED: &str = "expected the columns from,to,rtt_ms";
