//! The grammar of updates, and DynamoDB's checks beyond the grammar.

use std::sync::Arc;

use beringia_item::AttributeValue;

use super::{Action, Change, Operand, Source};
use crate::{
    error::{Problems, Stage},
    lexer::TokenKind,
    parser::{Call, Parsed, Parser, Term},
    path::{Path, note_clashes},
};

/// Parses one or more clauses.
pub(super) fn update(parser: &mut Parser<'_, '_>) -> Parsed<Vec<Action>> {
    let mut actions = Vec::new();
    let mut seen: Vec<&str> = Vec::new();
    loop {
        let Some(clause) = ["SET", "REMOVE", "ADD", "DELETE"]
            .into_iter()
            .find(|clause| parser.take_keyword(clause))
        else {
            return Err(parser.unexpected());
        };
        if seen.contains(&clause) {
            parser.problems.note(Stage::Section, || {
                format!("The \"{clause}\" section can only be used once in an update expression;")
            });
        }
        seen.push(clause);
        actions.extend(parser.list(match clause {
            "SET" => set,
            "REMOVE" => remove,
            "ADD" => add,
            _ => delete,
        })?);
        if parser.next() == TokenKind::End {
            break;
        }
    }
    let paths: Vec<&Path> = actions.iter().map(|action| &action.path).collect();
    note_clashes(&paths, &mut parser.problems);
    Ok(actions)
}

/// Parses one or more SET and REMOVE clauses with one or more paths each, and stops at what follows
/// them.
pub(super) fn clauses(parser: &mut Parser<'_, '_>) -> Parsed<Vec<Action>> {
    let mut actions = Vec::new();
    loop {
        if parser.take_keyword("SET") {
            actions.extend(parser.list(set)?);
        } else if parser.take_keyword("REMOVE") {
            actions.extend(parser.list(remove)?);
        } else if actions.is_empty() {
            return Err(parser.unexpected());
        } else {
            break;
        }
    }
    let paths: Vec<&Path> = actions.iter().map(|action| &action.path).collect();
    note_clashes(&paths, &mut parser.problems);
    Ok(actions)
}

fn remove(parser: &mut Parser<'_, '_>) -> Parsed<Action> {
    Ok(Action {
        path: parser.path()?,
        change: Change::Remove,
    })
}

fn add(parser: &mut Parser<'_, '_>) -> Parsed<Action> {
    let path = parser.path()?;
    let value = parser.value()?;
    if !is_set(&value) && !matches!(*value, AttributeValue::N(_)) {
        note_clause_operand(&mut parser.problems, "ADD", &value);
    }
    Ok(Action {
        path,
        change: Change::Add(value),
    })
}

fn delete(parser: &mut Parser<'_, '_>) -> Parsed<Action> {
    let path = parser.path()?;
    let value = parser.value()?;
    if !is_set(&value) {
        note_clause_operand(&mut parser.problems, "DELETE", &value);
    }
    Ok(Action {
        path,
        change: Change::Delete(value),
    })
}

const fn is_set(value: &AttributeValue) -> bool {
    matches!(
        value,
        AttributeValue::Ss(_) | AttributeValue::Ns(_) | AttributeValue::Bs(_)
    )
}

/// Notes an operand of a wrong type. Messages about clauses use longer names of types than those
/// about functions.
fn note_clause_operand(problems: &mut Problems, clause: &str, value: &AttributeValue) {
    let name = match value {
        AttributeValue::S(_) => "STRING",
        AttributeValue::N(_) => "NUMBER",
        AttributeValue::B(_) => "BINARY",
        AttributeValue::Bool(_) => "BOOLEAN",
        AttributeValue::Null => "NULL",
        AttributeValue::L(_) => "LIST",
        AttributeValue::M(_) => "MAP",
        AttributeValue::Ss(_) => "STRING_SET",
        AttributeValue::Ns(_) => "NUMBER_SET",
        AttributeValue::Bs(_) => "BINARY_SET",
    };
    problems.note(Stage::ClauseOperand, || {
        format!(
            "Incorrect operand type for operator or function; operator: {clause}, operand type: {name}, typeSet: \
             ALLOWED_FOR_{clause}_OPERAND"
        )
    });
}

fn set(parser: &mut Parser<'_, '_>) -> Parsed<Action> {
    let path = parser.path()?;
    parser.expect(TokenKind::Equal)?;
    if parser.is_statement()
        && parser.opens_call()
        && let TokenKind::Word(function) = parser.next()
    {
        if function.eq_ignore_ascii_case("set_add") {
            return set_function(parser, path, "ADD", Change::Add);
        }
        if function.eq_ignore_ascii_case("set_delete") {
            return set_function(parser, path, "DELETE", Change::Delete);
        }
    }
    Ok(Action {
        path,
        change: Change::Set(source(parser)?),
    })
}

