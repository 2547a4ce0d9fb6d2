//! The requests about the expiry of items.

use super::{common::text_of, tables::TABLE};
use crate::shape::{Member, Shape, Structure};

static SPECIFICATION: Structure = Structure {
    class: "TimeToLiveSpecification",
    members: &[
        Member::required("AttributeName", text_of(1, 255)),
        Member::required("Enabled", Shape::Boolean),
    ],
};

pub(crate) static UPDATE_TIME_TO_LIVE: Structure = Structure {
    class: "UpdateTimeToLiveInput",
    members: &[
        TABLE,
        Member::required("TimeToLiveSpecification", Shape::Structure(&SPECIFICATION)),
    ],
};

pub(crate) static DESCRIBE_TIME_TO_LIVE: Structure = Structure {
    class: "DescribeTimeToLiveInput",
    members: &[TABLE],
};
