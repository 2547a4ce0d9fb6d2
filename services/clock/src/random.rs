//! Randomness: from the system in production, from a seed in simulations.

use parking_lot::Mutex;
use rand::{Rng, SeedableRng, TryRng, rngs::SysRng};
use rand_chacha::ChaCha12Rng;

/// A shareable source of randomness.
pub trait Randomness: Send + Sync + 'static {
    /// A uniformly distributed number from 0 to `u64::MAX`.
    fn next_u64(&self) -> u64;

    /// A uniformly distributed number from 0 to `bound - 1`, or 0 if `bound` is 0.
    fn below(&self, bound: u64) -> u64 {
        // Lemire 2019, "Fast random integer generation in an interval": the high half of the
        // product is uniform if the few low halves that would favour some results are drawn again.
        let rejected_below = if bound == 0 { 0 } else { bound.wrapping_neg() % bound };
        loop {
            let (low, high) = self.next_u64().carrying_mul(bound, 0);
            if low >= rejected_below {
                return high;
            }
        }
    }

    /// A uniformly distributed number in [0, 1), a multiple of 2^-53.
    fn unit_f64(&self) -> f64 {
        const SCALE: f64 = 1.0 / (1_u64 << 53) as f64;
        (self.next_u64() >> 11) as f64 * SCALE
    }

    /// A random identifier in the form of a version 4 UUID (RFC 9562, section 5.4).
    fn uuid_v4_like(&self) -> u128 {
        const VERSION: u128 = 0x4000 << 64;
        const VERSION_MASK: u128 = 0xF000 << 64;
        const VARIANT: u128 = 0b10 << 62;
        const VARIANT_MASK: u128 = 0b11 << 62;
        let bits = u128::from(self.next_u64()) << 64 | u128::from(self.next_u64());
        bits & !VERSION_MASK & !VARIANT_MASK | VERSION | VARIANT
    }
}

/// The operating system's randomness, which no seed repeats.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRandomness;

impl Randomness for SystemRandomness {
    #[expect(
        clippy::expect_used,
        reason = "a machine without randomness cannot name a table or take a connection"
    )]
    fn next_u64(&self) -> u64 {
        SysRng.try_next_u64().expect("the operating system has randomness")
    }
}

/// Randomness that is a function of its seed, the same on every machine (ChaCha with 12 rounds).
#[derive(Debug)]
pub struct SeededRandomness {
    key: [u8; 32],
    stream: Mutex<ChaCha12Rng>,
}

impl SeededRandomness {
    /// Creates the randomness of a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&seed.to_le_bytes());
        Self::from_key(key)
    }

    /// Derives the randomness for one purpose: a function of this seed and the label, independent
    /// of how much was drawn from `self` before. A component that draws more does not change what
    /// others draw.
    #[must_use]
    pub fn derive(&self, label: &str) -> Self {
        // The length goes first, so that no label's sequence of words is a prefix of another's.
        let mut key = next_key(self.key, label.len() as u64);
        for chunk in label.as_bytes().chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            key = next_key(key, u64::from_le_bytes(word));
        }
        Self::from_key(key)
    }

    fn from_key(key: [u8; 32]) -> Self {
        Self {
            key,
            stream: Mutex::new(ChaCha12Rng::from_seed(key)),
        }
    }
}

impl Randomness for SeededRandomness {
    fn next_u64(&self) -> u64 {
        self.stream.lock().next_u64()
    }
}

/// A key that is a pseudorandom function of `key` and `word`. The bits of `word` are inverted to
/// choose the stream, because the owner of `key` draws from stream 0.
fn next_key(key: [u8; 32], word: u64) -> [u8; 32] {
    let mut stream = ChaCha12Rng::from_seed(key);
    stream.set_stream(!word);
    let mut next = [0; 32];
    stream.fill_bytes(&mut next);
    next
}
