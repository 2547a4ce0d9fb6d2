//! One run of a plan in virtual time: set-up, load, timeline, convergence, evidence, judgement.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use beringia_clock::Randomness;
use beringia_node::Tuning;
use beringia_report::Run;
use beringia_scenario::{Action, Plan};
use tokio::time::{Instant, sleep, sleep_until};

use crate::{SimulationError, World, WorldConfig, sampler::Samples};

/// How often backlogs and divergence are looked at.
const SAMPLE_EVERY: Duration = Duration::from_secs(1);
/// How often a wait for convergence looks again.
const POLL: Duration = Duration::from_millis(10);
