//! The allowed keys of tables and indexes: how many attributes, in which roles and order; and the
//! messages about others.

use beringia_engine::{
    ApiError,
    api::{
        AttributeDefinition, CreateTableInput, GlobalSecondaryIndexUpdate, KeySchemaElement, LocalSecondaryIndex,
        ProjectionSpecification, ProjectionType, ScalarAttributeType, TableDescription, UpdateTableInput,
    },
};

use crate::support::{Harness, definition, global, hash, projection, range, refused, simple};

const INVALID: &str = "One or more parameter values were invalid: ";
const FIRST: &str = "Invalid KeySchema: The first KeySchemaElement is not a HASH key type";
const SECOND: &str = "Invalid KeySchema: The second KeySchemaElement is not a RANGE key type";
const SAME_TWO: &str = "Both the Hash Key and the Range Key element in the KeySchema have the same name";
const SAME: &str = "The KeySchema contains multiple key attributes with the same name";

fn all() -> ProjectionSpecification {
    projection(ProjectionType::All, &[])
}

/// `HHR` as two partition attributes and one sort attribute, named `a0` and so on.
fn key(roles: &str) -> Vec<KeySchemaElement> {
    let element = |(position, role): (usize, char)| {
        let name = format!("a{position}");
        if role == 'H' { hash(&name) } else { range(&name) }
    };
    roles.chars().enumerate().map(element).collect()
}

