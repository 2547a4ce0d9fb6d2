//! Numbers as people read them.

use std::time::Duration;

/// With a comma between thousands.
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

/// In the unit that leaves one to three digits before the point.
pub(crate) fn duration(length: Duration) -> String {
    duration_ms(length.as_secs_f64() * 1000.0)
}

/// The same, of milliseconds.
pub(crate) fn duration_ms(ms: f64) -> String {
    match ms {
        ms if ms < 0.9995 => format!("{} ms", decimals(ms, 2)),
        ms if ms < 999.5 => format!("{} ms", decimals(ms, 1)),
        ms if ms < 120_000.0 => format!("{} s", decimals(ms / 1000.0, 2)),
        ms if ms < 7_200_000.0 => format!("{} min", decimals(ms / 60_000.0, 1)),
        ms => format!("{} h", decimals(ms / 3_600_000.0, 1)),
    }
}

/// Never rounded up to 100.
pub(crate) fn percent(share: f64) -> String {
    let rounded = (share * 100.0).floor() / 100.0;
    format!("{} %", decimals(rounded, 2))
}

/// With binary units.
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

/// At most so many decimals, without zeros at the end.
pub(crate) fn decimals(number: f64, most: usize) -> String {
    let text = format!("{number:.most$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// What a sentence about writes says of those that are kept aside; nothing where there are none.
pub(crate) fn and_kept_aside(writes: u64) -> String {
    and(writes, "kept aside")
}

/// What a sum says of the writes that went with a disk, where there are any.
pub(crate) fn and_with_disk(writes: u64) -> String {
    and(writes, "gone with a disk")
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
    fn numbers_are_written_as_people_read_them() {
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
