//! The environment variables by which programs that use AWS reach the regions.

use std::collections::BTreeMap;

/// How often the AWS CLI and SDKs try a call: once, and once more. By default boto3 and version 1
/// of the CLI try ten times, which takes 25 seconds when a region is down.
const ATTEMPTS: &str = "2";
/// The credentials of a client where the regions do not verify signatures.
const ANY: &str = "any";

/// The variables whose values decide what is added.
const NAMES: [&str; 6] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_PAGER",
    "AWS_MAX_ATTEMPTS",
];

/// The endpoint and default region that clients get.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// The URL, with its scheme, such as `http://localhost:8000`.
    pub(crate) endpoint: String,
    /// The region for clients that name none.
    pub(crate) region: String,
}

/// The variables that are already set.
#[derive(Debug)]
pub(crate) struct Variables(BTreeMap<&'static str, String>);

impl Variables {
    pub(crate) fn new(value: impl Fn(&str) -> Option<String>) -> Self {
        let set = NAMES.into_iter().filter_map(|name| Some((name, value(name)?)));
        Self(set.collect())
    }

    /// The region that is set, by either of its two variables.
    pub(crate) fn region(&self) -> Option<String> {
        self.value("AWS_REGION")
            .or_else(|| self.value("AWS_DEFAULT_REGION"))
            .map(str::to_owned)
    }

    /// The endpoint, and the variables that are not set yet. With a profile, credentials and region
    /// come from the profile and are left out.
    pub(crate) fn missing(&self, target: &Target, has_profile: bool) -> Vec<(&'static str, String)> {
        let mut missing = vec![("AWS_ENDPOINT_URL", target.endpoint.clone())];
        if !has_profile {
            if self.value("AWS_ACCESS_KEY_ID").is_none() {
                missing.extend(["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"].map(|name| (name, ANY.to_owned())));
            }
            // Version 1 of the CLI reads only AWS_DEFAULT_REGION.
            let region = self.region().unwrap_or_else(|| target.region.clone());
            let unset = ["AWS_REGION", "AWS_DEFAULT_REGION"]
                .into_iter()
                .filter(|name| self.value(name).is_none());
            missing.extend(unset.map(|name| (name, region.clone())));
        }
        // An empty AWS_PAGER is a setting, too: it turns the pager off.
        if !self.0.contains_key("AWS_PAGER") {
            missing.push(("AWS_PAGER", String::new()));
        }
        if self.value("AWS_MAX_ATTEMPTS").is_none() {
            missing.push(("AWS_MAX_ATTEMPTS", ATTEMPTS.to_owned()));
        }
        missing
    }

    fn value(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The missing variables, as `NAME=value`, in an environment in which `set` is set.
    fn missing(set: &[(&str, &str)], has_profile: bool) -> Vec<String> {
        let value = |name: &str| {
            set.iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        let target = Target {
            endpoint: "http://h:1".to_owned(),
            region: "moon-1".to_owned(),
        };
        let missing = Variables::new(value).missing(&target, has_profile);
        missing
            .into_iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }

    #[test]
    fn empty_environment_gets_every_variable() {
        let all = [
            "AWS_ENDPOINT_URL=http://h:1",
            "AWS_ACCESS_KEY_ID=any",
            "AWS_SECRET_ACCESS_KEY=any",
            "AWS_REGION=moon-1",
            "AWS_DEFAULT_REGION=moon-1",
            "AWS_PAGER=",
            "AWS_MAX_ATTEMPTS=2",
        ];
        assert_eq!(missing(&[], false), all);
        assert_eq!(missing(&[("AWS_ACCESS_KEY_ID", ""), ("AWS_REGION", "")], false), all);
    }

    #[test]
    fn variables_that_are_set_are_kept() {
        let set = [
            ("AWS_ACCESS_KEY_ID", "AKIA"),
            ("AWS_SECRET_ACCESS_KEY", "secret"),
            ("AWS_REGION", "mars-1"),
            ("AWS_PAGER", ""),
            ("AWS_MAX_ATTEMPTS", "7"),
        ];
        let region = "AWS_DEFAULT_REGION=mars-1";
        assert_eq!(missing(&set, false), ["AWS_ENDPOINT_URL=http://h:1", region]);
        assert!(!missing(&[("AWS_DEFAULT_REGION", "mars-1")], false).contains(&"AWS_REGION=moon-1".to_owned()));
    }

    #[test]
    fn profile_supplies_credentials_and_region() {
        let rest = ["AWS_ENDPOINT_URL=http://h:1", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=2"];
        assert_eq!(missing(&[], true), rest);
    }
}
