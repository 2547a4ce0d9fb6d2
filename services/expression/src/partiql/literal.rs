//! PartiQL's literals, names and functions.

use std::{collections::BTreeSet, fmt, sync::Arc};

use beringia_item::{AttributeValue, Item, MAX_DEPTH};
use bytes::Bytes;

use super::{keywords::is_keyword, lexer::unquoted};
use crate::{
    error::Stage,
    lexer::TokenKind,
    parser::{Malformed, Parsed, Parser, Term},
};

/// The functions of statements in conditions and updates; SET_ADD and SET_DELETE do not yield
/// values.
const FUNCTIONS: [&str; 5] = ["attribute_type", "begins_with", "contains", "list_append", "size"];

impl<'t> Parser<'t, '_> {
    /// Converts a function's name to the spelling of expressions. Notes a function that PartiQL
    /// does not have.
    pub(crate) fn function_name(&mut self, written: &'t str) -> &'t str {
        let known = FUNCTIONS.into_iter().find(|name| name.eq_ignore_ascii_case(written));
        known.unwrap_or_else(|| {
            self.problems.note(Stage::FunctionName, || {
                format!("Invalid function name; function: {written}")
            });
            written
        })
    }

    /// Parses an identifier; a keyword is one only in double quotes.
    pub(crate) fn identifier(&mut self) -> Parsed<String> {
        let name = match self.next() {
            TokenKind::Word(word) if !is_keyword(word) => word.to_owned(),
            TokenKind::Word(word) => {
                let place = self.place();
                return Err(Malformed(format!("Unexpected keyword: {word} at {place}")));
            }
            TokenKind::Quoted(quoted) => unquoted(quoted, '"'),
            _ => return Err(self.unexpected()),
        };
        if name.is_empty() {
            self.problem("Empty attribute name");
        }
        self.advance();
        Ok(name)
    }

    /// Parses a literal, a parameter or a path.
    pub(crate) fn literal_or_path(&mut self) -> Parsed<Term<'t>> {
        let is_path = match self.next() {
            TokenKind::Quoted(_) => true,
            TokenKind::Word(_) => !self.at_constant(),
            _ => false,
        };
        if is_path {
            return Ok(Term::Path(self.path()?));
        }
        if self.next() == TokenKind::Question {
            return Ok(Term::Value(self.parameter()));
        }
        Ok(Term::Value(Arc::new(self.literal(0)?)))
    }

    fn at_constant(&self) -> bool {
        ["TRUE", "FALSE", "NULL"].iter().any(|word| self.at_keyword(word))
    }

    /// Parses a value that is nested in `depth` lists and maps.
    pub(super) fn literal(&mut self, depth: usize) -> Parsed<AttributeValue> {
        if depth > MAX_DEPTH {
            return Err(Malformed("Nesting Levels have exceeded supported limits".to_owned()));
        }
        match self.next() {
            TokenKind::Question => Ok(Arc::unwrap_or_clone(self.parameter())),
            TokenKind::Text(text) => {
                self.advance();
                Ok(AttributeValue::S(unquoted(text, '\'')))
            }
            TokenKind::Minus => {
                self.advance();
                self.number("-")
            }
            TokenKind::Digits(_) | TokenKind::Number(_) => self.number(""),
            TokenKind::OpenBracket => {
                let elements = self.enclosed(TokenKind::CloseBracket, |parser| parser.literal(depth + 1))?;
                Ok(AttributeValue::L(elements))
            }
            TokenKind::OpenBrace => {
                let members = self.enclosed(TokenKind::CloseBrace, |parser| parser.member(depth + 1))?;
                Ok(AttributeValue::M(self.map(members)))
            }
            TokenKind::OpenSet => {
                let members = self.enclosed(TokenKind::CloseSet, |parser| parser.literal(depth + 1))?;
                Ok(self.set(members))
            }
            _ if self.take_keyword("TRUE") => Ok(AttributeValue::Bool(true)),
            _ if self.take_keyword("FALSE") => Ok(AttributeValue::Bool(false)),
            _ if self.take_keyword("NULL") => Ok(AttributeValue::Null),
            _ => Err(self.unexpected()),
        }
    }

    /// Consumes an opening sign, the comma-separated elements after it, and `close`.
    fn enclosed<T>(&mut self, close: TokenKind<'_>, element: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        self.advance();
        if self.take(close) {
            return Ok(Vec::new());
        }
        let elements = self.list(element)?;
        self.expect(close)?;
        Ok(elements)
    }

    fn number(&mut self, sign: &str) -> Parsed<AttributeValue> {
        let (TokenKind::Digits(digits) | TokenKind::Number(digits)) = self.next() else {
            return Err(self.unexpected());
        };
        self.advance();
        // PartiQL allows a point without digits after it; the number parser does not.
        let text = format!("{sign}{digits}").replace(".e", "e").replace(".E", "E");
        let number = text.trim_end_matches('.').parse().unwrap_or_else(|error| {
            self.problem(error);
            beringia_item::Number::ZERO
        });
        Ok(AttributeValue::N(number))
    }

    fn member(&mut self, depth: usize) -> Parsed<(String, AttributeValue)> {
        let TokenKind::Text(name) = self.next() else {
            return Err(self.unexpected());
        };
        self.advance();
        self.expect(TokenKind::Colon)?;
        Ok((unquoted(name, '\''), self.literal(depth)?))
    }

    fn map(&mut self, members: Vec<(String, AttributeValue)>) -> Item {
        let count = members.len();
        let map: Item = members.into_iter().collect();
        if map.contains_key("") {
            self.problem(INVALID_NAME);
        }
        if map.len() < count {
            self.problem("One or more parameter values were invalid: A map names a member twice");
        }
        map
    }

    /// Builds a set. Its members must be distinct strings, numbers or binaries of one type.
    fn set(&mut self, members: Vec<AttributeValue>) -> AttributeValue {
        let count = members.len();
        let (mut texts, mut numbers, mut binaries) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::<Bytes>::new());
        let mut others = 0;
        for member in members {
            match member {
                AttributeValue::S(text) => drop(texts.insert(text)),
                AttributeValue::N(number) => drop(numbers.insert(number)),
                AttributeValue::B(bytes) => drop(binaries.insert(bytes)),
                _ => others += 1,
            }
        }
        let (set, distinct) = match (texts.len(), numbers.len(), binaries.len(), others) {
            (0, 0, 0, 0) => {
                self.problem("Empty bags are not supported");
                return AttributeValue::Null;
            }
            (distinct, 0, 0, 0) => (AttributeValue::Ss(texts), distinct),
            (0, distinct, 0, 0) => (AttributeValue::Ns(numbers), distinct),
            (0, 0, distinct, 0) => (AttributeValue::Bs(binaries), distinct),
            _ => {
                self.problem("Unsupported data type in Bag. DynamoDB only supports either numbers or strings in bags");
                return AttributeValue::Null;
            }
        };
        if distinct < count {
            self.problem("One or more parameter values were invalid: Input collection contains duplicates.");
        }
        set
    }

    /// Notes an invalid value, unless a problem of the same stage was noted before.
    pub(super) fn problem(&mut self, message: impl fmt::Display) {
        self.problems.note(Stage::Operand, || message.to_string());
    }
}

const INVALID_NAME: &str = "One or more parameter values were invalid: Empty attribute name";
