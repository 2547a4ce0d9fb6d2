//! The grammar of PartiQL statements.

use beringia_item::{AttributeValue, item_depth};

use super::{DeleteStatement, Insert, Order, Returning, Select, Statement, UpdateStatement, Where};
use crate::{
    Projection, Update,
    condition::condition,
    error::Stage,
    lexer::TokenKind,
    parser::{Malformed, Parsed, Parser},
};

/// Parses one statement, to the end of the text.
pub(super) fn statement(parser: &mut Parser<'_, '_>) -> Parsed<Statement> {
    let statement = if parser.take_keyword("SELECT") {
        Statement::Select(select(parser)?)
    } else if parser.take_keyword("EXISTS") {
        Statement::Exists(exists(parser)?)
    } else if parser.take_keyword("INSERT") {
        Statement::Insert(insert(parser)?)
    } else if parser.take_keyword("UPDATE") {
        Statement::Update(update(parser)?)
    } else if parser.take_keyword("DELETE") {
        Statement::Delete(delete(parser)?)
    } else {
        return Err(Malformed("Expected data manipulation".to_owned()));
    };
    parser.take(TokenKind::Semicolon);
    if parser.next() == TokenKind::End {
        return Ok(statement);
    }
    if UNSUPPORTED.iter().any(|clause| parser.at_keyword(clause)) {
        note_unsupported(parser);
        return Ok(statement);
    }
    Err(Malformed("Unexpected token after expression".to_owned()))
}

/// Clauses of PartiQL that DynamoDB does not support.
const UNSUPPORTED: [&str; 8] = ["LIMIT", "OFFSET", "GROUP", "HAVING", "UNION", "ON", "JOIN", "RETURNING"];

/// Notes that DynamoDB does not support the clause at the cursor.
fn note_unsupported(parser: &mut Parser<'_, '_>) {
    let (clause, place) = (parser.shown().to_ascii_uppercase(), parser.place());
    parser.problems.note(Stage::FunctionName, || {
        format!("Unsupported clause: {clause} at {place}")
    });
}

/// Parses `* FROM table WHERE … ORDER BY …`, or paths in place of the star. The last two clauses
/// may be missing.
fn select(parser: &mut Parser<'_, '_>) -> Parsed<Select> {
    let projection = if parser.take(TokenKind::Star) {
        None
    } else {
        Some(Projection::named(parser.list(|parser| {
            let (is_path, place) = (
                matches!(parser.next(), TokenKind::Word(_) | TokenKind::Quoted(_)) && !parser.opens_call(),
                parser.place(),
            );
            if is_path {
                parser.path()
            } else {
                Err(Malformed(format!("Unexpected path component at {place}")))
            }
        })?))
    };
    parser.expect_keyword("FROM")?;
    let (table, index) = source(parser)?;
    let filter = filter(parser)?;
    let mut order = Vec::new();
    if parser.take_keyword("ORDER") {
        parser.expect_keyword("BY")?;
        order = parser.list(ordering)?;
    }
    Ok(Select {
        table,
        index,
        projection,
        filter,
        order,
    })
}

/// Parses the name of a table or index, which may not be empty.
fn source_name(parser: &mut Parser<'_, '_>) -> Parsed<String> {
    let name = parser.identifier()?;
    if name.is_empty() {
        let message = || "Path component cannot be an empty string".to_owned();
        parser.problems.note(Stage::FunctionName, message);
    }
    Ok(name)
}

/// Parses a table, or a table and its index.
fn source(parser: &mut Parser<'_, '_>) -> Parsed<(String, Option<String>)> {
    let table = source_name(parser)?;
    if !parser.take(TokenKind::Dot) {
        return Ok((table, None));
    }
    let index = source_name(parser)?;
    while parser.take(TokenKind::Dot) {
        source_name(parser)?;
        parser.problems.note(Stage::FunctionName, || {
            "A path may contain at most 2 components in the FROM clause".to_owned()
        });
    }
    Ok((table, Some(index)))
}

fn ordering(parser: &mut Parser<'_, '_>) -> Parsed<Order> {
    let attribute = parser.identifier()?;
    let is_descending = parser.take_keyword("DESC");
    if !is_descending {
        parser.take_keyword("ASC");
    }
    Ok(Order {
        attribute,
        is_descending,
    })
}

/// Parses `(SELECT …)` after EXISTS.
fn exists(parser: &mut Parser<'_, '_>) -> Parsed<Select> {
    parser.expect(TokenKind::OpenParenthesis)?;
    parser.expect_keyword("SELECT")?;
    let select = select(parser)?;
    parser.expect(TokenKind::CloseParenthesis)?;
    Ok(select)
}

/// Parses the WHERE clause at the cursor, if there is one.
fn filter(parser: &mut Parser<'_, '_>) -> Parsed<Where> {
    if parser.take_keyword("WHERE") {
        Ok(Where(Some(condition(parser)?)))
    } else {
        Ok(Where(None))
    }
}

/// Parses `INTO table VALUE {…}`.
fn insert(parser: &mut Parser<'_, '_>) -> Parsed<Insert> {
    parser.expect_keyword("INTO")?;
    let table = source_name(parser)?;
    parser.expect_keyword("VALUE")?;
    let place = parser.place();
    let AttributeValue::M(item) = parser.literal(0)? else {
        return Err(Malformed(format!("Expected a map to insert at {place}")));
    };
    // A parameter inside a literal can by itself be as deep as an item.
    if item_depth(&item) > beringia_item::MAX_DEPTH {
        parser.problem(
            "Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit",
        );
    }
    if returning(parser)?.is_some() {
        let message = || "RETURNING is not supported in INSERT".to_owned();
        parser.problems.note(Stage::FunctionName, message);
    }
    Ok(Insert { table, item })
}

/// Parses `table SET … REMOVE … WHERE … RETURNING …`.
fn update(parser: &mut Parser<'_, '_>) -> Parsed<UpdateStatement> {
    Ok(UpdateStatement {
        table: source_name(parser)?,
        update: Update::parse_clauses(parser)?,
        filter: filter(parser)?,
        returning: returning(parser)?,
    })
}

/// Parses `FROM table WHERE … RETURNING ALL OLD *`.
fn delete(parser: &mut Parser<'_, '_>) -> Parsed<DeleteStatement> {
    parser.expect_keyword("FROM")?;
    let (table, filter) = (source_name(parser)?, filter(parser)?);
    let returning = returning(parser)?;
    if let Some(other) = returning.filter(|returning| *returning != Returning::AllOld) {
        parser.problems.note(Stage::FunctionName, || {
            format!(
                "Invalid returning clause: RETURNING {other} *. Only RETURNING ALL OLD * is allowed in DELETE statements."
            )
        });
    }
    let returning = returning.is_some();
    Ok(DeleteStatement {
        table,
        filter,
        returning,
    })
}

/// Parses `RETURNING ALL OLD *` and its variants, if there are any.
fn returning(parser: &mut Parser<'_, '_>) -> Parsed<Option<Returning>> {
    if !parser.take_keyword("RETURNING") {
        return Ok(None);
    }
    let is_modified = parser.take_keyword("MODIFIED");
    if !is_modified {
        parser.expect_keyword("ALL")?;
    }
    let is_old = parser.take_keyword("OLD");
    if !is_old {
        parser.expect_keyword("NEW")?;
    }
    parser.expect(TokenKind::Star)?;
    Ok(Some(match (is_modified, is_old) {
        (false, true) => Returning::AllOld,
        (true, true) => Returning::ModifiedOld,
        (false, false) => Returning::AllNew,
        (true, false) => Returning::ModifiedNew,
    }))
}
