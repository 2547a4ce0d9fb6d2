//! Shrinks a failing plan to a small one that still fails.
//!
//! Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input",
//! 2002) over the actions of the timeline, then less load, then delta debugging over recorded
//! operations. It is a pure function of the plan and of the answers of `fails`, which it calls a
//! limited number of times.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    Action, Plan, Planned, Scenario, Workload, WorkloadKind,
    fleet::{Way, ways},
    recording::sent,
    replay::{Timed, opposite, replay},
    timeline::drain_of,
};

/// The result of shrinking a plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// The smallest plan that failed. Its scenario has its timeline as events.
    pub plan: Plan,
    /// How many plans were tried.
    pub runs: u32,
    /// Whether no smaller plan that the algorithm would try fails. Otherwise it was stopped, or
    /// reached the limit of plans.
    pub is_smallest: bool,
}

/// Shrinks a plan that fails. It removes faults (with what undoes them), workloads, the clients
/// beside them, time, operations (drawn or recorded), clients, keys and bytes, as long as the plan
/// still fails, and tries at most `runs_max` plans. `fails` returns `None` if the result is unknown
/// and nothing more is to be tried.
pub fn shrink(plan: &Plan, runs_max: u32, fails: impl FnMut(&Plan) -> Option<bool>) -> Shrunk {
    let scenario = plan.to_scenario();
    let mut search = Search {
        best: Plan {
            scenario,
            ..plan.clone()
        },
        tried: BTreeSet::new(),
        runs: 0,
        runs_max,
        is_stopped: false,
        fails,
    };
    search.tried.insert(search.best.fingerprint());
    loop {
        let before = search.best.clone();
        search.fewer_faults();
        search.fewer_workloads();
        search.fewer_clients();
        search.less_time();
        search.less_load();
        search.fewer_operations();
        if search.best == before || search.is_over() {
            return Shrunk {
                is_smallest: !search.is_over(),
                runs: search.runs,
                plan: search.best,
            };
        }
    }
}

struct Search<F> {
    best: Plan,
    /// Hashes of the plans that were tried; recordings are too long to keep.
    tried: BTreeSet<String>,
    runs: u32,
    runs_max: u32,
    is_stopped: bool,
    fails: F,
}

impl<F: FnMut(&Plan) -> Option<bool>> Search<F> {
    fn is_over(&self) -> bool {
        self.is_stopped || self.runs >= self.runs_max
    }

    /// Returns whether the candidate fails, and so becomes the best plan so far.
    fn accept(&mut self, scenario: Scenario, timeline: &[Planned]) -> bool {
        if self.is_over() {
            return false;
        }
        let candidate = sensible(scenario, self.best.seed, timeline);
        if !self.tried.insert(candidate.fingerprint()) {
            return false;
        }
        let Some(fails) = (self.fails)(&candidate) else {
            self.is_stopped = true;
            return false;
        };
        self.runs += 1;
        if fails {
            self.best = candidate;
        }
        fails
    }

    /// Removes as many of `count` things as possible: first all, then halves, quarters and so on,
    /// down to single ones. `accept` gets the indexes that would be left, and returns whether the
    /// plan still fails.
    fn fewer(&mut self, count: usize, accept: impl Fn(&mut Self, &[usize]) -> bool) {
        let mut left: Vec<usize> = (0..count).collect();
        let mut size = count;
        while size > 0 {
            let mut start = 0;
            while start < left.len() && !self.is_over() {
                let end = (start + size).min(left.len());
                let without = [&left[..start], &left[end..]].concat();
                if accept(self, &without) {
                    left = without;
                } else {
                    start = end;
                }
            }
            size = if size == 1 { 0 } else { size.div_ceil(2).min(left.len()) };
        }
    }

    fn fewer_faults(&mut self) {
        let scenario = self.best.scenario.clone();
        let groups = groups(&self.best);
        self.fewer(groups.len(), |search, left| {
            let left: Vec<_> = left.iter().map(|index| groups[*index].clone()).collect();
            search.accept(scenario.clone(), &flatten(&left))
        });
    }

    fn fewer_workloads(&mut self) {
        let mut index = 0;
        while index < self.best.scenario.workloads.len() && self.best.scenario.workloads.len() > 1 {
            let mut scenario = self.best.scenario.clone();
            let gone = scenario.workloads.remove(index).name;
            let is_about_it = |planned: &&Planned| match &planned.action {
                Action::Rate { workload, .. } => workload.as_ref() == Some(&gone),
                _ => false,
            };
            let timeline: Vec<Planned> = self
                .best
                .timeline
                .iter()
                .filter(|planned| !is_about_it(planned))
                .cloned()
                .collect();
            if !self.accept(scenario, &timeline) {
                index += 1;
            }
        }
    }

