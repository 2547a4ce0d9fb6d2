//! Seeded randomness is a function of seed and labels, and its draws are uniform.

use beringia_clock::{Randomness, SeededRandomness, SystemRandomness};
use proptest::prelude::*;

fn draw(randomness: &SeededRandomness) -> [u64; 4] {
    [(); 4].map(|()| randomness.next_u64())
}

#[test]
fn seed_gives_the_same_numbers_on_every_machine() {
    // Recorded runs are replayed from their seed, so these numbers must not change.
    assert_eq!(
        draw(&SeededRandomness::new(42)),
        [
            7_969_544_298_883_215_725,
            2_971_366_125_662_693_780,
            12_399_091_586_092_985_278,
            12_655_530_748_785_655_172
        ]
    );
    assert_eq!(
        SeededRandomness::new(42).derive("network").next_u64(),
        10_384_625_875_501_603_268
    );
}

#[test]
fn derived_stream_is_independent_of_earlier_draws() {
    let untouched = SeededRandomness::new(7);
    let drawn = SeededRandomness::new(7);
    draw(&drawn);
    assert_eq!(draw(&untouched.derive("us-east-1")), draw(&drawn.derive("us-east-1")));
}

#[test]
fn different_seeds_and_labels_give_different_streams() {
    let parent = SeededRandomness::new(7);
    let labels = [
        "",
        "a",
        "b",
        "ab",
        "a\0",
        "a\0\0\0\0\0\0\0",
        "\0",
        "12345678",
        "123456789",
    ];
    let mut streams: Vec<_> = labels.iter().map(|label| draw(&parent.derive(label))).collect();
    streams.extend([
        draw(&parent),
        draw(&SeededRandomness::new(8)),
        draw(&parent.derive("a").derive("b")),
    ]);
    let count = streams.len();
    streams.sort_unstable();
    streams.dedup();
    assert_eq!(streams.len(), count);
}

#[test]
fn small_numbers_are_equally_frequent() {
    let randomness = SeededRandomness::new(1);
    let mut counts = [0_u32; 6];
    (0..60_000).for_each(|_| counts[usize::try_from(randomness.below(6)).unwrap_or_default()] += 1);
    // Six standard deviations of a fair die.
    assert!(counts.iter().all(|count| count.abs_diff(10_000) < 550), "{counts:?}");
}

#[test]
fn system_randomness_does_not_repeat() {
    assert_ne!(SystemRandomness.uuid_v4_like(), SystemRandomness.uuid_v4_like());
}

proptest! {
    #[test]
    fn draws_lie_within_their_range(seed in any::<u64>(), bound in prop_oneof![0..4_u64, any::<u64>()]) {
        let randomness = SeededRandomness::new(seed);
        prop_assert!(randomness.below(bound) < bound.max(1));
        prop_assert!((0.0..1.0).contains(&randomness.unit_f64()));
    }

    #[test]
    fn identifier_has_the_form_of_a_random_uuid(seed in any::<u64>()) {
        let id = SeededRandomness::new(seed).uuid_v4_like();
        prop_assert_eq!((id >> 76) & 0xF, 4, "version");
        prop_assert_eq!((id >> 62) & 0b11, 0b10, "variant");
    }
}
