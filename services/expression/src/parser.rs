//! The common parts of all expressions: a cursor over the tokens, paths, operands, function calls
//! and limits.

use std::sync::Arc;

use beringia_item::AttributeValue;

use crate::{
    ExpressionError, Placeholders,
    error::{Kind, Problems, Stage},
    lexer::{BLANKS, Token, TokenKind, tokens},
    limits::{MAX_EXPRESSION_BYTES, MAX_FUNCTION_DEPTH, MAX_LIST_INDEX, MAX_OPERATORS, MAX_PATH_PARTS},
    path::{Path, Step},
    placeholders::PARAMETERS_MISMATCH,
    reserved::is_reserved,
};

/// A parser at a position in an expression's text.
pub(crate) struct Parser<'t, 'p> {
    kind: Kind,
    text: &'t str,
    tokens: Vec<Token<'t>>,
    position: usize,
    /// The number of function calls around the cursor.
    depth: usize,
    operators: usize,
    /// The positions of the opening and closing token of the parentheses that closed last.
    last_parentheses: (usize, usize),
    pub(crate) placeholders: &'p mut Placeholders,
    /// The problems found so far, beyond the grammar.
    pub(crate) problems: Problems,
}

/// The expression does not follow the grammar or is too large. Contains the message without its
/// prefix.
pub(crate) struct Malformed(pub(crate) String);

pub(crate) type Parsed<T> = Result<T, Malformed>;

/// An operand as written, before it is known whether it is allowed where it is.
pub(crate) enum Term<'t> {
    Path(Path),
    Value(Arc<AttributeValue>),
    Call(Call<'t>),
}

/// A function call with its operands.
pub(crate) struct Call<'t> {
    pub(crate) function: &'t str,
    pub(crate) operands: Vec<Term<'t>>,
}

/// Parses the whole of `text` with `grammar`.
pub(crate) fn parse<'t, T>(
    text: &'t str,
    kind: Kind,
    placeholders: &mut Placeholders,
    grammar: impl FnOnce(&mut Parser<'t, '_>) -> Parsed<T>,
) -> Result<T, ExpressionError> {
    if text.len() > MAX_EXPRESSION_BYTES {
        let size = text.len();
        return Err(kind.refuse(format_args!(
            "Expression size has exceeded the maximum allowed size; expression size: {size}"
        )));
    }
    check_not_empty(text, kind)?;
    let mut parser = Parser::new(kind, text, tokens(text), placeholders);
    let parsed = grammar(&mut parser).and_then(|parsed| match parser.next() {
        TokenKind::End => Ok(parsed),
        _ => Err(parser.unexpected()),
    });
    match (parsed, parser.problems.into_first()) {
        (Ok(parsed), None) => Ok(parsed),
        (Err(Malformed(message)), _) | (Ok(_), Some(message)) => Err(kind.refuse(message)),
    }
}

/// Rejects an expression without any token. The text may have any length.
pub(crate) fn check_not_empty(text: &str, kind: Kind) -> Result<(), ExpressionError> {
    if text.trim_start_matches(BLANKS).is_empty() {
        return Err(kind.refuse("The expression can not be empty;"));
    }
    Ok(())
}

impl<'t, 'p> Parser<'t, 'p> {
    /// Creates a parser at the start of `text`, which consists of `tokens`.
    pub(crate) fn new(kind: Kind, text: &'t str, tokens: Vec<Token<'t>>, placeholders: &'p mut Placeholders) -> Self {
        Self {
            kind,
            text,
            tokens,
            position: 0,
            depth: 0,
            operators: 0,
            last_parentheses: (0, 0),
            placeholders,
            problems: Problems::default(),
        }
    }

    /// Whether the text is a PartiQL statement. Their conditions and updates have more forms than
    /// those of expressions.
    pub(crate) fn is_statement(&self) -> bool {
        self.kind == Kind::Statement
    }

