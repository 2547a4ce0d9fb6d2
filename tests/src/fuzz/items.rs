//! Numbers, keys, and the three forms of items: values that are read are written back unchanged.

use beringia_clock::HybridTime;
use beringia_item::{
    Item, ItemState, KeyBytes, KeyPart, KeySchema, KeyType, MAX_DEPTH, Number, Origin, Region, Version, decode_item,
    encode_item, encoded_item_size, item_depth, item_from_json, item_size, item_to_json,
};

/// Decodes the bytes of a stored item.
pub(super) fn codec(input: &[u8]) {
    let item = decode_item(input);
    let size = item.as_ref().ok().map(item_size);
    assert_eq!(encoded_item_size(input).ok(), size, "what can be made can be measured");
    let Ok(item) = item else { return };
    assert!(item_depth(&item) <= MAX_DEPTH);
    assert_eq!(&*encode_item(&item), input, "an item has one form");
    // JSON cannot express everything (an empty set), and such items never get into a store. What it
    // can express comes back unchanged.
    if let Ok(again) = item_from_json(item_to_json(&item)) {
        assert_eq!(again, item);
    }
}

/// Parses an item in DynamoDB's JSON.
pub(super) fn json(input: &[u8]) {
    let Ok(json) = serde_json::from_slice(input) else {
        return;
    };
    let Ok(item) = item_from_json(json) else { return };
    assert!(item_depth(&item) <= MAX_DEPTH);
    let _ = item_size(&item);
    assert_eq!(item_from_json(item_to_json(&item)).as_ref(), Ok(&item));
    assert_eq!(decode_item(&encode_item(&item)).as_ref(), Ok(&item));
}

/// Parses two numbers as text with a space in between.
pub(super) fn number(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let (left, right) = text.split_once(' ').unwrap_or((text, "1"));
    let (Ok(left), Ok(right)) = (left.parse::<Number>(), right.parse::<Number>()) else {
        return;
    };
    for number in [left, right] {
        assert_eq!(number.to_string().parse(), Ok(number));
        assert_eq!(number.negated().negated(), number);
    }
    let [left_key, right_key] = [left, right].map(|number| {
        let mut key = Vec::new();
        number.encode_key(&mut key);
        let mut rest = key.as_slice();
        assert_eq!(Number::decode_key(&mut rest), Some(number));
        assert!(rest.is_empty());
        key
    });
    assert_eq!(
        left_key.cmp(&right_key),
        left.cmp(&right),
        "keys have the order of their numbers"
    );
    let sum = left.checked_add(&right);
    assert_eq!(sum, right.checked_add(&left));
    if let Ok(sum) = sum {
        assert_eq!(sum.checked_sub(&right), Ok(left), "sums are exact");
        assert_eq!(sum > left, right > Number::ZERO);
    }
}

/// Decodes a stored key under a schema that the first byte of the input selects.
pub(super) fn key(input: &[u8]) {
    let Some((&choice, stored)) = input.split_first() else {
        return;
    };
    let kind = |choice: u8| [KeyType::S, KeyType::N, KeyType::B][usize::from(choice % 3)];
    let part = |name: &str, choice| KeyPart {
        name: name.to_owned(),
        kind: kind(choice),
    };
    let schema = KeySchema {
        partition: vec![part("p", choice)],
        sort: (choice & 0x40 != 0)
            .then(|| part("s", choice / 3))
            .into_iter()
            .collect(),
    };
    let stored = KeyBytes(stored.to_vec().into());
    let _ = schema.split_index_key(&stored);
    let Some(attributes) = schema.attributes_of(&stored) else {
        return;
    };
    // The hash adds no information. Attributes that no item may have as its key give no key.
    if let Ok(key) = schema.key_of(&attributes) {
        assert_eq!(key.0[2..], stored.0[2..], "a key has one form");
    }
}

/// Decodes the length of a stored item in two bytes, that item, and its metadata.
pub(super) fn state(input: &[u8]) {
    let Some((length, rest)) = input.split_first_chunk() else {
        return;
    };
    let length = usize::from(u16::from_be_bytes(*length));
    let Some((image, metadata)) = rest.split_at_checked(length) else {
        return;
    };
    let Ok(image) = decode_item(image) else { return };
    let version = Version {
        time: HybridTime::from_u64(1 << 60),
        origin: Origin::of_only_shard(&Region::new("b").expect("b is a region's name")),
        sequence: 1 << 40,
    };
    let keys: Item = image
        .get("k")
        .map(|key| ("k".to_owned(), key.clone()))
        .into_iter()
        .collect();
    let Ok(state) = ItemState::read(&version, Some(&image), Some(metadata), &keys) else {
        return;
    };
    assert_eq!(state.metadata().as_deref(), Some(metadata), "a state has one form");
    assert_eq!(state.image(&keys), Some(image));
    assert_eq!(state.merge(&state), state, "a state merged with itself is unchanged");
    let other = Version { sequence: 1, ..version };
    // No two writes share a version, so a state that names this one has nothing to be merged with.
    if state.versions().all(|named| *named != other) {
        let other = ItemState::plain(other, None);
        assert_eq!(state.merge(&other), other.merge(&state));
    }
}
