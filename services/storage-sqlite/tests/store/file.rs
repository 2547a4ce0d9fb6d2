//! The conformance suite for stores in a file.

beringia_storage::conformance!(crate::support::File);
