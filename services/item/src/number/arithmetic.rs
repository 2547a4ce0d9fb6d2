//! Sums and differences of numbers: exact or an error, never rounded.

use super::{Number, NumberError};

impl Number {
    /// Returns the exact sum.
    ///
    /// # Errors
    /// [`NumberError::Overflow`] if the sum is out of range or needs more than 38 digits (DynamoDB
    /// gives the same message for both), [`NumberError::Underflow`] if it is too close to zero.
    pub fn checked_add(&self, other: &Self) -> Result<Self, NumberError> {
        if self.coefficient == 0 {
            return Ok(*other);
        }
        if other.coefficient == 0 {
            return Ok(*self);
        }
        let (high, low) = if self.exponent >= other.exponent {
            (self, other)
        } else {
            (other, self)
        };
        // If aligning does not fit into 128 bits, the aligned coefficient is above 3.4E38, the
        // other is below 1E38, and the last digit of `low` is not zero. The result then has 39
        // digits or more, regardless of the signs.
        let aligned = 10_u128
            .checked_pow(u32::from(high.exponent.abs_diff(low.exponent)))
            .and_then(|power| high.coefficient.checked_mul(power))
            .ok_or(NumberError::Overflow)?;
        let (negative, coefficient) = if high.negative == low.negative {
            (
                high.negative,
                aligned.checked_add(low.coefficient).ok_or(NumberError::Overflow)?,
            )
        } else if aligned >= low.coefficient {
            (high.negative, aligned - low.coefficient)
        } else {
            (low.negative, low.coefficient - aligned)
        };
        Self::from_parts(negative, coefficient, low.exponent.into()).map_err(|error| match error {
            NumberError::TooManyDigits => NumberError::Overflow,
            other => other,
        })
    }

    /// Returns the exact difference.
    ///
    /// # Errors
    /// As [`Self::checked_add`].
    pub fn checked_sub(&self, other: &Self) -> Result<Self, NumberError> {
        self.checked_add(&other.negated())
    }

    /// The number with the opposite sign. Zero has no sign and stays zero.
    #[must_use]
    pub const fn negated(&self) -> Self {
        Self {
            negative: !self.negative && self.coefficient != 0,
            ..*self
        }
    }
}
