//! The grammar of conditions, and DynamoDB's checks beyond the grammar.

use beringia_item::AttributeValue;

use super::{Comparator, Operand, Predicate};
use crate::{
    error::{Problems, Stage},
    lexer::TokenKind,
    limits::MAX_IN_OPERANDS,
    operations,
    parser::{Call, Parsed, Parser, Term},
    path::Path,
};

/// The names of the types, in the order in which DynamoDB's messages list them.
const TYPE_NAMES: [&str; 10] = ["B", "NULL", "SS", "BOOL", "L", "BS", "N", "NS", "S", "M"];
/// How DynamoDB's messages show the type of an operand that can have any type.
const ANY_TYPE: &str = "{NS,SS,L,BS,N,M,B,BOOL,NULL,S}";

/// The content of a pair of parentheses: a predicate or an operand. Only what follows shows which
/// of the two it is.
enum Node<'t> {
    Term(Term<'t>),
    Predicate(Predicate),
}

/// The parser's state within the whole condition or within one pair of parentheses. The stack of
/// levels is explicit, so that no text can exhaust the call stack.
#[derive(Default)]
struct Level {
    /// The position of the opening parenthesis; 0 for the whole condition.
    opened: usize,
    /// The completed operands of OR.
    any: Vec<Predicate>,
    /// The operands of AND since the last OR.
    all: Vec<Predicate>,
    /// The number of NOT before the next predicate.
    negations: usize,
}

impl Level {
    /// Adds an operand of AND or OR.
    fn push(&mut self, predicate: Predicate) {
        // Two NOT cancel out, but a key condition must still be able to see them.
        let predicate = match std::mem::take(&mut self.negations) {
            0 => predicate,
            odd if odd % 2 == 1 => Predicate::Not(Box::new(predicate)),
            _ => Predicate::Not(Box::new(Predicate::Not(Box::new(predicate)))),
        };
        self.all.push(predicate);
    }

    /// Completes the operands of AND.
    fn end_all(&mut self) {
        let all = std::mem::take(&mut self.all);
        self.any.push(only(all).unwrap_or_else(Predicate::And));
    }

    /// The predicate of the whole level, whose last operand is `last`.
    fn finish<'t>(mut self, parser: &mut Parser<'t, '_>, last: Node<'t>) -> Parsed<Node<'t>> {
        if self.any.is_empty() && self.all.is_empty() && self.negations == 0 {
            return Ok(last);
        }
        self.push(predicate(parser, last)?);
        self.end_all();
        Ok(Node::Predicate(only(self.any).unwrap_or_else(Predicate::Or)))
    }
}

/// The only predicate, or all of them if there are several.
fn only(mut predicates: Vec<Predicate>) -> Result<Predicate, Vec<Predicate>> {
    match predicates.pop() {
        Some(predicate) if predicates.is_empty() => Ok(predicate),
        Some(predicate) => {
            predicates.push(predicate);
            Err(predicates)
        }
        None => Err(predicates),
    }
}

/// Parses a condition. NOT binds tighter than AND, AND tighter than OR.
pub(crate) fn condition(parser: &mut Parser<'_, '_>) -> Parsed<Predicate> {
    let mut outer: Vec<Level> = Vec::new();
    let mut level = Level::default();
    loop {
        while parser.take_keyword("NOT") {
            parser.count_operator()?;
            level.negations += 1;
        }
        if let Some(opened) = parser.open() {
            outer.push(std::mem::replace(
                &mut level,
                Level {
                    opened,
                    ..Level::default()
                },
            ));
            continue;
        }
        let term = parser.term()?;
        let mut node = comparison(parser, term)?;
        while parser.next() == TokenKind::CloseParenthesis
            && let Some(around) = outer.pop()
        {
            let inner = std::mem::replace(&mut level, around);
            let opened = inner.opened;
            node = inner.finish(parser, node)?;
            parser.close(opened)?;
            if let Node::Term(mut term) = node {
                parser.continue_path(&mut term)?;
                node = comparison(parser, term)?;
            }
        }
        if parser.take_keyword("AND") {
            parser.count_operator()?;
            level.push(predicate(parser, node)?);
        } else if parser.take_keyword("OR") {
            parser.count_operator()?;
            level.push(predicate(parser, node)?);
            level.end_all();
        } else if outer.is_empty() {
            let whole = level.finish(parser, node)?;
            return predicate(parser, whole);
        } else {
            // The token is not a closing parenthesis, which the loop would have consumed, so this
            // fails.
            parser.expect(TokenKind::CloseParenthesis)?;
        }
    }
}

