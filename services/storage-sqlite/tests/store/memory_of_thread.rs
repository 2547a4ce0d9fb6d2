//! The conformance suite for stores in memory that a thread writes: the modules in which it matters
//! that readers and committer are on threads.

beringia_storage::conformance!(crate::support::MemoryOfThread, concurrency);
beringia_storage::conformance!(crate::support::MemoryOfThread, writes);
