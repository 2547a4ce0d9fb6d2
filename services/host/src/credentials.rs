//! Whose requests are taken: access keys from a file in the AWS tools' form and from the command line.

use std::{collections::BTreeMap, path::Path};

use beringia_node::Authentication;

use crate::failure::Failure;

/// What requests must be signed with; without any keys, the development mode.
///
/// # Errors
/// Where the file cannot be read or is not of that form, or a key is not `ID=SECRET`.
pub fn authentication(file: Option<&Path>, keys: &[String]) -> Result<Authentication, Failure> {
    let mut secrets = BTreeMap::new();
    if let Some(file) = file {
        let text = std::fs::read_to_string(file)
            .map_err(|error| Failure::wrong(format!("cannot read the credentials {}: {error}", file.display())))?;
        let of_file = parse(&text).map_err(|problem| Failure::wrong(format!("{}:{problem}", file.display())))?;
        if of_file.is_empty() {
            return Err(Failure::wrong(format!(
                "{} has no credentials; expected aws_access_key_id = … and aws_secret_access_key = … under a [profile]",
                file.display()
            )));
        }
        secrets.extend(of_file);
    }
    for key in keys {
        let (id, secret) = key
            .split_once('=')
            .filter(|(id, secret)| !id.is_empty() && !secret.is_empty())
            // The message must not repeat what may be a secret.
            .ok_or_else(|| Failure::wrong("an --access-key is not of the form ID=SECRET"))?;
        secrets.insert(id.to_owned(), secret.to_owned());
    }
    Ok(if secrets.is_empty() {
        Authentication::AcceptAny
    } else {
        Authentication::Verify(secrets)
    })
}

/// The keys of a shared credentials file (AWS SDKs and Tools Reference Guide, "Shared config and credentials files"). Settings other
/// than the two are left to the AWS tools. An error begins with the line.
fn parse(text: &str) -> Result<BTreeMap<String, String>, String> {
    let mut secrets = BTreeMap::new();
    let mut id: Option<(usize, String)> = None;
    let mut secret: Option<(usize, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if line.starts_with('[') {
            if !line.ends_with(']') {
                return Err(format!("{number}: expected `]` at the end of {line}"));
            }
            finish(&mut secrets, &mut id, &mut secret)?;
            continue;
        }
        let Some((name, value)) = line.split_once('=').map(|(name, value)| (name.trim(), value.trim())) else {
            return Err(format!("{number}: expected `name = value`"));
        };
        match name.to_ascii_lowercase().as_str() {
            "aws_access_key_id" => id = Some((number, value.to_owned())),
            "aws_secret_access_key" => secret = Some((number, value.to_owned())),
            _ => {}
        }
    }
    finish(&mut secrets, &mut id, &mut secret)?;
    Ok(secrets)
}

/// Ends a profile.
fn finish(
    secrets: &mut BTreeMap<String, String>,
    id: &mut Option<(usize, String)>,
    secret: &mut Option<(usize, String)>,
) -> Result<(), String> {
    match (id.take(), secret.take()) {
        (Some((_, id)), Some((_, secret))) if !id.is_empty() && !secret.is_empty() => {
            secrets.insert(id, secret);
            Ok(())
        }
        (None, None) => Ok(()),
        (Some((line, _)), Some(_)) => Err(format!("{line}: an access key id or secret is empty")),
        (Some((line, id)), None) => Err(format!("{line}: {id} has no aws_secret_access_key in its profile")),
        (None, Some((line, _))) => Err(format!("{line}: a secret has no aws_access_key_id in its profile")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_as_the_aws_tools_write_it_is_read() {
        let text = "# mine\n[default]\naws_access_key_id = AKIA1\naws_secret_access_key=a/b=c\nregion = eu-west-1\n\n[other]\n\
                    aws_access_key_id=AKIA2\naws_secret_access_key = s2\n[sso]\nsso_start_url = https://x\n";
        let secrets = parse(text).unwrap();
        let pairs: Vec<_> = secrets
            .iter()
            .map(|(id, secret)| (id.as_str(), secret.as_str()))
            .collect();
        assert_eq!(pairs, [("AKIA1", "a/b=c"), ("AKIA2", "s2")]);
    }

    #[test]
    fn half_a_key_is_refused_with_its_line() {
        assert_eq!(
            parse("[a]\naws_access_key_id = X\n[b]\n").unwrap_err(),
            "2: X has no aws_secret_access_key in its profile"
        );
        assert!(
            parse("[a]\naws_secret_access_key = hidden\n")
                .unwrap_err()
                .starts_with("2: ")
        );
        assert_eq!(parse("[a]\nnonsense\n").unwrap_err(), "2: expected `name = value`");
    }

    #[test]
    fn without_keys_everybody_is_let_in_and_with_keys_only_their_owners() {
        assert!(matches!(authentication(None, &[]), Ok(Authentication::AcceptAny)));
        let Ok(Authentication::Verify(keys)) = authentication(None, &["ID=SECRET".to_owned()]) else {
            panic!("not verified")
        };
        assert_eq!(keys["ID"], "SECRET");
        let refused = authentication(None, &["SECRETONLY".to_owned()]).unwrap_err();
        assert!(!refused.to_string().contains("SECRETONLY"));
    }
}
