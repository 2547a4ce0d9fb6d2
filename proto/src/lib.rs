//! The messages and services that regions and the command line use over gRPC, generated from
//! `beringia/`.

/// Version 1 of all messages and services.
#[allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::all,
    clippy::disallowed_types,
    clippy::needless_pass_by_value,
    clippy::semicolon_if_nothing_returned,
    clippy::too_many_lines,
    reason = "generated code"
)]
pub mod v1 {
    tonic::include_proto!("beringia.v1");
}
