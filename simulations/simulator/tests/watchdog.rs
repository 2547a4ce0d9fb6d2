//! A simulation whose virtual time does not advance is reported by name.

use std::{
    sync::mpsc::{RecvTimeoutError, channel},
    time::Duration,
};

use beringia_simulator::{Stuck, in_virtual_time};

/// A run that only sleeps for long is not named.
#[test]
fn names_a_run_that_blocks_virtual_time() {
    let (tell, reported) = channel();
    let patience = Duration::from_millis(50);
    let stuck = in_virtual_time(
        "a stuck run",
        patience,
        move |stuck| tell.send(stuck).expect("awaited"),
        async move {
            // An hour of virtual time passes in no time.
            tokio::time::sleep(Duration::from_millis(3_600_050)).await;
            reported.recv().expect("the watchdog calls")
        },
    );
    let expected = Stuck {
        name: "a stuck run".to_owned(),
        virtual_ms: 3_600_000,
        for_at_least: patience,
    };
    assert_eq!(stuck, expected);
}

#[test]
fn a_run_that_ends_is_not_reported() {
    let (tell, reported) = channel::<Stuck>();
    let result = in_virtual_time(
        "a short run",
        Duration::from_secs(3600),
        move |stuck| tell.send(stuck).expect("awaited"),
        async { 7 },
    );
    assert_eq!(result, 7);
    assert_eq!(
        reported.recv_timeout(Duration::ZERO),
        Err(RecvTimeoutError::Disconnected),
        "and its thread is gone"
    );
}