/// Requires a predicate: functions are allowed here, paths and values are not.
fn predicate<'t>(parser: &mut Parser<'t, '_>, node: Node<'t>) -> Parsed<Predicate> {
    match node {
        Node::Predicate(predicate) => Ok(predicate),
        Node::Term(Term::Call(call)) => {
            let predicate = function(&mut parser.problems, call);
            parser.problems.end_leaf();
            Ok(predicate)
        }
        Node::Term(Term::Path(_) | Term::Value(_)) => Err(parser.unexpected()),
    }
}

/// Parses a comparison whose left operand is `left`, if there is one.
fn comparison<'t>(parser: &mut Parser<'t, '_>, left: Term<'t>) -> Parsed<Node<'t>> {
    let comparator = match parser.next() {
        TokenKind::Equal => Comparator::Equal,
        TokenKind::NotEqual => Comparator::NotEqual,
        TokenKind::Less => Comparator::Less,
        TokenKind::LessOrEqual => Comparator::LessOrEqual,
        TokenKind::Greater => Comparator::Greater,
        TokenKind::GreaterOrEqual => Comparator::GreaterOrEqual,
        _ if parser.at_keyword("BETWEEN") => return between(parser, left),
        _ if parser.at_keyword("IN") => return in_list(parser, left),
        _ if parser.is_statement() => return statement_comparison(parser, left),
        _ => return Ok(Node::Term(left)),
    };
    parser.advance();
    parser.count_operator()?;
    let right = parser.operand()?;
    let [left, right] = [left, right].map(|term| resolve(&mut parser.problems, term));
    note_if_same(&mut parser.problems, comparator.symbol(), &left, &right);
    if !matches!(comparator, Comparator::Equal | Comparator::NotEqual) {
        note_unless_ordered(&mut parser.problems, comparator.symbol(), &[&left, &right]);
    }
    parser.problems.end_leaf();
    Ok(Node::Predicate(Predicate::Compare {
        comparator,
        left,
        right,
    }))
}

fn between<'t>(parser: &mut Parser<'t, '_>, left: Term<'t>) -> Parsed<Node<'t>> {
    parser.expect_keyword("BETWEEN")?;
    parser.count_operator()?;
    let low = parser.operand()?;
    parser.expect_keyword("AND")?;
    let high = parser.operand()?;
    let [operand, low, high] = [left, low, high].map(|term| resolve(&mut parser.problems, term));
    note_unless_ordered(&mut parser.problems, "BETWEEN", &[&operand, &low, &high]);
    if let (Operand::Value(low), Operand::Value(high)) = (&low, &high) {
        note_bounds(&mut parser.problems, low, high);
    }
    parser.problems.end_leaf();
    Ok(Node::Predicate(Predicate::Between { operand, low, high }))
}

fn in_list<'t>(parser: &mut Parser<'t, '_>, left: Term<'t>) -> Parsed<Node<'t>> {
    parser.expect_keyword("IN")?;
    parser.count_operator()?;
    let close = if parser.is_statement() && parser.take(TokenKind::OpenBracket) {
        TokenKind::CloseBracket
    } else {
        parser.expect(TokenKind::OpenParenthesis)?;
        TokenKind::CloseParenthesis
    };
    let candidates = parser.list(Parser::operand)?;
    parser.expect(close)?;
    let operand = resolve(&mut parser.problems, left);
    let candidates: Vec<Operand> = candidates
        .into_iter()
        .map(|term| resolve(&mut parser.problems, term))
        .collect();
    let operands = candidates.len();
    if operands > MAX_IN_OPERANDS {
        parser.problems.note(Stage::Count, || {
            format!("The IN operator is provided with too many operands; number of operands: {operands}")
        });
    }
    parser.problems.end_leaf();
    Ok(Node::Predicate(Predicate::In { operand, candidates }))
}

