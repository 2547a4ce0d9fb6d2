//! What every store promises, of memory that a thread writes.

beringia_storage::conformance!(crate::support::MemoryOfThread);
