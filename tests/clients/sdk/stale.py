"""Stale reads, and an index whose keys have several attributes.
Usage: python -m sdk.stale ENDPOINT MS, where MS is the value of `--stale-reads`"""

import sys
import time

from boto3.dynamodb.conditions import Key

from .support import CONFIG, refused, session

ENDPOINT, BOUND = sys.argv[1], int(sys.argv[2]) / 1000
TABLE = "behind"


def main():
    resource = session("us-east-1").resource("dynamodb", endpoint_url=ENDPOINT, config=CONFIG)
    hashes, ranges = ["tournament", "region"], ["round", "bracket", "match"]
    table = resource.create_table(
        TableName=TABLE, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "N" if name == "match" else "S"} for name in ["pk", *hashes, *ranges]],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        GlobalSecondaryIndexes=[{
            "IndexName": "by-round", "Projection": {"ProjectionType": "ALL"},
            "KeySchema": [{"AttributeName": name, "KeyType": "HASH"} for name in hashes]
            + [{"AttributeName": name, "KeyType": "RANGE"} for name in ranges],
        }],
    )
    table.wait_until_exists()
    reads_are_behind_and_never_further_than_told(table)
    time.sleep(BOUND)
    several_attributes_make_a_key(table)


def reads_are_behind_and_never_further_than_told(table):
    """Writes increasing numbers, and reads in between; every read must return a number that was
    current within the bound."""
    written = []
    behind = {"item": 0, "index": 0}
    deadline = time.monotonic() + 60
    where = Key("tournament").eq("t") & Key("region").eq("r")
    while min(behind.values()) < 5:
        assert time.monotonic() < deadline, f"too few reads were stale within a minute: {behind}"
        table.put_item(Item={"pk": "a", "n": len(written), "tournament": "t", "region": "r", "round": "1", "bracket": "b", "match": 1})
        written.append(time.monotonic())
        seen = table.get_item(Key={"pk": "a"}, ConsistentRead=True)["Item"]
        assert seen["n"] == len(written) - 1, "a consistent read returns the newest number"
        for kind, read in (
            ("item", lambda: table.get_item(Key={"pk": "a"}).get("Item")),
            ("index", lambda: next(iter(table.query(IndexName="by-round", KeyConditionExpression=where)["Items"]), None)),
        ):
            asked = time.monotonic()
            found = read()
            number = -1 if found is None else int(found["n"])
            behind[kind] += number < len(written) - 1
            # The read's point in time is before the next number was written, so that write cannot
            # be older than the bound.
            if number + 1 < len(written):
                assert written[number + 1] >= asked - BOUND, (kind, number, len(written), asked - written[number + 1])
    time.sleep(BOUND)
    for _ in range(50):
        assert table.get_item(Key={"pk": "a"})["Item"]["n"] == len(written) - 1, "every read returns a number that is older than the bound"
    table.delete_item(Key={"pk": "a"})


def several_attributes_make_a_key(table):
    matches = [("semi", "upper", 10), ("semi", "upper", 9), ("semi", "lower", 3), ("final", "upper", 1)]
    for number, (round_, bracket, match) in enumerate(matches):
        table.put_item(Item={"pk": str(number), "tournament": "winter", "region": "eu", "round": round_, "bracket": bracket, "match": match})
    table.put_item(Item={"pk": "other", "tournament": "winte", "region": "reu", "round": "semi", "bracket": "upper", "match": 9})
    table.put_item(Item={"pk": "incomplete", "tournament": "winter", "region": "eu", "round": "semi", "bracket": "upper"})
    time.sleep(BOUND)

    def found(condition):
        items = table.query(IndexName="by-round", KeyConditionExpression=condition)["Items"]
        return [(item["round"], item["bracket"], int(item["match"])) for item in items]

    partition = Key("tournament").eq("winter") & Key("region").eq("eu")
    assert found(partition) == sorted(matches), found(partition)
    semi = partition & Key("round").eq("semi")
    assert found(semi & Key("bracket").begins_with("up")) == [("semi", "upper", 9), ("semi", "upper", 10)]
    assert found(semi & Key("bracket").eq("upper") & Key("match").gt(9)) == [("semi", "upper", 10)]
    for wrong in (Key("tournament").eq("winter"), partition & Key("bracket").eq("upper"), partition & Key("round").gt("a") & Key("bracket").eq("upper")):
        refused("ValidationException", table.query, IndexName="by-round", KeyConditionExpression=wrong)
    pages, position = [], {}
    while position is not None:
        page = table.query(IndexName="by-round", KeyConditionExpression=partition, Limit=1, **position)
        pages += [int(item["match"]) for item in page["Items"]]
        position = {"ExclusiveStartKey": page["LastEvaluatedKey"]} if "LastEvaluatedKey" in page else None
    assert pages == [1, 3, 9, 10], pages


main()
