//! Tests of TagResource, UntagResource, ListTagsOfResource, and tags in CreateTable.

use std::collections::BTreeMap;

use beringia_engine::{
    ApiError,
    api::{
        CreateTableInput, DescribeTableInput, ListTagsOfResourceInput, ReplicationGroupUpdate, Tag, TagResourceInput,
        UntagResourceInput, UpdateTableInput,
    },
};

use beringia_item::ConflictPolicy;
use beringia_storage::Store;

use crate::support::{Harness, refused, simple};

const ARN: &str = "arn:aws:dynamodb:us-east-1:000000000000:table/simple";

fn tag(key: &str, value: &str) -> Tag {
    Tag {
        key: key.to_owned(),
        value: value.to_owned(),
    }
}

fn numbered(numbers: std::ops::Range<u32>) -> Vec<Tag> {
    numbers.map(|i| tag(&i.to_string(), "x")).collect()
}

impl Harness {
    async fn tag(&self, tags: &[Tag]) -> Result<(), ApiError> {
        self.tag_arn(ARN, tags).await
    }

    async fn tag_arn(&self, arn: &str, tags: &[Tag]) -> Result<(), ApiError> {
        let input = TagResourceInput {
            resource_arn: arn.to_owned(),
            tags: tags.to_vec(),
        };
        self.engine.tag_resource(input).await
    }

