//! The lexer of PartiQL statements.

use crate::lexer::{BLANKS, Token, TokenKind, run, scan, sign};

/// All tokens of `text`; the last one is `End`. Blanks and comments separate tokens.
pub(super) fn tokens(text: &str) -> Vec<Token<'_>> {
    scan(text, skipped, token_at)
}

/// The number of bytes of blanks and comments at the start of `rest`. An unterminated comment is
/// not a comment.
fn skipped(rest: &str) -> usize {
    let mut length = 0;
    loop {
        let rest = &rest[length..];
        let blanks = rest.len() - rest.trim_start_matches(BLANKS).len();
        let comment = match &rest[blanks..] {
            comment if comment.starts_with("--") => comment.find('\n').unwrap_or(comment.len()),
            comment if comment.starts_with("/*") => comment[2..].find("*/").map_or(0, |end| end + 4),
            _ => 0,
        };
        if blanks + comment == 0 {
            return length;
        }
        length += blanks + comment;
    }
}

/// The token at the start of `rest`, and its length in bytes.
fn token_at(rest: &str, first: char) -> (TokenKind<'_>, usize) {
    let two = |second: u8| rest.as_bytes().get(1) == Some(&second);
    let one = |kind| (kind, 1);
    match first {
        'a'..='z' | 'A'..='Z' | '_' | '$' => {
            let length = run(rest, 1, |byte| {
                byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$')
            });
            (TokenKind::Word(&rest[..length]), length)
        }
        '0'..='9' => number(rest),
        '\'' => quoted(rest, b'\'').map_or(one(TokenKind::Unknown), |length| {
            (TokenKind::Text(&rest[..length]), length)
        }),
        '"' => quoted(rest, b'"').map_or(one(TokenKind::Unknown), |length| {
            (TokenKind::Quoted(&rest[..length]), length)
        }),
        '<' if two(b'<') => (TokenKind::OpenSet, 2),
        '>' if two(b'>') => (TokenKind::CloseSet, 2),
        '!' if two(b'=') => (TokenKind::NotEqual, 2),
        '*' => one(TokenKind::Star),
        '?' => one(TokenKind::Question),
        ':' => one(TokenKind::Colon),
        ';' => one(TokenKind::Semicolon),
        '{' => one(TokenKind::OpenBrace),
        '}' => one(TokenKind::CloseBrace),
        _ => sign(rest, first),
    }
}

/// Scans a number such as `12`, `1.5` or `1e-3`: digits, optionally with a fraction and an
/// exponent.
fn number(rest: &str) -> (TokenKind<'_>, usize) {
    let digits = |from| run(rest, from, |byte| byte.is_ascii_digit());
    let byte = |at: usize| rest.as_bytes().get(at).copied();
    let whole = digits(1);
    let mut end = whole;
    if byte(end) == Some(b'.') {
        end = digits(end + 1);
    }
    if matches!(byte(end), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(byte(end + 1), Some(b'+' | b'-')));
        let exponent = end + 1 + sign;
        if digits(exponent.min(rest.len())) > exponent {
            end = digits(exponent);
        }
    }
    if end == whole {
        (TokenKind::Digits(&rest[..end]), end)
    } else {
        (TokenKind::Number(&rest[..end]), end)
    }
}

/// The length of a text in `quote`s, including them; a doubled quote stands for one. `None` if the
/// text does not end.
fn quoted(rest: &str, quote: u8) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut at = 1;
    loop {
        at += memchr::memchr(quote, bytes.get(at..)?)?;
        if bytes.get(at + 1) != Some(&quote) {
            return Some(at + 1);
        }
        at += 2;
    }
}

/// The text without its quotes, with doubled quotes reduced to one.
pub(super) fn unquoted(token: &str, quote: char) -> String {
    let inner = token.get(1..token.len().saturating_sub(1)).unwrap_or_default();
    inner.replace(&format!("{quote}{quote}"), &quote.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind<'_>> {
        let mut kinds: Vec<_> = tokens(text).into_iter().map(|token| token.kind).collect();
        assert_eq!(kinds.pop(), Some(TokenKind::End));
        kinds
    }

    #[test]
    fn quotes_are_doubled_inside_quotes() {
        use TokenKind::{Quoted, Text, Unknown};
        assert_eq!(
            kinds("'it''s'\"a\"\"b\"''"),
            [Text("'it''s'"), Quoted("\"a\"\"b\""), Text("''")]
        );
        assert_eq!(unquoted("'it''s'", '\''), "it's");
        assert_eq!(unquoted("\"a\"\"b\"", '"'), "a\"b");
        assert_eq!(kinds("'a"), [Unknown, TokenKind::Word("a")]);
    }

    #[test]
    fn numbers_have_fractions_and_exponents() {
        use TokenKind::{Digits, Dot, Minus, Number, Word};
        assert_eq!(
            kinds("12 1.5 1e3 1.E-2 1E+2"),
            [
                Digits("12"),
                Number("1.5"),
                Number("1e3"),
                Number("1.E-2"),
                Number("1E+2")
            ]
        );
        assert_eq!(kinds("1e -1x"), [Digits("1"), Word("e"), Minus, Digits("1"), Word("x")]);
        assert_eq!(kinds("1ex.2"), [Digits("1"), Word("ex"), Dot, Digits("2")]);
    }

    #[test]
    fn signs_are_taken_as_long_as_they_can_be() {
        use TokenKind::{CloseSet, Digits, Less, LessOrEqual, NotEqual, OpenSet, Unknown};
        assert_eq!(
            kinds("<<1>> <> != <= <"),
            [OpenSet, Digits("1"), CloseSet, NotEqual, NotEqual, LessOrEqual, Less]
        );
        assert_eq!(kinds("!`ü"), [Unknown, Unknown, Unknown]);
    }

    #[test]
    fn comments_are_blanks() {
        use TokenKind::{Digits, Star, Unknown, Word};
        assert_eq!(kinds("a -- b\n1 /* c\n*/ d--"), [Word("a"), Digits("1"), Word("d")]);
        assert_eq!(kinds("a/**/1/*/ b */"), [Word("a"), Digits("1")]);
        assert_eq!(kinds("/* a"), [Unknown, Star, Word("a")]);
    }
}
