//! Names of tables and indexes, and ARNs.

use beringia_item::Region;

use crate::{ApiError, constraint::Constraints};

/// The account that owns every table.
pub(crate) const ACCOUNT: &str = "000000000000";
/// Bounds of the length of table and index names, in characters.
pub(crate) const NAME_LENGTH: (usize, usize) = (3, 255);
/// The characters of a name, as messages show them.
const NAME_PATTERN: &str = "[a-zA-Z0-9_.-]+";

/// The ARN of a table.
pub(crate) fn table_arn(region: &Region, table: &str) -> String {
    format!("arn:aws:dynamodb:{region}:{ACCOUNT}:table/{table}")
}

/// Checks the form of a table or index name; `member` is its path in the request.
pub(crate) fn check_name(constraints: &mut Constraints, member: &str, name: &str) {
    let well_formed = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'));
    if !well_formed {
        constraints.pattern(member, name, NAME_PATTERN);
    }
    constraints.text_length(member, name, NAME_LENGTH);
}

/// The table that a `ResourceArn` parameter names. Does not check that the table exists.
/// `operation` is for the message about another account's resource.
pub(crate) fn table_of_arn<'a>(arn: &'a str, region: &Region, operation: &str) -> Result<&'a str, ApiError> {
    let refuse = |what: &str| {
        Err(ApiError::Validation(format!(
            "One or more parameter values were invalid: {what}: {arn}"
        )))
    };
    if !arn.starts_with("arn:") {
        return refuse("ARNs must start with 'arn:'");
    }
    let (arn_region, account, resource) = parts_of_arn(arn).ok_or_else(|| invalid_arn(arn))?;
    match resource.strip_prefix("table/").map(|table| table.split_once('/')) {
        _ if arn_region != region.as_str() => Err(invalid_arn(arn)),
        _ if account != ACCOUNT => Err(access_denied(operation, arn)),
        Some(None) => Ok(&resource["table/".len()..]),
        Some(Some((_, part))) if part.starts_with("index/") => {
            refuse("Invalid resource arn provided, only table or stream is accepted. Provided resource arn")
        }
        _ => refuse("Provided Arn is not a DynamoDB resource arn"),
    }
}

/// The name in a `TableName` parameter, which may be an ARN of this region. Does not check the form
/// of the name.
pub(crate) fn table_name<'a>(parameter: &'a str, region: &Region) -> Result<&'a str, ApiError> {
    if !parameter.starts_with("arn:") {
        return Ok(parameter);
    }
    let (arn_region, _, resource) = parts_of_arn(parameter).ok_or_else(|| invalid_arn(parameter))?;
    if arn_region != region.as_str() {
        return Err(ApiError::validation(format!(
            "1 validation error detected: Invalid AWS region in '{parameter}'"
        )));
    }
    resource
        .strip_prefix("table/")
        .filter(|name| !name.contains('/'))
        .ok_or_else(|| invalid_arn(parameter))
}

/// The region, the account and the resource of a DynamoDB ARN.
fn parts_of_arn(arn: &str) -> Option<(&str, &str, &str)> {
    let mut parts = arn.splitn(6, ':').skip(2);
    let (Some("dynamodb"), Some(region), Some(account), Some(resource)) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return None;
    };
    Some((region, account, resource))
}

/// The error for another account's resource. There are no users, so the caller is the root of this
/// region's account. A resource of another account needs a policy there, too (IAM user guide,
/// "Troubleshoot access denied error messages").
fn access_denied(operation: &str, arn: &str) -> ApiError {
    ApiError::AccessDenied(format!(
        "User: arn:aws:iam::{ACCOUNT}:root is not authorized to perform: dynamodb:{operation} on resource: {arn} because no \
         resource-based policy allows the dynamodb:{operation} action"
    ))
}

fn invalid_arn(arn: &str) -> ApiError {
    ApiError::Validation(format!("Invalid TableArn: Invalid ResourceArn provided as input {arn}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str) -> Result<(), ApiError> {
        let mut constraints = Constraints::default();
        check_name(&mut constraints, "tableName", name);
        constraints.finish()
    }

    #[test]
    fn names_of_3_to_255_allowed_characters_pass() {
        for name in ["abc", "A_b-c.9", &"n".repeat(255)] {
            assert_eq!(check(name), Ok(()));
        }
    }

    #[test]
    fn other_names_are_refused_with_the_constraint_they_break() {
        let pattern = "failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+";
        assert_eq!(
            check("ab"),
            Err(ApiError::validation(
                "1 validation error detected: Value 'ab' at 'tableName' failed to satisfy constraint: \
                 Member must have length greater than or equal to 3"
            ))
        );
        assert_eq!(
            check("a;"),
            Err(ApiError::validation(format!(
                "2 validation errors detected: Value 'a;' at 'tableName' {pattern}; Value 'a;' at 'tableName' failed to satisfy \
                 constraint: Member must have length greater than or equal to 3"
            )))
        );
        assert!(check(&"n".repeat(256)).is_err());
    }

    #[test]
    fn an_arn_of_this_region_names_its_table() {
        let region = Region::new("us-east-1").unwrap();
        let arn = table_arn(&region, "music");
        assert_eq!(arn, "arn:aws:dynamodb:us-east-1:000000000000:table/music");
        assert_eq!(table_name(&arn, &region), Ok("music"));
        assert_eq!(table_name("music", &region), Ok("music"));
    }

    #[test]
    fn an_arn_of_another_region_or_resource_is_refused() {
        let region = Region::new("us-east-1").unwrap();
        for arn in [
            "arn:aws:dynamodb:eu-west-1:000000000000:table/music",
            "arn:aws:s3:us-east-1:000000000000:table/music",
            "arn:aws:dynamodb:us-east-1:000000000000:table/music/index/x",
            "arn:aws:dynamodb:us-east-1:000000000000:backup",
            "arn:",
        ] {
            assert!(table_name(arn, &region).is_err(), "{arn}");
        }
    }
}
