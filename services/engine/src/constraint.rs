//! Constraints of the API's model. They are all checked, and reported in one message, as DynamoDB
//! does.

use crate::ApiError;

/// The maximum number of broken constraints that one message lists.
const REPORTED_MAX: usize = 10;

/// Collects the broken constraints of a request.
#[derive(Debug, Default)]
pub(crate) struct Constraints(Vec<String>);

impl Constraints {
    fn broken(&mut self, value: &str, member: &str, constraint: &str) {
        if self.0.len() < REPORTED_MAX {
            self.0.push(format!(
                "Value {value} at '{member}' failed to satisfy constraint: {constraint}"
            ));
        }
    }

    /// Records that the text does not match a pattern.
    pub(crate) fn pattern(&mut self, member: &str, text: &str, pattern: &str) {
        self.broken(
            &format!("'{text}'"),
            member,
            &format!("Member must satisfy regular expression pattern: {pattern}"),
        );
    }

    fn length(&mut self, member: &str, shown: &str, length: usize, (min, max): (usize, usize)) {
        if length < min {
            self.broken(
                shown,
                member,
                &format!("Member must have length greater than or equal to {min}"),
            );
        }
        if length > max {
            self.broken(
                shown,
                member,
                &format!("Member must have length less than or equal to {max}"),
            );
        }
    }

    /// Requires that the number of characters lies within the bounds.
    pub(crate) fn text_length(&mut self, member: &str, text: &str, bounds: (usize, usize)) {
        self.length(member, &format!("'{text}'"), text.chars().count(), bounds);
    }

    /// Requires that the number of elements lies within the bounds.
    pub(crate) fn list_length(&mut self, member: &str, length: usize, bounds: (usize, usize)) {
        self.length(member, if length == 0 { "'[]'" } else { "'[...]'" }, length, bounds);
    }

    /// Requires a number of at least `min`.
    pub(crate) fn at_least(&mut self, member: &str, value: i64, min: i64) {
        if value < min {
            let constraint = format!("Member must have value greater than or equal to {min}");
            self.broken(&format!("'{value}'"), member, &constraint);
        }
    }

    /// Requires a number of at most `max`.
    pub(crate) fn at_most(&mut self, member: &str, value: i64, max: i64) {
        if value > max {
            let constraint = format!("Member must have value less than or equal to {max}");
            self.broken(&format!("'{value}'"), member, &constraint);
        }
    }

    /// Returns one ValidationException for all broken constraints.
    pub(crate) fn finish(self) -> Result<(), ApiError> {
        let count = self.0.len();
        if count == 0 {
            return Ok(());
        }
        let plural = if count == 1 { "" } else { "s" };
        Err(ApiError::Validation(format!(
            "{count} validation error{plural} detected: {}",
            self.0.join("; ")
        )))
    }
}
