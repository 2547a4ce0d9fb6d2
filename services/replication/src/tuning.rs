//! Bounds and intervals of the protocol.

use std::collections::BTreeSet;

use beringia_item::Region;

/// How long a replica may be unreachable before it is dropped, milliseconds: 20 hours, as in
/// DynamoDB (API reference, `ReplicaDescription`).
pub const DEFAULT_UNREACHABLE_MS_MAX: u64 = 20 * 60 * 60 * 1000;

/// Bounds and intervals of the protocol. Every queue and every pause is bounded by one of these.
#[derive(Debug, Clone)]
pub struct Tuning {
    /// Bytes that a source may send ahead of the receiver's acknowledgements.
    pub window_bytes: usize,
    /// Bytes of images read from the log for one batch. A batch exceeds this by at most one
    /// transaction.
    pub batch_bytes: usize,
    /// Bytes of received batches that one commit applies together. A commit takes at least one
    /// batch.
    pub apply_bytes: usize,
    /// Bytes of batches that may wait for the store. Beyond this the receiver hangs up on a source
    /// that ignores its window.
    pub inbox_bytes_max: usize,
    /// Requests of one receiver that a source works on at the same time.
    pub requests_max: usize,
    /// Tables that are bootstrapped at the same time; the others wait. One that only waits for rows
    /// from the future does not count until they are due.
    pub bootstraps_max: usize,
    /// Spans that a bootstrap or a repair syncs at the same time. In an index, the rows of each
    /// span take their own pages: with more spans than fit in the cache, a copy writes a page for
    /// every row.
    pub range_syncs_max: usize,
    /// Keys that one page of a range sync lists.
    pub keys_per_page: usize,
    /// Keys of rows requested at once.
    pub keys_per_fetch: usize,
    /// Rows of a copy or a repair that the store applies together. A commit between clients'
    /// commits takes one such batch, others take several.
    pub rows_per_batch: usize,
    /// Bytes of rows in one reply. A reply exceeds this by at most a few items.
    pub reply_bytes: usize,
    /// The pause before the first retry after a broken connection, milliseconds. Up to half of it
    /// is added at random.
    pub retry_ms_min: u64,
    /// The limit up to which the pause doubles with every failure, milliseconds.
    pub retry_ms_max: u64,
    /// The pause after a refusal, milliseconds: of the peer itself, of an origin below the low
    /// watermark, or of a change of a replica's status.
    pub refused_retry_ms: u64,
    /// How long a peer may take to say hello, milliseconds.
    pub hello_timeout_ms: u64,
    /// How long an origin must be unreachable before other regions are asked to relay its writes,
    /// milliseconds.
    pub relay_after_ms: u64,
    /// How often a source announces vectors that changed, milliseconds.
    pub announce_ms: u64,
    /// How long a comparison with equal digests is trusted, milliseconds.
    pub digest_ms: u64,
    /// The shortest interval between two digest requests to one peer, milliseconds.
    pub digest_pause_ms: u64,
    /// The longest pause before writes from a clock too far ahead are retried, milliseconds.
    pub quarantine_retry_ms_max: u64,
    /// The pause before a table with a write that cannot be applied is subscribed to again,
    /// milliseconds.
    pub set_aside_retry_ms: u64,
    /// How long a bootstrap waits for the region that it is to copy from before it chooses
    /// another, milliseconds.
    pub bootstrap_patience_ms: u64,
    /// How long a replica may be unreachable from all others before they drop it, milliseconds.
    /// Without this limit they would keep their logs and tombstones for it for ever.
    pub unreachable_ms_max: u64,
    /// The regions that an operator has given up (docs/replication.md, "A region that will not come
    /// back"). While one is unreachable, the remaining replicas need not be a quorum to drop its
    /// replicas.
    pub given_up: BTreeSet<Region>,
    /// Accepted streams that may be open at the same time; further ones are turned away.
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
            bootstraps_max: 2,
            range_syncs_max: 4,
            keys_per_page: 1024,
            keys_per_fetch: 1024,
            rows_per_batch: 256,
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
            set_aside_retry_ms: 60_000,
            bootstrap_patience_ms: 5000,
            unreachable_ms_max: DEFAULT_UNREACHABLE_MS_MAX,
            given_up: BTreeSet::new(),
            accepted_max: 64,
        }
    }
}
