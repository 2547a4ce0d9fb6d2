//! Estimates of round-trip times between AWS regions without measurements, from the distance of
//! their cities.

use std::f64::consts::PI;

/// The AWS regions, each with its city and the city's latitude and longitude in degrees.
const PLACES: &str = include_str!("../aws-regions.csv");

/// The mean radius of the Earth.
const EARTH_RADIUS_KM: f64 = 6371.0;
/// The part of a round trip that does not depend on the distance.
const BASE_MS: f64 = 5.7;
/// The time that each kilometre of great-circle distance adds to a round trip. Light in fibre needs
/// 0.0098 ms for a kilometre and back; cables make detours.
const MS_PER_KM: f64 = 0.015_84;

/// A place on the globe, in radians.
#[derive(Debug, Clone, Copy)]
struct Place {
    latitude: f64,
    longitude: f64,
}

/// Estimates the round-trip time between two AWS regions in milliseconds. `None` if one of them is
/// not in the table.
///
/// The linear function is fitted to the 420 measured pairs of `aws-region-rtt.csv` by least squares
/// of the relative errors. The error is below 15.5 % for half of the pairs and below 35 % for nine
/// of ten. The worst pair, Cape Town and São Paulo, takes three times the estimate. A test repeats
/// the fit.
pub(crate) fn estimated_rtt_ms(from: &str, to: &str) -> Option<f64> {
    Some(BASE_MS + MS_PER_KM * distance_km(place(from)?, place(to)?))
}

/// The names of the regions in the table.
pub(crate) fn places() -> impl Iterator<Item = &'static str> {
    let rows = PLACES.lines().skip(1);
    rows.filter_map(|row| row.split(',').next())
}

/// Looks up a region. A row that does not parse is treated as missing; a test parses every row.
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

/// The great-circle distance between two places, by the haversine formula.
fn distance_km(from: Place, to: Place) -> f64 {
    let half_sine_squared = |angle: f64| {
        let half_sine = libm::sin(angle / 2.0);
        half_sine * half_sine
    };
    let haversine = half_sine_squared(to.latitude - from.latitude)
        + libm::cos(from.latitude) * libm::cos(to.latitude) * half_sine_squared(to.longitude - from.longitude);
    2.0 * EARTH_RADIUS_KM * libm::asin(haversine.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The distance in kilometres and the round-trip time in milliseconds of each measured pair.
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
    fn distances_match_known_city_pairs() {
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
    fn every_row_of_the_table_parses() {
        for row in PLACES.lines().skip(1) {
            let (region, _) = row.split_once(',').unwrap();
            let place = place(region).unwrap_or_else(|| panic!("{row}"));
            assert!(place.latitude.abs() < PI / 2.0 && place.longitude.abs() <= PI, "{row}");
        }
        assert!(place("mars-1").is_none() && place("region").is_none());
        assert!(place("us-east").is_none(), "a prefix of a name does not match");
    }

    #[test]
    fn constants_are_the_fit_to_the_measured_pairs() {
        let pairs = measured();
        assert_eq!(pairs.len(), 420);
        // Least squares of the relative errors: the weight of a pair is 1 / rtt².
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
    fn errors_of_estimates_are_within_documented_bounds() {
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

    /// Bit by bit, so that a plan does not depend on the platform's trigonometry.
    #[test]
    fn estimates_are_the_recorded_numbers() {
        let estimated = |from, to| estimated_rtt_ms(from, to).map(f64::to_bits);
        assert_eq!(
            estimated("eu-west-2", "ap-southeast-2"),
            Some(4_643_543_462_506_558_333)
        );
        assert_eq!(estimated("af-south-1", "sa-east-1"), Some(4_637_172_934_174_018_246));
        assert_eq!(estimated("us-east-1", "us-east-1"), Some(5.7_f64.to_bits()));
    }
}