    /// Leaves out the clients beside the workloads.
    fn fewer_clients(&mut self) {
        let leave_out: [fn(&mut Scenario) -> &mut bool; 2] = [
            |scenario| &mut scenario.recreated_table,
            |scenario| &mut scenario.stream_readers,
        ];
        for beside in leave_out {
            let Plan {
                mut scenario, timeline, ..
            } = self.best.clone();
            if std::mem::take(beside(&mut scenario)) {
                self.accept(scenario, &timeline);
            }
        }
    }

    /// Ends the load earlier: after half of the time, after three quarters, right after the last
    /// fault.
    fn less_time(&mut self) {
        loop {
            let now = self.best.scenario.duration;
            let undone = |planned: &&Planned| planned.at < now;
            let last = self
                .best
                .timeline
                .iter()
                .rev()
                .find(undone)
                .map_or(Duration::ZERO, |planned| planned.at);
            let candidates = [now / 2, now * 3 / 4, last + Duration::from_secs(1)];
            let shorter = candidates.into_iter().find(|shorter| self.ends_at(*shorter));
            if shorter.is_none() {
                return;
            }
        }
    }

    fn ends_at(&mut self, end: Duration) -> bool {
        let end = Duration::from_millis(u64::try_from(end.as_millis()).unwrap_or(u64::MAX)).max(Duration::from_secs(1));
        let mut scenario = self.best.scenario.clone();
        if end >= scenario.duration || scenario.workloads.iter().any(|workload| workload.from >= end) {
            return false;
        }
        scenario.duration = end;
        for workload in &mut scenario.workloads {
            workload.until = workload.until.filter(|until| *until < end);
        }
        let timeline: Vec<Planned> = self
            .best
            .timeline
            .iter()
            .filter(|planned| planned.at < end)
            .cloned()
            .collect();
        self.accept(scenario, &timeline)
    }

    fn less_load(&mut self) {
        for index in 0..self.best.scenario.workloads.len() {
            self.halve(index, |workload| {
                let less = (workload.rate / 2.0).max(0.5);
                std::mem::replace(&mut workload.rate, less) > less
            });
            self.halve(index, |workload| {
                let less = (workload.clients / 2).max(1);
                std::mem::replace(&mut workload.clients, less) > less
            });
            self.halve(index, |workload| {
                let less = (workload.keys / 2).max(1);
                std::mem::replace(&mut workload.keys, less) > less
            });
            self.halve(index, |workload| {
                let less = workload.value_bytes / 2;
                std::mem::replace(&mut workload.value_bytes, less) > less
            });
        }
    }

    /// Removes recorded operations, first those that are due after the load.
    fn fewer_operations(&mut self) {
        let Plan { scenario, timeline, .. } = self.best.clone();
        self.accept(scenario, &timeline);
        for index in 0..self.best.scenario.workloads.len() {
            let Plan { scenario, timeline, .. } = self.best.clone();
            let WorkloadKind::Replay { operations } = &scenario.workloads[index].kind else {
                continue;
            };
            let lines: Vec<(&str, bool)> = operations.lines().map(|line| (line, sent(line).is_some())).collect();
            let count = lines.iter().filter(|(_, is_operation)| *is_operation).count();
            self.fewer(count, |search, left| {
                let mut scenario = scenario.clone();
                let mut left = left.iter().copied().peekable();
                let mut place = 0..;
                let is_left = |(_, is_operation): &&(&str, bool)| {
                    !is_operation || place.next().is_some_and(|place| left.next_if_eq(&place).is_some())
                };
                let lines: String = lines
                    .iter()
                    .filter(is_left)
                    .flat_map(|(line, _)| [line, "\n"])
                    .collect();
                scenario.workloads[index].kind = WorkloadKind::Replay { operations: lines };
                search.accept(scenario, &timeline)
            });
        }
    }

    /// Makes a workload smaller as long as the plan still fails; `less` returns whether there was
    /// anything to remove.
    fn halve(&mut self, index: usize, less: impl Fn(&mut Workload) -> bool) {
        loop {
            let mut scenario = self.best.scenario.clone();
            let timeline = self.best.timeline.clone();
            let is_less = scenario.workloads.get_mut(index).is_some_and(&less);
            if !is_less || !self.accept(scenario, &timeline) {
                return;
            }
        }
    }
}

