//! Advice for clients of the endpoint for all regions that name a region outside the topology.

use beringia_regions::{REGIONS_MAX, Topology, has_aws_form};

/// What the advice depends on.
pub(crate) struct Advice {
    /// The regions of the topology, in its order.
    pub(crate) regions: Vec<String>,
    /// The DynamoDB port of the first region.
    pub(crate) first_port: u16,
    /// Whether the regions keep their data in a directory, which belongs to these regions.
    pub(crate) has_directory: bool,
    /// Whether requests must be signed with a known access key, for the region that answers.
    pub(crate) verifies: bool,
}

impl Advice {
    /// What a client can do that names this region. `None` for a placeholder, which is no AWS
    /// region's name: the first region then answers.
    pub(crate) fn on(&self, asked: &str) -> Option<String> {
        match (has_aws_form(asked), self.verifies) {
            (false, false) => None,
            (false, true) => Some("Name one of them: signatures are verified.".to_owned()),
            (true, true) => Some(self.addition(asked)),
            (true, false) => {
                let Self {
                    regions, first_port, ..
                } = self;
                let first = regions.first().map_or("the region", String::as_str);
                let addition = self.addition(asked);
                Some(format!(
                    "{addition} Or send the request to port {first_port}, where {first} answers whichever region is named."
                ))
            }
        }
    }

    /// How to start regions of which the asked one is one.
    fn addition(&self, asked: &str) -> String {
        let names: Vec<&str> = self.regions.iter().map(String::as_str).chain([asked]).collect();
        if names.len() > REGIONS_MAX {
            return format!("A topology has at most {REGIONS_MAX} regions.");
        }
        let data = if self.has_directory {
            "--data NEW_DIRECTORY"
        } else {
            "--ephemeral"
        };
        let regions = if Topology::named(names.iter().copied()).is_ok() {
            format!("--regions {}", names.join(","))
        } else {
            "--topology FILE".to_owned()
        };
        format!("To add it, run `beringia up {regions} {data}`.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(regions: &[&str]) -> Advice {
        Advice {
            regions: regions.iter().map(|&name| name.to_owned()).collect(),
            first_port: 8001,
            has_directory: true,
            verifies: false,
        }
    }

    #[test]
    fn advice_on_an_aws_region_is_what_to_type() {
        let mut advice = advice(&["us-east-1", "eu-west-1"]);
        assert_eq!(
            advice.on("eu-central-1").unwrap(),
            "To add it, run `beringia up --regions us-east-1,eu-west-1,eu-central-1 --data NEW_DIRECTORY`. Or send the \
             request to port 8001, where us-east-1 answers whichever region is named."
        );
        advice.has_directory = false;
        advice.verifies = true;
        assert_eq!(
            advice.on("eu-central-1").unwrap(),
            "To add it, run `beringia up --regions us-east-1,eu-west-1,eu-central-1 --ephemeral`."
        );
        assert_eq!(
            advice.on("local").unwrap(),
            "Name one of them: signatures are verified."
        );
    }

    #[test]
    fn advice_names_only_commands_that_work() {
        let mixed = advice(&["us-east-1", "moon-1"]);
        let text = mixed.on("eu-central-1").unwrap();
        assert!(
            text.starts_with("To add it, run `beringia up --topology FILE --data"),
            "{text}"
        );
        let secret = advice(&["us-east-1"]).on("us-iso-east-1").unwrap();
        assert!(secret.contains("--topology FILE"), "{secret}");
        let known: Vec<&str> = beringia_regions::known_regions().collect();
        let most = advice(&known[..REGIONS_MAX]).on(known[REGIONS_MAX]).unwrap();
        assert!(most.starts_with("A topology has at most 32 regions. Or "), "{most}");
    }

    #[test]
    fn placeholders_need_no_advice() {
        for name in ["local", "localhost", "us-fake-1", ""] {
            assert_eq!(advice(&["us-east-1"]).on(name), None);
        }
    }
}
