//! Hybrid logical clock (Kulkarni et al. 2014, "Logical Physical Clocks", section 3).

/// A point in hybrid time: 48 bits of milliseconds since the Unix epoch, then 16 bits of counter.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HybridTime(u64);