/// A plan of these actions without those that have become impossible, and with what must be
/// repaired at the end. Recorded operations that would be due after the end are removed.
fn sensible(mut scenario: Scenario, seed: u64, timeline: &[Planned]) -> Plan {
    let end = scenario.duration;
    for workload in &mut scenario.workloads {
        end_recording(workload, end);
    }
    let once = |(index, planned): (usize, &Planned)| Timed {
        from: planned.at,
        until: None,
        // Without the drain there is nothing to wait for.
        drained: drain_of(timeline, index).and(planned.drained.clone()),
        action: planned.action.clone(),
    };
    let events: Vec<Timed> = timeline.iter().enumerate().map(once).collect();
    let timeline = replay(&scenario, &events).timeline;
    let mut plan = Plan {
        scenario,
        seed,
        timeline,
    };
    plan.scenario = plan.to_scenario();
    plan
}

/// Removes the recorded operations that are due after the end of the load.
fn end_recording(workload: &mut Workload, end: Duration) {
    let until = workload.until.map_or(end, |until| until.min(end));
    let WorkloadKind::Replay { operations } = &mut workload.kind else {
        return;
    };
    let is_due = |line: &&str| sent(line).is_none_or(|sent| workload.from.saturating_add(sent) < until);
    *operations = operations.split_inclusive('\n').filter(is_due).collect();
}

/// Returns the actions in order of time.
fn flatten(groups: &[Vec<(usize, Planned)>]) -> Vec<Planned> {
    let mut all: Vec<&(usize, Planned)> = groups.iter().flatten().collect();
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, planned)| planned.clone()).collect()
}

/// Splits the timeline into groups of an action and what undoes it, with the index of each.
fn groups(plan: &Plan) -> Vec<Vec<(usize, Planned)>> {
    let mut groups: Vec<Vec<(usize, Planned)>> = Vec::new();
    for (index, planned) in plan.timeline.iter().enumerate() {
        let is_undone = |group: &&mut Vec<(usize, Planned)>| {
            group
                .first()
                .is_some_and(|(_, first)| undoes(&plan.scenario, &planned.action, &first.action))
        };
        match groups.iter_mut().rev().find(is_undone) {
            Some(group) => group.push((index, planned.clone())),
            None => groups.push(vec![(index, planned.clone())]),
        }
    }
    groups
}

/// Returns whether an action restores what was before an earlier one, or part of it.
fn undoes(scenario: &Scenario, action: &Action, earlier: &Action) -> bool {
    let usual = |way: &Way| scenario.topology.link(&way.0, &way.1);
    let within =
        |these: &crate::Ends, those: &crate::Ends| ways(these).all(|way| ways(those).any(|other| way == other));
    match (action, earlier) {
        (Action::Heal(Some(healed)), Action::Cut { ends, .. }) => within(healed, ends),
        (Action::Heal(Some(healed)), Action::Isolate { region, .. }) => {
            ways(healed).all(|(from, to)| from == *region || to == *region)
        }
        (Action::Delay { ends, delay, .. }, Action::Delay { ends: before, .. }) => {
            let is_usual =
                |way| usual(&way).is_some_and(|link| (link.delay_ms - delay.as_secs_f64() * 1e3).abs() < 2e-3);
            within(ends, before) && ways(ends).all(is_usual)
        }
        (Action::Loss { ends, percent }, Action::Loss { ends: before, .. }) => {
            within(ends, before) && ways(ends).all(|way| usual(&way).is_some_and(|link| link.loss_percent == *percent))
        }
        (Action::Bandwidth { ends, mbit }, Action::Bandwidth { ends: before, .. }) => {
            within(ends, before) && ways(ends).all(|way| usual(&way).is_some_and(|link| link.bandwidth_mbit == *mbit))
        }
        (Action::SlowDisk { region, by }, Action::SlowDisk { region: before, .. }) => region == before && by.is_zero(),
        (
            Action::DiskFull { region, full: false },
            Action::DiskFull {
                region: before,
                full: true,
            },
        ) => region == before,
        (Action::FailingDisk { region, failing }, Action::FailingDisk { region: before, .. }) => {
            region == before && failing.is_none()
        }
        (Action::ResumeReplication { region, table: None }, Action::PauseReplication { region: before, .. }) => {
            region == before
        }
        (action, earlier) => opposite(earlier).as_ref() == Some(action),
    }
}