/// Parses PartiQL's `set_add(path, set)` or `set_delete(path, set)`, which mean ADD and DELETE. The
/// path must be the one that is set.
fn set_function(
    parser: &mut Parser<'_, '_>,
    path: Path,
    clause: &'static str,
    change: fn(Arc<AttributeValue>) -> Change,
) -> Parsed<Action> {
    parser.advance();
    parser.advance();
    if parser.path()? != path {
        parser.problems.note(Stage::Operand, || {
            format!("The first argument to SET_{clause} must equal the assignment value")
        });
    }
    parser.expect(TokenKind::Comma)?;
    let Term::Value(value) = parser.operand()? else {
        return Err(parser.unexpected());
    };
    parser.expect(TokenKind::CloseParenthesis)?;
    if !is_set(&value) {
        note_clause_operand(&mut parser.problems, clause, &value);
    }
    Ok(Action {
        path,
        change: change(value),
    })
}

/// Parses an operand, or two joined by `+` or `-`. Each of them and the whole can be in
/// parentheses.
fn source(parser: &mut Parser<'_, '_>) -> Parsed<Source> {
    let mut open: Vec<usize> = std::iter::from_fn(|| parser.open()).collect();
    let mut left = Some(parser.term()?);
    let mut joined = None;
    loop {
        let (symbol, join): (_, fn(_, _) -> _) = match parser.next() {
            TokenKind::Plus => ("+", Source::Sum),
            TokenKind::Minus => ("-", Source::Difference),
            _ => match open.pop() {
                Some(opened) => {
                    parser.close(opened)?;
                    continue;
                }
                None => break,
            },
        };
        let Some(left) = left.take() else { break };
        parser.advance();
        parser.count_operator()?;
        let right = parser.operand()?;
        let [left, right] = [left, right].map(|term| {
            let operand = resolve(&mut parser.problems, term, false);
            note_unless(&mut parser.problems, symbol, "N", &operand);
            operand
        });
        joined = Some(join(left, right));
    }
    match (joined, left) {
        (Some(joined), _) if open.is_empty() => Ok(joined),
        (None, Some(term)) => Ok(Source::Operand(resolve(&mut parser.problems, term, false))),
        _ => Err(parser.unexpected()),
    }
}

/// Converts a term to an operand. If the term is not allowed here, notes the problem and uses NULL
/// instead.
fn resolve(problems: &mut Problems, term: Term<'_>, inside_function: bool) -> Operand {
    let Call { function, operands } = match term {
        Term::Path(path) => return Operand::Path(path),
        Term::Value(value) => return Operand::Value(value),
        Term::Call(call) => call,
    };
    note_misuse(problems, function, inside_function);
    let count = operands.len();
    let operands: Vec<Operand> = operands.into_iter().map(|term| resolve(problems, term, true)).collect();
    let Ok([first, second]) = <[Operand; 2]>::try_from(operands) else {
        problems.note(Stage::Operand, || {
            format!(
                "Incorrect number of operands for operator or function; operator or function: {function}, \
                 number of operands: {count}"
            )
        });
        return Operand::Value(Arc::new(AttributeValue::Null));
    };
    match (function, first) {
        ("if_not_exists", Operand::Path(path)) => Operand::IfNotExists(path, Box::new(second)),
        ("if_not_exists", other) => {
            problems.note(Stage::Operand, || {
                format!("Operator or function requires a document path; operator or function: {function}")
            });
            other
        }
        (_, first) => {
            note_unless(problems, function, "L", &first);
            note_unless(problems, function, "L", &second);
            Operand::ListAppend(Box::new(first), Box::new(second))
        }
    }
}

/// Notes a function that does not exist or is not allowed here. `list_append` cannot be nested.
fn note_misuse(problems: &mut Problems, function: &str, inside_function: bool) {
    match function {
        "if_not_exists" => {}
        "list_append" if !inside_function => {}
        "list_append" => problems.note(Stage::FunctionUse, || {
            format!("The function is not allowed to be used this way in an expression; function: {function}")
        }),
        "attribute_exists" | "attribute_not_exists" | "attribute_type" | "begins_with" | "contains" | "size" => {
            problems.note(Stage::FunctionUse, || {
                format!("The function is not allowed in an update expression; function: {function}")
            });
        }
        _ => problems.note(Stage::FunctionName, || {
            format!("Invalid function name; function: {function}")
        }),
    }
}

/// Notes a value that does not have the type that `operator` needs. The results of paths and
/// functions are checked on the item.
fn note_unless(problems: &mut Problems, operator: &str, needed: &str, operand: &Operand) {
    let Operand::Value(value) = operand else { return };
    let found = value.type_name();
    if found != needed {
        problems.note(Stage::Operand, || {
            format!(
                "Incorrect operand type for operator or function; operator or function: {operator}, operand type: {found}"
            )
        });
    }
}
