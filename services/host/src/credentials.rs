//! Access keys, from a file in the form of the AWS tools and from the command line, which decide
//! whose requests are accepted.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use beringia_node::Authentication;

/// The reason why access keys cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file cannot be read.
    #[error("cannot read the credentials {}: {source}", file.display())]
    Unreadable {
        /// The path of the file.
        file: PathBuf,
        /// The error from the file system.
        source: io::Error,
    },
    /// A line of the file is malformed.
    #[error("{}:{source}", file.display())]
    Malformed {
        /// The path of the file.
        file: PathBuf,
        /// The line and what is wrong with it.
        source: BadLine,
    },
    /// The file has no credentials.
    #[error(
        "{} has no credentials; expected aws_access_key_id = … and aws_secret_access_key = … under a [profile]",
        .0.display()
    )]
    Empty(PathBuf),
    /// An `--access-key` is malformed. The message does not repeat it, since it may be a secret.
    #[error("an --access-key does not have the form ID=SECRET")]
    KeyForm,
}

/// A malformed line of a credentials file; lines are numbered from 1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}: {problem}")]
pub struct BadLine {
    line: usize,
    problem: Problem,
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("expected `]` at the end of {0}")]
    OpenProfile(String),
    #[error("expected `name = value`")]
    NoSetting,
    #[error("an access key id or secret is empty")]
    Empty,
    #[error("{0} has no aws_secret_access_key in its profile")]
    NoSecret(String),
    #[error("a secret has no aws_access_key_id in its profile")]
    NoId,
}

impl Problem {
    const fn at(self, line: usize) -> BadLine {
        BadLine { line, problem: self }
    }
}

/// The keys with which requests must be signed. Without any keys, the development mode, which
/// accepts any signature.
///
/// # Errors
/// If the file cannot be read or is malformed, or a key is not `ID=SECRET`.
pub fn authentication(file: Option<&Path>, keys: &[String]) -> Result<Authentication, CredentialsError> {
    let mut secrets = BTreeMap::new();
    if let Some(file) = file {
        let path = || file.to_path_buf();
        let text =
            std::fs::read_to_string(file).map_err(|source| CredentialsError::Unreadable { file: path(), source })?;
        let of_file = parse(&text).map_err(|source| CredentialsError::Malformed { file: path(), source })?;
        if of_file.is_empty() {
            return Err(CredentialsError::Empty(path()));
        }
        secrets.extend(of_file);
    }
    for key in keys {
        let (id, secret) = key
            .split_once('=')
            .filter(|(id, secret)| !id.is_empty() && !secret.is_empty())
            .ok_or(CredentialsError::KeyForm)?;
        secrets.insert(id.to_owned(), secret.to_owned());
    }
    Ok(if secrets.is_empty() {
        Authentication::AcceptAny
    } else {
        Authentication::Verify(secrets)
    })
}

/// The keys in a shared credentials file (AWS SDKs and Tools Reference Guide, "Shared config and
/// credentials files"). Other settings are ignored.
fn parse(text: &str) -> Result<BTreeMap<String, String>, BadLine> {
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
                return Err(Problem::OpenProfile(line.to_owned()).at(number));
            }
            finish(&mut secrets, &mut id, &mut secret)?;
            continue;
        }
        let Some((name, value)) = line.split_once('=').map(|(name, value)| (name.trim(), value.trim())) else {
            return Err(Problem::NoSetting.at(number));
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

/// Adds the profile's key at the end of the profile.
fn finish(
    secrets: &mut BTreeMap<String, String>,
    id: &mut Option<(usize, String)>,
    secret: &mut Option<(usize, String)>,
) -> Result<(), BadLine> {
    match (id.take(), secret.take()) {
        (Some((_, id)), Some((_, secret))) if !id.is_empty() && !secret.is_empty() => {
            secrets.insert(id, secret);
            Ok(())
        }
        (None, None) => Ok(()),
        (Some((line, _)), Some(_)) => Err(Problem::Empty.at(line)),
        (Some((line, id)), None) => Err(Problem::NoSecret(id).at(line)),
        (None, Some((line, _))) => Err(Problem::NoId.at(line)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_file_of_the_aws_tools_is_read() {
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
    fn incomplete_key_is_refused_with_its_line() {
        assert_eq!(
            parse("[a]\naws_access_key_id = X\n[b]\n").unwrap_err().to_string(),
            "2: X has no aws_secret_access_key in its profile"
        );
        assert!(
            parse("[a]\naws_secret_access_key = hidden\n")
                .unwrap_err()
                .to_string()
                .starts_with("2: ")
        );
        assert_eq!(
            parse("[a]\nnonsense\n").unwrap_err().to_string(),
            "2: expected `name = value`"
        );
    }

    #[test]
    fn any_signature_is_accepted_only_without_keys() {
        assert!(matches!(authentication(None, &[]), Ok(Authentication::AcceptAny)));
        let Ok(Authentication::Verify(keys)) = authentication(None, &["ID=SECRET".to_owned()]) else {
            panic!("not verified")
        };
        assert_eq!(keys["ID"], "SECRET");
        let refused = authentication(None, &["SECRETONLY".to_owned()]).unwrap_err();
        assert!(!refused.to_string().contains("SECRETONLY"));
    }
}
