//! Numbers: parsing and printing, exact arithmetic, and order in keys.

use beringia_item::{Number, NumberError};
use proptest::prelude::*;

use crate::strategies::any_number;

fn number(text: &str) -> Number {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn error(text: &str) -> NumberError {
    match text.parse::<Number>() {
        Ok(number) => panic!("{text} was read as {number}"),
        Err(error) => error,
    }
}

fn key_of(number: &Number) -> Vec<u8> {
    let mut key = Vec::new();
    number.encode_key(&mut key);
    key
}

#[test]
fn every_accepted_form_is_read_and_written_plainly() {
    for (text, written) in [
        ("0", "0"),
        ("-0", "0"),
        ("0.000", "0"),
        ("0e125", "0"),
        ("3", "3"),
        ("+3", "3"),
        ("-7.1234", "-7.1234"),
        ("0001.2300", "1.23"),
        (".123", "0.123"),
        ("5.", "5"),
        ("100", "100"),
        ("-17e5", "-1700000"),
        ("1E+5", "100000"),
        ("12.5e-4", "0.00125"),
        ("123e-3", "0.123"),
        ("1e-00000000000000000000001", "0.1"),
        (
            "99999999999999999999999999999999999999",
            "99999999999999999999999999999999999999",
        ),
    ] {
        assert_eq!(number(text).to_string(), written, "{text}");
    }
    assert_eq!(number("1e100").to_string(), format!("1{}", "0".repeat(100)));
    assert_eq!(number("-1e-130").to_string(), format!("-0.{}1", "0".repeat(129)));
}

#[test]
fn text_that_is_not_a_number_is_malformed() {
    for text in [
        "NaN",
        "Infinity",
        "-Infinity",
        "dog",
        " 1",
        "1 ",
        "1e",
        "e5",
        ".",
        "-",
        "+-1",
        "1.2.3",
        "1e1.5",
        "0x10",
        "1_000",
        "１",
    ] {
        assert_eq!(
            error(text).to_string(),
            format!("The parameter cannot be converted to a numeric value: {text}")
        );
    }
}

#[test]
fn magnitudes_have_dynamodbs_limits() {
    let nines = "9.9999999999999999999999999999999999999";
    for text in [
        format!("{nines}e125"),
        format!("-{nines}e125"),
        "1e-130".to_owned(),
        "0.1e-129".to_owned(),
    ] {
        assert_eq!(number(&text).to_string().parse(), Ok(number(&text)));
    }
    for text in ["1e126", "-11e125", "1e2147483648", "1e9223372036854775807", "0e126"] {
        assert_eq!(error(text), NumberError::Overflow, "{text}");
    }
    for text in [
        "1e-131",
        "0.9e-130",
        "-1e-2147483649",
        "1e-9223372036854775808",
        "0e-131",
    ] {
        assert_eq!(error(text), NumberError::Underflow, "{text}");
    }
}

#[test]
fn a_thirty_ninth_significant_digit_is_refused() {
    let many = "314159265358979323846264338327950288419";
    for text in [
        many.to_owned(),
        format!("0.000{many}"),
        format!("{many}e30"),
        format!("1{}1", "0".repeat(37)),
    ] {
        assert_eq!(error(&text), NumberError::TooManyDigits, "{text}");
    }
    assert_eq!(
        number(&format!("000{}000", &many[..38])).to_string(),
        format!("{}000", &many[..38])
    );
}

#[test]
fn sums_that_need_more_than_38_digits_overflow_as_in_dynamodb() {
    assert_eq!(number("1e50").checked_add(&number("1")), Err(NumberError::Overflow));
    assert_eq!(number("1e50").checked_sub(&number("1")), Err(NumberError::Overflow));
    assert_eq!(
        number("9e125").checked_add(&number("9e125")),
        Err(NumberError::Overflow)
    );
    assert_eq!(
        number("1.1e-130").checked_sub(&number("1e-130")),
        Err(NumberError::Underflow)
    );
    assert_eq!(number("1e38").checked_sub(&number("1")), Ok(number(&"9".repeat(38))));
    assert_eq!(number(&"9".repeat(38)).checked_add(&number("1")), Ok(number("1e38")));
    // Thirty-nine digits during alignment, thirty-eight in the result.
    assert_eq!(
        number("1.5e38").checked_sub(&number(&format!("9{}1", "0".repeat(36)))),
        Ok(number(&format!("5{}", "9".repeat(37))))
    );
}

#[test]
fn only_integers_that_fit_become_integers() {
    assert_eq!(number("-9223372036854775808").to_i64(), Some(i64::MIN));
    assert_eq!(number("9223372036854775808").to_i64(), None);
    assert_eq!(number("12e3").to_i64(), Some(12_000));
    assert_eq!(number("1.5").to_i64(), None);
    assert_eq!(number("1e120").to_i64(), None);
}

proptest! {
    #[test]
    fn number_is_read_back_from_its_text(number in any_number()) {
        prop_assert_eq!(number.to_string().parse(), Ok(number));
    }

    #[test]
    fn integers_convert_as_their_text_does(value in any::<i64>(), unsigned in any::<u64>()) {
        prop_assert_eq!(Number::from(value).to_string(), value.to_string());
        prop_assert_eq!(Number::from(value).to_i64(), Some(value));
        prop_assert_eq!(Number::from(unsigned).to_string(), unsigned.to_string());
    }

    #[test]
    fn numbers_are_ordered_by_value(one in any::<i64>(), other in any::<i64>()) {
        prop_assert_eq!(Number::from(one).cmp(&Number::from(other)), one.cmp(&other));
    }

    #[test]
    fn order_agrees_with_the_sign_of_the_difference(one in any_number(), other in any_number()) {
        if let Ok(difference) = one.checked_sub(&other) {
            prop_assert_eq!(one.cmp(&other), difference.cmp(&Number::ZERO));
        }
    }

    #[test]
    fn the_order_of_key_bytes_is_the_order_of_numbers(one in any_number(), other in any_number()) {
        prop_assert_eq!(key_of(&one).cmp(&key_of(&other)), one.cmp(&other));
    }

    #[test]
    fn key_bytes_decode_to_the_number_and_are_self_delimiting(number in any_number(), rest in any::<Vec<u8>>()) {
        let mut bytes = key_of(&number);
        prop_assert!(bytes.len() <= 21);
        bytes.extend_from_slice(&rest);
        let mut input = bytes.as_slice();
        prop_assert_eq!(Number::decode_key(&mut input), Some(number));
        prop_assert_eq!(input, rest.as_slice());
    }

    #[test]
    fn arbitrary_bytes_are_a_canonical_number_key_or_none(bytes in prop::collection::vec(any::<u8>(), 0..24)) {
        let mut input = bytes.as_slice();
        if let Some(number) = Number::decode_key(&mut input) {
            let read = bytes.len() - input.len();
            prop_assert_eq!(key_of(&number), bytes[..read].to_vec());
        }
    }

    #[test]
    fn sums_are_those_of_integers(one in -(10_i128.pow(37))..10_i128.pow(37), other in -(10_i128.pow(37))..10_i128.pow(37), shift in -60..60_i32) {
        let scaled = |value: i128| number(&format!("{value}e{shift}"));
        prop_assert_eq!(scaled(one).checked_add(&scaled(other)), Ok(scaled(one + other)));
        prop_assert_eq!(scaled(one).checked_sub(&scaled(other)), Ok(scaled(one - other)));
    }

    #[test]
    fn adding_and_subtracting_undo_each_other(one in any_number(), other in any_number()) {
        if let Ok(sum) = one.checked_add(&other) {
            prop_assert_eq!(sum.checked_sub(&other), Ok(one));
            prop_assert_eq!(other.checked_add(&one), Ok(sum));
        }
    }

    #[test]
    fn arbitrary_text_never_panics(text in "[-+0-9.eE]{0,60}|.{0,8}") {
        if let Ok(number) = text.parse::<Number>() {
            prop_assert_eq!(number.to_string().parse(), Ok(number));
        }
    }
}
