//! Labels, ARNs, shard ids and sequence numbers of streams.

use std::collections::BTreeSet;

use beringia_item::Region;
use beringia_storage::{LogPosition, Stream, TableStream};
use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use crate::{ApiError, names::table_arn};

/// The number of positions that a sequence number can encode, which is more than the log can have.
const POSITIONS: u128 = 100_000_000_000_000_000_000;

/// The number of offsets that regions can have, in ms.
const OFFSETS: u64 = 1000;
/// A seed with which the regions of AWS have different offsets.
const OFFSET_SEED: u64 = 1;

/// The names of a region's streams.
///
/// The replicas of a global table share the definition of its stream, with the time when it was
/// turned on, but each region has a stream of its own, which begins at an own time. This time is
/// derived, so that it is the same after a restart: it follows the time in the definition by an
/// offset of less than a second, in which the regions differ.
#[derive(Debug)]
pub(crate) struct StreamNames {
    region: Region,
    offset_ms: u64,
}

impl StreamNames {
    /// The names of streams in `region`; `regions` are those that can have replicas.
    pub(crate) fn new(region: &Region, regions: &BTreeSet<Region>) -> Self {
        // An offset depends on the name of the region alone, unless another region that precedes it
        // has the same.
        let mut taken = BTreeSet::new();
        let mut offset_ms = 0;
        let before = regions.range(..region);
        for region in before.chain([region]) {
            offset_ms = xxh3_64_with_seed(region.as_str().as_bytes(), OFFSET_SEED) % OFFSETS;
            while !taken.insert(offset_ms) {
                offset_ms += 1;
            }
        }
        Self {
            region: region.clone(),
            offset_ms,
        }
    }

    /// When the region's stream was turned on, in ms since the epoch.
    pub(crate) const fn created_ms(&self, stream: Stream) -> u64 {
        stream.enabled_ms.saturating_add(self.offset_ms)
    }

    /// The label of a stream.
    pub(crate) fn label(&self, stream: Stream) -> String {
        label(self.created_ms(stream))
    }

    /// The ARN of a table's stream.
    pub(crate) fn arn(&self, table: &str, stream: Stream) -> String {
        format!("{}/stream/{}", table_arn(&self.region, table), self.label(stream))
    }
}

/// The label of a stream that was turned on at this time, as `2026-01-31T23:59:59.999`.
fn label(ms: u64) -> String {
    let (days, in_day) = (ms / 86_400_000, ms % 86_400_000);
    let (year, month, day) = civil(days);
    let (hour, minute, second) = (in_day / 3_600_000, in_day / 60_000 % 60, in_day / 1000 % 60);
    format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}",
        ms % 1000
    )
}

/// The date `days` days after 1970-01-01 in the proleptic Gregorian calendar. The computation uses
/// years that begin in March, so that the leap day is the last day of a year.
const fn civil(days: u64) -> (u64, u64, u64) {
    // Count from 0000-03-01; 400 years have 146,097 days.
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

/// The table name and the label in a stream's ARN of this region.
pub(super) fn parse_arn<'a>(arn: &'a str, region: &Region) -> Result<(&'a str, &'a str), ApiError> {
    let invalid = || ApiError::validation(format!("Invalid StreamArn: {arn}"));
    let mut parts = arn.splitn(6, ':');
    let mut part = || parts.next().ok_or_else(invalid);
    let (scheme, _partition, service, arn_region, _account, resource) =
        (part()?, part()?, part()?, part()?, part()?, part()?);
    let (table, label) = resource
        .strip_prefix("table/")
        .and_then(|resource| resource.split_once("/stream/"))
        .filter(|_| scheme == "arn" && service == "dynamodb")
        .ok_or_else(invalid)?;
    if arn_region != region.as_str() {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Invalid AWS region in '{arn}'"
        )));
    }
    Ok((table, label))
}

/// The id of a stream's shard. Ids sort in the order in which their shards were opened.
pub(super) fn shard_id(stream: &TableStream, opened_ms: u64) -> String {
    let mut names = stream.table.0.to_be_bytes().to_vec();
    names.extend(stream.stream.enabled_ms.to_be_bytes());
    names.extend(opened_ms.to_be_bytes());
    format!("shardId-{opened_ms:020}-{:08x}", xxh3_64(&names) >> 32)
}

/// The sequence number of a place in a shard: the time when the shard was opened, then the position
/// in the log. The numbers of a stream therefore grow from shard to shard, even if the log
/// restarted after a lost disk.
pub(super) fn sequence_number(opened_ms: u64, position: LogPosition) -> String {
    let number = u128::from(opened_ms) * POSITIONS + u128::from(position.0);
    number.to_string()
}

