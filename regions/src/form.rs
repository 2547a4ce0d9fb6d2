//! What all files share that people write in TOML: values with their places, and errors that name
//! the place and what was expected.

use std::{
    fmt,
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use thiserror::Error;
use toml::Spanned;

use crate::words::explained;

/// Why a file cannot be used. `P` is what can be wrong with what it says.
#[derive(Debug, Error)]
pub enum FileError<P: fmt::Display> {
    /// It cannot be read.
    #[error("cannot read {}: {source}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It does not say what it must.
    #[error("{}:{line}:{column}: {problem}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// Counted from 1.
        line: usize,
        /// In characters, counted from 1.
        column: usize,
        /// What is wrong there.
        problem: P,
    },
}

/// What can be wrong with any file.
#[derive(Debug, Clone, PartialEq, Error)]
pub enum Mistake {
    /// Not TOML, an unknown field, or a value of another type.
    #[error("{0}")]
    Form(String),
    /// A value outside its bounds.
    #[error("{field} = {value}; expected {expected}")]
    OutOfBounds {
        /// The field's name.
        field: &'static str,
        /// The value in the file.
        value: String,
        /// The bounds.
        expected: String,
    },
    /// A name that nothing has.
    #[error("no {what} is called {name:?}; expected one of {}", known.join(", "))]
    UnknownName {
        /// What should have it.
        what: &'static str,
        /// The name.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
}

/// A problem and where it is, in bytes from the beginning of the text.
#[derive(Debug)]
pub struct At<P>(pub usize, pub P);

/// Why a form cannot be used, for a caller that knows the text from which it was read: a problem in
/// that text, or an error of type `E` in a file that the form names.
#[derive(Debug)]
pub enum Misplaced<P, E> {
    /// The form says something wrong.
    Here(At<P>),
    /// A file that the form names cannot be used.
    Elsewhere(E),
}

impl<P> At<P> {
    /// The same problem as one of a form that has this one in it.
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
    /// The same of a form that has this one in it.
    pub fn within<Q: From<P>, F: From<E>>(self) -> Misplaced<Q, F> {
        match self {
            Self::Here(at) => Misplaced::Here(at.within()),
            Self::Elsewhere(error) => Misplaced::Elsewhere(error.into()),
        }
    }

    /// The error of the file with that text.
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
    /// A problem in the file with that text.
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

/// The text of a file.
///
/// # Errors
/// [`FileError::Unreadable`], if the system cannot read it, or it is not UTF-8.
pub fn read<P: fmt::Display>(file: &Path) -> Result<String, FileError<P>> {
    std::fs::read_to_string(file).map_err(|source| FileError::Unreadable {
        file: file.to_path_buf(),
        source,
    })
}

/// The form that a text has.
///
/// # Errors
/// [`Mistake::Form`], if the text is no TOML, has a field that the form does not know, or a value
/// of another type.
pub fn parse<T: DeserializeOwned, P: From<Mistake>>(text: &str) -> Result<T, At<P>> {
    toml::from_str(text).map_err(|error: toml::de::Error| {
        let offset = error.span().map_or(0, |span| span.start);
        At(offset, Mistake::Form(explained(&error, text)).into())
    })
}

/// A value of a form that was not read from a file.
pub fn nowhere<T>(value: T) -> Spanned<T> {
    Spanned::new(0..0, value)
}

/// A number from `least` to `most`.
///
/// # Errors
/// [`Mistake::OutOfBounds`], if it is not within them; NaN is in no bounds.
pub fn number<T, P>(field: &'static str, value: &Spanned<T>, least: T, most: T) -> Result<T, At<P>>
where
    T: Copy + PartialOrd + fmt::Display,
    P: From<Mistake>,
{
    let number = *value.get_ref();
    // Not the opposite of the opposite, for the sake of NaN.
    if least <= number && number <= most {
        return Ok(number);
    }
    let expected = format!("{least} to {most}");
    Err(out_of_bounds(field, value.span().start, &number.to_string(), &expected))
}

/// That the value of a field is not what was expected.
pub fn out_of_bounds<P: From<Mistake>>(field: &'static str, start: usize, value: &str, expected: &str) -> At<P> {
    let mistake = Mistake::OutOfBounds {
        field,
        value: value.to_owned(),
        expected: expected.to_owned(),
    };
    At(start, mistake.into())
}

/// A name, where it is one of those that are known. `what`: what has such a name.
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
