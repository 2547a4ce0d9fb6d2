//! The limits of length, count and depth.

use serde_json::json;

use crate::support::{condition, key_condition, projection, update};

fn refused(text: &str) -> String {
    condition(text, &json!({})).expect_err("too much").to_string()
}

#[test]
fn an_expression_has_at_most_4096_bytes() {
    let padded = |front: &str, back: &str, bytes: usize| {
        format!("{front}{}{back}", " ".repeat(bytes - front.len() - back.len()))
    };
    projection(&"x".repeat(4096), &json!({})).unwrap();
    condition(&padded("a", "= :v", 4096), &json!({":v": 1})).unwrap();
    update(&padded("SET ", "a = :v", 4096), &json!({":v": 1})).unwrap();
    key_condition(&padded("a", "= :v", 4096), &json!({":v": 1})).unwrap();
    let message = |parameter: &str, bytes: usize| {
        format!("Invalid {parameter}: Expression size has exceeded the maximum allowed size; expression size: {bytes}")
    };
    for bytes in [4097, 200_004] {
        let text = "x".repeat(bytes);
        assert_eq!(
            projection(&text, &json!({})).unwrap_err().to_string(),
            message("ProjectionExpression", bytes)
        );
        assert_eq!(
            update(&text, &json!({})).unwrap_err().to_string(),
            message("UpdateExpression", bytes)
        );
        assert_eq!(refused(&text), message("ConditionExpression", bytes));
    }
}

#[test]
fn an_expression_has_at_most_300_operators() {
    let too_many = "Invalid ConditionExpression: The expression contains too many operators; operator count: 301";
    let chain = |comparisons: usize| vec!["a<b"; comparisons].join(" or ");
    condition(&chain(150), &json!({})).unwrap();
    assert_eq!(refused(&chain(151)), too_many);
    let nested = |depth: usize| format!("a<b {}{}", "or (a<b ".repeat(depth), ")".repeat(depth));
    condition(&nested(149), &json!({})).unwrap();
    assert_eq!(refused(&nested(150)), too_many);
    condition(&format!("{}a<b", "not ".repeat(299)), &json!({})).unwrap();
    assert_eq!(refused(&format!("{}a<b", "not ".repeat(300))), too_many);
    let sums = |count: usize| {
        format!(
            "SET {}",
            (0..count).map(|n| format!("a[{n}]=b+b")).collect::<Vec<_>>().join(",")
        )
    };
    update(&sums(300), &json!({})).unwrap();
    assert_eq!(
        update(&sums(301), &json!({})).unwrap_err().to_string(),
        "Invalid UpdateExpression: The expression contains too many operators; operator count: 301"
    );
}

#[test]
fn deeply_nested_expression_does_not_overflow_the_stack() {
    // The stack is small: a parser that recursed for every parenthesis would overflow it.
    let texts = [
        "(".repeat(4096),
        format!("{}a<b{}", "(".repeat(2046), ")".repeat(2046)),
        format!("{}a<b", "not ".repeat(1000)),
        format!("a < {}b{}", "f(".repeat(1355), ")".repeat(1355)),
        format!("a < {}b{}", "size(".repeat(680), ")".repeat(680)),
        format!("{}a{}<b", "(".repeat(2046), ")".repeat(2046)),
        "not (".repeat(700),
        "a in (".repeat(600),
        "a between (".repeat(300),
        format!("a{}", ".b".repeat(2000)),
        format!("a{} = b", "[1]".repeat(1300)),
        "(".repeat(10_000),
        format!("{}a<b{}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("{}a<b", "not ".repeat(10_000)),
    ];
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(move || {
        for text in &texts {
            assert!(refused(text).starts_with("Invalid ConditionExpression: "));
            let updated = format!("SET a = {}", text.get(..4000).unwrap_or(text));
            assert!(update(&updated, &json!({})).is_err());
            assert!(projection(text, &json!({})).is_err());
            assert!(key_condition(text, &json!({})).is_err());
        }
    });
    thread.unwrap().join().unwrap();
}

#[test]
fn a_path_has_at_most_32_parts() {
    projection(&format!("a{}", ".b".repeat(31)), &json!({})).unwrap();
    assert_eq!(
        projection(&format!("a{}", ".b".repeat(32)), &json!({}))
            .unwrap_err()
            .to_string(),
        "Invalid ProjectionExpression: The document path has too many nesting levels; nesting levels: 33"
    );
}

#[test]
fn a_list_index_is_at_most_a_31_bit_number() {
    projection("a[2147483647], a[0000000000000001]", &json!({})).unwrap();
    for index in ["2147483648", "99999999999999", "99999999999999999999999999"] {
        assert_eq!(
            projection(&format!("a[{index}]"), &json!({})).unwrap_err().to_string(),
            format!("Invalid ProjectionExpression: List index is not within the allowable range; index: [{index}]")
        );
    }
}

#[test]
fn in_takes_at_most_100_operands() {
    let list = |count: usize| format!("a IN ({})", vec!["b"; count].join(","));
    condition(&list(100), &json!({})).unwrap();
    assert_eq!(
        refused(&list(101)),
        "Invalid ConditionExpression: The IN operator is provided with too many operands; number of operands: 101"
    );
}
