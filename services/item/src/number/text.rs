//! Numbers as text: all forms that DynamoDB accepts, and the one that it returns.

use std::{fmt, str::FromStr};

use super::{MAX_DIGITS, MAX_MAGNITUDE, MIN_MAGNITUDE, Number, NumberError};

impl FromStr for Number {
    type Err = NumberError;

    /// Parses an optional sign, digits with at most one point, and an optional exponent after `e`
    /// or `E`. Leading and trailing zeros do not count as digits. Takes time linear in the text's
    /// length.
    ///
    /// As in DynamoDB, an exponent beyond 64 bits is malformed, and zero is out of range if its
    /// exponent is.
    fn from_str(text: &str) -> Result<Self, NumberError> {
        let malformed = || NumberError::Malformed(text.to_owned());
        let bytes = text.as_bytes();
        let (negative, bytes) = split_sign(bytes);
        let (mantissa, exponent) = match bytes.iter().position(|byte| matches!(byte, b'e' | b'E')) {
            Some(at) => (&bytes[..at], parse_exponent(&bytes[at + 1..]).ok_or_else(malformed)?),
            None => (bytes, 0),
        };
        let digits = Digits::read(mantissa).ok_or_else(malformed)?;
        digits.into_number(negative, exponent)
    }
}

impl TryFrom<&str> for Number {
    type Error = NumberError;

    fn try_from(text: &str) -> Result<Self, NumberError> {
        text.parse()
    }
}

fn split_sign(bytes: &[u8]) -> (bool, &[u8]) {
    match bytes.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, bytes),
    }
}

/// Parses an exponent of at most 64 bits: an optional sign and at least one digit.
fn parse_exponent(bytes: &[u8]) -> Option<i64> {
    str::from_utf8(bytes).ok()?.parse().ok()
}

/// The significant digits of a mantissa.
#[derive(Default)]
struct Digits {
    /// The first 38 significant digits without trailing zeros.
    coefficient: u128,
    /// The number of those digits, including zeros between them.
    count: u32,
    /// Zeros after the last digit of `coefficient` that is not zero.
    zeros: i64,
    /// The power of ten of the last digit read: minus the number of digits after the point.
    exponent: i64,
    /// How far to the right of the first 38 digits the last non-zero digit is; 0 if all later
    /// digits are zero.
    beyond: i64,
}

impl Digits {
    /// Returns `None` if the mantissa is not digits with at most one point.
    fn read(mantissa: &[u8]) -> Option<Self> {
        let mut digits = Self::default();
        let (mut seen_digit, mut seen_point) = (false, false);
        for &byte in mantissa {
            match byte {
                b'0'..=b'9' => {
                    seen_digit = true;
                    digits.exponent -= i64::from(seen_point);
                    digits.push(byte - b'0');
                }
                b'.' if !seen_point => seen_point = true,
                _ => return None,
            }
        }
        seen_digit.then_some(digits)
    }

    fn push(&mut self, digit: u8) {
        if digit == 0 {
            // Leading zeros do not count.
            self.zeros += i64::from(self.count > 0);
            return;
        }
        let width = self.zeros + 1;
        self.zeros = 0;
        match u32::try_from(width) {
            Ok(width) if self.beyond == 0 && width <= MAX_DIGITS && self.count + width <= MAX_DIGITS => {
                self.coefficient = self.coefficient * 10_u128.pow(width) + u128::from(digit);
                self.count += width;
            }
            _ => self.beyond += width,
        }
    }

    fn into_number(self, negative: bool, exponent: i64) -> Result<Number, NumberError> {
        const MIN: i64 = MIN_MAGNITUDE as i64;
        const MAX: i64 = MAX_MAGNITUDE as i64;
        if self.coefficient == 0 {
            return match exponent {
                ..MIN => Err(NumberError::Underflow),
                MIN..=MAX => Ok(Number::ZERO),
                _ => Err(NumberError::Overflow),
            };
        }
        // The power of ten of the coefficient's last digit. If there are digits beyond it, the
        // power of the first digit is the same, and so is the check of the range.
        let exponent = exponent
            .saturating_add(self.exponent)
            .saturating_add(self.zeros)
            .saturating_add(self.beyond);
        let exponent = i32::try_from(exponent.clamp(-1_000, 1_000)).unwrap_or_default();
        let number = Number::from_parts(negative, self.coefficient, exponent)?;
        if self.beyond > 0 {
            Err(NumberError::TooManyDigits)
        } else {
            Ok(number)
        }
    }
}

impl fmt::Display for Number {
    /// Formats in plain decimal notation, as DynamoDB returns numbers: no exponent, no superfluous
    /// zeros, up to 168 characters.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.negative {
            f.write_str("-")?;
        }
        let width = usize::from(self.exponent.unsigned_abs());
        if self.exponent >= 0 {
            write!(f, "{}", self.coefficient)?;
            return write!(f, "{:0<width$}", "");
        }
        let digits = self.coefficient.to_string();
        match digits.len().checked_sub(width) {
            Some(0) | None => write!(f, "0.{digits:0>width$}"),
            Some(point) => write!(f, "{}.{}", &digits[..point], &digits[point..]),
        }
    }
}