    /// The token at the cursor.
    pub(crate) fn next(&self) -> TokenKind<'t> {
        self.tokens
            .get(self.position)
            .map_or(TokenKind::End, |token| token.kind)
    }

    /// Moves on by one token; stays at the last one, `End`.
    pub(crate) fn advance(&mut self) {
        if self.position + 1 < self.tokens.len() {
            self.position += 1;
        }
    }

    /// Consumes `kind` if it is at the cursor.
    pub(crate) fn take(&mut self, kind: TokenKind<'_>) -> bool {
        let found = self.next() == kind;
        if found {
            self.advance();
        }
        found
    }

    /// Consumes `kind`, which must be at the cursor.
    pub(crate) fn expect(&mut self, kind: TokenKind<'_>) -> Parsed<()> {
        if self.take(kind) {
            Ok(())
        } else if self.is_statement() && kind == TokenKind::CloseParenthesis {
            Err(Malformed("Expected RIGHT_PAREN".to_owned()))
        } else {
            Err(self.unexpected())
        }
    }

    /// Whether `keyword`, in either case, is at the cursor.
    pub(crate) fn at_keyword(&self, keyword: &str) -> bool {
        matches!(self.next(), TokenKind::Word(word) if word.eq_ignore_ascii_case(keyword))
    }

    /// Consumes `keyword` if it is at the cursor.
    pub(crate) fn take_keyword(&mut self, keyword: &str) -> bool {
        let found = self.at_keyword(keyword);
        if found {
            self.advance();
        }
        found
    }

    /// Consumes `keyword`, which must be at the cursor.
    pub(crate) fn expect_keyword(&mut self, keyword: &str) -> Parsed<()> {
        if self.take_keyword(keyword) {
            Ok(())
        } else {
            Err(self.unexpected())
        }
    }

    /// The position of the token at the cursor, as DynamoDB's messages about statements show it:
    /// line, column and length, counted from 1.
    pub(crate) fn place(&self) -> String {
        let Token { start, end, .. } = self.tokens[self.position];
        let before = &self.text[..start];
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.rsplit('\n').next().map_or(0, |last| last.chars().count());
        format!("{line}:{column}:{}", self.text[start..end].chars().count())
    }

    /// The text of the token at the cursor.
    pub(crate) fn shown(&self) -> &'t str {
        let Token { start, end, .. } = self.tokens[self.position];
        &self.text[start..end]
    }

    /// The error for an unexpected token. It shows the text from the previous token to the next
    /// one.
    pub(crate) fn unexpected(&self) -> Malformed {
        if self.is_statement() {
            return Malformed(match self.next() {
                TokenKind::End => "Unexpected end of statement".to_owned(),
                _ => format!("Unexpected term: {} at {}", self.shown(), self.place()),
            });
        }
        let last = self.tokens.len() - 1;
        let token = self.tokens[self.position];
        let from = self.tokens[self.position.saturating_sub(1)].start;
        let to = self.tokens[(self.position + 1).min(last)];
        let to = if to.kind == TokenKind::End { token.end } else { to.end };
        let shown = if token.kind == TokenKind::End {
            "<EOF>"
        } else {
            &self.text[token.start..token.end]
        };
        Malformed(format!(
            "Syntax error; token: \"{shown}\", near: \"{}\"",
            self.text[from..to].trim_end()
        ))
    }

    /// Counts an operator towards the limit.
    pub(crate) fn count_operator(&mut self) -> Parsed<()> {
        self.operators += 1;
        if self.operators > MAX_OPERATORS {
            let operators = self.operators;
            return Err(Malformed(format!(
                "The expression contains too many operators; operator count: {operators}"
            )));
        }
        Ok(())
    }

    /// Consumes the parenthesis that closes the one at `opened`. Notes a pair that directly
    /// encloses another one.
    pub(crate) fn close(&mut self, opened: usize) -> Parsed<()> {
        let closed = self.position;
        self.expect(TokenKind::CloseParenthesis)?;
        // PartiQL allows redundant parentheses.
        if !self.is_statement() && self.last_parentheses == (opened + 1, closed - 1) {
            self.problems.note(Stage::Parentheses, || {
                "The expression has redundant parentheses;".to_owned()
            });
        }
        self.last_parentheses = (opened, closed);
        Ok(())
    }

    /// Consumes an opening parenthesis if there is one at the cursor, and returns its position.
    pub(crate) fn open(&mut self) -> Option<usize> {
        let opened = self.position;
        self.take(TokenKind::OpenParenthesis).then_some(opened)
    }

    /// Parses a comma-separated list of one or more elements with `element`.
    pub(crate) fn list<T>(&mut self, mut element: impl FnMut(&mut Self) -> Parsed<T>) -> Parsed<Vec<T>> {
        let mut elements = vec![element(self)?];
        while self.take(TokenKind::Comma) {
            elements.push(element(self)?);
        }
        Ok(elements)
    }

    /// Parses a path, a value or a function call, optionally in parentheses. Loops over parentheses
    /// rather than recursing.
    pub(crate) fn operand(&mut self) -> Parsed<Term<'t>> {
        let mut open: Vec<usize> = std::iter::from_fn(|| self.open()).collect();
        let mut term = self.term()?;
        while let Some(opened) = open.pop() {
            self.close(opened)?;
            self.continue_path(&mut term)?;
        }
        Ok(term)
    }

    /// Parses the rest of a path whose beginning was in parentheses: `(a.b)[3]`. Updates do not
    /// allow that.
    pub(crate) fn continue_path(&mut self, term: &mut Term<'t>) -> Parsed<()> {
        match term {
            Term::Path(path) if self.kind != Kind::Update => self.steps(path),
            _ => Ok(()),
        }
    }

    /// Parses a path, a value or a function call without parentheses around it.
    pub(crate) fn term(&mut self) -> Parsed<Term<'t>> {
        match self.next() {
            TokenKind::Value(_) => Ok(Term::Value(self.value()?)),
            TokenKind::Word(function) if self.opens_call() && !self.is_keyword(function) => self.call(function),
            _ if self.is_statement() => self.literal_or_path(),
            _ => Ok(Term::Path(self.path()?)),
        }
    }

    /// Parses `function(operand, …)`, the only construct for which the parser recurses.
    fn call(&mut self, function: &'t str) -> Parsed<Term<'t>> {
        if self.depth == MAX_FUNCTION_DEPTH {
            return Err(Malformed(format!(
                "The expression is nested too deeply; maximum nesting levels: {MAX_FUNCTION_DEPTH}"
            )));
        }
        let function = if self.is_statement() {
            self.function_name(function)
        } else {
            function
        };
        self.depth += 1;
        self.advance();
        self.advance();
        let operands = self.list(Self::operand)?;
        self.expect(TokenKind::CloseParenthesis)?;
        self.depth -= 1;
        Ok(Term::Call(Call { function, operands }))
    }

    pub(crate) fn opens_call(&self) -> bool {
        self.tokens
            .get(self.position + 1)
            .is_some_and(|token| token.kind == TokenKind::OpenParenthesis)
    }

    /// Parses `?`. If there are too few parameters, notes the problem and uses NULL instead.
    pub(crate) fn parameter(&mut self) -> Arc<AttributeValue> {
        self.advance();
        self.placeholders.next_parameter().unwrap_or_else(|| {
            self.problems
                .note(Stage::Placeholder, || PARAMETERS_MISMATCH.to_owned());
            Arc::new(AttributeValue::Null)
        })
    }

    /// Parses `:value`. If it is not defined, notes the problem and uses NULL instead.
    pub(crate) fn value(&mut self) -> Parsed<Arc<AttributeValue>> {
        let TokenKind::Value(placeholder) = self.next() else {
            return Err(self.unexpected());
        };
        self.advance();
        Ok(self.placeholders.value(placeholder).unwrap_or_else(|| {
            self.problems.note(Stage::Placeholder, || {
                format!(
                    "An expression attribute value used in expression is not defined; attribute value: {placeholder}"
                )
            });
            Arc::new(AttributeValue::Null)
        }))
    }

    /// Parses `name`, followed by any number of `.name` and `[index]`.
    pub(crate) fn path(&mut self) -> Parsed<Path> {
        let attribute = self.name()?;
        let mut path = Path {
            attribute,
            steps: Vec::new(),
        };
        self.steps(&mut path)?;
        Ok(path)
    }

    /// Parses the steps at the cursor and appends them to `path`.
    pub(crate) fn steps(&mut self, path: &mut Path) -> Parsed<()> {
        loop {
            if self.take(TokenKind::Dot) {
                let name = self.name().map_err(|malformed| match self.kind {
                    Kind::Statement => Malformed("Invalid path dot component".to_owned()),
                    _ => malformed,
                })?;
                path.steps.push(Step::Member(name));
            } else if self.take(TokenKind::OpenBracket) {
                path.steps.push(Step::Element(self.index()?));
                self.expect(TokenKind::CloseBracket)?;
            } else {
                break;
            }
        }
        let levels = path.parts();
        if levels > MAX_PATH_PARTS {
            // Do not build, and later drop, a tree as deep as this.
            path.steps.truncate(MAX_PATH_PARTS);
            self.problems.note(Stage::Placeholder, || {
                format!("The document path has too many nesting levels; nesting levels: {levels}")
            });
        }
        Ok(())
    }

    fn index(&mut self) -> Parsed<usize> {
        let TokenKind::Digits(digits) = self.next() else {
            return Err(self.unexpected());
        };
        self.advance();
        match digits.parse() {
            Ok(index) if index <= MAX_LIST_INDEX => Ok(index),
            _ => {
                self.problems.note(Stage::Placeholder, || {
                    format!("List index is not within the allowable range; index: [{digits}]")
                });
                Ok(0)
            }
        }
    }

    /// Parses a name in a path, written out or as `#name`.
    fn name(&mut self) -> Parsed<String> {
        if self.is_statement() {
            return self.identifier();
        }
        match self.next() {
            TokenKind::Word(word) if !self.is_keyword(word) => {
                self.advance();
                if is_reserved(word) {
                    let stage = if self.kind == Kind::Update {
                        Stage::ReservedInUpdate
                    } else {
                        Stage::Reserved
                    };
                    self.problems.note(stage, || {
                        format!("Attribute name is a reserved keyword; reserved keyword: {word}")
                    });
                }
                Ok(word.to_owned())
            }
            TokenKind::Name(placeholder) => {
                self.advance();
                if let Some(name) = self.placeholders.name(placeholder) {
                    return Ok(name.to_owned());
                }
                self.problems.note(Stage::Placeholder, || {
                    format!(
                        "An expression attribute name used in the document path is not defined; \
                         attribute name: {placeholder}"
                    )
                });
                Ok(placeholder.to_owned())
            }
            _ => Err(self.unexpected()),
        }
    }

    /// Whether `word` is a keyword in this kind of expression, so that it cannot be a name.
    fn is_keyword(&self, word: &str) -> bool {
        let keywords: &[&str] = match self.kind {
            Kind::Condition | Kind::Filter | Kind::KeyCondition => &["AND", "OR", "NOT", "BETWEEN", "IN"],
            Kind::Update => &["SET", "REMOVE", "ADD", "DELETE"],
            Kind::Projection => &[],
            Kind::Statement => &["AND", "OR", "NOT", "BETWEEN", "IN", "WHERE", "FROM", "SET", "VALUE"],
        };
        keywords.iter().any(|keyword| keyword.eq_ignore_ascii_case(word))
    }
}
