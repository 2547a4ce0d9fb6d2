//! The lexer of expressions, parts of which PartiQL's lexer shares.

/// A token and its position, in bytes from the start of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'t> {
    pub(crate) kind: TokenKind<'t>,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

/// The kind of a token, with its text where the kind does not determine it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenKind<'t> {
    /// The name of an attribute or function, or a keyword: a letter, then letters, digits and `_`.
    Word(&'t str),
    /// `#name`, including the `#`.
    Name(&'t str),
    /// `:value`, including the `:`.
    Value(&'t str),
    /// A sequence of decimal digits.
    Digits(&'t str),
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Plus,
    Minus,
    Comma,
    Dot,
    OpenParenthesis,
    CloseParenthesis,
    OpenBracket,
    CloseBracket,
    /// PartiQL's `"name"`, as it is written.
    Quoted(&'t str),
    /// PartiQL's `'text'`, as it is written.
    Text(&'t str),
    /// A PartiQL number with more than digits.
    Number(&'t str),
    /// `?`, a parameter in PartiQL.
    Question,
    Star,
    /// A lone `:`, between a name and a value in PartiQL's maps.
    Colon,
    /// `;`, which may end a PartiQL statement.
    Semicolon,
    OpenBrace,
    CloseBrace,
    /// `<<`, which opens a set in PartiQL.
    OpenSet,
    /// `>>`, which closes a set in PartiQL.
    CloseSet,
    /// A character that does not start a token.
    Unknown,
    /// The end of the text.
    End,
}

/// All tokens of `text`; the last one is `End`.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let blanks = |rest: &str| rest.len() - rest.trim_start_matches(BLANKS).len();
    scan(text, blanks, token_at)
}

/// The characters that separate tokens.
pub(crate) const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// All tokens of `text`; the last one is `End`. Given the rest of the text, `skipped` returns the
/// number of bytes before its first token, and `token_at` the token that it begins with and that
/// token's length in bytes.
pub(crate) fn scan<'t>(
    text: &'t str,
    skipped: impl Fn(&str) -> usize,
    token_at: impl Fn(&'t str, char) -> (TokenKind<'t>, usize),
) -> Vec<Token<'t>> {
    let mut tokens = Vec::new();
    let mut start = skipped(text);
    while let Some(first) = text[start..].chars().next() {
        let (kind, length) = token_at(&text[start..], first);
        let end = start + length;
        tokens.push(Token { kind, start, end });
        start = end + skipped(&text[end..]);
    }
    tokens.push(Token {
        kind: TokenKind::End,
        start: text.len(),
        end: text.len(),
    });
    tokens
}

/// The token at the start of `rest`, and its length in bytes.
fn token_at(rest: &str, first: char) -> (TokenKind<'_>, usize) {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    match first {
        'a'..='z' | 'A'..='Z' => {
            let length = run(rest, 1, is_name_byte);
            (TokenKind::Word(&rest[..length]), length)
        }
        '0'..='9' => {
            let length = run(rest, 1, |byte| byte.is_ascii_digit());
            (TokenKind::Digits(&rest[..length]), length)
        }
        '#' | ':' => match run(rest, 1, is_name_byte) {
            1 => (TokenKind::Unknown, 1),
            length if first == '#' => (TokenKind::Name(&rest[..length]), length),
            length => (TokenKind::Value(&rest[..length]), length),
        },
        _ => sign(rest, first),
    }
}

/// The end of the run of bytes from `from` on that satisfy `belongs`.
pub(crate) fn run(rest: &str, from: usize, belongs: fn(u8) -> bool) -> usize {
    from + rest.as_bytes()[from..]
        .iter()
        .take_while(|byte| belongs(**byte))
        .count()
}

/// The punctuation at the start of `rest` that expressions and PartiQL share, and its length in
/// bytes.
pub(crate) fn sign(rest: &str, first: char) -> (TokenKind<'_>, usize) {
    let two = |second: u8| rest.as_bytes().get(1) == Some(&second);
    let one = |kind| (kind, 1);
    match first {
        '<' if two(b'>') => (TokenKind::NotEqual, 2),
        '<' if two(b'=') => (TokenKind::LessOrEqual, 2),
        '>' if two(b'=') => (TokenKind::GreaterOrEqual, 2),
        '<' => one(TokenKind::Less),
        '>' => one(TokenKind::Greater),
        '=' => one(TokenKind::Equal),
        '+' => one(TokenKind::Plus),
        '-' => one(TokenKind::Minus),
        ',' => one(TokenKind::Comma),
        '.' => one(TokenKind::Dot),
        '(' => one(TokenKind::OpenParenthesis),
        ')' => one(TokenKind::CloseParenthesis),
        '[' => one(TokenKind::OpenBracket),
        ']' => one(TokenKind::CloseBracket),
        other => (TokenKind::Unknown, other.len_utf8()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind<'_>> {
        tokens(text).into_iter().map(|token| token.kind).collect()
    }

    #[test]
    fn names_values_and_words_are_distinguished() {
        use TokenKind::{CloseBracket, Digits, Dot, End, LessOrEqual, Name, OpenBracket, Value, Word};
        assert_eq!(
            kinds("a_1.#2b[34]<=:_v"),
            [
                Word("a_1"),
                Dot,
                Name("#2b"),
                OpenBracket,
                Digits("34"),
                CloseBracket,
                LessOrEqual,
                Value(":_v"),
                End
            ]
        );
    }

    #[test]
    fn a_word_begins_with_a_letter() {
        assert_eq!(kinds("_a"), [TokenKind::Unknown, TokenKind::Word("a"), TokenKind::End]);
        assert_eq!(
            kinds("1a"),
            [TokenKind::Digits("1"), TokenKind::Word("a"), TokenKind::End]
        );
    }

    #[test]
    fn lone_signs_and_foreign_characters_are_unknown_tokens() {
        assert_eq!(
            kinds("# : ü"),
            [
                TokenKind::Unknown,
                TokenKind::Unknown,
                TokenKind::Unknown,
                TokenKind::End
            ]
        );
    }
}
