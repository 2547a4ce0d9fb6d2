//! A real application in Python, served from three regions while one of them is cut off.

use std::process::Command;

use beringia_tests::{command::beringia, python, up::Up};

/// The command that runs the shop in the regions of an `up`.
fn shop(up: &Up, arguments: &[&str]) -> Command {
    let mut shop = python::python();
    shop.args(["-m", "shop", "--rounds", "10"])
        .args(["--endpoint", up.endpoint(), "--control", &up.control.0])
        .arg("--beringia")
        .arg(beringia())
        .args(arguments);
    shop
}

// The second run finds the table and the carts of the first one.
#[test]
fn shop_loses_no_order_while_cut_off_and_reopens() {
    let up = Up::start(&["--ephemeral"]);
    let first = python::succeeds(&mut shop(&up, &[]));
    assert!(!first.contains("An earlier run"), "{first}");
    assert!(!first.contains("cart of customer"), "only the summary: {first}");
    assert!(first.lines().count() < 15, "{first}");

    let second = python::succeeds(&mut shop(&up, &["--verbose"]));
    assert!(
        second.contains("An earlier run left a shop in us-east-1, eu-west-1"),
        "{second}"
    );
    assert!(
        second.contains("cart of customer"),
        "--verbose lists every line that lost an update: {second}"
    );
    for report in [first, second] {
        assert!(report.contains("none lost, none torn, no piece sold twice"), "{report}");
        assert!(report.contains("lost some to a newer cart"), "{report}");
    }
}

#[test]
fn shop_leaves_a_foreign_table_alone() {
    let up = Up::start(&["--ephemeral"]);
    let table = "import boto3, sys\n\
        client = boto3.client('dynamodb', endpoint_url=sys.argv[1], region_name='eu-west-1', aws_access_key_id='a', aws_secret_access_key='b')\n\
        if len(sys.argv) > 2:\n    client.create_table(TableName='shop', BillingMode='PAY_PER_REQUEST',\n        \
        AttributeDefinitions=[dict(AttributeName='id', AttributeType='S')], KeySchema=[dict(AttributeName='id', KeyType='HASH')])\n\
        print(client.describe_table(TableName='shop')['Table']['KeySchema'])";
    let mine = python::succeeds(python::python().args(["-c", table, up.endpoint(), "create"]));
    let output = shop(&up, &[]).output().expect("python starts");
    let printed = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{printed}");
    assert!(
        printed.contains("a table `shop` in eu-west-1 that is not this program's"),
        "{printed}"
    );
    assert!(!printed.contains("Traceback"), "{printed}");
    assert_eq!(
        python::succeeds(python::python().args(["-c", table, up.endpoint()])),
        mine
    );
}
