//! What every store promises, of memory that a thread writes: where it matters that readers and
//! committer are on threads.

beringia_storage::conformance!(crate::support::MemoryOfThread, concurrency);
beringia_storage::conformance!(crate::support::MemoryOfThread, writes);
