//! Round trips between AWS regions that nobody measured, estimated from the distance of their
//! cities.

use std::f64::consts::PI;

/// AWS regions, and the city whose name each is known by, with its place on the globe in degrees.
const PLACES: &str = include_str!("../aws-regions.csv");

/// The mean radius of the Earth.
const EARTH_RADIUS_KM: f64 = 6371.0;
/// What every round trip takes, however near the other region is.
const BASE_MS: f64 = 5.7;
/// What each kilometre of the great circle adds to a round trip. Light in fibre needs 0.0098 ms for
/// the way there and back; cables make detours.
const MS_PER_KM: f64 = 0.015_84;

/// A place on the globe, in radians.
#[derive(Debug, Clone, Copy)]
struct Place {
    latitude: f64,
    longitude: f64,
}

/// The round trip between two AWS regions in milliseconds, estimated; `None` where one of them is
/// not known.
///
/// The line is fitted to the 420 measured pairs of `aws-region-rtt.csv` by least squares of the
/// relative errors. Half of the pairs are less than 15.5 % off, nine of ten less than 35 %. The
/// worst pair, Cape Town and São Paulo, takes three times the estimate. A test repeats the fit.
pub(crate) fn estimated_rtt_ms(from: &str, to: &str) -> Option<f64> {
    Some(BASE_MS + MS_PER_KM * distance_km(place(from)?, place(to)?))
}

/// The place of a region. The table is part of the program, and a test reads all of it.
fn place(region: &str) -> Option<Place> {
    let row = PLACES
        .lines()
        .find_map(|line| line.strip_prefix(region)?.strip_prefix(','))?;
    let mut fields = row.split(',').skip(1).map(|degrees| degrees.parse::<f64>().ok());
    let radians = |degrees: f64| degrees * PI / 180.0;
    Some(Place {
        latitude: radians(fields.next()??),
        longitude: radians(fields.next()??),
    })
}

/// The length of the great circle between two places, by the haversine formula.
fn distance_km(from: Place, to: Place) -> f64 {
    let half_sine_squared = |angle: f64| (angle / 2.0).sin().powi(2);
    let haversine = half_sine_squared(to.latitude - from.latitude)
        + from.latitude.cos() * to.latitude.cos() * half_sine_squared(to.longitude - from.longitude);
    2.0 * EARTH_RADIUS_KM * haversine.sqrt().asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The measured pairs: distance, round trip.
    fn measured() -> Vec<(f64, f64)> {
        let rows = include_str!("../aws-region-rtt.csv").lines().skip(1);
        rows.map(|row| {
            let [from, to, rtt_ms] = row.split(',').collect::<Vec<_>>()[..] else {
                panic!("not three columns: {row}")
            };
            let distance_km = distance_km(place(from).expect(from), place(to).expect(to));
            (distance_km, rtt_ms.parse().expect("a number"))
        })
        .collect()
    }

    #[test]
    fn distances_are_those_of_the_globe() {
        let distance = |from, to| distance_km(place(from).unwrap(), place(to).unwrap());
        assert!(
            (distance("eu-west-2", "eu-west-3") - 343.0).abs() < 3.0,
            "London to Paris"
        );
        assert!(
            (distance("eu-west-2", "ap-southeast-2") - 16_990.0).abs() < 50.0,
            "London to Sydney"
        );
        assert!(distance("us-east-1", "us-east-1").abs() < 1e-9);
    }

    #[test]
    fn every_place_in_the_table_is_read() {
        for row in PLACES.lines().skip(1) {
            let (region, _) = row.split_once(',').unwrap();
            let place = place(region).unwrap_or_else(|| panic!("{row}"));
            assert!(place.latitude.abs() < PI / 2.0 && place.longitude.abs() <= PI, "{row}");
        }
        assert!(place("mars-1").is_none() && place("region").is_none());
        assert!(place("us-east").is_none(), "the beginning of a name is no name");
    }

    #[test]
    fn the_line_is_the_fit_to_the_measured_pairs() {
        let pairs = measured();
        assert_eq!(pairs.len(), 420);
        // Least squares of the relative errors: each pair weighs one over its round trip squared.
        let sum = |of: fn(f64, f64) -> f64| pairs.iter().map(|(km, ms)| of(*km, *ms) / (ms * ms)).sum::<f64>();
        let weight = sum(|_, _| 1.0);
        let (mean_km, mean_ms) = (sum(|km, _| km) / weight, sum(|_, ms| ms) / weight);
        let slope =
            (sum(|km, ms| km * ms) - weight * mean_km * mean_ms) / (sum(|km, _| km * km) - weight * mean_km * mean_km);
        assert!((slope - MS_PER_KM).abs() < 1e-5, "{slope} ms per kilometre");
        let base = mean_ms - slope * mean_km;
        assert!((base - BASE_MS).abs() < 0.05, "{base} ms");
    }

    #[test]
    fn estimates_are_as_near_to_what_was_measured_as_said() {
        let relative = |(km, ms): (f64, f64)| (BASE_MS + MS_PER_KM * km - ms).abs() / ms;
        let mut errors: Vec<f64> = measured().into_iter().map(relative).collect();
        errors.sort_by(f64::total_cmp);
        assert!(errors[errors.len() / 2] < 0.155, "median {}", errors[errors.len() / 2]);
        assert!(
            errors[errors.len() * 9 / 10] < 0.35,
            "nine of ten {}",
            errors[errors.len() * 9 / 10]
        );
        assert!(errors[errors.len() - 1] < 0.70, "worst {}", errors[errors.len() - 1]);
    }
}
