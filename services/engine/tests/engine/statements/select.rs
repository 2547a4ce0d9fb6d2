//! Tests of SELECT statements.

use beringia_engine::api::ExecuteStatementInput;
use beringia_item::{AttributeValue, Item};

use super::{songs, statement};
use crate::support::{Harness, item, n, refused, s};

/// The songs among items, in their order.
fn titles(items: &[Item]) -> Vec<&str> {
    items
        .iter()
        .map(|item| match item.get("song") {
            Some(AttributeValue::S(title)) => title.as_str(),
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn where_clause_selects_one_item_a_query_or_a_scan() {
    let harness = songs().await;
    for (text, expected, scanned_bytes_of) in [
        ("artist = 'Can' AND song = 'Spoon'", vec!["Spoon"], 1),
        ("artist = 'Can'", vec!["Halleluhwah", "Spoon", "Vitamin C"], 3),
        (
            "artist = 'Can' AND song > 'I' AND year = 1972",
            vec!["Spoon", "Vitamin C"],
            2,
        ),
        ("artist = 'Can' AND begins_with(song, 'Hall')", vec!["Halleluhwah"], 1),
        (
            "artist = 'Can' AND (song = 'Spoon' OR year = 1971)",
            vec!["Halleluhwah", "Spoon"],
            3,
        ),
        ("artist IN ['Neu', 'Faust', 'Amon']", vec!["Krautrock", "Hallogallo"], 2),
        (
            "artist = 'Neu' OR artist = 'Can' AND song = 'Spoon'",
            vec!["Spoon", "Hallogallo"],
            2,
        ),
        ("year = 1973", vec!["Krautrock"], 5),
        ("artist = 'Nobody'", vec![], 0),
    ] {
        let text = format!("SELECT * FROM music WHERE {text}");
        let found = harness.items_of(&text).await;
        assert_eq!(titles(&found), expected, "{text}");
        // Limited to the items that have to be read, one page still returns all of them.
        let input = ExecuteStatementInput {
            limit: Some(scanned_bytes_of.max(1)),
            ..statement(&text)
        };
        let page = harness.engine.execute_statement(input).await.unwrap();
        assert_eq!(titles(&page.items), expected, "{text} reads more than it has to");
    }
    let all = harness.items_of("SELECT song FROM \"music\"").await;
    let mut all = titles(&all);
    all.sort_unstable();
    assert_eq!(all, ["Halleluhwah", "Hallogallo", "Krautrock", "Spoon", "Vitamin C"]);
}

#[tokio::test]
async fn indexes_are_read_by_name_and_show_their_contents() {
    let harness = songs().await;
    let by_year = harness
        .items_of(
            "SELECT * FROM music.\"by-year\" WHERE genre = 'kraut' AND year BETWEEN 1972 AND 1973 ORDER BY year DESC",
        )
        .await;
    assert_eq!(titles(&by_year)[0], "Krautrock");
    assert_eq!(by_year.len(), 3);
    assert!(by_year.iter().all(|item| !item.contains_key("length")), "{by_year:?}");
    let by_length = harness
        .items_of("SELECT song, length FROM \"music\".\"by-length\" WHERE artist = 'Can' AND length > 3")
        .await;
    assert_eq!(by_length, [item([("song", s("Halleluhwah")), ("length", n(18))])]);
    // A local index fetches attributes that it does not contain; a global index does not.
    harness
        .execute("UPDATE music SET label = 'UA' WHERE artist = 'Can' AND song = 'Spoon'")
        .await
        .unwrap();
    let fetched = harness
        .items_of("SELECT year FROM music.\"by-label\" WHERE artist = 'Can'")
        .await;
    assert_eq!(
        fetched,
        [item([("year", n(1972))])],
        "songs without a label are not in it"
    );
    let refused_projection = refused(
        harness
            .execute("SELECT year FROM music.\"by-genre\" WHERE genre = 'funk'")
            .await,
    );
    assert!(
        refused_projection.contains("does not project [year]"),
        "{refused_projection}"
    );
    let consistent = ExecuteStatementInput {
        consistent_read: true,
        ..statement("SELECT * FROM music.\"by-genre\" WHERE genre = 'funk'")
    };
    assert_eq!(
        refused(harness.engine.execute_statement(consistent).await),
        "Strongly consistent read is not supported on Global Secondary Indexes"
    );
    assert_eq!(
        refused(harness.execute("SELECT * FROM music.missed").await),
        "The table does not have the specified index"
    );
}

#[tokio::test]
async fn order_by_the_sort_key_sets_the_order() {
    let harness = songs().await;
    for (order, expected) in [
        ("", vec!["Halleluhwah", "Spoon", "Vitamin C"]),
        ("ORDER BY song", vec!["Halleluhwah", "Spoon", "Vitamin C"]),
        ("ORDER BY song DESC", vec!["Vitamin C", "Spoon", "Halleluhwah"]),
    ] {
        let text = format!("SELECT * FROM music WHERE artist = 'Can' {order}");
        assert_eq!(titles(&harness.items_of(&text).await), expected, "{text}");
    }
    let both = "SELECT * FROM music WHERE artist IN ['Can', 'Faust', 'Neu'] ORDER BY artist DESC, song DESC";
    assert_eq!(
        titles(&harness.items_of(both).await),
        ["Hallogallo", "Krautrock", "Vitamin C", "Spoon", "Halleluhwah"]
    );
    assert_eq!(
        refused(
            harness
                .execute("SELECT * FROM music WHERE year = 1972 ORDER BY song")
                .await
        ),
        "Must have at least one non-optional hash key condition in WHERE clause when using ORDER BY clause."
    );
}

#[tokio::test]
async fn projections_are_flat_and_values_come_by_parameters() {
    let harness = songs().await;
    let members = AttributeValue::L(vec![s("Liebezeit"), s("Karoli")]);
    let row = item([
        ("artist", s("Can")),
        ("song", s("Sing Swan Song")),
        ("band", AttributeValue::M(item([("members", members)]))),
    ]);
    harness.put("music", row).await;
    let found = harness
        .execute_with(
            "SELECT band.members[1], song FROM music WHERE artist = ? AND contains(band.members, ?)",
            [s("Can"), s("Karoli")],
        )
        .await
        .unwrap();
    assert_eq!(
        found.items,
        [item([("members[1]", s("Karoli")), ("song", s("Sing Swan Song"))])]
    );
    assert_eq!(
        refused(
            harness
                .execute_with("SELECT * FROM music WHERE artist = ?", [s("a"), s("b")])
                .await
        ),
        "Number of parameters in request and statement don't match."
    );
}

/// Reads a statement page by page and returns the items of each page.
async fn pages(harness: &Harness, text: &str, limit: Option<i64>) -> Vec<Vec<Item>> {
    let mut pages = Vec::new();
    let mut next_token = None;
    loop {
        let input = ExecuteStatementInput {
            limit,
            next_token: next_token.take(),
            ..statement(text)
        };
        let output = harness.engine.execute_statement(input).await.unwrap();
        assert_eq!(output.next_token.is_some(), output.last_evaluated_key.is_some());
        pages.push(output.items);
        match output.next_token {
            Some(token) => next_token = Some(token),
            None => return pages,
        }
    }
}

#[tokio::test]
async fn pages_follow_each_other_by_token_in_every_kind_of_read() {
    let harness = songs().await;
    for (tail, expected) in [
        ("", 5),
        ("WHERE year = 1972", 3),
        ("WHERE artist = 'Can'", 3),
        ("WHERE artist = 'Can' ORDER BY song DESC", 3),
        ("WHERE artist IN ['Can', 'Neu', 'Faust'] AND year > 1971", 4),
        (
            "WHERE artist IN ['Can', 'Neu', 'Faust'] ORDER BY artist DESC, song DESC",
            5,
        ),
    ] {
        let text = format!("SELECT * FROM music {tail}");
        let whole = harness.items_of(&text).await;
        assert_eq!(whole.len(), expected, "{text}");
        for limit in 1..4 {
            let pages = pages(&harness, &text, Some(limit)).await;
            assert!(pages.iter().all(|page| page.len() as i64 <= limit), "{text}: {pages:?}");
            assert_eq!(pages.concat(), whole, "{text} by {limit}");
        }
    }
    let in_index = "SELECT * FROM music.\"by-year\" WHERE genre = 'kraut' ORDER BY year DESC";
    assert_eq!(
        pages(&harness, in_index, Some(1)).await.concat(),
        harness.items_of(in_index).await
    );
}

/// Reading items by key ends without a token.
#[tokio::test]
async fn page_of_several_partitions_has_at_most_ten_items() {
    let harness = Harness::new().with_simple().await;
    for number in 10..40 {
        harness.put("simple", item([("p", s(&number.to_string()))])).await;
    }
    let wanted: Vec<String> = (5..32).map(|number| format!("'{number}'")).collect();
    let text = format!("SELECT * FROM simple WHERE p IN [{}]", wanted.join(", "));
    let sizes: Vec<usize> = pages(&harness, &text, None).await.iter().map(Vec::len).collect();
    assert_eq!(sizes, [10, 10, 2]);
    let one = ExecuteStatementInput {
        limit: Some(1),
        ..statement("SELECT * FROM simple WHERE p = '12'")
    };
    let one = harness.engine.execute_statement(one).await.unwrap();
    assert_eq!((one.items.len(), one.next_token), (1, None));
}

#[tokio::test]
async fn a_page_ends_at_a_megabyte() {
    let harness = Harness::new().with_simple().await;
    for number in 0..4 {
        let filler = s(&"x".repeat(390_000));
        harness
            .put("simple", item([("p", s(&number.to_string())), ("filler", filler)]))
            .await;
    }
    let sizes: Vec<usize> = pages(&harness, "SELECT p FROM simple", None)
        .await
        .iter()
        .map(Vec::len)
        .collect();
    assert_eq!(sizes, [3, 1]);
}

#[tokio::test]
async fn a_token_belongs_to_its_statement_and_parameters() {
    let harness = songs().await;
    let first = ExecuteStatementInput {
        limit: Some(1),
        ..statement("SELECT * FROM music WHERE artist = 'Can'")
    };
    let token = harness.engine.execute_statement(first).await.unwrap().next_token;
    assert!(token.is_some());
    let other = ExecuteStatementInput {
        next_token: token,
        ..statement("SELECT * FROM music WHERE artist = 'Neu'")
    };
    assert_eq!(
        refused(harness.engine.execute_statement(other.clone()).await),
        "NextToken does not match request"
    );
    for garbage in ["", "?", "AAAA", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="] {
        let input = ExecuteStatementInput {
            next_token: Some(garbage.to_owned()),
            ..other.clone()
        };
        refused(harness.engine.execute_statement(input).await);
    }
}

#[tokio::test]
async fn select_consumes_what_query_and_scan_consume() {
    let harness = songs().await;
    for (text, consistent_read, expected) in [
        ("SELECT * FROM music WHERE artist = 'Can'", true, 1.0),
        ("SELECT * FROM music WHERE year = 1", false, 0.5),
        (
            "SELECT * FROM music WHERE artist = 'Can' AND song = 'Nothing'",
            false,
            0.5,
        ),
    ] {
        let input = ExecuteStatementInput {
            consistent_read,
            ..statement(text)
        };
        assert_eq!(harness.units_of(input).await, expected, "{text}");
    }
}

#[tokio::test]
async fn unreadable_selects_are_rejected() {
    let harness = songs().await;
    for (text, expected) in [
        (
            "SELECT * FROM music WHERE artist = 5",
            "One or more parameter values were invalid: Condition parameter type does not match schema type",
        ),
        ("SELECT * FROM music LIMIT 5", "Unsupported clause: LIMIT at 1:21:5"),
        (
            "EXISTS(SELECT * FROM music WHERE artist = 'Can' AND song = 'Spoon')",
            "EXISTS can only be used in ExecuteTransaction write requests.",
        ),
        (
            "",
            "1 validation error detected: Value '' at 'statement' failed to satisfy constraint: Member must have length greater \
             than or equal to 1",
        ),
    ] {
        assert_eq!(refused(harness.execute(text).await), expected, "{text}");
    }
    let long = format!("SELECT * FROM music WHERE a = '{}'", "x".repeat(8192));
    assert!(refused(harness.execute(&long).await).ends_with("Member must have length less than or equal to 8192"));
    let missing = harness.execute("SELECT * FROM nowhere").await.unwrap_err();
    assert_eq!(missing.name(), "ResourceNotFoundException");
    let hidden = harness
        .execute("SELECT * FROM \"$transaction-tokens\"")
        .await
        .unwrap_err();
    assert_eq!(hidden.name(), "ValidationException");
}