/// Definitions of the attributes of a key, each once.
fn definitions(key: &[KeySchemaElement]) -> Vec<AttributeDefinition> {
    let mut names: Vec<&str> = key.iter().map(|element| element.attribute_name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    names
        .iter()
        .map(|name| definition(name, ScalarAttributeType::S))
        .collect()
}

/// Every sequence of up to `length` roles.
fn orders(length: usize) -> Vec<String> {
    let mut orders = vec![String::new()];
    let mut last = orders.clone();
    for _ in 0..length {
        last = last
            .iter()
            .flat_map(|roles| [format!("{roles}H"), format!("{roles}R")])
            .collect();
        orders.extend(last.clone());
    }
    orders
}

/// Creates a table with that key.
async fn of_table(key: &[KeySchemaElement]) -> Result<TableDescription, ApiError> {
    let input = CreateTableInput {
        attribute_definitions: definitions(key),
        key_schema: key.to_vec(),
        ..simple()
    };
    Harness::new().engine.create_table(input).await
}

/// Creates a table with a local index of that key.
async fn of_local_index(key: &[KeySchemaElement]) -> Result<TableDescription, ApiError> {
    let of_table = vec![hash("a0"), range("z")];
    let index = LocalSecondaryIndex {
        index_name: "index".to_owned(),
        key_schema: key.to_vec(),
        projection: all(),
    };
    let input = CreateTableInput {
        attribute_definitions: definitions(&[key, &of_table].concat()),
        key_schema: of_table,
        local_secondary_indexes: Some(vec![index]),
        ..simple()
    };
    Harness::new().engine.create_table(input).await
}

/// Creates a table with a global index of that key.
async fn of_global_index(key: &[KeySchemaElement]) -> Result<TableDescription, ApiError> {
    let mut attribute_definitions = definitions(key);
    attribute_definitions.push(definition("p", ScalarAttributeType::S));
    let input = CreateTableInput {
        attribute_definitions,
        global_secondary_indexes: Some(vec![global("index", key.to_vec(), all())]),
        ..simple()
    };
    Harness::new().engine.create_table(input).await
}

/// Adds a global index of that key to a table.
async fn of_added_index(key: &[KeySchemaElement]) -> Result<TableDescription, ApiError> {
    let harness = Harness::new().with_simple().await;
    let index = global("index", key.to_vec(), all());
    let input = UpdateTableInput {
        table_name: "simple".to_owned(),
        attribute_definitions: Some(definitions(key)),
        global_secondary_index_updates: Some(vec![GlobalSecondaryIndexUpdate::Create(index)]),
        ..UpdateTableInput::default()
    };
    harness.engine.update_table(input).await
}

fn shown(described: Result<TableDescription, ApiError>) -> Vec<KeySchemaElement> {
    described
        .unwrap()
        .global_secondary_indexes
        .unwrap()
        .remove(0)
        .key_schema
}

#[tokio::test]
async fn a_table_has_one_attribute_of_each_role_at_most() {
    for roles in orders(3) {
        let made = of_table(&key(&roles)).await;
        let words = match roles.as_str() {
            "H" | "HR" => {
                assert_eq!(made.unwrap().key_schema, key(&roles));
                continue;
            }
            "" => {
                "Value '[]' at 'keySchema' failed to satisfy constraint: Member must have length greater than or equal to 1"
            }
            "R" | "RH" | "RR" => FIRST,
            "HH" => SECOND,
            _ => "at 'keySchema' failed to satisfy constraint: Member must have length less than or equal to 2",
        };
        let message = refused(made);
        assert!(message.contains(words), "{roles}: {message}, not {words}");
    }
}

#[tokio::test]
async fn local_index_has_table_partition_key_and_a_sort_attribute() {
    let member = "localSecondaryIndexes.1.member.keySchema";
    for roles in orders(3) {
        let made = of_local_index(&key(&roles)).await;
        let words = match roles.as_str() {
            "HR" => {
                let index = made.unwrap().local_secondary_indexes.unwrap().remove(0);
                assert_eq!(index.key_schema, key(&roles));
                continue;
            }
            "" => format!("Value '[]' at '{member}' failed to satisfy constraint"),
            "H" => "Index KeySchema does not have a range key for index: index".to_owned(),
            "R" | "RH" | "RR" => FIRST.to_owned(),
            "HH" => SECOND.to_owned(),
            _ => format!("at '{member}' failed to satisfy constraint: Member must have length less than or equal to 2"),
        };
        let message = refused(made);
        assert!(message.contains(&words), "{roles}: {message}, not {words}");
    }
}

/// The message about a global index whose key has these roles in this order; `None` if it is valid.
fn of_roles(roles: &str) -> Option<String> {
    let hashes = roles.chars().take_while(|role| *role == 'H').count();
    let ranges = roles[hashes..].chars().take_while(|role| *role == 'R').count();
    let too_many = |role: &str| {
        Some(format!(
            "{INVALID}The KeySchema exceeds the maximum allowed number of {role} key attributes"
        ))
    };
    if hashes == 0 {
        Some(FIRST.to_owned())
    } else if hashes + ranges < roles.len() {
        Some(format!(
            "{INVALID}All HASH key attributes must precede RANGE key attributes in the KeySchema"
        ))
    } else if hashes > 4 {
        too_many("HASH")
    } else if ranges > 4 {
        too_many("RANGE")
    } else {
        None
    }
}

/// The attributes of the partition key come first.
#[tokio::test]
async fn global_index_key_has_up_to_four_attributes_per_role() {
    let counts = (1..=6).flat_map(|hashes| (0..=6).map(move |ranges| (hashes, ranges)));
    let sorted = counts.map(|(hashes, ranges)| "H".repeat(hashes) + &"R".repeat(ranges));
    let mut made = 0;
    for roles in orders(4).into_iter().skip(1).chain(sorted) {
        let key = key(&roles);
        match of_roles(&roles) {
            Some(words) => {
                assert_eq!(refused(of_global_index(&key).await), words, "{roles}");
                assert_eq!(refused(of_added_index(&key).await), words, "{roles}, added");
            }
            None => {
                assert_eq!(shown(of_global_index(&key).await), key, "{roles}");
                assert_eq!(shown(of_added_index(&key).await), key, "{roles}, added");
                made += 1;
            }
        }
    }
    assert_eq!(
        made,
        4 * 5 + 10,
        "every valid pair of counts, and keys of up to four attributes a second time"
    );
}

#[tokio::test]
async fn no_key_names_an_attribute_twice() {
    for roles in orders(4).into_iter().filter(|roles| roles.len() > 1) {
        for (first, second) in (0..roles.len()).flat_map(|first| (0..first).map(move |second| (first, second))) {
            let mut key = key(&roles);
            key[first].attribute_name = key[second].attribute_name.clone();
            // A key of two roles is checked like that of a table.
            let simple = matches!(roles.as_str(), "HR" | "RH" | "RR");
            let words = if simple { SAME_TWO } else { SAME };
            assert_eq!(
                refused(of_global_index(&key).await),
                words,
                "{roles}: {first} as {second}"
            );
        }
    }
    let twice = [hash("a0"), range("a0")];
    assert_eq!(refused(of_local_index(&twice).await), SAME_TWO);
    let input = |defined: &[KeySchemaElement]| CreateTableInput {
        attribute_definitions: definitions(defined),
        key_schema: twice.to_vec(),
        ..simple()
    };
    let made = Harness::new().engine.create_table(input(&key("HR"))).await;
    assert_eq!(refused(made), SAME_TWO);
    // A key with more attributes than are defined is reported first.
    let made = Harness::new().engine.create_table(input(&twice)).await;
    assert_eq!(
        refused(made),
        "Invalid KeySchema: Some index key attribute have no definition"
    );
}

#[tokio::test]
async fn exactly_the_key_attributes_are_defined() {
    let of = |keys: &[&str], defined: &[&str]| CreateTableInput {
        attribute_definitions: defined
            .iter()
            .map(|name| definition(name, ScalarAttributeType::S))
            .collect(),
        global_secondary_indexes: Some(vec![global(
            "index",
            keys.iter().map(|name| hash(name)).collect(),
            all(),
        )]),
        ..simple()
    };
    let undefined = |keys: &str, defined: &str| {
        format!(
            "{INVALID}Some index key attributes are not defined in AttributeDefinitions. Keys: [{keys}], AttributeDefinitions: [{defined}]"
        )
    };
    let unused = |defined: &str, used: &str| {
        format!(
            "{INVALID}Some AttributeDefinitions are not used. AttributeDefinitions: [{defined}], keys used: [{used}]"
        )
    };
    for (input, words) in [
        (of(&["a"], &["p"]), undefined("a", "p")),
        (of(&["a", "b", "c"], &["p", "a", "c"]), undefined("a, b, c", "p, a, c")),
        (of(&["a"], &["p", "a", "b"]), unused("p, a, b", "p, a")),
        // Faults of an index's key are reported before unused definitions, and those before other
        // faults of the index.
        (of(&["a"], &["p", "b"]), undefined("a", "p, b")),
        (of(&["a"; 5], &["p", "a", "b"]), SAME.to_owned()),
        (
            CreateTableInput {
                global_secondary_indexes: Some(vec![global(
                    "index",
                    vec![hash("a")],
                    ProjectionSpecification::default(),
                )]),
                ..of(&[], &["p", "a", "b"])
            },
            unused("p, a, b", "p, a"),
        ),
    ] {
        let refused = refused(Harness::new().engine.create_table(input.clone()).await);
        assert_eq!(refused, words, "{input:?}");
    }
    let twice = of(&["a"], &["p", "a", "a"]);
    assert_eq!(
        refused(Harness::new().engine.create_table(twice).await),
        "Attribute Name is duplicated: a"
    );
}
