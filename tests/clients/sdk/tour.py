"""Every operation at least once, in one region and between regions.
Usage: python -m sdk.tour ENDPOINT CONTROL BERINGIA"""

import sys
import time
from decimal import Decimal

from boto3.dynamodb.conditions import Attr, Key

from .support import CONFIG, REGIONS, command, refused, session, until

ENDPOINT, CONTROL, BERINGIA = sys.argv[1:4]
CLIENTS = {region: session(region).client("dynamodb", endpoint_url=ENDPOINT, config=CONFIG) for region in REGIONS}
HERE = session("us-east-1").resource("dynamodb", endpoint_url=ENDPOINT, config=CONFIG)
beringia = command(BERINGIA, CONTROL)


def all_types_come_back(table):
    item = {
        "pk": "types", "sk": Decimal(1), "s": "Straße 🌉", "n": Decimal("12345678901234567890123456789012345678"), "small": Decimal("-1E-130"),
        "b": b"\x00\xff", "yes": True, "nothing": None, "l": ["a", Decimal("1.5"), [b"x"]], "m": {"deep": {"deeper": [None, False]}},
        "ss": {"x", "y"}, "ns": {Decimal(1), Decimal("2.5")}, "bs": {b"1", b"2"},
    }
    table.put_item(Item=item)
    found = table.get_item(Key={"pk": "types", "sk": 1}, ConsistentRead=True)["Item"]
    found["b"] = found["b"].value
    found["l"][2][0] = found["l"][2][0].value
    found["bs"] = {element.value for element in found["bs"]}
    assert found == item, found


def conditions_and_updates_work(table):
    key = {"pk": "cond", "sk": 1}
    table.put_item(Item=key | {"stock": 3, "tags": {"a"}}, ConditionExpression=Attr("pk").not_exists())
    refused("ConditionalCheckFailedException", table.put_item, Item=key, ConditionExpression=Attr("pk").not_exists())
    for left in (2, 1, 0):
        done = table.update_item(
            Key=key, UpdateExpression="SET stock = stock - :one ADD tags :tag", ConditionExpression="stock >= :one",
            ExpressionAttributeValues={":one": 1, ":tag": {f"t{left}"}}, ReturnValues="UPDATED_NEW",
        )
        assert done["Attributes"]["stock"] == left
    error = refused(
        "ConditionalCheckFailedException", table.update_item, Key=key, UpdateExpression="SET stock = stock - :one",
        ConditionExpression="stock >= :one", ExpressionAttributeValues={":one": 1}, ReturnValuesOnConditionCheckFailure="ALL_OLD",
    )
    assert error["Item"]["stock"] == {"N": "0"}
    assert table.delete_item(Key=key, ReturnValues="ALL_OLD")["Attributes"]["tags"] == {"a", "t0", "t1", "t2"}
    assert "Item" not in table.get_item(Key=key)


def queries_and_scans_page(table):
    with table.batch_writer() as batch:
        for number in range(60):
            batch.put_item(Item={"pk": "page", "sk": number, "owner": f"o{number % 3}", "weight": 100 - number, "price": 100 - number})
    pages = list(CLIENTS["us-east-1"].get_paginator("query").paginate(
        TableName=table.name, KeyConditionExpression="pk = :p AND sk BETWEEN :a AND :b", PaginationConfig={"PageSize": 7},
        ExpressionAttributeValues={":p": {"S": "page"}, ":a": {"N": "10"}, ":b": {"N": "39"}}, ScanIndexForward=False,
    ))
    numbers = [int(item["sk"]["N"]) for page in pages for item in page["Items"]]
    assert numbers == list(range(39, 9, -1)) and len(pages) >= 5, numbers
    by_owner = table.query(IndexName="owner", KeyConditionExpression=Key("owner").eq("o1"), FilterExpression=Attr("price").lt(50))
    assert [item["sk"] for item in by_owner["Items"]] == list(range(58, 50, -3)) and by_owner["ScannedCount"] == 20, by_owner
    by_weight = table.query(IndexName="weight", KeyConditionExpression=Key("pk").eq("page") & Key("weight").lte(45), Select="COUNT")
    assert by_weight["Count"] == 5, by_weight
    segments = [
        CLIENTS["us-east-1"].get_paginator("scan").paginate(TableName=table.name, Segment=segment, TotalSegments=4, PaginationConfig={"PageSize": 9}).build_full_result()["Items"]
        for segment in range(4)
    ]
    assert sum(map(len, segments)) == table.scan(Select="COUNT")["Count"] == 61


