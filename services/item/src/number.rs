//! Numbers: 38 significant decimal digits, magnitude 1E-130 to 9.9…E+125, exact.

mod arithmetic;
mod keys;
mod text;

use std::cmp::Ordering;

/// The greatest number of significant decimal digits.
pub(crate) const MAX_DIGITS: u32 = 38;
/// The power of ten of the greatest number's first digit.
const MAX_MAGNITUDE: i32 = 125;
/// The power of ten of the first digit of the smallest number other than zero.
const MIN_MAGNITUDE: i32 = -130;

/// A number in canonical form: no leading or trailing zeros in the coefficient, and one zero.
/// Ordered by value.
///
/// Its value is the coefficient times ten to the power of the exponent, with the sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    coefficient: u128,
    exponent: i16,
}

/// Why a text or a calculation gives no number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// The text is not a number.
    #[error("The parameter cannot be converted to a numeric value{}", shown(.0))]
    Malformed(String),
    /// The number has more than 38 significant digits.
    #[error("Attempting to store more than 38 significant digits in a Number")]
    TooManyDigits,
    /// The magnitude is above 9.9999999999999999999999999999999999999E+125.
    #[error("Number overflow. Attempting to store a number with magnitude larger than supported range")]
    Overflow,
    /// The number is not zero, and its magnitude is below 1E-130.
    #[error("Number underflow. Attempting to store a number with magnitude smaller than supported range")]
    Underflow,
}

/// The suffix that quotes a malformed text in the message; empty for an empty text.
fn shown(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}

impl Number {
    /// The number 0, which has no sign.
    pub const ZERO: Self = Self {
        negative: false,
        coefficient: 0,
        exponent: 0,
    };

    /// Brings these parts into canonical form.
    fn from_parts(negative: bool, coefficient: u128, exponent: i32) -> Result<Self, NumberError> {
        if coefficient == 0 {
            return Ok(Self::ZERO);
        }
        let (coefficient, stripped) = strip_trailing_zeros(coefficient);
        let exponent = exponent + stripped;
        let magnitude = exponent + digits_of(coefficient) - 1;
        if magnitude > MAX_MAGNITUDE {
            return Err(NumberError::Overflow);
        }
        if magnitude < MIN_MAGNITUDE {
            return Err(NumberError::Underflow);
        }
        if digits_of(coefficient) > MAX_DIGITS as i32 {
            return Err(NumberError::TooManyDigits);
        }
        // The magnitude and the number of digits bound the exponent to -167..=125.
        let exponent = i16::try_from(exponent).map_err(|_| NumberError::Overflow)?;
        Ok(Self {
            negative,
            coefficient,
            exponent,
        })
    }

    /// Never fails: the integer has at most 20 digits.
    fn from_integer(negative: bool, magnitude: u64) -> Self {
        if magnitude == 0 {
            return Self::ZERO;
        }
        let mut coefficient = magnitude;
        let mut exponent = 0;
        while coefficient.is_multiple_of(10) {
            coefficient /= 10;
            exponent += 1;
        }
        Self {
            negative,
            coefficient: coefficient.into(),
            exponent,
        }
    }

    /// The sign, coefficient and exponent that the canonical encoding writes.
    pub(crate) const fn parts(&self) -> (bool, u128, i16) {
        (self.negative, self.coefficient, self.exponent)
    }

    /// Builds a number from stored parts; `None` if they are not exactly what [`Self::parts`]
    /// returns for some number.
    pub(crate) fn from_canonical(negative: bool, coefficient: u128, exponent: i16) -> Option<Self> {
        let number = Self::from_parts(negative, coefficient, exponent.into()).ok()?;
        (number.parts() == (negative, coefficient, exponent)).then_some(number)
    }

    /// Whether the number is below zero.
    #[must_use]
    pub const fn is_negative(&self) -> bool {
        self.negative
    }

    /// The number of significant digits; 0 for zero.
    #[must_use]
    pub fn significant_digits(&self) -> usize {
        if self.coefficient == 0 {
            0
        } else {
            usize::try_from(digits_of(self.coefficient)).unwrap_or(0)
        }
    }

    /// The number of digits after the point in plain notation.
    #[must_use]
    pub fn fraction_digits(&self) -> usize {
        usize::from(self.exponent.min(0).unsigned_abs())
    }

    /// The power of ten of the first digit; 0 for zero.
    #[must_use]
    pub fn magnitude(&self) -> i32 {
        if self.coefficient == 0 {
            0
        } else {
            i32::from(self.exponent) + digits_of(self.coefficient) - 1
        }
    }

    /// The number as an integer; `None` if it has a fraction or does not fit.
    #[must_use]
    pub fn to_i64(&self) -> Option<i64> {
        let power = 10_u128.checked_pow(u32::try_from(self.exponent).ok()?)?;
        let magnitude = i128::try_from(self.coefficient.checked_mul(power)?).ok()?;
        i64::try_from(if self.negative { -magnitude } else { magnitude }).ok()
    }

    /// Compares two numbers by their distance from zero.
    fn cmp_magnitude(&self, other: &Self) -> Ordering {
        match (self.coefficient, other.coefficient) {
            (0, 0) => Ordering::Equal,
            (0, _) => Ordering::Less,
            (_, 0) => Ordering::Greater,
            _ => self
                .magnitude()
                .cmp(&other.magnitude())
                .then_with(|| self.aligned().cmp(&other.aligned())),
        }
    }

    /// The coefficient padded with zeros to 38 digits: it is below 10^38, so it fits.
    fn aligned(&self) -> u128 {
        let missing = MAX_DIGITS.saturating_sub(digits_of(self.coefficient).unsigned_abs());
        self.coefficient * 10_u128.pow(missing)
    }
}

impl Ord for Number {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.cmp_magnitude(other),
            (true, true) => other.cmp_magnitude(self),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
        }
    }
}

impl PartialOrd for Number {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::from_integer(false, value)
    }
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self::from_integer(value < 0, value.unsigned_abs())
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Self {
        Self::from(u64::from(value))
    }
}

impl From<i32> for Number {
    fn from(value: i32) -> Self {
        Self::from(i64::from(value))
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        Self::from(value as u64)
    }
}

/// The number of decimal digits; 1 for zero.
fn digits_of(coefficient: u128) -> i32 {
    // At most 39.
    coefficient.checked_ilog10().map_or(1, |power| power as i32 + 1)
}

/// The coefficient without its trailing zeros, and their number. The coefficient must not be zero.
fn strip_trailing_zeros(mut coefficient: u128) -> (u128, i32) {
    let mut stripped = 0;
    while coefficient > u128::from(u64::MAX) && coefficient.is_multiple_of(10) {
        coefficient /= 10;
        stripped += 1;
    }
    // Division of 64 bits is many times faster than of 128.
    if let Ok(mut short) = u64::try_from(coefficient) {
        while short.is_multiple_of(10) {
            short /= 10;
            stripped += 1;
        }
        coefficient = short.into();
    }
    (coefficient, stripped)
}
