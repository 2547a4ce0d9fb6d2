//! The names of AWS regions: those with known delays, and the form that all of them have.

use crate::{REGION_NAME_BYTES_MAX, distance};

/// The first parts of the names of AWS regions: continents, and countries and partitions of their
/// own.
const AREAS: [&str; 11] = ["us", "eu", "ap", "sa", "ca", "me", "af", "il", "mx", "cn", "eusc"];
/// The directions in the names of AWS regions.
const DIRECTIONS: [&str; 9] = [
    "north",
    "south",
    "east",
    "west",
    "central",
    "northeast",
    "northwest",
    "southeast",
    "southwest",
];
/// Names with at most this many edits between them are similar.
const EDITS_MAX: usize = 2;

/// The names of the AWS regions between which all delays are known, measured or estimated.
pub fn known_regions() -> impl Iterator<Item = &'static str> {
    distance::places()
}

/// Whether a name has the form of an AWS region's: an area, possibly a partition or country, a
/// direction and a number, as in `eu-central-1` and `us-gov-west-1`. So have regions that do not
/// exist yet; `us-fake-1` and `local` have not.
#[must_use]
pub fn has_aws_form(name: &str) -> bool {
    if name.len() > REGION_NAME_BYTES_MAX {
        return false;
    }
    let parts: Vec<&str> = name.split('-').collect();
    let (area, direction, number) = match parts[..] {
        [area, direction, number] | [area, _, direction, number] => (area, direction, number),
        _ => return false,
    };
    AREAS.contains(&area)
        && DIRECTIONS.contains(&direction)
        && !number.is_empty()
        && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// The known regions with similar names, the most similar first.
pub(crate) fn similar(name: &str) -> Vec<&'static str> {
    let edits = |known: &'static str| (strsim::damerau_levenshtein(name, known), known);
    let mut similar: Vec<_> = known_regions()
        .map(edits)
        .filter(|(edits, _)| *edits <= EDITS_MAX)
        .collect();
    similar.sort_unstable();
    similar.into_iter().map(|(_, known)| known).collect()
}
