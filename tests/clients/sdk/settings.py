"""Tags, time to live and the legacy request parameters, in one region and between regions.
Usage: python -m sdk.settings ENDPOINT"""

import sys
import time

from .support import CONFIG, refused, session, until

ENDPOINT = sys.argv[1]
HERE, THERE = ("us-east-1", "eu-west-1")
CLIENTS = {region: session(region).client("dynamodb", endpoint_url=ENDPOINT, config=CONFIG) for region in (HERE, THERE)}


def tags(region, arn):
    pages = CLIENTS[region].get_paginator("list_tags_of_resource").paginate(ResourceArn=arn)
    return {tag["Key"]: tag["Value"] for page in pages for tag in page["Tags"]}


def tags_belong_to_a_region(name):
    arns = {region: client.describe_table(TableName=name)["Table"]["TableArn"] for region, client in CLIENTS.items()}
    assert tags(HERE, arns[HERE]) == {"team": "shop"} and tags(THERE, arns[THERE]) == {}
    CLIENTS[THERE].tag_resource(ResourceArn=arns[THERE], Tags=[{"Key": "stage", "Value": "test"}, {"Key": "gone", "Value": ""}])
    CLIENTS[THERE].untag_resource(ResourceArn=arns[THERE], TagKeys=["gone"])
    assert tags(HERE, arns[HERE]) == {"team": "shop"} and tags(THERE, arns[THERE]) == {"stage": "test"}
    refused("ResourceNotFoundException", CLIENTS[HERE].list_tags_of_resource, ResourceArn=arns[HERE] + "x")


def items_expire_in_every_region(name):
    CLIENTS[THERE].update_time_to_live(TableName=name, TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})
    wanted = {"TimeToLiveStatus": "ENABLED", "AttributeName": "until"}
    until("the setting in both regions", lambda: all(
        client.describe_time_to_live(TableName=name)["TimeToLiveDescription"] == wanted for client in CLIENTS.values()))
    now = int(time.time())
    for key, seconds in (("past", -1), ("soon", 3), ("later", 3600)):
        CLIENTS[HERE].put_item(TableName=name, Item={"pk": {"S": key}, "until": {"N": str(now + seconds)}})

    def left(region):
        return {item["pk"]["S"] for item in CLIENTS[region].scan(TableName=name, ConsistentRead=True)["Items"]}

    until("the expired items to be deleted", lambda: left(HERE) == left(THERE) == {"later"})


def older_forms_work(name):
    client = CLIENTS[HERE]
    key = {"pk": {"S": "older"}}
    equal = lambda value: {"ComparisonOperator": "EQ", "AttributeValueList": [value]}
    client.put_item(TableName=name, Item=key | {"n": {"N": "1"}}, Expected={"pk": {"Exists": False}})
    refused("ConditionalCheckFailedException", client.put_item, TableName=name, Item=key, Expected={"pk": {"Exists": False}})
    changed = client.update_item(
        TableName=name, Key=key, ReturnValues="UPDATED_NEW", Expected={"n": {"ComparisonOperator": "LT", "AttributeValueList": [{"N": "5"}]}},
        AttributeUpdates={"n": {"Action": "ADD", "Value": {"N": "6"}}, "set": {"Value": {"SS": ["a"]}}},
    )
    assert changed["Attributes"] == {"n": {"N": "7"}, "set": {"SS": ["a"]}}, changed
    found = client.query(TableName=name, KeyConditions={"pk": equal(key["pk"])}, QueryFilter={"n": equal({"N": "7"})}, AttributesToGet=["set"])
    assert found["Items"] == [{"set": {"SS": ["a"]}}], found
    scanned = client.scan(TableName=name, ScanFilter={"set": {"ComparisonOperator": "CONTAINS", "AttributeValueList": [{"S": "a"}]}})
    assert [item["pk"] for item in scanned["Items"]] == [key["pk"]], scanned
    error = refused("ValidationException", client.scan, TableName=name, ScanFilter={"n": equal({"N": "7"})}, ProjectionExpression="n")
    assert "Can not use both expression and non-expression parameters" in error["Error"]["Message"], error


def main():
    client = CLIENTS[HERE]
    client.create_table(
        TableName="settings", BillingMode="PAY_PER_REQUEST", Tags=[{"Key": "team", "Value": "shop"}],
        OnDemandThroughput={"MaxReadRequestUnits": 100},
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}], KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
    )
    client.get_waiter("table_exists").wait(TableName="settings")
    client.update_table(TableName="settings", ReplicaUpdates=[{"Create": {"RegionName": THERE}}])
    until("the replica", lambda: "settings" in CLIENTS[THERE].list_tables()["TableNames"]
          and CLIENTS[THERE].describe_table(TableName="settings")["Table"]["TableStatus"] == "ACTIVE")
    described = CLIENTS[THERE].describe_table(TableName="settings")["Table"]
    assert described["OnDemandThroughput"] == {"MaxReadRequestUnits": 100, "MaxWriteRequestUnits": -1}, described
    assert described["BillingModeSummary"]["LastUpdateToPayPerRequestDateTime"] == described["CreationDateTime"], described
    tags_belong_to_a_region("settings")
    items_expire_in_every_region("settings")
    older_forms_work("settings")
    backups = client.describe_continuous_backups(TableName="settings")["ContinuousBackupsDescription"]
    assert backups["ContinuousBackupsStatus"] == "ENABLED" and client.describe_limits()["TableMaxReadCapacityUnits"] == 40000
    print("all passed")


if __name__ == "__main__":
    main()
