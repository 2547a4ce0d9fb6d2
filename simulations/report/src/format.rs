//! Formats numbers for people.

use std::time::Duration;

/// A number with commas between thousands.
pub(crate) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in the unit that leaves one to three digits before the point.
pub(crate) fn duration(length: Duration) -> String {
    duration_ms(length.as_secs_f64() * 1000.0)
}

/// As [`duration`], of milliseconds.
pub(crate) fn duration_ms(ms: f64) -> String {
    match ms {
        ms if ms < 0.9995 => format!("{} ms", decimals(ms, 2)),
        ms if ms < 999.5 => format!("{} ms", decimals(ms, 1)),
        ms if ms < 120_000.0 => format!("{} s", decimals(ms / 1000.0, 2)),
        ms if ms < 7_200_000.0 => format!("{} min", decimals(ms / 60_000.0, 1)),
        ms => format!("{} h", decimals(ms / 3_600_000.0, 1)),
    }
}

/// A percentage, rounded down so that it never shows 100 by rounding.
pub(crate) fn percent(share: f64) -> String {
    let rounded = (share * 100.0).floor() / 100.0;
    format!("{} %", decimals(rounded, 2))
}

/// A number of bytes in binary units.
pub(crate) fn bytes(number: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = number as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{} {}", decimals(value, 1), UNITS.get(unit).copied().unwrap_or("B"))
}

/// A number with at most `most` decimals, without zeros at the end.
pub(crate) fn decimals(number: f64, most: usize) -> String {
    let text = format!("{number:.most$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// The part of a sentence for unshipped writes; empty where there are none.
pub(crate) fn and_unshipped(writes: u64) -> String {
    and(writes, "unshipped")
}

/// The part of a sentence for writes that were lost with a disk; empty where there are none.
pub(crate) fn and_with_disk(writes: u64) -> String {
    and(writes, "lost with a disk")
}

fn and(writes: u64, what: &str) -> String {
    match writes {
        0 => String::new(),
        writes => format!(", {} {what}", count(writes)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_numbers_for_people() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(duration_ms(0.25), "0.25 ms");
        assert_eq!(duration_ms(38.0), "38 ms");
        assert_eq!(duration_ms(1234.0), "1.23 s");
        assert_eq!(duration(Duration::from_secs(600)), "10 min");
        assert_eq!(duration(Duration::from_secs(60)), "60 s");
        assert_eq!(percent(99.999), "99.99 %");
        assert_eq!(percent(100.0), "100 %");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(bytes(17), "17 B");
    }
}
