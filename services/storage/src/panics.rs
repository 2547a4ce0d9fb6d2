//! Panics that were caught: their messages, and those of tasks go to the log.

use std::{any::Any, panic::AssertUnwindSafe};

use futures_util::FutureExt as _;

/// Runs a task, and logs its panic.
pub async fn logging_panics(task: &'static str, future: impl Future<Output = ()>) {
    if let Err(panic) = AssertUnwindSafe(future).catch_unwind().await {
        tracing::error!(task, panic = panic_message(&*panic), "a task panicked and has ended");
    }
}

/// The message of a panic, from what `catch_unwind` returned.
#[must_use]
pub fn panic_message(payload: &(dyn Any + Send)) -> &str {
    let text = payload.downcast_ref::<&str>().copied();
    text.or_else(|| payload.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;

    use super::*;

    #[test]
    fn every_kind_of_panic_has_a_message() {
        let caught = |panic: fn()| panic_message(&*catch_unwind(panic).unwrap_err()).to_owned();
        assert_eq!(caught(|| panic!("as it is")), "as it is");
        assert_eq!(caught(|| panic!("item {}", 7)), "item 7");
        assert_eq!(caught(|| std::panic::panic_any(7)), "without a message");
    }
}
