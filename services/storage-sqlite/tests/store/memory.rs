//! What every store promises, of memory on the caller's runtime.

beringia_storage::conformance!(crate::support::Memory);
beringia_storage::conformance_in_virtual_time!(crate::support::Memory);
