//! Matches texts against the patterns of the API's model, without an engine for regular
//! expressions.

fn all(text: &str, fits: impl Fn(u8) -> bool) -> bool {
    !text.is_empty() && text.bytes().all(fits)
}

/// `[a-zA-Z0-9_.-]+`, the name of a table, index or backup.
pub(super) fn name(text: &str) -> bool {
    all(text, |b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// `\p{Print}+`, which in Java is the visible part of ASCII and the blank.
pub(super) fn printable(text: &str) -> bool {
    all(text, |b| b == b' ' || b.is_ascii_graphic())
}

/// `[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*`, every character that XML allows.
pub(super) fn plain_text(text: &str) -> bool {
    text.chars()
        .all(|c| matches!(c, '\r' | '\n' | '\t') || c >= ' ' && !matches!(c, '\u{FFFE}' | '\u{FFFF}'))
}

/// `([0-9a-f]{16})+`, the token of a next page.
pub(super) fn hexadecimal_words(text: &str) -> bool {
    all(text, |b| b.is_ascii_digit() || matches!(b, b'a'..=b'f')) && text.len().is_multiple_of(16)
}

/// `^[^\$]+$`, a client's token.
pub(super) fn without_dollar(text: &str) -> bool {
    all(text, |b| b != b'$')
}

/// `[,;:|\t ]`, the separator of fields in a CSV file.
pub(super) fn delimiter(text: &str) -> bool {
    matches!(text, "," | ";" | ":" | "|" | "\t" | " ")
}

/// `[\x20-\x21\x23-\x2B\x2D-\x7E]*`, a field's name in a CSV file.
pub(super) fn csv_header(text: &str) -> bool {
    text.bytes()
        .all(|b| matches!(b, 0x20..=0x7E) && !matches!(b, b'"' | b','))
}

/// `^[a-z0-9A-Z]+[\.\-\w]*[a-z0-9A-Z]+$`, the name of a bucket.
pub(super) fn bucket(text: &str) -> bool {
    let ends = [text.bytes().next(), text.bytes().next_back()];
    text.len() >= 2
        && name(text)
        && ends
            .into_iter()
            .all(|end| end.is_some_and(|b| b.is_ascii_alphanumeric()))
}

/// `[0-9]{12}`, the id of an account.
pub(super) fn account(text: &str) -> bool {
    text.len() == 12 && all(text, |b| b.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case<'a> = (fn(&str) -> bool, &'a [&'a str], &'a [&'a str]);

    #[test]
    fn patterns_match_exactly_what_the_model_says() {
        let word = "0123456789abcdef";
        let words = word.repeat(2);
        let long = format!("{word}0");
        let cases: [Case<'_>; 9] = [
            (name, &["a", "Az09_.-"], &["", "a b", "a;", "é", "a\n"]),
            (printable, &["a b~!"], &["", "a\n", "é", "\u{7f}"]),
            (plain_text, &["", "a\r\n\té😀"], &["\u{1}", "a\u{0}", "\u{FFFF}"]),
            (
                hexadecimal_words,
                &[word, &words],
                &["", "0", &long, "0123456789ABCDEF"],
            ),
            (without_dollar, &["a", "é "], &["", "a$b"]),
            (delimiter, &[",", ";", ":", "|", "\t", " "], &["", ",,", "a"]),
            (csv_header, &["", "a b!#+-~"], &["a,b", "\"", "é", "\t"]),
            (bucket, &["a1", "a.-_b"], &["", "a", "-a", "a.", "a b"]),
            (
                account,
                &["012345678901"],
                &["01234567890", "0123456789012", "01234567890a"],
            ),
        ];
        for (position, (matches, good, bad)) in cases.into_iter().enumerate() {
            for text in good {
                assert!(matches(text), "{position}: {text:?}");
            }
            for text in bad {
                assert!(!matches(text), "{position}: {text:?}");
            }
        }
    }
}
