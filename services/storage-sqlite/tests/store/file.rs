//! What every store promises, of a file.

beringia_storage::conformance!(crate::support::File);
