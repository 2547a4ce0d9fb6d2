//! Origins and their texts.

use beringia_item::{Origin, OriginError, Region, VersionVector};
use proptest::prelude::*;

fn origin(text: &str) -> Origin {
    text.parse().expect("an origin")
}

fn any_region() -> impl Strategy<Value = Region> {
    "[a-c]{1,2}(-[a-z0-9]{1,3}){0,2}|[a-z][a-z0-9-]{0,31}".prop_map(|name| Region::new(&name).expect("a region's name"))
}

fn any_origin() -> impl Strategy<Value = Origin> {
    let shard = prop_oneof![Just(0), 0..12_u16, any::<u16>()];
    (any_region(), shard).prop_map(|(region, shard)| Origin::new(region, shard))
}

proptest! {
    #[test]
    fn origin_is_read_back_from_text_and_json(origin in any_origin()) {
        let text = origin.to_string();
        prop_assert_eq!(text.parse(), Ok(origin.clone()));
        prop_assert_eq!(&format!("{origin:?}"), &text);
        prop_assert_eq!(serde_json::to_value(&origin).expect("an origin as JSON"), serde_json::json!(text));
        prop_assert_eq!(serde_json::from_value::<Origin>(text.into()).expect("the same origin"), origin);
    }

    #[test]
    fn shard_0_is_written_as_the_region_name_alone(region in any_region(), other in 1..=u16::MAX) {
        let only = Origin::of_only_shard(&region);
        prop_assert_eq!(only.to_string(), region.as_str());
        prop_assert_eq!((only.region(), only.shard()), (&region, 0));
        prop_assert_eq!(&only, &Origin::new(region.clone(), 0));
        let other = Origin::new(region.clone(), other);
        prop_assert_eq!(other.to_string(), format!("{region}/{}", other.shard()));
        prop_assert_ne!(other, Origin::of_only_shard(&region));
    }

    #[test]
    fn each_origin_has_exactly_one_text(text in "[a-z][a-z0-9-]{0,2}/?[0-9+]{0,6}") {
        if let Ok(origin) = text.parse::<Origin>() {
            prop_assert_eq!(origin.to_string(), text);
        }
    }

    #[test]
    fn origins_are_ordered_by_region_then_by_shard(one in any_origin(), other in any_origin()) {
        let parts = |origin: &Origin| (origin.region().to_string(), origin.shard());
        prop_assert_eq!(one.cmp(&other), parts(&one).cmp(&parts(&other)));
        let sibling = Origin::new(one.region().clone(), other.shard());
        prop_assert_eq!(one.cmp(&sibling), one.shard().cmp(&other.shard()));
    }
}

#[test]
fn origin_order_is_not_the_order_of_texts() {
    let texts = ["a", "a/2", "a/10", "a/65535", "a-b", "a-b/1", "b"];
    assert!(texts.map(origin).is_sorted());
    assert!(!texts.is_sorted());
}

#[test]
fn invalid_origin_text_is_refused() {
    for text in ["", "/", "/1", "US", "US/1", "us east/1", "us-east-1 /1"] {
        let refused = text.parse::<Origin>();
        assert!(matches!(refused, Err(OriginError::Region(_))), "{text}: {refused:?}");
        assert!(serde_json::from_value::<Origin>(text.into()).is_err(), "{text}");
    }
    for text in [
        "us-east-1/",
        "us-east-1/0",
        "us-east-1/03",
        "us-east-1/65536",
        "us-east-1/+3",
        "us-east-1/-3",
        "us-east-1/ 3",
        "us-east-1/3 ",
        "us-east-1/x",
        "us-east-1/\u{664}",
        "us-east-1/1/2",
        "us-east-1//2",
    ] {
        assert_eq!(text.parse::<Origin>(), Err(OriginError::Shard(text.to_owned())));
        assert!(serde_json::from_value::<Origin>(text.into()).is_err(), "{text}");
    }
}

#[test]
fn vector_lists_the_entries_of_one_region() {
    let entries = [("eu", 1), ("us", 2), ("us/3", 3), ("us-west", 4)];
    let vector: VersionVector = entries
        .iter()
        .map(|(text, sequence)| (origin(text), *sequence))
        .collect();
    let of = |region: &str| -> Vec<(String, u64)> {
        let region = Region::new(region).expect("a region's name");
        let entries = vector.of_region(&region);
        entries
            .map(|(origin, sequence)| (origin.to_string(), sequence))
            .collect()
    };
    assert_eq!(of("us"), [("us".to_owned(), 2), ("us/3".to_owned(), 3)]);
    assert_eq!(of("eu"), [("eu".to_owned(), 1)]);
    assert_eq!(of("ap"), []);
}
