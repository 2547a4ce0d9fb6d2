//! Stopping clients' writes, and knowing when the last one has ended.

use beringia_engine::ApiError;

use crate::support::Harness;

/// No write begins while writes are stopped.
#[tokio::test]
async fn stopped_writes_are_counted_until_they_end() {
    let engine = Harness::new().engine;
    let first = engine.begin_write().unwrap();
    let second = engine.begin_write().unwrap();
    engine.stop_writes();
    assert!(!engine.takes_writes());
    assert_eq!(engine.writes_under_way(), 2);
    let refused = engine.begin_write().unwrap_err();
    assert!(matches!(refused, ApiError::ServiceUnavailable(_)), "{refused:?}");
    assert_eq!(refused.http_status(), 503, "clients retry it");
    assert_eq!(engine.writes_under_way(), 2, "a rejected write is not in progress");
    drop(first);
    assert_eq!(engine.writes_under_way(), 1);
    drop(second);
    assert_eq!(engine.writes_under_way(), 0);
    engine.allow_writes();
    assert!(engine.takes_writes());
    engine.begin_write().unwrap();
}
