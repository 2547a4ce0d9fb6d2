//! The keys that encrypt tables. No data is encrypted yet: a table's key is stored and described,
//! but neither exists nor is used.

use beringia_item::Region;
use beringia_storage::{Aspect, EncryptionKey, Table};
use xxhash_rust::xxh3::xxh3_128;

use super::{
    invalid,
    lifecycle::{Change, still_in_use},
};
use crate::{
    ApiError,
    api::{SseDescription, SseSpecification, SseStatus, SseType},
    names::ACCOUNT,
};

/// The alias of the account's key for DynamoDB.
const MANAGED_ALIAS: &str = "alias/aws/dynamodb";

/// The key that a specification asks for; `None` for a key of the service.
pub(super) fn key(specification: &SseSpecification) -> Result<Option<EncryptionKey>, ApiError> {
    let SseSpecification {
        enabled,
        sse_type,
        kms_master_key_id,
    } = specification;
    if !enabled.unwrap_or(false) {
        return match (sse_type, kms_master_key_id) {
            (Some(_), _) => Err(invalid("SSEType can not be specified if Enabled is false")),
            (None, Some(_)) => Err(invalid("KMSMasterKeyId can not be specified if Enabled is false")),
            (None, None) => Ok(None),
        };
    }
    match (sse_type, kms_master_key_id) {
        (Some(SseType::Aes256), _) => Err(invalid("SSEType AES256 is not supported")),
        (None, Some(_)) => Err(invalid("SSEType KMS is required if KMSMasterKeyId is specified")),
        (_, None) => Ok(Some(EncryptionKey::Managed)),
        (Some(SseType::Kms), Some(named)) => Ok(Some(key_named(named))),
    }
}

/// The key of this id, ARN, alias or alias ARN.
fn key_named(text: &str) -> EncryptionKey {
    let (account, resource) = parts_of_arn(text).unwrap_or((ACCOUNT, text));
    let id = match resource.strip_prefix("key/") {
        Some(id) => id.to_owned(),
        None if resource.starts_with("alias/") => id_of_alias(resource),
        None => resource.to_owned(),
    };
    if account == ACCOUNT && id == id_of_alias(MANAGED_ALIAS) {
        return EncryptionKey::Managed;
    }
    EncryptionKey::Customer {
        account: account.to_owned(),
        id,
    }
}

/// The account and the resource of a key's or alias's ARN.
fn parts_of_arn(text: &str) -> Option<(&str, &str)> {
    let mut parts = text.strip_prefix("arn:")?.splitn(5, ':').skip(1);
    match (parts.next()?, parts.next()?, parts.next()?, parts.next()?) {
        ("kms", _region, account, resource) => Some((account, resource)),
        _ => None,
    }
}

/// The id that stands for the key of an alias: the same for the same alias.
fn id_of_alias(alias: &str) -> String {
    let digits = format!("{:032x}", xxh3_128(alias.as_bytes()));
    let part = |from: usize, to: usize| &digits[from..to];
    let parts = [part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)];
    parts.join("-")
}

/// The ARN of a key in a region.
fn key_arn(key: &EncryptionKey, region: &Region) -> String {
    match key {
        EncryptionKey::Managed => format!("arn:aws:kms:{region}:{ACCOUNT}:key/{}", id_of_alias(MANAGED_ALIAS)),
        EncryptionKey::Customer { account, id } => format!("arn:aws:kms:{region}:{account}:key/{id}"),
    }
}

/// The change of a table's encryption that a request asks for. As in DynamoDB, a request for the
/// current key is rejected only if it names the key by its ARN.
pub(super) fn encryption_aspect(
    specification: &SseSpecification,
    table: &Table,
    region: &Region,
    change: Option<&Change>,
) -> Result<Aspect, ApiError> {
    let wanted = key(specification)?;
    if change.is_some_and(Change::encrypts) && wanted != table.encryption {
        return Err(still_in_use("Server-Side Encryption is still being updated"));
    }
    let Some(current) = &table.encryption else {
        return match wanted {
            None => Err(invalid("Table is already encrypted by default")),
            wanted => Ok(Aspect::Encryption(wanted)),
        };
    };
    if specification.kms_master_key_id.as_deref() == Some(&key_arn(current, region)) {
        return Err(invalid(
            "Table is already encrypted with given KMSMasterKeyId. Use KMSMasterKeyId parameter if you want to change Master Key",
        ));
    }
    Ok(Aspect::Encryption(wanted))
}

/// Describes the encryption of a table. While it is changed, the previous key shows.
pub(super) fn describe_encryption(table: &Table, region: &Region, change: Option<&Change>) -> Option<SseDescription> {
    let change = change.filter(|change| change.encrypts()).and_then(Change::before);
    let (status, key) = match change {
        Some(before) => (SseStatus::Updating, before.encryption.as_ref()),
        None => (SseStatus::Enabled, Some(table.encryption.as_ref()?)),
    };
    Some(SseDescription {
        status,
        sse_type: key.map(|_| SseType::Kms),
        kms_master_key_arn: key.map(|key| key_arn(key, region)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "abcd1234-abcd-1234-a123-ab1234a1b234";

    fn arn(text: &str) -> String {
        key_arn(&key_named(text), &Region::new("us-east-1").unwrap())
    }

    #[test]
    fn a_key_is_found_by_id_arn_alias_and_alias_arn() {
        let key = format!("arn:aws:kms:us-east-1:{ACCOUNT}:key/{KEY}");
        assert_eq!(arn(KEY), key);
        assert_eq!(arn(&key), key);
        let foreign = format!("arn:aws:kms:us-east-1:111122223333:key/{KEY}");
        assert_eq!(arn(&foreign), foreign);
        let alias = arn("alias/mine");
        assert_eq!(arn(&format!("arn:aws:kms:us-east-1:{ACCOUNT}:alias/mine")), alias);
        let id = alias.rsplit('/').next().unwrap();
        assert_eq!(
            id.split('-').map(str::len).collect::<Vec<_>>(),
            [8, 4, 4, 4, 12],
            "{alias}"
        );
        assert_ne!(arn("alias/other"), alias);
    }

    #[test]
    fn the_accounts_key_for_dynamodb_has_one_arn() {
        assert_eq!(key_named(MANAGED_ALIAS), EncryptionKey::Managed);
        assert_eq!(key_named(&arn(MANAGED_ALIAS)), EncryptionKey::Managed);
    }
}
