//! Filters on attributes that an index does not copy.

use serde_json::{Value, json};

use super::{done, refused, songs, with};

fn not_projected(index: &str, names: &str) -> String {
    format!(
        "One or more parameter values were invalid: Secondary index {index} does not project one or more filter \
         attributes: [{names}]"
    )
}

/// A query of an index that finds the item.
fn query(index: &str) -> Value {
    let (name, value) = if index == "lsi" { ("pk", "p") } else { ("gk", "g") };
    json!({
        "TableName": "songs", "IndexName": index, "KeyConditionExpression": format!("{name} = :k"),
        "ExpressionAttributeValues": {":k": {"S": value}},
    })
}

fn filtered(index: &str, filter: &str) -> Value {
    let mut request = with(query(index), json!({"FilterExpression": filter}));
    if filter.contains(":v") {
        request["ExpressionAttributeValues"][":v"] = json!({"S": "o"});
    }
    request
}

#[tokio::test]
async fn queries_refuse_filters_on_attributes_not_copied() {
    let (_server, mut client) = songs().await;
    for index in ["gsi", "gsi-keys", "lsi"] {
        for filter in [
            "uncopied = :v",
            "uncopied <> :v",
            "attribute_exists(uncopied)",
            "attribute_not_exists(uncopied)",
            "NOT contains(uncopied, :v)",
            "uncopied IN (:v) OR begins_with(uncopied, :v)",
            "size(uncopied) BETWEEN :v AND :v",
        ] {
            let request = filtered(index, filter);
            refused(&mut client, "Query", request.clone(), &not_projected(index, "uncopied")).await;
            let counting = with(request, json!({"Select": "COUNT"}));
            refused(&mut client, "Query", counting, &not_projected(index, "uncopied")).await;
        }
        let several = filtered(
            index,
            "uncopied = :v AND attribute_exists(#map.#in) AND attribute_exists(pk2)",
        );
        let several = with(
            several,
            json!({"ExpressionAttributeNames": {"#map": "map", "#in": "in"}}),
        );
        let names = not_projected(index, "map, pk2, uncopied");
        refused(&mut client, "Query", several, &names).await;
    }
}

#[tokio::test]
async fn legacy_query_filters_are_refused_alike() {
    let (_server, mut client) = songs().await;
    for (index, name, value) in [("gsi", "gk", "g"), ("gsi-keys", "gk", "g"), ("lsi", "pk", "p")] {
        let equal = |value: &str| json!({"ComparisonOperator": "EQ", "AttributeValueList": [{"S": value}]});
        let request = json!({
            "TableName": "songs", "IndexName": index,
            "KeyConditions": {name: equal(value)}, "QueryFilter": {"uncopied": equal("o")},
        });
        refused(&mut client, "Query", request.clone(), &not_projected(index, "uncopied")).await;
        let null = json!({"QueryFilter": {"uncopied": {"ComparisonOperator": "NULL"}}, "Select": "COUNT"});
        refused(
            &mut client,
            "Query",
            with(request, null),
            &not_projected(index, "uncopied"),
        )
        .await;
    }
}

#[tokio::test]
async fn statements_that_name_the_partition_are_refused_alike() {
    let (_server, mut client) = songs().await;
    for (index, key) in [
        ("gsi", "gk = 'g'"),
        ("gsi", "gk IN ['g', 'h']"),
        ("gsi-keys", "gk = 'g'"),
        ("lsi", "pk = 'p'"),
    ] {
        for condition in [
            "uncopied = 'o'",
            "uncopied IS MISSING",
            "uncopied IS NOT MISSING",
            "begins_with(uncopied, 'o')",
            "NOT uncopied = 'o'",
            "uncopied IN ['o', 'p']",
            "uncopied BETWEEN 'a' AND 'z'",
        ] {
            let statement = format!("SELECT pk FROM \"songs\".\"{index}\" WHERE {key} AND {condition}");
            let request = json!({"Statement": statement});
            refused(
                &mut client,
                "ExecuteStatement",
                request,
                &not_projected(index, "uncopied"),
            )
            .await;
        }
    }
}

