//! The hybrid clock never goes back, stays close to wall time, and cannot be dragged ahead.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use beringia_clock::{
    ClockError, DEFAULT_MAX_OFFSET_MS, HybridClock, HybridOffset, HybridTime, ManualClock, WallClock as _,
};
use proptest::{collection, prelude::*};

const BASE_MS: u64 = 1_763_700_000_000;

fn clock_at(wall_ms: u64) -> (Arc<ManualClock>, HybridClock) {
    let wall = Arc::new(ManualClock::new(wall_ms));
    (wall, HybridClock::new())
}

fn time(millis: u64, counter: u16) -> HybridTime {
    HybridTime::from_parts(millis, counter)
}

#[test]
fn hybrid_time_packs_milliseconds_and_counter() {
    let time = time(BASE_MS, 3);
    assert_eq!((time.millis(), time.counter()), (BASE_MS, 3));
    assert_eq!(time.as_u64(), (BASE_MS << 16) + 3);
    assert_eq!(HybridTime::from_u64(time.as_u64()), time);
    assert_eq!(time.to_string(), "1763700000000.3");
    assert_eq!(HybridTime::from_parts(u64::MAX, u16::MAX), HybridTime::MAX);
}

#[test]
fn tick_follows_wall_time_and_counts_within_a_millisecond() {
    let (wall, mut clock) = clock_at(BASE_MS);
    assert_eq!(clock.tick(wall.now_ms()), Ok(time(BASE_MS, 0)));
    assert_eq!(clock.tick(wall.now_ms()), Ok(time(BASE_MS, 1)));
    wall.set(BASE_MS + 1);
    assert_eq!(clock.tick(wall.now_ms()), Ok(time(BASE_MS + 1, 0)));
    wall.set(BASE_MS + 1 - DEFAULT_MAX_OFFSET_MS);
    assert_eq!(clock.tick(wall.now_ms()), Ok(time(BASE_MS + 1, 1)));
}

#[test]
fn full_counter_carries_into_milliseconds() {
    let wall = Arc::new(ManualClock::new(BASE_MS));
    let mut clock = HybridClock::restore(time(BASE_MS, u16::MAX), 500);
    assert_eq!(clock.tick(wall.now_ms()), Ok(time(BASE_MS + 1, 0)));
}

#[test]
fn tick_exceeds_every_observed_time() {
    let (wall, mut clock) = clock_at(BASE_MS);
    clock.observe(time(BASE_MS + 20, 7), wall.now_ms()).unwrap();
    assert_eq!(clock.tick(wall.now_ms()), Ok(time(BASE_MS + 20, 8)));
    clock.observe(time(BASE_MS - 20, 9), wall.now_ms()).unwrap();
    assert_eq!(clock.tick(wall.now_ms()), Ok(time(BASE_MS + 20, 9)));
}

/// Also if the wall clock jumped back in between.
#[test]
fn restored_clock_issues_only_times_above_its_bound() {
    let (wall, mut clock) = clock_at(BASE_MS);
    let issued = clock.tick(wall.now_ms()).unwrap();
    wall.set(BASE_MS - 500);
    let mut restored = HybridClock::restore(clock.upper_bound(), 500);
    assert!(restored.tick(wall.now_ms()).unwrap() > issued);
}

/// The wall clock steps ahead for one write and is corrected. What would be issued then is refused
/// by all peers, so it is not issued, also after a restart.
#[test]
fn no_time_is_issued_far_ahead_of_the_wall_clock() {
    let limit_ms = DEFAULT_MAX_OFFSET_MS;
    let (wall, mut clock) = clock_at(BASE_MS);
    for step_ms in [3_600_000, 1_000_000_000_000_000] {
        wall.set(BASE_MS + step_ms);
        let issued = clock.tick(wall.now_ms()).unwrap();
        let from_ms = issued.millis() - limit_ms;
        for wall_ms in [BASE_MS, from_ms - 1] {
            wall.set(wall_ms);
            let ahead_ms = issued.millis() - wall_ms;
            let offset = HybridOffset { ahead_ms, limit_ms };
            assert_eq!(clock.offset(wall_ms), offset);
            clock = HybridClock::restore(clock.upper_bound(), limit_ms);
            let refused = Err(ClockError::WallClockBehind(offset));
            assert_eq!(clock.tick(wall_ms), refused);
            assert_eq!(clock.upper_bound(), issued, "a refused tick moves nothing");
        }
        let mut caught_up = clock;
        assert_eq!(caught_up.tick(from_ms), Ok(time(issued.millis(), issued.counter() + 1)));
    }
}

#[test]
fn time_too_far_ahead_is_refused_without_effect() {
    let (wall, mut clock) = clock_at(BASE_MS);
    let last = clock.tick(wall.now_ms()).unwrap();
    let limit_ms = DEFAULT_MAX_OFFSET_MS;
    assert_eq!(clock.check(time(BASE_MS + limit_ms, u16::MAX), wall.now_ms()), Ok(()));
    let ahead = time(BASE_MS + limit_ms + 1, 0);
    let refused = Err(ClockError::TooFarAhead {
        ahead_ms: limit_ms + 1,
        limit_ms,
    });
    assert_eq!(clock.check(ahead, wall.now_ms()), refused);
    assert_eq!(clock.observe(ahead, wall.now_ms()), refused);
    assert_eq!(clock.upper_bound(), last);
    wall.set(BASE_MS + 1);
    assert_eq!(clock.observe(ahead, wall.now_ms()), Ok(()));
}

