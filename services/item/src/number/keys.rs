//! Numbers as key bytes in the order of the numbers.
//!
//! The first byte distinguishes negative, zero and positive, in this order. Zero ends there. Next
//! comes the power of ten of the first digit, which has 256 values, then the digits in pairs from
//! the left, each pair as twice its value, plus one if another pair follows. The form is therefore
//! self-delimiting, a number that continues another's digits sorts after it, and `42` takes three
//! bytes. For negative numbers all bytes after the first are inverted.

use super::{MAX_DIGITS, MIN_MAGNITUDE, Number, digits_of};

const NEGATIVE: u8 = 0x00;
const ZERO: u8 = 0x01;
const POSITIVE: u8 = 0x02;

/// The 38 digits of a number, in pairs.
const MAX_PAIRS: u32 = MAX_DIGITS / 2;

impl Number {
    /// Appends the self-delimiting, order-preserving form used in keys: 1 to 21 bytes.
    pub fn encode_key(&self, out: &mut Vec<u8>) {
        if self.coefficient == 0 {
            out.push(ZERO);
            return;
        }
        out.push(if self.negative { NEGATIVE } else { POSITIVE });
        let flip = if self.negative { 0xFF } else { 0x00 };
        let biased = u8::try_from(self.magnitude() - MIN_MAGNITUDE).unwrap_or(u8::MAX);
        out.push(biased ^ flip);
        let mut rest = self.coefficient;
        if digits_of(rest) % 2 == 1 {
            rest *= 10;
        }
        let pairs = digits_of(rest).unsigned_abs() / 2;
        let mut power = 100_u128.pow(pairs - 1);
        for index in 1..=pairs {
            let pair = u8::try_from(rest / power).unwrap_or_default();
            rest %= power;
            power /= 100;
            out.push((pair * 2 + u8::from(index < pairs)) ^ flip);
        }
    }

    /// Reads a number that [`Self::encode_key`] wrote from the front of `input`, and advances
    /// `input` past it. Returns `None` if `input` does not begin with such a number; `input` is
    /// then at an unspecified place.
    pub fn decode_key(input: &mut &[u8]) -> Option<Self> {
        let negative = match take(input)? {
            ZERO => return Some(Self::ZERO),
            NEGATIVE => true,
            POSITIVE => false,
            _ => return None,
        };
        let flip = if negative { 0xFF } else { 0x00 };
        let magnitude = i32::from(take(input)? ^ flip) + MIN_MAGNITUDE;
        let mut coefficient = 0_u128;
        for index in 1..=MAX_PAIRS {
            let byte = take(input)? ^ flip;
            let pair = byte / 2;
            if pair > 99 || (index == 1 && pair < 10) {
                return None;
            }
            coefficient = coefficient * 100 + u128::from(pair);
            if byte % 2 == 0 {
                let exponent = magnitude - digits_of(coefficient) + 1;
                // A last pair of 00 would be a second form of the same number.
                return if pair == 0 {
                    None
                } else {
                    Self::from_parts(negative, coefficient, exponent).ok()
                };
            }
        }
        None
    }
}

fn take(input: &mut &[u8]) -> Option<u8> {
    let (&first, rest) = input.split_first()?;
    *input = rest;
    Some(first)
}