    async fn untag(&self, keys: &[&str]) -> Result<(), ApiError> {
        let input = UntagResourceInput {
            resource_arn: ARN.to_owned(),
            tag_keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        self.engine.untag_resource(input).await
    }

    async fn tags(&self) -> Vec<Tag> {
        let input = ListTagsOfResourceInput {
            resource_arn: ARN.to_owned(),
            next_token: None,
        };
        let page = self.engine.list_tags_of_resource(input).await.unwrap();
        assert_eq!(page.next_token, None);
        page.tags
    }
}

#[tokio::test]
async fn tags_are_set_replaced_listed_by_name_and_removed() {
    let harness = Harness::new().with_simple().await;
    assert_eq!(harness.tags().await, []);
    harness.tag(&[tag("b", "1"), tag("a", "")]).await.unwrap();
    harness.tag(&[tag("b", "2"), tag(" ", "+-=._:/@ é 9")]).await.unwrap();
    assert_eq!(
        harness.tags().await,
        [tag(" ", "+-=._:/@ é 9"), tag("a", ""), tag("b", "2")]
    );
    harness.untag(&["a", "never there", " "]).await.unwrap();
    assert_eq!(harness.tags().await, [tag("b", "2")]);
}

#[tokio::test]
async fn a_table_can_be_created_with_tags() {
    let harness = Harness::new();
    let input = CreateTableInput {
        tags: Some(vec![tag("team", "shop")]),
        deletion_protection_enabled: Some(true),
        ..simple()
    };
    let created = harness.engine.create_table(input).await.unwrap();
    assert!(created.deletion_protection_enabled);
    assert_eq!(harness.tags().await, [tag("team", "shop")]);
    harness.untag(&["team"]).await.unwrap();
    let described = harness.engine.describe_table(DescribeTableInput {
        table_name: "simple".to_owned(),
    });
    assert!(described.await.unwrap().deletion_protection_enabled);
}

#[tokio::test]
async fn a_table_that_becomes_global_keeps_its_tags() {
    let harness = Harness::new().with_simple().await;
    harness.tag(&[tag("team", "shop")]).await.unwrap();
    let input = UpdateTableInput {
        table_name: "simple".to_owned(),
        replica_updates: Some(vec![ReplicationGroupUpdate::Create {
            region_name: "eu-west-1".to_owned(),
        }]),
        ..UpdateTableInput::default()
    };
    harness.engine.update_table(input).await.unwrap();
    assert_eq!(harness.tags().await, [tag("team", "shop")]);
    harness.tag(&[tag("stage", "test")]).await.unwrap();
    assert_eq!(harness.tags().await, [tag("stage", "test"), tag("team", "shop")]);
}

#[tokio::test]
async fn fifty_tags_are_the_most() {
    let harness = Harness::new().with_simple().await;
    harness.tag(&numbered(0..30)).await.unwrap();
    harness.tag(&numbered(20..50)).await.unwrap();
    assert_eq!(harness.tags().await.len(), 50);
    let too_many = "Number of Tags exceed the current limit for the provided ResourceArn";
    assert_eq!(refused(harness.tag(&numbered(50..51)).await), too_many);
    assert_eq!(harness.tags().await.len(), 50);
    let input = CreateTableInput {
        table_name: "other".to_owned(),
        tags: Some(numbered(0..51)),
        ..simple()
    };
    assert_eq!(refused(harness.engine.create_table(input).await), too_many);
    assert!(
        !harness
            .engine
            .list_tables(Default::default())
            .await
            .unwrap()
            .table_names
            .contains(&"other".to_owned())
    );
}

#[tokio::test]
async fn tags_of_the_wrong_form_are_refused_and_nothing_changes() {
    let harness = Harness::new().with_simple().await;
    let long = "k".repeat(129);
    let longer = "v".repeat(257);
    let bad_key = |key: &str| format!("The Tag Key provided is invalid, Key: {key}");
    let bad_value = |value: &str| format!("The Tag Value provided is invalid, Value: {value}");
    let reserved = |key: &str| format!("Tag Key cannot be prefixed with aws:, Key: {key}");
    let cases: BTreeMap<&str, (Vec<Tag>, String)> = [
        (
            "none",
            (vec![], "Atleast one Tag needs to be provided as Input.".to_owned()),
        ),
        ("empty name", (vec![tag("", "x")], bad_key(""))),
        ("long name", (vec![tag("a", "x"), tag(&long, "x")], bad_key(&long))),
        ("long value", (vec![tag("a", &longer)], bad_value(&longer))),
        (
            "twice",
            (
                vec![tag("a", "1"), tag("a", "2")],
                "Duplicate Tag Keys provided as input: Duplicate Tag Key found a".to_owned(),
            ),
        ),
        ("name's characters", (vec![tag("a!", "x")], bad_key("a!"))),
        ("value's characters", (vec![tag("a", "<x>")], bad_value("<x>"))),
        ("reserved", (vec![tag("AWS:x", "1")], reserved("AWS:x"))),
    ]
    .into();
    for (case, (tags, message)) in cases {
        assert_eq!(refused(harness.tag(&tags).await), message, "{case}");
    }
    assert_eq!(
        refused(harness.untag(&[]).await),
        "Atleast one Tag Key needs to be provided as Input."
    );
    for (key, words) in [
        ("", bad_key("")),
        (&*long, bad_key(&long)),
        ("aws:x", reserved("aws:x")),
    ] {
        assert_eq!(refused(harness.untag(&["a", key]).await), words);
    }
    assert_eq!(
        refused(harness.untag(&["k"; 51]).await),
        "Number of Tags exceed the current limit for the provided ResourceArn"
    );
    assert_eq!(harness.tags().await, []);
}

#[tokio::test]
async fn only_arns_of_tables_of_this_region_are_accepted() {
    let harness = Harness::new().with_simple().await;
    let one = [tag("a", "b")];
    let missing = format!("{ARN}x");
    assert_eq!(
        harness.tag_arn(&missing, &one).await,
        Err(ApiError::ResourceNotFound(format!(
            "Requested resource not found: ResourceArn: {missing} not found"
        )))
    );
    let list = harness.engine.list_tags_of_resource(ListTagsOfResourceInput {
        resource_arn: missing.clone(),
        next_token: None,
    });
    assert!(matches!(list.await, Err(ApiError::ResourceNotFound(_))));
    let invalid = "One or more parameter values were invalid: ";
    for (arn, words) in [
        ("simple".to_owned(), format!("{invalid}ARNs must start with 'arn:': ")),
        (
            "arn:aws:s3:us-east-1:000000000000:simple".to_owned(),
            "Invalid TableArn: Invalid ResourceArn provided as input ".to_owned(),
        ),
        (
            ARN.replace("us-east-1", "eu-west-1"),
            "Invalid TableArn: Invalid ResourceArn provided as input ".to_owned(),
        ),
        (
            format!("{ARN}/index/by-x"),
            format!(
                "{invalid}Invalid resource arn provided, only table or stream is accepted. Provided resource arn: "
            ),
        ),
        (
            format!("{ARN}/backup/1"),
            format!("{invalid}Provided Arn is not a DynamoDB resource arn: "),
        ),
        (
            ARN.replace("table/", ""),
            format!("{invalid}Provided Arn is not a DynamoDB resource arn: "),
        ),
    ] {
        assert_eq!(refused(harness.tag_arn(&arn, &one).await), words + &arn);
    }
}

const POLICY: &str = "beringia:conflict-policy";

#[tokio::test]
async fn policy_tag_sets_the_conflict_policy_and_is_no_label() {
    let harness = Harness::new().with_simple().await;
    let policy = || harness.store.catalog().by_name["simple"].conflict_policy;
    assert_eq!(policy(), None);
    for (name, expected) in [
        ("merge", ConflictPolicy::Merge),
        ("attribute", ConflictPolicy::Attribute),
        ("item", ConflictPolicy::Item),
    ] {
        harness.tag(&[tag("team", "shop"), tag(POLICY, name)]).await.unwrap();
        assert_eq!(policy(), Some(expected));
        assert_eq!(harness.tags().await, [tag(POLICY, name), tag("team", "shop")]);
    }
    harness.tag(&[tag("team", "bank")]).await.unwrap();
    assert_eq!(policy(), Some(ConflictPolicy::Item), "other tags do not change it");
    harness.untag(&[POLICY]).await.unwrap();
    assert_eq!((policy(), harness.tags().await), (None, vec![tag("team", "bank")]));
}

#[tokio::test]
async fn unknown_policy_error_lists_the_known_ones() {
    let harness = Harness::new().with_simple().await;
    let refused = harness
        .tag(&[tag("team", "shop"), tag(POLICY, "newest")])
        .await
        .unwrap_err();
    let ApiError::Validation(message) = refused else {
        panic!("{refused:?}")
    };
    assert!(
        message.contains("`newest` is not a conflict policy: use item, attribute or merge"),
        "{message}"
    );
    assert_eq!(harness.tags().await, [], "nothing was tagged");
}

#[tokio::test]
async fn a_table_can_be_created_with_a_policy() {
    let harness = Harness::new();
    let input = CreateTableInput {
        tags: Some(vec![tag(POLICY, "merge"), tag("team", "shop")]),
        ..simple()
    };
    harness.engine.create_table(input).await.unwrap();
    assert_eq!(harness.tags().await, [tag(POLICY, "merge"), tag("team", "shop")]);
    assert_eq!(
        harness.store.catalog().by_name["simple"].conflict_policy,
        Some(ConflictPolicy::Merge)
    );
}