/// It is not relative to the times observed before.
#[test]
fn offset_limit_is_relative_to_wall_time() {
    let (wall, mut clock) = clock_at(BASE_MS);
    clock
        .observe(time(BASE_MS + DEFAULT_MAX_OFFSET_MS, 0), wall.now_ms())
        .unwrap();
    assert!(
        clock
            .observe(time(BASE_MS + DEFAULT_MAX_OFFSET_MS + 1, 0), wall.now_ms())
            .is_err()
    );
}

#[test]
fn exhausted_hybrid_time_is_an_error() {
    let (wall, mut clock) = clock_at(u64::MAX);
    clock.observe(HybridTime::MAX, wall.now_ms()).unwrap();
    assert_eq!(clock.tick(wall.now_ms()), Err(ClockError::Exhausted));
    assert_eq!(clock.tick(wall.now_ms()), Err(ClockError::Exhausted));
}

#[derive(Debug, Clone)]
enum Event {
    Tick,
    /// A message arrives whose time has this distance from the wall clock's, in milliseconds, and
    /// this counter.
    Receive(i64, u16),
    /// The wall clock jumps by this many milliseconds.
    Jump(i64),
    /// The region restarts from the persisted bound.
    Restart,
}

fn any_event() -> impl Strategy<Value = Event> {
    let counter = prop_oneof![0..3_u16, Just(u16::MAX)];
    prop_oneof![
        4 => Just(Event::Tick),
        3 => (-2_000..2_000_i64, counter).prop_map(|(offset, counter)| Event::Receive(offset, counter)),
        2 => (-100_000..100_000_i64).prop_map(Event::Jump),
        1 => Just(Event::Restart),
    ]
}

/// One of three regions acts.
#[derive(Debug, Clone)]
enum Step {
    Advance(u64),
    Write(usize),
    Send(usize, usize),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..40_u64).prop_map(Step::Advance),
        (0..3_usize).prop_map(Step::Write),
        (0..3_usize, 0..3_usize).prop_map(|(from, to)| Step::Send(from, to)),
    ]
}

proptest! {
    #[test]
    fn time_only_grows_under_any_interleaving(events in collection::vec(any_event(), 1..80)) {
        let (wall, mut clock) = clock_at(BASE_MS);
        let mut wall_ms = BASE_MS;
        // The greatest time that this region issued or observed: every later tick must exceed it.
        let mut greatest = HybridTime::default();
        for event in events {
            match event {
                Event::Tick => {
                    let ahead_ms = greatest.millis().saturating_sub(wall_ms);
                    let Ok(issued) = clock.tick(wall.now_ms()) else {
                        prop_assert!(ahead_ms > DEFAULT_MAX_OFFSET_MS);
                        continue;
                    };
                    prop_assert!(ahead_ms <= DEFAULT_MAX_OFFSET_MS);
                    prop_assert!(issued > greatest);
                    prop_assert!(issued.millis() >= wall_ms);
                    greatest = issued;
                }
                Event::Receive(offset, counter) => {
                    let remote = time(wall_ms.saturating_add_signed(offset), counter);
                    let before = clock.upper_bound();
                    let checked = clock.check(remote, wall.now_ms());
                    prop_assert_eq!(clock.upper_bound(), before);
                    prop_assert_eq!(checked.is_ok(), offset <= DEFAULT_MAX_OFFSET_MS.cast_signed());
                    prop_assert_eq!(clock.observe(remote, wall.now_ms()), checked);
                    match checked {
                        Ok(()) => greatest = greatest.max(remote),
                        Err(_) => prop_assert_eq!(clock.upper_bound(), before, "a refused time moved the clock"),
                    }
                }
                Event::Jump(by) => {
                    wall_ms = wall_ms.saturating_add_signed(by);
                    wall.set(wall_ms);
                }
                Event::Restart => {
                    clock = HybridClock::restore(clock.upper_bound(), clock.max_offset_ms());
                }
            }
            prop_assert_eq!(clock.upper_bound(), greatest);
        }
    }

    /// Kulkarni et al. 2014, corollary 1: with wall clocks within ε of each other, |l − pt| ≤ ε.
    #[test]
    fn hybrid_time_stays_within_the_skew_of_the_wall_clocks(
        skews in [0..500_u64, 0..500_u64, 0..500_u64], steps in collection::vec(any_step(), 1..120),
    ) {
        let epsilon = skews.iter().max().unwrap() - skews.iter().min().unwrap();
        let mut now = BASE_MS;
        let mut regions = skews.map(|skew| clock_at(now + skew));
        for step in steps {
            let region = match step {
                Step::Advance(by) => {
                    now += by;
                    regions.iter().zip(skews).for_each(|((wall, _), skew)| wall.set(now + skew));
                    continue;
                }
                Step::Write(region) => region,
                Step::Send(from, to) => {
                    let sent = regions[from].1.tick(now + skews[from]).unwrap();
                    let observed = regions[to].1.observe(sent, now + skews[to]);
                    prop_assert_eq!(observed, Ok(()), "clocks within the limit never quarantine");
                    to
                }
            };
            let l = regions[region].1.tick(now + skews[region]).unwrap().millis();
            let pt = now + skews[region];
            prop_assert!(l.abs_diff(pt) <= epsilon, "l {l} pt {pt} ε {epsilon}");
        }
    }

    #[test]
    fn receive_event_is_later_than_its_send_event(skew in 0..500_u64, writes in 1..50_u32) {
        let (ahead_wall, mut ahead) = clock_at(BASE_MS + skew);
        let (behind_wall, mut behind) = clock_at(BASE_MS);
        for _ in 0..writes {
            let sent = ahead.tick(ahead_wall.now_ms()).unwrap();
            behind.observe(sent, behind_wall.now_ms()).unwrap();
            let answer = behind.tick(behind_wall.now_ms()).unwrap();
            prop_assert!(answer > sent);
            ahead.observe(answer, ahead_wall.now_ms()).unwrap();
        }
    }
}
