//! Numbers: 38 significant decimal digits, magnitude 1E-130 to 9.9…E+125, exact.

/// A number, always in canonical form (no leading or trailing zeros in the coefficient, one zero).
/// Ordered by value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Number {
    negative: bool,
    coefficient: u128,
    exponent: i16,
}

/// What a text or a calculation that gives no number was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NumberError {
    /// The text is no number.
    #[error("The parameter cannot be converted to a numeric value: {0}")]
    Malformed(String),
    /// More than 38 significant digits.
    #[error("Attempting to store more than 38 significant digits in a Number")]
    TooManyDigits,
    /// A magnitude above 9.9999999999999999999999999999999999999E+125.
    #[error("Number overflow. Attempting to store a number with magnitude larger than supported range")]
    Overflow,
    /// A magnitude below 1E-130 that is not zero.
    #[error("Number underflow. Attempting to store a number with magnitude smaller than supported range")]
    Underflow,
}

// impl FromStr, Display (plain decimal notation as DynamoDB returns it), Ord by value, From<i64>, From<u64>
impl Number {
    /// Exact sum. Errors: Overflow, Underflow, TooManyDigits (as DynamoDB's arithmetic in update expressions).
    pub fn checked_add(&self, other: &Self) -> Result<Self, NumberError> { todo!() }
    /// Exact difference.
    pub fn checked_sub(&self, other: &Self) -> Result<Self, NumberError> { todo!() }
    /// Appends the self-delimiting, order-preserving form used in keys.
    pub fn encode_key(&self, out: &mut Vec<u8>) { todo!() }
    /// Reads what `encode_key` wrote from the front of `input` and moves it on.
    pub fn decode_key(input: &mut &[u8]) -> Option<Self> { todo!() }
}
