//! The first message in both directions: building this region's hello, and checking the peer's.

use beringia_item::Region;

use crate::{
    context::Context,
    message::{Goodbye, Hello, PROTOCOL, other_protocol},
};

/// Builds this region's hello for `peer`.
pub(crate) fn hello_of(context: &Context, peer: Option<Region>) -> Hello {
    Hello {
        protocol: PROTOCOL,
        region: context.region.clone(),
        peer,
        incarnation: context.incarnation,
        wall_clock_ms: context.now.wall_ms,
    }
}

/// The peer's wall clock minus this region's, milliseconds.
pub(crate) fn clock_ahead_ms(context: &Context, hello: &Hello) -> i64 {
    let difference = i128::from(hello.wall_clock_ms) - i128::from(context.now.wall_ms);
    i64::try_from(difference).unwrap_or(if difference < 0 { i64::MIN } else { i64::MAX })
}

/// Checks that this region may talk to the sender of the hello; `expected` is the region that it
/// dialled.
pub(crate) fn check_hello(context: &Context, hello: &Hello, expected: Option<&Region>) -> Result<(), Goodbye> {
    let me = &context.region;
    let them = &hello.region;
    let reason = if hello.protocol != PROTOCOL {
        other_protocol(me.as_str(), them.as_str(), hello.protocol)
    } else if them == me {
        format!("{me} was connected to a region of its own name")
    } else if let Some(expected) = expected.filter(|expected| *expected != them) {
        format!("{me} expected region {expected} but reached {them}")
    } else if let Some(meant) = hello.peer.as_ref().filter(|meant| *meant != me) {
        format!("{them} expected region {meant} but reached {me}")
    } else if !context.peers.contains(them) {
        format!("{me} does not know region {them}")
    } else {
        return Ok(());
    };
    Err(Goodbye {
        reason,
        permanent: true,
    })
}