/// Parses comparisons that only statements have: `IS`, `NOT IN` and `NOT BETWEEN`.
fn statement_comparison<'t>(parser: &mut Parser<'t, '_>, left: Term<'t>) -> Parsed<Node<'t>> {
    if parser.take_keyword("IS") {
        return is(parser, left);
    }
    if !parser.take_keyword("NOT") {
        return Ok(Node::Term(left));
    }
    parser.count_operator()?;
    let inner = if parser.at_keyword("BETWEEN") {
        between(parser, left)?
    } else {
        in_list(parser, left)?
    };
    let inner = predicate(parser, inner)?;
    Ok(Node::Predicate(Predicate::Not(Box::new(inner))))
}

/// Parses `IS MISSING`, `IS NULL`, and their negations with NOT.
fn is<'t>(parser: &mut Parser<'t, '_>, left: Term<'t>) -> Parsed<Node<'t>> {
    parser.count_operator()?;
    let negated = parser.take_keyword("NOT");
    let missing = parser.take_keyword("MISSING");
    if !missing {
        parser.expect_keyword("NULL")?;
    }
    let found = match (resolve(&mut parser.problems, left), missing) {
        (Operand::Path(path), true) if negated => Predicate::Exists(path),
        (Operand::Path(path), true) => Predicate::NotExists(path),
        (operand, false) if negated => Predicate::Not(Box::new(Predicate::HasType(operand, "NULL"))),
        (operand, false) => Predicate::HasType(operand, "NULL"),
        (_, true) => {
            note_needs_path(&mut parser.problems, "IS MISSING");
            Predicate::Or(Vec::new())
        }
    };
    parser.problems.end_leaf();
    Ok(Node::Predicate(found))
}

/// Converts a term to an operand. If the term is not allowed here, notes the problem and uses NULL
/// instead.
fn resolve(problems: &mut Problems, term: Term<'_>) -> Operand {
    let stand_in = || Operand::Value(std::sync::Arc::new(AttributeValue::Null));
    let call = match term {
        Term::Path(path) => return Operand::Path(path),
        Term::Value(value) => return Operand::Value(value),
        Term::Call(call) => call,
    };
    if call.function != "size" {
        note_misuse(problems, call.function);
        for operand in call.operands {
            resolve(problems, operand);
        }
        return stand_in();
    }
    let Some([inner]) = operands(problems, call) else {
        return stand_in();
    };
    if let Some(name @ ("N" | "BOOL" | "NULL")) = inner.static_type() {
        note_type(problems, "size", name);
    }
    Operand::Size(Box::new(inner))
}

/// Converts a function call to a predicate. If the call is wrong, notes the problem and uses a
/// substitute.
fn function(problems: &mut Problems, call: Call<'_>) -> Predicate {
    let name = call.function;
    let stand_in = Predicate::Or(Vec::new());
    match name {
        "attribute_exists" | "attribute_not_exists" => match operands(problems, call) {
            Some([Operand::Path(path)]) if name == "attribute_exists" => Predicate::Exists(path),
            Some([Operand::Path(path)]) => Predicate::NotExists(path),
            Some([_]) => {
                note_needs_path(problems, name);
                stand_in
            }
            None => stand_in,
        },
        "attribute_type" => match operands(problems, call) {
            Some([operand, type_name]) => {
                note_if_same(problems, name, &operand, &type_name);
                type_named(problems, &type_name).map_or(stand_in, |type_name| Predicate::HasType(operand, type_name))
            }
            None => stand_in,
        },
        "begins_with" => match operands(problems, call) {
            Some([value, prefix]) => {
                note_if_same(problems, name, &value, &prefix);
                for operand in [&value, &prefix] {
                    match operand.static_type() {
                        None | Some("S" | "B") => {}
                        Some(other) => note_type(problems, name, other),
                    }
                }
                Predicate::BeginsWith(value, prefix)
            }
            None => stand_in,
        },
        "contains" => match operands(problems, call) {
            Some([container, value]) => {
                note_if_same(problems, name, &container, &value);
                Predicate::Contains(container, value)
            }
            None => stand_in,
        },
        _ => {
            note_misuse(problems, name);
            for operand in call.operands {
                resolve(problems, operand);
            }
            stand_in
        }
    }
}

/// The operands of a function that takes `N`. Notes the problem if their number differs.
fn operands<const N: usize>(problems: &mut Problems, call: Call<'_>) -> Option<[Operand; N]> {
    let function = call.function;
    let operands: Vec<Operand> = call.operands.into_iter().map(|term| resolve(problems, term)).collect();
    let count = operands.len();
    let operands = operands.try_into().ok();
    if operands.is_none() {
        problems.note(Stage::Count, || {
            format!(
                "Incorrect number of operands for operator or function; operator or function: {function}, \
                 number of operands: {count}"
            )
        });
    }
    operands
}

