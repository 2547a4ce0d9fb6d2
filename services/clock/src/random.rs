//! Randomness: from the system in production, from a seed in simulation.

use std::sync::Mutex;

use rand::{Rng, SeedableRng, rngs::SysRng, TryRng};
use rand_chacha::ChaCha12Rng;

/// A source of randomness that can be shared.
pub trait Randomness: Send + Sync + 'static {
    /// Sixty-four uniformly distributed bits.
    fn next_u64(&self) -> u64;
}

/// The operating system's randomness.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRandomness;

/// Randomness that is a function of its seed, on every machine alike (ChaCha with 12 rounds).
#[derive(Debug)]
pub struct SeededRandomness(Mutex<ChaCha12Rng>);