def batches_and_transactions_work(table):
    client = CLIENTS["us-east-1"]
    key = lambda number: {"pk": {"S": "tx"}, "sk": {"N": str(number)}}
    client.transact_write_items(TransactItems=[{"Put": {"TableName": table.name, "Item": key(number)}} for number in range(3)])
    error = refused("TransactionCanceledException", client.transact_write_items, TransactItems=[
        {"Delete": {"TableName": table.name, "Key": key(0)}},
        {"ConditionCheck": {"TableName": table.name, "Key": key(9), "ConditionExpression": "attribute_exists(pk)"}},
    ])
    assert [reason["Code"] for reason in error["CancellationReasons"]] == ["None", "ConditionalCheckFailed"]
    found = client.transact_get_items(TransactItems=[{"Get": {"TableName": table.name, "Key": key(number)}} for number in (0, 9, 2)])
    assert [response.get("Item") for response in found["Responses"]] == [key(0), None, key(2)], found
    batch = client.batch_get_item(RequestItems={table.name: {"Keys": [key(0), key(1), key(9)]}})
    assert len(batch["Responses"][table.name]) == 2 and not batch["UnprocessedKeys"]
    client.batch_write_item(RequestItems={table.name: [{"DeleteRequest": {"Key": key(number)}} for number in range(3)]})
    assert table.query(KeyConditionExpression=Key("pk").eq("tx"))["Count"] == 0


def replicas_converge_and_conflicts_are_seen(name):
    for region in REGIONS[1:]:
        until("ACTIVE", lambda: CLIENTS["us-east-1"].describe_table(TableName=name)["Table"]["TableStatus"] == "ACTIVE")
        CLIENTS["us-east-1"].update_table(TableName=name, ReplicaUpdates=[{"Create": {"RegionName": region}}])

        def active():
            replicas = CLIENTS["us-east-1"].describe_table(TableName=name)["Table"].get("Replicas", [])
            return {"RegionName": region, "ReplicaStatus": "ACTIVE"}.items() <= next((r for r in replicas if r["RegionName"] == region), {}).items()

        until(f"the replica in {region}", active)
    assert CLIENTS["eu-west-1"].describe_table(TableName=name)["Table"]["GlobalTableVersion"] == "2019.11.21"
    beringia("converge", "--timeout", "60")
    counts = {region: sum(page["Count"] for page in CLIENTS[region].get_paginator("scan").paginate(TableName=name)) for region in REGIONS}
    assert len(set(counts.values())) == 1 and counts["us-east-1"] == 61, counts

    beringia("net", "cut", "us-east-1", "eu-west-1")
    beringia("net", "cut", "ap-northeast-1", "eu-west-1")
    key = {"pk": {"S": "contested"}, "sk": {"N": "1"}}
    for region in ("us-east-1", "eu-west-1"):  # Europe writes later, so its write wins
        CLIENTS[region].put_item(TableName=name, Item=key | {"from": {"S": region}})
        # The hybrid times must differ by two milliseconds; there is no condition to wait for.
        time.sleep(0.01)
    CLIENTS["eu-west-1"].put_item(TableName=name, Item={"pk": {"S": "alone"}, "sk": {"N": "1"}})
    beringia("net", "heal")
    beringia("converge", "--timeout", "60")
    for region in REGIONS:
        assert CLIENTS[region].get_item(TableName=name, Key=key)["Item"]["from"] == {"S": "eu-west-1"}, region
        assert "Item" in CLIENTS[region].get_item(TableName=name, Key={"pk": {"S": "alone"}, "sk": {"N": "1"}}), region
    conflicts = [conflict for conflict in beringia("conflicts", "--table", name) if conflict["key"]["pk"] == {"S": "contested"}]
    assert len(conflicts) == 1, conflicts
    (conflict,) = conflicts
    assert conflict["winner"]["version"]["region"] == "eu-west-1" and conflict["loser"]["version"]["region"] == "us-east-1", conflict
    assert conflict["loser"]["image"]["from"] == {"S": "us-east-1"}, conflict


def main():
    client = CLIENTS["us-east-1"]
    table = HERE.create_table(
        TableName="tour", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in (("pk", "S"), ("sk", "N"), ("owner", "S"), ("weight", "N"))],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[{
            "IndexName": "owner", "Projection": {"ProjectionType": "ALL"},
            "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}, {"AttributeName": "weight", "KeyType": "RANGE"}],
        }],
        LocalSecondaryIndexes=[{
            "IndexName": "weight", "Projection": {"ProjectionType": "KEYS_ONLY"},
            "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "weight", "KeyType": "RANGE"}],
        }],
    )
    assert table.table_status == "CREATING"
    table.wait_until_exists()
    table.reload()
    assert table.table_status == "ACTIVE" and client.list_tables()["TableNames"] == ["tour"]
    refused("ResourceInUseException", client.create_table, TableName="tour", BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}], KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}])
    refused("ResourceNotFoundException", CLIENTS["eu-west-1"].get_item, TableName="tour", Key={"pk": {"S": "a"}, "sk": {"N": "1"}})
    all_types_come_back(table)
    conditions_and_updates_work(table)
    queries_and_scans_page(table)
    batches_and_transactions_work(table)
    replicas_converge_and_conflicts_are_seen("tour")
    client.update_table(TableName="tour", ReplicaUpdates=[{"Delete": {"RegionName": "ap-northeast-1"}}])
    until("the replica to be deleted", lambda: "tour" not in CLIENTS["ap-northeast-1"].list_tables()["TableNames"])
    print("all passed")


if __name__ == "__main__":
    main()
