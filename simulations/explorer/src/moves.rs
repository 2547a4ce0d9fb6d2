//! The worlds that follow a world, each by one step.

use beringia_storage::StoreError;

use crate::{
    bounds::SITES,
    driver::Input,
    step::Step,
    universe::Universe,
    world::{Left, World},
    written::{PER_SITE, Writes},
};

type Result<T> = std::result::Result<T, StoreError>;

/// The number of a region as a step names it.
const fn place(at: u8) -> usize {
    at as usize
}

impl Universe {
    /// All steps that may be possible, in a fixed order.
    pub(crate) fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        let sites = || 0..u8::try_from(SITES).unwrap_or_default();
        let bounds = &self.bounds;
        for at in sites() {
            for key in 0..bounds.keys {
                let kinds = bounds.kinds.iter();
                steps.extend(kinds.map(|kind| Step::Write { at, key, kind: *kind }));
            }
            for other in sites().filter(|other| *other != at) {
                steps.push(Step::Deliver(at, other));
                steps.extend((bounds.breaks > 0).then_some(Step::Break(at, other)));
                steps.extend((bounds.duplicates > 0).then_some(Step::Duplicate(at, other)));
                steps.extend(bounds.late_acks.then_some(Step::Acknowledge(at, other)));
                if bounds.cuts > 0 && at < other {
                    steps.extend([Step::Cut(at, other), Step::Heal(at, other)]);
                }
            }
            let is_trimmer = bounds.trims > 0 && bounds.trimmers.contains(&at);
            steps.extend(is_trimmer.then_some(Step::Trim(at)));
            steps.extend((bounds.crashes > 0).then_some(Step::Crash(at)));
            steps.extend((bounds.lost_disks > 0).then_some(Step::LoseDisk(at)));
            if bounds.clock_steps > 0 {
                let jumps = bounds.jumps_ms.iter();
                steps.extend(jumps.map(|ms| Step::JumpClock(at, *ms)));
            }
        }
        steps.extend((bounds.waits > 0).then_some(Step::Wait));
        steps
    }

    /// The world after a step; `None` if the step is not possible or changes nothing.
    pub(crate) fn after(&mut self, world: &World, step: Step) -> Result<Option<World>> {
        let mut after = *world;
        if let Some(left) = left_for(&mut after.left, step) {
            let Some(fewer) = left.checked_sub(1) else {
                return Ok(None);
            };
            *left = fewer;
        }
        let has_happened = match step {
            Step::Write { .. } | Step::Trim(_) | Step::Crash(_) | Step::LoseDisk(_) | Step::JumpClock(..) => {
                self.in_region(&mut after, step)?
            }
            Step::Wait => {
                self.wait(&mut after)?;
                true
            }
            Step::Deliver(..)
            | Step::Break(..)
            | Step::Duplicate(..)
            | Step::Acknowledge(..)
            | Step::Cut(..)
            | Step::Heal(..) => self.between(&mut after, step)?,
        };
        after.normalize();
        Ok(has_happened.then_some(after))
    }

    /// A step of one region. Returns whether it was possible and changed anything.
    fn in_region(&mut self, world: &mut World, step: Step) -> Result<bool> {
        match step {
            Step::Write { at, key, kind } => self.write(world, place(at), Input::Write { key, kind }),
            Step::Trim(at) => self.alone(world, place(at), Input::Trim),
            Step::JumpClock(at, ms) => self.alone(world, place(at), Input::JumpClock(ms)),
            Step::Crash(at) => {
                self.restart(world, place(at), Input::Restart)?;
                Ok(true)
            }
            Step::LoseDisk(at) => {
                self.lose_disk(world, place(at))?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// A step between two regions. Returns whether it was possible.
    fn between(&mut self, world: &mut World, step: Step) -> Result<bool> {
        match step {
            Step::Deliver(from, to) => self.deliver(world, place(from), place(to)),
            Step::Acknowledge(from, to) => self.acknowledge(world, place(to), place(from)),
            Step::Duplicate(from, to) => self.duplicate(world, place(from), place(to)),
            Step::Break(from, to) if !world.cut[place(from)][place(to)] => {
                self.break_stream(world, place(from), place(to))?;
                Ok(true)
            }
            Step::Cut(one, other) if !world.cut[place(one)][place(other)] => {
                self.cut(world, place(one), place(other))?;
                Ok(true)
            }
            Step::Heal(one, other) if world.cut[place(one)][place(other)] => {
                self.heal(world, place(one), place(other))?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// An input of one region, and what follows from it. Returns whether it changed anything.
    fn alone(&mut self, world: &mut World, at: usize, input: Input) -> Result<bool> {
        let before = world.sites[at];
        self.feed(world, at, input)?;
        let has_changed = world.sites[at] != before;
        self.settle(world)?;
        Ok(has_changed)
    }

    fn write(&mut self, world: &mut World, at: usize, input: Input) -> Result<bool> {
        let site = self.site(world, at)?;
        if !site.is_complete() || site.written.len() == PER_SITE {
            return Ok(false);
        }
        self.alone(world, at, input)
    }

    fn duplicate(&mut self, world: &mut World, from: usize, to: usize) -> Result<bool> {
        let last = world.streams[from][to].last;
        if last == 0 {
            return Ok(false);
        }
        self.alone(world, to, Input::Again(from, last))
    }

    fn lose_disk(&mut self, world: &mut World, at: usize) -> Result<()> {
        let site = self.site(world, at)?;
        let others = self.others(world, at)?;
        let elsewhere = others
            .iter()
            .fold(Writes::default(), |all, other| all.with(other.received));
        let lost = site.received.without(elsewhere);
        let own = site
            .written
            .iter()
            .fold(Writes::default(), |all, written| all.with(written.id));
        let everywhere = others.iter().fold(own, |all, other| Writes(all.0 & other.received.0));
        world.lost = world.lost.with(lost);
        world.orphaned = world.orphaned.with(own.without(everywhere));
        self.restart(world, at, Input::LoseDisk)
    }
}

/// The count that a step uses up; `None` if it may happen without limit.
const fn left_for(left: &mut Left, step: Step) -> Option<&mut u8> {
    Some(match step {
        Step::Write { .. } => &mut left.writes,
        Step::Break(..) => &mut left.breaks,
        Step::Duplicate(..) => &mut left.duplicates,
        Step::Cut(..) => &mut left.cuts,
        Step::Trim(_) => &mut left.trims,
        Step::Crash(_) => &mut left.crashes,
        Step::LoseDisk(_) => &mut left.lost_disks,
        Step::JumpClock(..) => &mut left.clock_steps,
        Step::Wait => &mut left.waits,
        Step::Deliver(..) | Step::Acknowledge(..) | Step::Heal(..) => return None,
    })
}
