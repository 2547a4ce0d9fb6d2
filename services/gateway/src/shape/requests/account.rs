//! The requests about the account and the endpoint.

use super::tables::TABLE;
use crate::shape::Structure;

pub(crate) static DESCRIBE_ENDPOINTS: Structure = Structure {
    class: "DescribeEndpointsRequest",
    members: &[],
};

pub(crate) static DESCRIBE_LIMITS: Structure = Structure {
    class: "DescribeLimitsInput",
    members: &[],
};

pub(crate) static DESCRIBE_CONTINUOUS_BACKUPS: Structure = Structure {
    class: "DescribeContinuousBackupsInput",
    members: &[TABLE],
};
