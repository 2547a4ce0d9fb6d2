//! Explains errors of TOML files in the terms of the file's author.

/// The message for a file that is not TOML, has an unknown field, or has a value of the wrong type.
/// `text` is the content of the file, for values that the error does not contain.
pub(crate) fn explained(error: &toml::de::Error, text: &str) -> String {
    let message = error.message().replace('\n', ", ");
    let of_value = ["invalid type: ", "invalid value: ", "invalid length "];
    let problem = of_value.iter().find_map(|start| message.strip_prefix(start));
    let Some((found, expected)) = problem.and_then(|problem| problem.rsplit_once(", expected ")) else {
        return message;
    };
    let here = error.span().and_then(|span| text.get(span)).unwrap_or_default();
    format!("{} does not fit here; expected {}", shown(found, here), kind(expected))
}

/// The found value, as the file writes it if that is short.
fn shown(found: &str, here: &str) -> String {
    /// Longer values are not repeated.
    const SHOWN_MAX: usize = 60;
    match found {
        // The `toml` crate reports a date as a map.
        "map" if here.starts_with(|first: char| first.is_ascii_digit()) => here.to_owned(),
        "map" => "a table".to_owned(),
        "sequence" => "a list".to_owned(),
        _ if !here.is_empty() && here.len() <= SHOWN_MAX && !here.contains('\n') => here.to_owned(),
        _ => "this value".to_owned(),
    }
}

/// The expected kind in words; `expected` is serde's name of it.
fn kind(expected: &str) -> &str {
    match expected {
        "a string" => "text in quotes",
        "a boolean" => "true or false",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, not below 0",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "a sequence" => "a list in brackets",
        "a map" => "a table",
        "a TOML datetime" => "a date and a time, such as 2026-07-14T12:00:00Z",
        _ if expected.starts_with("struct ") => "a table",
        other => other,
    }
}
