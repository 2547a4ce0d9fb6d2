//! The requests with PartiQL statements.

use super::common::{CAPACITY, CONSISTENT_READ, RETURN_VALUES_ON_FAILURE, positive, text_of};
use crate::shape::{Member, Shape, Structure};

const STATEMENT: Member = Member::required("Statement", text_of(1, 8192));
const PARAMETERS: Member = Member::optional(
    "Parameters",
    Shape::List {
        min: 1,
        max: usize::MAX,
        member: &Shape::AttributeValue,
    },
);

pub(crate) static EXECUTE_STATEMENT: Structure = Structure {
    class: "ExecuteStatementInput",
    members: &[
        CAPACITY,
        STATEMENT,
        PARAMETERS,
        CONSISTENT_READ,
        Member::optional("NextToken", text_of(1, 32768)),
        Member::optional("Limit", positive("Integer")),
        RETURN_VALUES_ON_FAILURE,
    ],
};

static BATCH_STATEMENT: Structure = Structure {
    class: "BatchStatementRequest",
    members: &[STATEMENT, PARAMETERS, CONSISTENT_READ, RETURN_VALUES_ON_FAILURE],
};

pub(crate) static BATCH_EXECUTE_STATEMENT: Structure = Structure {
    class: "BatchExecuteStatementInput",
    members: &[
        CAPACITY,
        Member::required(
            "Statements",
            Shape::List {
                min: 1,
                max: 25,
                member: &Shape::Structure(&BATCH_STATEMENT),
            },
        ),
    ],
};

static TRANSACT_STATEMENT: Structure = Structure {
    class: "ParameterizedStatement",
    members: &[STATEMENT, PARAMETERS, RETURN_VALUES_ON_FAILURE],
};

pub(crate) static EXECUTE_TRANSACTION: Structure = Structure {
    class: "ExecuteTransactionInput",
    members: &[
        CAPACITY,
        Member::optional("ClientRequestToken", text_of(1, 36)),
        Member::required(
            "TransactStatements",
            Shape::List {
                min: 1,
                max: 100,
                member: &Shape::Structure(&TRANSACT_STATEMENT),
            },
        ),
    ],
};
