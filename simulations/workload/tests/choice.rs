//! Keys are chosen as often as their distribution says.

#![expect(clippy::expect_used, reason = "a test fails by panicking, its helpers too")]

use beringia_clock::SeededRandomness;
use beringia_workload::Zipfian;

const DRAWS: usize = 200_000;

fn frequencies(zipfian: &Zipfian, items: usize) -> Vec<f64> {
    let dice = SeededRandomness::new(7);
    let mut counts = vec![0_u32; items];
    for _ in 0..DRAWS {
        let drawn = usize::try_from(zipfian.draw(&dice)).expect("small");
        counts[drawn] += 1;
    }
    counts.into_iter().map(|count| f64::from(count) / 200_000.0).collect()
}

/// The frequencies of the definition, summed up directly.
fn expected(items: u32, theta: f64) -> Vec<f64> {
    let weights: Vec<f64> = (1..=items).map(|k| libm::pow(f64::from(k), -theta)).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| weight / sum).collect()
}

#[test]
fn zipfian_draws_each_number_with_its_frequency() {
    for (items, theta) in [(1_000, 0.99), (1_000, 0.5), (10, 0.8), (2, 0.99), (1, 0.99)] {
        let drawn = frequencies(&Zipfian::new(items.into(), theta), 1_000);
        let expected = expected(items, theta);
        // The first two are exact; Gray's formula approximates the others.
        for rank in 0..2.min(expected.len()) {
            let off = (drawn[rank] - expected[rank]).abs();
            assert!(
                off < 0.005,
                "{items}, {theta}: {rank} is drawn {}, expected {}",
                drawn[rank],
                expected[rank]
            );
        }
        for end in [5, 10, 100, 500, 1_000] {
            let (drawn, expected): (f64, f64) = (drawn.iter().take(end).sum(), expected.iter().take(end).sum());
            let off = (drawn - expected).abs();
            assert!(
                off < 0.02,
                "{items}, {theta}: the first {end} are drawn {drawn}, expected {expected}"
            );
        }
    }
}

#[test]
fn a_grown_distribution_equals_a_new_one() {
    let mut grown = Zipfian::new(10, 0.99);
    for items in [11, 500, 1_000] {
        grown.grow(items);
    }
    let (grown, new) = (
        frequencies(&grown, 1_000),
        frequencies(&Zipfian::new(1_000, 0.99), 1_000),
    );
    assert!(grown.iter().zip(&new).all(|(one, other)| (one - other).abs() < 1e-3));
}

/// The same on every machine and with every toolchain.
#[test]
fn a_seed_draws_the_recorded_numbers() {
    let drawn = |items, theta| {
        let dice = SeededRandomness::new(7).derive("keys");
        let zipfian = Zipfian::new(items, theta);
        (0..8).map(|_| zipfian.draw(&dice)).collect::<Vec<u64>>()
    };
    assert_eq!(
        drawn(1_000_000, 0.99),
        [449_772, 10_211, 0, 8, 2_299, 40_772, 2, 28_034]
    );
    assert_eq!(
        drawn(1_000_000, 0.3),
        [917_640, 565_827, 15_699, 92_366, 445_225, 687_063, 44_278, 653_405]
    );
}
