//! Measured values in order, as from repeated runs.

/// At least one value, in ascending order.
pub(crate) struct Spread(Vec<f64>);

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        assert!(!values.is_empty(), "something was measured");
        values.sort_by(f64::total_cmp);
        Self(values)
    }

    /// The value with this number of quarters of the others below it.
    pub(crate) fn quartile(&self, number: usize) -> f64 {
        self.0[(self.0.len() - 1) * number / 4]
    }

    pub(crate) fn median(&self) -> f64 {
        self.quartile(2)
    }

    pub(crate) fn least(&self) -> f64 {
        self.quartile(0)
    }

    pub(crate) fn greatest(&self) -> f64 {
        self.quartile(4)
    }
}
