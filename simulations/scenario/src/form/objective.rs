//! The `slo` of a scenario file's expectations.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{At, bounded, nowhere, number};
use crate::{Objective, ScenarioProblem, time};

/// The bounds of `p99_ms`: a millisecond to an hour.
const LATENCY_MS: (f64, f64) = (1.0, 3_600_000.0);
/// The bounds of `window`.
const WINDOW: (Duration, Duration) = (Duration::from_millis(100), Duration::from_hours(1));

/// Every field is optional; the defaults are those of [`Objective`].
#[derive(PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ObjectiveForm {
    #[serde(skip_serializing_if = "Option::is_none")]
    success: Option<Spanned<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99_ms: Option<Spanned<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    window: Option<Spanned<String>>,
}

impl ObjectiveForm {
    pub(super) fn read(&self) -> Result<Objective, At<ScenarioProblem>> {
        let usual = Objective::default();
        let success = |success| number("success", success, 0.0, 100.0);
        let latency_ms = |ms| number("p99_ms", ms, LATENCY_MS.0, LATENCY_MS.1);
        let window = |text| bounded("window", text, WINDOW.0, WINDOW.1);
        let latency_ms = self.p99_ms.as_ref().map(latency_ms).transpose()?;
        Ok(Objective {
            success_percent_min: self
                .success
                .as_ref()
                .map(success)
                .transpose()?
                .unwrap_or(usual.success_percent_min),
            latency_max: latency_ms.map_or(usual.latency_max, |ms| Duration::from_secs_f64(ms / 1000.0)),
            window: self.window.as_ref().map(window).transpose()?.unwrap_or(usual.window),
        })
    }

    /// The form of an objective; `None` for the default.
    pub(super) fn of(objective: &Objective) -> Option<Self> {
        (*objective != Objective::default()).then(|| Self {
            success: Some(nowhere(objective.success_percent_min)),
            p99_ms: Some(nowhere(objective.latency_max.as_micros() as f64 / 1000.0)),
            window: Some(nowhere(time::show(objective.window))),
        })
    }
}
