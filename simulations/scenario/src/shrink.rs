//! Shrinking: from a plan that fails to a small one that still does.
//!
//! Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002) over what the timeline does,
//! then less load. It is a pure function of the plan and of what `fails` answers, and asks no more often than it may.

use std::{collections::BTreeSet, time::Duration};

use crate::{
    Action, Plan, Planned, Scenario,
    course::drain_of,
    fleet::{Way, ways},
    replay::{Timed, opposite, replay},
};

/// What shrinking came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// The smallest plan that was seen to fail. Its scenario has its timeline as events.
    pub plan: Plan,
    /// How many plans were tried.
    pub runs: u32,
    /// Whether nothing that it knows to try would make it smaller; else it was stopped, or had tried as many as it may.
    pub is_smallest: bool,
}

/// Shrinks a plan that fails: takes away faults (with what undoes them), workloads, time, operations, clients, keys and bytes, as long as it
/// still fails, and tries at most `runs_max` plans. `fails` answers `None` where that was not found out and nothing more is to be tried.
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
    search.tried.insert(search.best.to_toml());
    loop {
        let before = search.best.clone();
        search.fewer_faults();
        search.fewer_workloads();
        search.less_time();
        search.less_load();
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
    /// What was tried, as text.
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

    /// Whether the candidate fails, and so is the best by now.
    fn accept(&mut self, scenario: Scenario, timeline: &[Planned]) -> bool {
        if self.is_over() {
            return false;
        }
        let candidate = sensible(scenario, self.best.seed, timeline);
        if !self.tried.insert(candidate.to_toml()) {
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

    /// Takes away as many faults as it can: first all, then halves, quarters and so on, down to each alone.
    fn fewer_faults(&mut self) {
        let scenario = self.best.scenario.clone();
        let mut groups = groups(&self.best);
        if !groups.is_empty() && self.accept(scenario.clone(), &[]) {
            return;
        }
        let mut parts = 2;
        while !groups.is_empty() && !self.is_over() {
            let size = groups.len().div_ceil(parts);
            let without = |start: usize| {
                let kept = groups
                    .iter()
                    .enumerate()
                    .filter(|(index, _)| !(start..start + size).contains(index));
                kept.map(|(_, group)| group.clone()).collect::<Vec<_>>()
            };
            let starts = (0..groups.len()).step_by(size);
            let smaller = starts
                .map(without)
                .find(|kept| self.accept(scenario.clone(), &flatten(kept)));
            match smaller {
                Some(kept) => {
                    groups = kept;
                    parts = (parts - 1).max(2);
                }
                None if size == 1 => return,
                None => parts = (parts * 2).min(groups.len()),
            }
        }
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

    /// Ends the load earlier: at half of the time, at three quarters, right after the last fault.
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

    /// Makes a workload smaller as long as it still fails; `less` says whether there was anything to take.
    fn halve(&mut self, index: usize, less: impl Fn(&mut crate::Workload) -> bool) {
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

/// A plan of these actions without those that make no sense any more, and with what has to be put right at the end.
fn sensible(scenario: Scenario, seed: u64, timeline: &[Planned]) -> Plan {
    let once = |(index, planned): (usize, &Planned)| Timed {
        from: planned.at,
        until: None,
        // Without the drain nothing is waited for.
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

/// Actions in order of time.
fn flatten(groups: &[Vec<(usize, Planned)>]) -> Vec<Planned> {
    let mut all: Vec<&(usize, Planned)> = groups.iter().flatten().collect();
    all.sort_by_key(|(index, _)| *index);
    all.into_iter().map(|(_, planned)| planned.clone()).collect()
}

/// The timeline in groups of an action and what undoes it, with the place of each.
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

/// Whether an action brings back what was before an earlier one, or part of it.
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
        (Action::ResumeReplication { region, table: None }, Action::PauseReplication { region: before, .. }) => {
            region == before
        }
        (action, earlier) => opposite(earlier).as_ref() == Some(action),
    }
}
