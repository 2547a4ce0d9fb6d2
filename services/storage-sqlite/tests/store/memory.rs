//! The conformance suite for stores in memory, on the caller's runtime.

beringia_storage::conformance!(crate::support::Memory);
beringia_storage::conformance_in_virtual_time!(crate::support::Memory);