/// The position that a sequence number denotes; `None` if it does not belong to this shard.
pub(super) fn parse_sequence_number(number: &str, opened_ms: u64) -> Option<LogPosition> {
    if !number.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let number: u128 = number.parse().ok()?;
    let position = number.checked_sub(u128::from(opened_ms) * POSITIONS)?;
    if position >= POSITIONS {
        return None;
    }
    u64::try_from(position).ok().map(LogPosition)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_label_is_the_time_in_utc() {
        for (ms, label) in [
            (0, "1970-01-01T00:00:00.000"),
            (951_782_399_999, "2000-02-28T23:59:59.999"),
            (951_782_400_000, "2000-02-29T00:00:00.000"),
            (1_709_251_199_001, "2024-02-29T23:59:59.001"),
            (1_735_689_600_000, "2025-01-01T00:00:00.000"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000"),
        ] {
            assert_eq!(super::label(ms), label);
        }
    }

    fn region(name: &str) -> Region {
        Region::new(name).unwrap()
    }

    fn offset(name: &str, regions: &BTreeSet<Region>) -> u64 {
        StreamNames::new(&region(name), regions).offset_ms
    }

    /// The names of AWS's regions, of which topologies are usually made.
    #[test]
    fn offsets_of_the_regions_of_aws_differ_in_any_topology() {
        let csv = include_str!("../../../../regions/aws-regions.csv");
        let names: Vec<&str> = csv.lines().skip(1).filter_map(|line| line.split(',').next()).collect();
        assert!(names.len() > 30, "{names:?}");
        let offsets: BTreeSet<u64> = names.iter().map(|name| offset(name, &BTreeSet::new())).collect();
        assert_eq!(offsets.len(), names.len());
        assert!(offsets.iter().all(|offset| *offset < OFFSETS), "{offsets:?}");
        let all = names.iter().map(|name| region(name)).collect();
        for name in names {
            assert_eq!(offset(name, &all), offset(name, &BTreeSet::new()), "{name}");
        }
    }

    #[test]
    fn offsets_of_regions_of_one_topology_differ() {
        let names: Vec<String> = (0..900).map(|number| format!("r{number}")).collect();
        let all: BTreeSet<Region> = names.iter().map(|name| region(name)).collect();
        let offsets: BTreeSet<u64> = names.iter().map(|name| offset(name, &all)).collect();
        assert_eq!(offsets.len(), names.len());
    }

    #[test]
    fn a_stream_is_named_after_its_regions_own_time() {
        let stream = Stream {
            view: beringia_storage::StreamView::KeysOnly,
            enabled_ms: 1_700_000_000_000,
        };
        let names = StreamNames {
            region: region("us-east-1"),
            offset_ms: 17,
        };
        assert_eq!(names.created_ms(stream), 1_700_000_000_017);
        assert_eq!(names.label(stream), "2023-11-14T22:13:20.017");
        assert_eq!(
            names.arn("music", stream),
            "arn:aws:dynamodb:us-east-1:000000000000:table/music/stream/2023-11-14T22:13:20.017"
        );
    }

    /// They grow with the shard and with the position.
    #[test]
    fn sequence_numbers_have_21_to_40_digits_and_grow() {
        let places = [
            (1, 0),
            (1, 9),
            (1, u64::MAX),
            (2, 1),
            (1_700_000_000_000, 1),
            (253_402_300_799_999, u64::MAX),
        ];
        let numbers = places.map(|(opened_ms, position)| sequence_number(opened_ms, LogPosition(position)));
        for number in &numbers {
            assert!((21..=40).contains(&number.len()), "{number}");
        }
        let values = numbers.each_ref().map(|number| number.parse::<u128>().unwrap());
        assert!(values.is_sorted_by(|a, b| a < b));
        for ((opened_ms, position), number) in places.into_iter().zip(&numbers) {
            assert_eq!(parse_sequence_number(number, opened_ms), Some(LogPosition(position)));
            assert_eq!(parse_sequence_number(number, opened_ms + 1), None, "another shard's");
        }
    }

    #[test]
    fn foreign_sequence_numbers_are_rejected() {
        for number in ["", "+170000000000000000000000000000000", "abc", "1", &"9".repeat(40)] {
            assert_eq!(parse_sequence_number(number, 1_700_000_000_000), None, "{number}");
        }
    }

    #[test]
    fn only_arns_of_streams_of_this_region_are_accepted() {
        let region = Region::new("us-east-1").unwrap();
        let arn = "arn:aws:dynamodb:us-east-1:000000000000:table/music/stream/1970-01-01T00:00:00.000";
        assert_eq!(parse_arn(arn, &region), Ok(("music", "1970-01-01T00:00:00.000")));
        for arn in [
            "music",
            "arn:aws:dynamodb:us-east-1:000000000000:table/music",
            "arn:aws:dynamodb:us-east-1:000000000000:table/music/index/by-year",
            "arn:aws:kinesis:us-east-1:000000000000:table/music/stream/1970-01-01T00:00:00.000",
            "arn:aws:dynamodb:eu-west-1:000000000000:table/music/stream/1970-01-01T00:00:00.000",
        ] {
            assert!(matches!(parse_arn(arn, &region), Err(ApiError::Validation(_))), "{arn}");
        }
    }
}