/// Notes a function that does not exist or is not allowed here.
fn note_misuse(problems: &mut Problems, function: &str) {
    match function {
        "attribute_exists" | "attribute_not_exists" | "attribute_type" | "begins_with" | "contains" | "size" => {
            problems.note(Stage::FunctionUse, || {
                format!("The function is not allowed to be used this way in an expression; function: {function}")
            });
        }
        "if_not_exists" | "list_append" => problems.note(Stage::FunctionUse, || {
            format!("The function is not allowed in a condition expression; function: {function}")
        }),
        _ => problems.note(Stage::FunctionName, || {
            format!("Invalid function name; function: {function}")
        }),
    }
}

/// The type that the second operand of `attribute_type` names.
fn type_named(problems: &mut Problems, operand: &Operand) -> Option<&'static str> {
    let named = match operand {
        Operand::Value(value) => match value.as_ref() {
            AttributeValue::S(named) => named.clone(),
            other => {
                note_type(problems, "attribute_type", other.type_name());
                return None;
            }
        },
        other => {
            note_type(problems, "attribute_type", other.static_type().unwrap_or(ANY_TYPE));
            return None;
        }
    };
    let found = TYPE_NAMES.into_iter().find(|name| *name == named);
    if found.is_none() {
        problems.note(Stage::Operand, || {
            format!(
                "Invalid attribute type name found; type: {named}, valid types: {{{}}}",
                TYPE_NAMES.join(",")
            )
        });
    }
    found
}

fn note_needs_path(problems: &mut Problems, operator: &str) {
    problems.note(Stage::Operand, || {
        format!("Operator or function requires a document path; operator or function: {operator}")
    });
}

fn note_if_same(problems: &mut Problems, operator: &str, left: &Operand, right: &Operand) {
    let (Operand::Path(left), Operand::Path(right)) = (left, right) else {
        return;
    };
    if left == right {
        note_same(problems, operator, left);
    }
}

fn note_same(problems: &mut Problems, operator: &str, path: &Path) {
    problems.note(Stage::Distinct, || {
        format!(
            "The first operand must be distinct from the remaining operands for this operator or function; \
             operator: {operator}, first operand: {path}"
        )
    });
}

fn note_unless_ordered(problems: &mut Problems, operator: &str, operands: &[&Operand]) {
    for operand in operands {
        match operand.static_type() {
            None | Some("S" | "N" | "B") => {}
            Some(other) => note_type(problems, operator, other),
        }
    }
}

fn note_type(problems: &mut Problems, operator: &str, found: &str) {
    problems.note(Stage::Operand, || {
        format!(
            "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {found}"
        )
    });
}

fn note_bounds(problems: &mut Problems, low: &AttributeValue, high: &AttributeValue) {
    let wrong = if low.type_name() != high.type_name() {
        "same data type for lower and upper bounds"
    } else if operations::order(low, high).is_some_and(std::cmp::Ordering::is_gt) {
        "upper bound to be greater than or equal to lower bound"
    } else {
        return;
    };
    problems.note(Stage::Operand, || {
        format!(
            "The BETWEEN operator requires {wrong}; lower bound operand: AttributeValue: {}, \
             upper bound operand: AttributeValue: {}",
            shown(low),
            shown(high)
        )
    });
}

/// A string, number or binary in the notation of DynamoDB's messages: `{N:1}`.
fn shown(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) => format!("{{S:{text}}}"),
        AttributeValue::N(number) => format!("{{N:{number}}}"),
        AttributeValue::B(bytes) => format!(
            "{{B:{}}}",
            base64::Engine::encode(&base64::prelude::BASE64_STANDARD, bytes)
        ),
        other => format!("{{{}}}", other.type_name()),
    }
}

impl Operand {
    /// The operand's type if it is the same for every item; `None` if it depends on the item.
    fn static_type(&self) -> Option<&'static str> {
        match self {
            Self::Path(_) => None,
            Self::Value(value) => Some(value.type_name()),
            Self::Size(_) => Some("N"),
        }
    }
}
