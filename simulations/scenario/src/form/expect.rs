//! The `[expect]` of a scenario file.

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{At, bounded, known_name, nowhere, number, objective::ObjectiveForm, out_of_bounds};
use crate::{ANOMALIES, Availability, Count, DURATION_MAX, Expectations, Objective, ScenarioProblem, time};

#[derive(Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExpectForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    rpo_writes_max: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rpo_max: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rto_max: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    drained_within: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    converged_within: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    converged_ratio_max: Option<Spanned<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    applied_per_second: Option<Spanned<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_max: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_p99_max: Option<Spanned<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conflicts: Option<Spanned<CountForm>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    available_when_healthy: Option<Spanned<f64>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    availability: BTreeMap<Spanned<String>, Spanned<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slo: Option<ObjectiveForm>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    anomalies: BTreeMap<Spanned<String>, Spanned<CountForm>>,
}

#[derive(PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct CountForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    min: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max: Option<u64>,
}

impl ExpectForm {
    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub(super) fn read(self, regions: &[String]) -> Result<Expectations, At<ScenarioProblem>> {
        let length = |field, text: &Option<Spanned<String>>| {
            let read = |text| bounded(field, text, Duration::ZERO, DURATION_MAX);
            text.as_ref().map(read).transpose()
        };
        let percent = |percent| number("available_when_healthy", percent, 0.0, 100.0);
        let ratio = |ratio| number("converged_ratio_max", ratio, 1.0, 1e6);
        let rate = |rate| number("applied_per_second", rate, 1.0, 1e9);
        let mut availability = BTreeMap::new();
        for (region, percent) in &self.availability {
            let known: Vec<String> = ["*".to_owned()].into_iter().chain(regions.iter().cloned()).collect();
            let region = known_name("region", region, &known)?;
            let percent_min = number("availability", percent, 0.0, 100.0)?;
            availability.insert(region, Availability { percent_min });
        }
        let mut anomalies = BTreeMap::new();
        for (name, count) in &self.anomalies {
            let name = known_name("anomaly", name, &ANOMALIES.map(str::to_owned))?;
            anomalies.insert(name, count_of("anomalies", count)?);
        }
        Ok(Expectations {
            objective: self
                .slo
                .as_ref()
                .map_or_else(|| Ok(Objective::default()), ObjectiveForm::read)?,
            rpo_writes_max: self.rpo_writes_max,
            rpo_max: length("rpo_max", &self.rpo_max)?,
            rto_max: length("rto_max", &self.rto_max)?,
            drained_within: length("drained_within", &self.drained_within)?,
            converged_within: length("converged_within", &self.converged_within)?,
            converged_ratio_max: self.converged_ratio_max.as_ref().map(ratio).transpose()?,
            applied_per_second: self.applied_per_second.as_ref().map(rate).transpose()?,
            availability,
            available_when_healthy: self.available_when_healthy.as_ref().map(percent).transpose()?,
            lag_max: length("lag_max", &self.lag_max)?,
            lag_p99_max: length("lag_p99_max", &self.lag_p99_max)?,
            conflicts: self
                .conflicts
                .as_ref()
                .map(|count| count_of("conflicts", count))
                .transpose()?,
            anomalies,
            allowance: Duration::ZERO,
        })
    }

    pub(super) fn of(expect: &Expectations) -> Self {
        let length = |length: Option<Duration>| length.map(|length| nowhere(time::show(length)));
        let count = |count: &Count| {
            nowhere(CountForm {
                min: Some(count.min),
                max: count.max,
            })
        };
        let percent = |(region, availability): (&String, &Availability)| {
            (nowhere(region.clone()), nowhere(availability.percent_min))
        };
        Self {
            slo: ObjectiveForm::of(&expect.objective),
            rpo_writes_max: expect.rpo_writes_max,
            rpo_max: length(expect.rpo_max),
            rto_max: length(expect.rto_max),
            drained_within: length(expect.drained_within),
            converged_within: length(expect.converged_within),
            converged_ratio_max: expect.converged_ratio_max.map(nowhere),
            applied_per_second: expect.applied_per_second.map(nowhere),
            available_when_healthy: expect.available_when_healthy.map(nowhere),
            lag_max: length(expect.lag_max),
            lag_p99_max: length(expect.lag_p99_max),
            conflicts: expect.conflicts.as_ref().map(count),
            availability: expect.availability.iter().map(percent).collect(),
            anomalies: expect
                .anomalies
                .iter()
                .map(|(name, bounds)| (nowhere(name.clone()), count(bounds)))
                .collect(),
        }
    }
}

fn count_of(field: &'static str, form: &Spanned<CountForm>) -> Result<Count, At<ScenarioProblem>> {
    let (min, max) = (form.get_ref().min.unwrap_or(0), form.get_ref().max);
    if max.is_some_and(|max| max < min) {
        let value = format!("{{ min = {min}, max = {} }}", max.unwrap_or(0));
        return Err(out_of_bounds(
            field,
            form.span().start,
            &value,
            "a min that is not above the max",
        ));
    }
    Ok(Count { min, max })
}
