//! Bounds and intervals of the protocol.

/// How long a replica may be out of reach, milliseconds: 20 hours, as in DynamoDB (API reference, `ReplicaDescription`).
pub const DEFAULT_UNREACHABLE_MS_MAX: u64 = 20 * 60 * 60 * 1000;

/// Bounds and intervals of the protocol. Every queue and every pause is one of these.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// Bytes that a source may have sent and the receiver not acknowledged.
    pub window_bytes: usize,
    /// Bytes of images read from the log for one batch; a batch exceeds it by one unit at most.
    pub batch_bytes: usize,
    /// Bytes of received batches that one commit takes together; at least one batch.
    pub apply_bytes: usize,
    /// Bytes of batches that wait for the store before the receiver hangs up on a source that disregards its window.
    pub inbox_bytes_max: usize,
    /// Requests of one receiver that a source works on at once.
    pub requests_max: usize,
    /// Tables that are joined at once; the others wait.
    pub joins_max: usize,
    /// Walks of a join or a repair at once.
    pub walks_max: usize,
    /// Keys in one page.
    pub keys_per_page: usize,
    /// Keys asked for at once.
    pub keys_per_fetch: usize,
    /// Bytes of rows in one reply; exceeded by a few items at most.
    pub reply_bytes: usize,
    /// The pause before the first new try after a broken connection, milliseconds. Half of it more by chance.
    pub retry_ms_min: u64,
    /// It doubles with every failure up to this.
    pub retry_ms_max: u64,
    /// The pause after a refusal: of the peer as such, of an origin below the floor, of a change of a replica's status.
    pub refused_retry_ms: u64,
    /// How long a peer may take to say hello.
    pub hello_timeout_ms: u64,
    /// How long an origin must be out of reach before others are asked for its writes.
    pub relay_after_ms: u64,
    /// How often a source tells its vectors, where they changed.
    pub announce_ms: u64,
    /// How long equal digests are trusted.
    pub digest_ms: u64,
    /// The least time between two requests for digests to one peer.
    pub digest_pause_ms: u64,
    /// The longest pause before writes from a clock too far ahead are tried again.
    pub quarantine_retry_ms_max: u64,
    /// How long a join waits for the region that it was told to copy from before it takes another.
    pub join_patience_ms: u64,
    /// How long a replica may be out of reach of all others before they drop it, so that it does not hold their logs and tombstones
    /// for ever.
    pub unreachable_ms_max: u64,
    /// Accepted streams at once; more are turned away.
    pub accepted_max: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            window_bytes: 8 << 20,
            batch_bytes: 256 << 10,
            apply_bytes: 1 << 20,
            inbox_bytes_max: 32 << 20,
            requests_max: 64,
            joins_max: 2,
            walks_max: 16,
            keys_per_page: 1024,
            keys_per_fetch: 256,
            reply_bytes: 512 << 10,
            retry_ms_min: 100,
            retry_ms_max: 300,
            refused_retry_ms: 10_000,
            hello_timeout_ms: 5000,
            relay_after_ms: 1000,
            announce_ms: 500,
            digest_ms: 10_000,
            digest_pause_ms: 100,
            quarantine_retry_ms_max: 5000,
            join_patience_ms: 5000,
            unreachable_ms_max: DEFAULT_UNREACHABLE_MS_MAX,
            accepted_max: 64,
        }
    }
}
