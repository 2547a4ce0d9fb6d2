//! The compact form: round trips, one encoding per item, and robustness against any bytes.

use beringia_item::{
    AttributeValue, CodecError, Item, MAX_DEPTH, decode_item, encode_item, encoded_attributes, encoded_item_size,
    item_size,
};
use proptest::prelude::*;

use crate::strategies::{any_item, item_of, nested};

/// Decodes an item, and checks that it can be measured exactly if it can be decoded, also while
/// some of its attributes are decoded.
fn decoded(bytes: &[u8]) -> Result<Item, CodecError> {
    let item = decode_item(bytes);
    assert_eq!(
        encoded_item_size(bytes).ok(),
        item.as_ref().ok().map(item_size),
        "{bytes:02x?}"
    );
    let is_wanted = |name: &str| name.len() % 2 == 1;
    let wanted = |mut item: Item| {
        let size = item_size(&item);
        item.retain(|name, _| is_wanted(name));
        (size, item)
    };
    let expected = item.clone().ok().map(wanted);
    assert_eq!(encoded_attributes(bytes, is_wanted).ok(), expected, "{bytes:02x?}");
    item
}

#[test]
fn small_values_take_few_bytes() {
    let item = Item::from([
        ("id".to_owned(), AttributeValue::S("abc".to_owned())),
        ("n".to_owned(), AttributeValue::N(42.into())),
        ("x".to_owned(), AttributeValue::Bool(true)),
    ]);
    assert_eq!(
        encode_item(&item).as_ref(),
        b"\x01\x03\x02id\x03\x03abc\x01n\x04\x00\x2a\x01x\x02"
    );
}

#[test]
fn empty_item_can_be_encoded() {
    assert_eq!(decoded(&encode_item(&Item::new())), Ok(Item::new()));
}

#[test]
fn item_at_max_depth_decodes_and_a_deeper_one_is_refused() {
    let deepest = item_of(nested(MAX_DEPTH - 1));
    assert_eq!(decoded(&encode_item(&deepest)), Ok(deepest));
    let error = decoded(&encode_item(&item_of(nested(MAX_DEPTH)))).unwrap_err();
    assert_eq!(error.what, "values are nested too deeply");
}

#[test]
fn endless_nesting_does_not_overflow_the_stack() {
    let mut bytes = b"\x01\x01\x01a".to_vec();
    bytes.extend(b"\x06\x01".repeat(100_000));
    assert_eq!(decoded(&bytes).unwrap_err().what, "values are nested too deeply");
}

#[test]
fn damage_is_reported_with_its_offset() {
    let damaged = |bytes: &[u8]| decoded(bytes).unwrap_err();
    for (bytes, offset, what) in [
        (&b""[..], 0, "unexpected end"),
        (b"\x02\x00", 0, "unknown format version"),
        (b"\x01\x00\x00", 2, "extra bytes after the end"),
        (b"\x01\x7f", 2, "a length exceeds the remaining bytes"),
        (b"\x01\x80\x00", 3, "an integer is not in its shortest form"),
        (b"\x01\x01\x01\xff\x00", 4, "a string is not UTF-8"),
        (b"\x01\x01\x01a\x63", 5, "unknown value type"),
        (
            b"\x01\x02\x01b\x00\x01a\x00",
            7,
            "attribute names are not in ascending order",
        ),
        (b"\x01\x01\x01a\x08\x00", 6, "a set is empty"),
        (
            b"\x01\x01\x01a\x09\x02\x00\x02\x00\x01",
            10,
            "set members are not in ascending order",
        ),
        (
            b"\x01\x01\x01a\x04\x00\x0a",
            7,
            "a number is out of range or not in canonical form",
        ),
        (b"\x01\x01\x01a\x04\xff\xff\xff\xff\x7f", 10, "an integer is too large"),
    ] {
        assert_eq!(damaged(bytes), CodecError { offset, what }, "{bytes:02x?}");
    }
}

proptest! {
    #[test]
    fn encoded_item_decodes_to_itself(item in any_item()) {
        let bytes = encode_item(&item);
        prop_assert_eq!(decoded(&bytes), Ok(item));
    }

    #[test]
    fn encoding_is_about_as_long_as_the_dynamodb_size(item in any_item()) {
        // No more than a few bytes for each of its at most a hundred values.
        prop_assert!(encode_item(&item).len() <= item_size(&item) + 400);
    }

    #[test]
    fn truncated_encoding_is_refused(item in any_item(), cut in any::<prop::sample::Index>()) {
        let bytes = encode_item(&item);
        prop_assert!(decoded(&bytes[..cut.index(bytes.len())]).is_err());
    }

    #[test]
    fn changed_byte_is_refused_or_encodes_another_item(
        item in any_item(), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let mut bytes = encode_item(&item).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(other) = decoded(&bytes) {
            prop_assert_eq!(encode_item(&other), bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_canonical(bytes in prop::collection::vec(0..16_u8, 0..40)) {
        let bytes = [&[1], bytes.as_slice()].concat();
        if let Ok(item) = decoded(&bytes) {
            prop_assert_eq!(encode_item(&item), bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = decoded(&bytes);
    }
}
