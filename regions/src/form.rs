//! Shared by all TOML files that people write: values with their places, and errors that name the
//! place and what was expected.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use thiserror::Error;
use toml::Spanned;

use crate::toml_errors::explained;

/// Why a file cannot be used. `P` is the type of problems with its content.
#[derive(Debug, Error)]
pub enum FileError<P: fmt::Display> {
    /// The file cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// The path of the file.
        file: PathBuf,
        /// The error of the operating system.
        source: std::io::Error,
    },
    /// The content is not TOML, or not what the file should have.
    #[error("{}:{line}:{column}: {problem}", file.display())]
    Invalid {
        /// The path of the file.
        file: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The column in characters, counted from 1.
        column: usize,
        /// The problem at that place.
        problem: P,
    },
}

/// A mistake that any file can have.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Mistake {
    /// Not TOML, an unknown field, or a value of another type.
    #[error("{0}")]
    Form(String),
    /// A value outside its bounds.
    #[error("{field} = {value}; expected {expected}")]
    OutOfBounds {
        /// The name of the field in its table.
        field: &'static str,
        /// The value in the file.
        value: String,
        /// The allowed values, in words, such as `0 to 99`.
        expected: String,
    },
    /// A name that refers to nothing.
    #[error("no {what} is called {name:?}; expected one of {}", known.join(", "))]
    UnknownName {
        /// The kind of thing that the name should refer to, such as `region`.
        what: &'static str,
        /// The name in the file.
        name: String,
        /// All names that would be valid there.
        known: Vec<String>,
    },
}

/// A problem and where it is, in bytes from the beginning of the text.
#[derive(Debug)]
pub struct At<P>(pub usize, pub P);

/// Why a form cannot be used, for a caller that knows the text from which it was read: a problem in
/// that text, or an error of type `E` in another file that the form names.
#[derive(Debug)]
pub enum Misplaced<P, E> {
    /// The form itself has a problem.
    Here(At<P>),
    /// A file that the form names cannot be used.
    Elsewhere(E),
}

impl<P> At<P> {
    /// The same problem, as a problem of a form that contains this one.
    pub fn within<Q: From<P>>(self) -> At<Q> {
        At(self.0, self.1.into())
    }
}

impl<P, E> From<At<P>> for Misplaced<P, E> {
    fn from(at: At<P>) -> Self {
        Self::Here(at)
    }
}

impl<P, E> Misplaced<P, E> {
    /// The same error, as an error of a form that contains this one.
    pub fn within<Q: From<P>, F: From<E>>(self) -> Misplaced<Q, F> {
        match self {
            Self::Here(at) => Misplaced::Here(at.within()),
            Self::Elsewhere(error) => Misplaced::Elsewhere(error.into()),
        }
    }

    /// The error for the file that has this text.
    pub fn in_file(self, file: &Path, text: &str) -> E
    where
        P: fmt::Display,
        E: From<FileError<P>>,
    {
        match self {
            Self::Here(at) => FileError::invalid(file, text, at).into(),
            Self::Elsewhere(error) => error,
        }
    }
}

impl<P: fmt::Display> FileError<P> {
    /// A problem in the file that has this text.
    pub fn invalid(file: &Path, text: &str, At(offset, problem): At<P>) -> Self {
        let (line, column) = line_and_column(text, offset);
        Self::Invalid {
            file: file.to_path_buf(),
            line,
            column,
            problem,
        }
    }
}

/// Reads a file as text.
///
/// # Errors
/// [`FileError::Unreadable`], if the system cannot read it, or it is not UTF-8.
pub fn read<P: fmt::Display>(file: &Path) -> Result<String, FileError<P>> {
    std::fs::read_to_string(file).map_err(|source| FileError::Unreadable {
        file: file.to_path_buf(),
        source,
    })
}

/// Parses the TOML text of a form.
///
/// # Errors
/// [`Mistake::Form`], if the text is not TOML, has a field that the form does not know, or a value
/// of another type.
pub fn parse<T: DeserializeOwned, P: From<Mistake>>(text: &str) -> Result<T, At<P>> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start);
        At(offset, Mistake::Form(explained(&error, text)).into())
    })
}

/// A value without a place, for a form that was not read from a file.
pub fn nowhere<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

/// Checks that a number is from `least` to `most`.
///
/// # Errors
/// [`Mistake::OutOfBounds`], if it is not; NaN never is.
pub fn number<T, P>(field: &'static str, value: &Spanned<T>, least: T, most: T) -> Result<T, At<P>>
where
    T: Copy + PartialOrd + fmt::Display,
    P: From<Mistake>,
{
    let number = *value.get_ref();
    // Written this way because every comparison with NaN is false.
    if least <= number && number <= most {
        return Ok(number);
    }
    let expected = format!("{least} to {most}");
    Err(out_of_bounds(field, value.span().start, &number.to_string(), &expected))
}

/// The problem that a field's value is not the expected one.
pub fn out_of_bounds<P: From<Mistake>>(field: &'static str, start: usize, value: &str, expected: &str) -> At<P> {
    let mistake = Mistake::OutOfBounds {
        field,
        value: value.to_owned(),
        expected: expected.to_owned(),
    };
    At(start, mistake.into())
}

/// Checks that a name is one of the known names. `what` is the kind of thing that has such a name,
/// for the error.
///
/// # Errors
/// [`Mistake::UnknownName`], if it is none of them.
pub fn known_name<P: From<Mistake>>(
    what: &'static str,
    name: &Spanned<String>,
    known: &[String],
) -> Result<String, At<P>> {
    if known.contains(name.get_ref()) {
        return Ok(name.get_ref().clone());
    }
    let mistake = Mistake::UnknownName {
        what,
        name: name.get_ref().clone(),
        known: known.to_vec(),
    };
    Err(At(name.span().start, mistake.into()))
}

/// The line and the column of a byte of a text, both counted from 1; a column is a character.
#[must_use]
pub fn line_and_column(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
    (line, column)
}
