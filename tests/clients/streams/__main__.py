"""A table changes all the time, its stream is turned off and on, its shards are followed by
children, and the server is killed in between: a consumer sees every change once and in order.
Usage: python -m streams ENDPOINT STATE begin|again

`begin` writes the expected records and the positions of the consumers to STATE; `again` continues
from there."""

import json
import random
import sys
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from .consumer import Consumer

ENDPOINT, STATE, PHASE = sys.argv[1:4]
TABLE = "changing"
SETTINGS = {
    "aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1", "endpoint_url": ENDPOINT,
    "config": Config(retries={"max_attempts": 1}),
}
DYNAMODB = boto3.client("dynamodb", **SETTINGS)
STREAMS = boto3.client("dynamodbstreams", **SETTINGS)
CHOICE = random.Random(PHASE)


def latest_arn():
    return DYNAMODB.describe_table(TableName=TABLE)["Table"]["LatestStreamArn"]


def switch(on):
    wanted = {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"} if on else {"StreamEnabled": False}
    DYNAMODB.update_table(TableName=TABLE, StreamSpecification=wanted)


class Changes:
    """The items of the table, and the records that each stream should have."""

    def __init__(self, state):
        self.items, self.expected = state["items"], state["expected"]
        self.arn = None

    def note(self, key, after):
        before = self.items.get(key)
        if before == after:
            return
        event = "INSERT" if before is None else "REMOVE" if after is None else "MODIFY"
        if self.arn:
            self.expected[self.arn].append([event, key, before, after])
        if after is None:
            del self.items[key]
        else:
            self.items[key] = after

    def make(self):
        """Sends one request of a random kind."""
        first, second = CHOICE.sample(["a", "b", "c", "d"], 2)
        number = CHOICE.randrange(3)
        kind = CHOICE.randrange(5)
        if kind == 0:
            DYNAMODB.put_item(TableName=TABLE, Item=item(first, number))
            self.note(first, number)
        elif kind == 1:
            DYNAMODB.update_item(TableName=TABLE, Key=key(first), UpdateExpression="ADD v :n", ExpressionAttributeValues={":n": {"N": str(number)}})
            self.note(first, self.items.get(first, 0) + number)
        elif kind == 2:
            DYNAMODB.delete_item(TableName=TABLE, Key=key(first))
            self.note(first, None)
        elif kind == 3:
            writes = [{"Put": {"TableName": TABLE, "Item": item(first, number)}}, {"Delete": {"TableName": TABLE, "Key": key(second)}}]
            DYNAMODB.transact_write_items(TransactItems=writes)
            self.note(first, number)
            self.note(second, None)
        else:
            DYNAMODB.batch_write_item(RequestItems={TABLE: [{"PutRequest": {"Item": item(first, number)}}]})
            self.note(first, number)


def key(name):
    return {"pk": {"S": name}}


def item(name, number):
    return key(name) | {"v": {"N": str(number)}}


def change_until(changes, consumers, done, seconds=60):
    """Writes and reads in turns until `done` holds."""
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not done within {seconds} s"
        for _ in range(5):
            changes.make()
        for consumer in consumers.values():
            consumer.step(limit=3)


def rolled_over(consumer, times):
    """Whether more than `times` shards exist. None was removed yet: they are kept for a day."""
    shards = consumer.shards()
    names = [shard["ShardId"] for shard in shards]
    assert names == sorted(set(names))
    for parent, child in zip(shards, shards[1:]):
        assert child["ParentShardId"] == parent["ShardId"]
        assert "EndingSequenceNumber" in parent["SequenceNumberRange"]
        children = STREAMS.describe_stream(
            StreamArn=consumer.arn, ShardFilter={"Type": "CHILD_SHARDS", "ShardId": parent["ShardId"]}
        )["StreamDescription"]["Shards"]
        assert [shard["ShardId"] for shard in children] == [child["ShardId"]]
    return len(shards) > times


def run(changes, consumers):
    def begin():
        changes.arn = latest_arn()
        changes.expected.setdefault(changes.arn, [])
        consumers.setdefault(changes.arn, Consumer(STREAMS, changes.arn))

    begin()
    here = consumers[changes.arn]
    before = len(here.shards())
    change_until(changes, consumers, lambda: rolled_over(here, before + 1))
    switch(on=False)
    changes.arn = None
    for _ in range(20):
        changes.make()
    switch(on=True)
    begin()
    assert changes.arn != here.arn
    there = consumers[changes.arn]
    change_until(changes, consumers, lambda: rolled_over(there, 1))
    described = STREAMS.describe_stream(StreamArn=here.arn)["StreamDescription"]
    assert described["StreamStatus"] == "DISABLED", described
    listed = STREAMS.list_streams(TableName=TABLE)["Streams"]
    assert sorted(stream["StreamArn"] for stream in listed) == sorted(changes.expected), listed


def drain(changes, consumers):
    """Reads the remaining records and compares all with the expected ones."""
    for arn, consumer in consumers.items():
        while consumer.step(limit=1000):
            pass
        seen, expected = consumer.state["seen"], changes.expected[arn]
        assert seen == expected, f"{arn}\nseen     {seen}\nexpected {expected}"
        if arn != changes.arn:
            assert sorted(consumer.state["finished"]) == [shard["ShardId"] for shard in consumer.shards()]


def main():
    if PHASE == "begin":
        DYNAMODB.create_table(
            TableName=TABLE, BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}], KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        DYNAMODB.get_waiter("table_exists").wait(TableName=TABLE)
        state = {"items": {}, "expected": {}, "consumers": {}}
    else:
        with open(STATE) as file:
            state = json.load(file)
    changes = Changes(state)
    consumers = {arn: Consumer(STREAMS, arn, read) for arn, read in state["consumers"].items()}
    run(changes, consumers)
    if PHASE == "begin":
        # The consumers have not read everything when the server is killed.
        read = {arn: consumer.state for arn, consumer in consumers.items()}
        with open(STATE, "w") as file:
            json.dump({"items": changes.items, "expected": changes.expected, "consumers": read}, file)
        return
    drain(changes, consumers)
    try:
        STREAMS.get_records(ShardIterator="not an iterator")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "ValidationException", error.response
    else:
        raise AssertionError("an invalid iterator must be refused")
    print(sum(map(len, changes.expected.values())), "changes")


main()
