//! The background tasks of a region: watching its store, ticking, expiring items, trimming the log,
//! and scrubbing rows.

use std::{sync::Arc, time::Duration};

use beringia_engine::Engine;
use beringia_item::{RANGES, TableId};
use beringia_replication::Event;
use beringia_storage::{Catalog, StoreError};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use crate::driver::Driver;

/// Starts the background tasks of the region.
pub(crate) fn start(driver: &Arc<Driver>, engine: &Arc<Engine>) {
    driver.catalog_changed();
    driver.tick();
    let scope = driver.scope.clone();
    scope.spawn(watch_catalog(Arc::clone(driver)));
    scope.spawn(watch_log(Arc::clone(driver)));
    scope.spawn(tick(Arc::clone(driver)));
    scope.spawn(note_unreachable(Arc::clone(driver)));
    if let Some(pause) = driver.tuning.garbage_interval {
        scope.spawn(collect_garbage(Arc::clone(driver), pause));
    }
    if let Some(pause) = driver.tuning.expiry_interval {
        let grace_s = driver.tuning.expiry_grace.as_secs();
        scope.spawn(expire(Arc::clone(engine), pause, grace_s));
    }
    if let Some(pause) = driver.tuning.scrub_pause {
        scope.spawn(scrub(Arc::clone(driver), pause));
    }
}

/// Enables the notification before the catalog is read, so that no change is missed.
async fn watch_catalog(driver: Arc<Driver>) {
    loop {
        let mut changed = std::pin::pin!(driver.store().catalog_changed().notified());
        changed.as_mut().enable();
        driver.catalog_changed();
        changed.await;
    }
}

async fn watch_log(driver: Arc<Driver>) {
    loop {
        let mut appended = std::pin::pin!(driver.store().log_appended().notified());
        appended.as_mut().enable();
        let vectors = driver.store().vectors();
        driver.dispatch(Event::LogAppended { vectors });
        appended.await;
    }
}

async fn tick(driver: Arc<Driver>) {
    let mut ticks = interval(driver.tuning.tick_interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        driver.tick();
    }
}

/// Trims the log and collects tombstones that every peer has acknowledged, until nothing is left to
/// do; then pauses. Fails while the disk is full or the store is closing, and is retried.
async fn collect_garbage(driver: Arc<Driver>, pause: Duration) {
    let mut is_more = false;
    loop {
        if !is_more {
            sleep(pause).await;
        }
        let acknowledged = driver.look(beringia_replication::Replicator::acknowledged);
        let collected = driver.store().collect_garbage(&acknowledged).await;
        is_more = collected.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot trim the log and collect tombstones");
            false
        });
    }
}

/// Records how long peers have been unreachable, so that a restart does not reset that time. While
/// there are any, it writes a hundred times within the allowed time, but at most once a minute.
async fn note_unreachable(driver: Arc<Driver>) {
    let pause_ms = driver.tuning.replication.unreachable_ms_max / 100;
    let pause = Duration::from_millis(pause_ms).min(Duration::from_secs(60));
    let pause = pause.max(driver.tuning.tick_interval);
    let mut is_noted = true;
    loop {
        sleep(pause).await;
        let unreachable_ms = driver.look(beringia_replication::Replicator::unreachable);
        let is_any_unreachable = !unreachable_ms.is_empty();
        if !is_any_unreachable && !is_noted {
            continue;
        }
        match driver.store().note_unreachable(unreachable_ms).await {
            Ok(()) => is_noted = is_any_unreachable,
            Err(error) => tracing::warn!(%error, "cannot record how long peers have been unreachable"),
        }
    }
}

/// Deletes expired items. Fails while the disk is full or the store is closing, and is retried.
async fn expire(engine: Arc<Engine>, pause: Duration, grace_s: u64) {
    loop {
        sleep(pause).await;
        if let Err(error) = engine.expire(grace_s).await {
            tracing::warn!(%error, "cannot delete expired items");
        }
    }
}

/// How long a round of scrubbing should take at most.
const SCRUB_ROUND: Duration = Duration::from_hours(24);
/// The same for the first round, if there were tables at the start: the database may have been
/// damaged while the region was down.
const FIRST_SCRUB_ROUND: Duration = Duration::from_secs(30);

/// The pause after a range that took `took` to verify, in a round of this many ranges. A round
/// takes at most as long as it should, unless scrubbing would work for more than half of the time:
/// it rests as long as it works.
fn scrub_pause(longest: Duration, round: Duration, ranges: usize, took: Duration) -> Duration {
    let ranges = u32::try_from(ranges).unwrap_or(u32::MAX).max(1);
    longest.min(round / ranges).saturating_sub(took).max(took)
}

/// Recomputes the digests of every range of every table, one after the other, for ever.
async fn scrub(driver: Arc<Driver>, longest_pause: Duration) {
    let tables_of = |catalog: &Catalog| -> Vec<TableId> {
        let held = catalog.by_id.values().filter(|table| table.held).map(|table| table.id);
        [TableId::CATALOG, TableId::LOCAL].into_iter().chain(held).collect()
    };
    let is_restart = tables_of(&driver.store().catalog()).len() > 2;
    let mut round = if is_restart { FIRST_SCRUB_ROUND } else { SCRUB_ROUND };
    loop {
        let catalog = driver.store().catalog();
        let tables = tables_of(&catalog);
        let ranges = tables.len() * usize::from(RANGES);
        let mut took = Duration::ZERO;
        for table in tables {
            let name = catalog.name_of(table).map_or_else(|| table.to_string(), str::to_owned);
            for range in 0..RANGES {
                sleep(scrub_pause(longest_pause, round, ranges, took)).await;
                let begun = Instant::now();
                let verified = driver.store().verify_range(table, range).await;
                took = begun.elapsed();
                match verified {
                    Ok(false) => {}
                    Ok(true) => tracing::warn!(table = name, range, "stored rows were damaged and have been repaired"),
                    // The table was deleted meanwhile, or the region stops.
                    Err(StoreError::UnknownTable(_) | StoreError::Closed) => break,
                    Err(error) => tracing::warn!(table = name, range, %error, "cannot verify the rows of a range"),
                }
            }
        }
        round = SCRUB_ROUND;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scrub_of_many_tables_ends_within_a_day() {
        let longest = Duration::from_millis(500);
        let pause = |tables: usize, took| scrub_pause(longest, SCRUB_ROUND, tables * usize::from(RANGES), took);
        assert_eq!(pause(3, Duration::ZERO), longest);
        let took = Duration::from_micros(200);
        assert!((pause(2000, took) + took) * 2000 * u32::from(RANGES) <= SCRUB_ROUND);
        assert_eq!(pause(2000, Duration::from_secs(1)), Duration::from_secs(1));
    }
}
