//! The cost of a drill that only watches: writes per second, and processor time per write,
//! alternately with and without it.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use beringia_tests::{command::beringia, up::Up};

use crate::{load::Load, spread::Spread};

/// The number of rounds; each measures both, one right after the other.
const ROUNDS: usize = 11;
/// The time that a drill has to create its tables and start.
const BEGINS_WITHIN: Duration = Duration::from_secs(3);

/// The measurements of one load.
struct Measured {
    writes_per_second: f64,
    /// Processor time of the regions' process per write, in microseconds.
    cpu_us_per_write: f64,
}

/// Prints how much the throughput falls while a drill watches, and how much the cost of a write
/// rises.
pub(crate) async fn overhead(up: &Up, load: impl AsyncFn() -> Load) {
    // This creates all keys, because the first write to a key is cheaper than later ones.
    load().await;
    let (mut slower, mut dearer, mut busy) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        // The order alternates, so that changes over time affect both alike.
        let (without, (with, drill)) = if round % 2 == 0 {
            let without = measured(up, &load).await;
            (without, watched(up, &load).await)
        } else {
            let watched = watched(up, &load).await;
            (measured(up, &load).await, watched)
        };
        slower.push((1.0 - with.writes_per_second / without.writes_per_second) * 100.0);
        dearer.push((with.cpu_us_per_write / without.cpu_us_per_write - 1.0) * 100.0);
        busy.push(drill);
    }
    print("a watching drill, loss of throughput", slower, "   goal 3 %");
    print("the same, more processor time per write", dearer, "");
    print("the drill itself, of one processor", busy, "");
}

fn print(what: &str, percents: Vec<f64>, goal: &str) {
    let percents = Spread::of(percents);
    println!(
        "{what:<44} {:>9.1} %   (median of {ROUNDS} rounds; half of them {:.1} to {:.1}){goal}",
        percents.median(),
        percents.quartile(1),
        percents.quartile(3),
    );
}

async fn measured(up: &Up, load: impl AsyncFn() -> Load) -> Measured {
    let before = processor_time(up.process());
    let load = load().await;
    let spent = processor_time(up.process()).saturating_sub(before);
    let writes = load.requests as f64;
    Measured {
        writes_per_second: writes / load.seconds,
        cpu_us_per_write: spent.as_secs_f64() * 1e6 / writes,
    }
}

/// Measures a load with a drill, and how busy the drill was, in percent of one processor.
async fn watched(up: &Up, load: impl AsyncFn() -> Load) -> (Measured, f64) {
    let mut drill = Drill::start(&up.control.0);
    tokio::time::sleep(BEGINS_WITHIN).await;
    let (before, began) = (processor_time(drill.0.id()), tokio::time::Instant::now());
    let measured = measured(up, load).await;
    let spent = processor_time(drill.0.id()).saturating_sub(before);
    let busy = spent.as_secs_f64() / began.elapsed().as_secs_f64() * 100.0;
    drill.end();
    (measured, busy)
}

/// A drill that watches. Its scenario lasts longer than the measurement.
struct Drill(Child);

impl Drill {
    fn start(control: &str) -> Self {
        let mut drill = Command::new(beringia());
        drill.args(["drill", "run", "steady", "--attach", "--set", "duration=10m"]);
        drill
            .args(["--control", control])
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Self(drill.spawn().expect("beringia starts"))
    }

    /// Interrupts the drill, which removes its tables. Its report is not needed.
    fn end(&mut self) {
        assert!(matches!(self.0.try_wait(), Ok(None)), "the drill watched all the time");
        let interrupt = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
        assert!(
            interrupt.is_ok_and(|status| status.success()),
            "the drill can be interrupted"
        );
        let _ = self.0.wait();
    }
}

/// The user and system time that a process has used so far (`utime` and `stime` of proc(5)).
fn processor_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("the process runs");
    // The program's name, in brackets, may contain spaces.
    let (_, fields) = stat.rsplit_once(')').expect("proc(5) has the program's name");
    let ticks: u64 = fields
        .split_whitespace()
        .skip(11)
        .take(2)
        .map(|field| field.parse::<u64>().expect("proc(5) has numbers"))
        .sum();
    Duration::from_secs_f64(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}