#[tokio::test]
async fn filters_on_what_the_index_copies_are_evaluated() {
    let (_server, mut client) = songs().await;
    let of_table_key = with(filtered("gsi", "sk = :v"), json!({"IndexName": "gsi"}));
    refused(
        &mut client,
        "Query",
        with(of_table_key, json!({"FilterExpression": "gk = :v"})),
        "Filter Expression can only contain non-primary key attributes: Primary key attribute: gk",
    )
    .await;
    for (request, count) in [
        (filtered("gsi", "copied = :v"), 0),
        (filtered("gsi", "copied <> :v"), 1),
        (filtered("gsi", "attribute_exists(sk)"), 1),
        (filtered("lsi", "attribute_exists(sk)"), 1),
    ] {
        let answer = done(&mut client, "Query", &request).await;
        assert_eq!(answer["Count"], count, "{request}");
    }
}

/// An index that copies only keys does not even copy what another index does.
#[tokio::test]
async fn an_index_of_keys_refuses_what_another_index_copies() {
    let (_server, mut client) = songs().await;
    let request = filtered("gsi-keys", "copied = :v");
    refused(&mut client, "Query", request, &not_projected("gsi-keys", "copied")).await;
    let answer = done(&mut client, "Query", &filtered("gsi-keys", "attribute_exists(sk)")).await;
    assert_eq!(answer["Count"], 1);
    // `lk` is a key of the local index, but not of this one.
    let request = filtered("gsi-keys", "attribute_exists(lk)");
    refused(&mut client, "Query", request, &not_projected("gsi-keys", "lk")).await;
}

#[tokio::test]
async fn an_index_that_copies_everything_takes_every_filter() {
    let (_server, mut client) = songs().await;
    for (filter, count) in [
        ("uncopied = :v", 1),
        ("uncopied <> :v", 0),
        ("attribute_exists(lk)", 1),
        ("attribute_not_exists(absent)", 1),
    ] {
        let request = filtered("gsi-all", filter);
        assert_eq!(done(&mut client, "Query", &request).await["Count"], count, "{filter}");
    }
    for (operator, value, count) in [("EQ", "o", 1), ("EQ", "other", 0), ("NE", "o", 0)] {
        let test =
            |operator: &str, value: &str| json!({"ComparisonOperator": operator, "AttributeValueList": [{"S": value}]});
        let request = json!({
            "TableName": "songs", "IndexName": "gsi-all",
            "KeyConditions": {"gk": test("EQ", "g")}, "QueryFilter": {"uncopied": test(operator, value)},
        });
        assert_eq!(done(&mut client, "Query", &request).await["Count"], count, "{request}");
    }
    let statement = "SELECT pk FROM songs.\"gsi-all\" WHERE gk = 'g' AND uncopied = 'o'";
    let answer = done(&mut client, "ExecuteStatement", &json!({"Statement": statement})).await;
    assert_eq!(answer, json!({"Items": [{"pk": {"S": "p"}}]}));
}

/// A scan of an index sees what the index copies, and its filter sees no more.
#[tokio::test]
async fn scans_of_an_index_filter_what_it_copies() {
    let (_server, mut client) = songs().await;
    let test = |operator: &str| json!({"ComparisonOperator": operator});
    for (index, exists) in [("gsi", 0), ("gsi-keys", 0), ("gsi-all", 1), ("lsi", 0)] {
        for (expression, legacy, count) in [
            ("attribute_exists(uncopied)", "NOT_NULL", exists),
            ("attribute_not_exists(uncopied)", "NULL", 1 - exists),
        ] {
            let scan = json!({"TableName": "songs", "IndexName": index});
            let filter = with(scan.clone(), json!({"FilterExpression": expression}));
            let legacy = with(scan, json!({"ScanFilter": {"uncopied": test(legacy)}}));
            for request in [filter, legacy] {
                let answer = done(&mut client, "Scan", &request).await;
                let counts = (&answer["Count"], &answer["ScannedCount"]);
                assert_eq!(counts, (&json!(count), &json!(1)), "{request}");
                let counting = done(&mut client, "Scan", &with(request, json!({"Select": "COUNT"}))).await;
                assert_eq!(counting, json!({"Count": count, "ScannedCount": 1}));
            }
        }
    }
    for (index, items) in [
        ("gsi", json!([])),
        ("lsi", json!([])),
        ("gsi-all", json!([{"pk": {"S": "p"}}])),
    ] {
        let statement = format!("SELECT pk FROM songs.\"{index}\" WHERE uncopied = 'o'");
        let answer = done(&mut client, "ExecuteStatement", &json!({"Statement": statement})).await;
        // A statement without the partition of the local index is a scan, too.
        assert_eq!(answer, json!({"Items": items}), "{index}");
    }
}
