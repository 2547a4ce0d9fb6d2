"""Several writers change a table 5,000 times while its shards are followed by children every half
second and the server is killed. Workers in two regions read its streams as the Kinesis Client
Library does: they see each change once and in order.
Usage: python -m streams.kills BERINGIA DATA"""

import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

PROGRAM, DATA = sys.argv[1:3]
TABLE = "changing"
HOME, AWAY = "us-east-1", "eu-west-1"
CHANGES, WRITERS, ITEMS, KILLS, SEED = 5_000, 4, 8, 5, 18
SHARD_AGE_MS = 500
DEADLINE = time.monotonic() + 180
failures = []


def check():
    """Ends a thread when another one failed or the time is over."""
    if failures:
        raise RuntimeError("another thread failed") from failures[0]
    assert time.monotonic() < DEADLINE, "not done in time"


def until(condition):
    while not condition():
        check()
        time.sleep(0.01)


def free_ports(count):
    """The first of this number of free ports in a row. They are below those that the system gives
    to others, so they stay free while the server is down."""
    chance = random.Random(os.getpid())
    while True:
        first = chance.randrange(12_000, 32_000)
        try:
            for port in range(first, first + count):
                with socket.socket() as free:
                    free.bind(("127.0.0.1", port))
            return first
        except OSError:
            check()


class Server:
    """A process with three regions, whose ports and files are the same after each start."""

    def __init__(self):
        self.ports = free_ports(8)
        self.endpoint, self.control = (f"http://127.0.0.1:{self.ports + offset}" for offset in (0, 1))
        self.start()

    def start(self):
        ports = {"endpoint": self.ports, "control": self.ports + 1, "dynamodb": self.ports + 2, "replication": self.ports + 5}
        self.process = subprocess.Popen(
            [PROGRAM, "up", "--format", "json", "--data", DATA, "--stream-shard-age-ms", str(SHARD_AGE_MS)]
            + [f"--{kind}-port={port}" for kind, port in ports.items()],
            stdout=subprocess.PIPE, text=True,
        )
        assert json.loads(self.process.stdout.readline())["event"] == "ready"

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def client(self, service, region):
        # The client does not repeat a request by itself: the writers must know about each attempt.
        return boto3.client(
            service, region_name=region, endpoint_url=self.endpoint, aws_access_key_id="key", aws_secret_access_key="secret",
            config=Config(retries={"total_max_attempts": 1}, read_timeout=20),
        )


class Writer:
    """Changes its own items. Each change has a condition, so that it happens once, also if the
    answer is lost."""

    def __init__(self, server, name):
        self.client = server.client("dynamodb", HOME)
        self.keys = [f"{name}{number}" for number in range(ITEMS)]
        self.chance = random.Random(f"{SEED}-{name}")
        self.items, self.made, self.unanswered, self.done = {}, defaultdict(list), 0, 0

    def run(self):
        for number in range(1, CHANGES // WRITERS + 1):
            key = self.chance.choice(self.keys)
            before = self.items.get(key)
            after = None if before and self.chance.random() < 0.15 else number
            self.change(key, before, after)
            self.made[key].append((before, after))
            self.items[key] = after
            self.done += 1

    def change(self, key, before, after):
        where = {"TableName": TABLE, "Key": {"pk": {"S": key}}}
        values = {}
        if before:
            where["ConditionExpression"] = "v = :before"
            values[":before"] = {"N": str(before)}
        else:
            where["ConditionExpression"] = "attribute_not_exists(pk)"
        call = self.client.delete_item
        if after:
            call = self.client.update_item
            where["UpdateExpression"] = "SET v = :after"
            values[":after"] = {"N": str(after)}
        unanswered = False
        while True:
            check()
            try:
                call(**where, ExpressionAttributeValues=values)
                return
            except ClientError as error:
                assert error.response["Error"]["Code"] == "ConditionalCheckFailedException", error
                # An attempt without an answer took place, or a change was lost or happened twice.
                found = self.client.get_item(TableName=TABLE, Key=where["Key"], ConsistentRead=True).get("Item")
                assert unanswered and (int(found["v"]["N"]) if found else None) == after, (key, before, after, found, unanswered)
                return
            except BotoCoreError:
                unanswered = True
                self.unanswered += 1
                time.sleep(0.02)


class Worker:
    """Reads parents before children. Saves its place now and then, and sometimes starts again from
    the saved place."""

    def __init__(self, server, region, arn, restarts=True):
        self.client, self.arn = server.client("dynamodbstreams", region), arn
        self.chance = random.Random(f"{SEED}-{region}")
        self.restarts = restarts
        # What survives a restart: the sequence number at which to continue each shard, and the
        # shards that were read to their end.
        self.checkpoints, self.finished = {}, set()
        # The iterator and the last sequence number of each shard that is being read.
        self.iterators, self.places = {}, {}
        # The records by sequence number, in the order in which they came first.
        self.seen, self.last, self.repeated, self.used = {}, 0, 0, set()

    def shards(self):
        found, start = [], {}
        while True:
            page = self.client.describe_stream(StreamArn=self.arn, **start)["StreamDescription"]
            found += page["Shards"]
            if "LastEvaluatedShardId" not in page:
                return found
            start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}

    def run(self):
        """Reads until every shard is closed and read. The table is deleted at the end, so that this
        comes true."""
        while True:
            check()
            try:
                shards = self.shards()
                names = {shard["ShardId"] for shard in shards}
                open_ = [
                    shard["ShardId"] for shard in shards
                    if shard["ShardId"] not in self.finished and (shard.get("ParentShardId") not in names or shard["ParentShardId"] in self.finished)
                ]
                if not open_:
                    assert self.finished == names, self.finished ^ names
                    return
                for shard in open_:
                    self.read(shard)
            except BotoCoreError:
                self.restart()
                time.sleep(0.02)

    def restart(self):
        self.iterators, self.places = {}, {}

    def read(self, shard):
        """Reads pages of a shard up to its end, or up to an empty page."""
        while True:
            iterator = self.iterators.get(shard) or self.iterator(shard)
            page = self.client.get_records(ShardIterator=iterator, Limit=self.chance.randrange(1, 100))
            for record in page["Records"]:
                self.take(shard, record)
            if "NextShardIterator" not in page:
                self.finished.add(shard)
                return
            self.iterators[shard] = page["NextShardIterator"]
            if shard in self.places and self.chance.random() < 0.3:
                self.checkpoints[shard] = self.places[shard]
            if self.restarts and self.chance.random() < 0.05:
                self.restart()
            if not page["Records"]:
                time.sleep(0.1)
                return

    def iterator(self, shard):
        if shard in self.checkpoints:
            place = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": self.checkpoints[shard]}
        else:
            place = {"ShardIteratorType": "TRIM_HORIZON"}
        return self.client.get_shard_iterator(StreamArn=self.arn, ShardId=shard, **place)["ShardIterator"]

    def take(self, shard, record):
        change = record["dynamodb"]
        sequence = int(change["SequenceNumber"])
        value = lambda image: int(change[image]["v"]["N"]) if image in change else None
        content = (record["eventName"], change["Keys"]["pk"]["S"], value("OldImage"), value("NewImage"))
        if sequence in self.seen:
            assert self.seen[sequence] == content, (sequence, self.seen[sequence], content)
            self.repeated += 1
        else:
            assert sequence > self.last, f"{sequence} {content} came after {self.last}"
            self.seen[sequence], self.last = content, sequence
        self.places[shard] = change["SequenceNumber"]
        self.used.add(shard)


def event(before, after):
    return "INSERT" if before is None else "REMOVE" if after is None else "MODIFY"


def thread(run):
    def guarded():
        try:
            run()
        except BaseException as error:  # reported by `main`
            failures.append(error)

    started = threading.Thread(target=guarded, daemon=True)
    started.start()
    return started


def join(threads):
    until(lambda: not any(one.is_alive() for one in threads))
    check()


def open_table(server):
    """Creates the table with a replica; returns the streams of both regions."""
    clients = {region: server.client("dynamodb", region) for region in (HOME, AWAY)}
    clients[HOME].create_table(
        TableName=TABLE, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}], KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    described = lambda region: clients[region].describe_table(TableName=TABLE)["Table"]
    until(lambda: described(HOME)["TableStatus"] == "ACTIVE")
    clients[HOME].update_table(TableName=TABLE, ReplicaUpdates=[{"Create": {"RegionName": AWAY}}])
    until(lambda: [replica["ReplicaStatus"] for replica in described(HOME).get("Replicas", [])] == ["ACTIVE"])
    return {region: described(region)["LatestStreamArn"] for region in clients}


def close(server, writers, arns):
    """Waits until both regions have what was written, and deletes the table. Its streams can still
    be read; their last shards are closed."""
    subprocess.run([PROGRAM, "converge", "--timeout", "60", "--control", server.control], check=True, stdout=subprocess.DEVNULL)
    clients = {region: server.client("dynamodb", region) for region in arns}
    written = {key: value for writer in writers for key, value in writer.items.items() if value}
    for region, client in clients.items():
        items = client.scan(TableName=TABLE, ConsistentRead=True)["Items"]
        assert {item["pk"]["S"]: int(item["v"]["N"]) for item in items} == written, region
    clients[HOME].update_table(TableName=TABLE, ReplicaUpdates=[{"Delete": {"RegionName": AWAY}}])
    until(lambda: not clients[HOME].describe_table(TableName=TABLE)["Table"].get("Replicas"))
    clients[HOME].delete_table(TableName=TABLE)
    until(lambda: not any(client.list_tables()["TableNames"] for client in clients.values()))
    for region, arn in arns.items():
        described = server.client("dynamodbstreams", region).describe_stream(StreamArn=arn)["StreamDescription"]
        assert described["StreamStatus"] == "DISABLED", described


def compare(writers, worker, again):
    """The worker has seen every change of each item, in order, and nothing else; another worker
    sees the same."""
    assert list(worker.seen.items()) == list(again.seen.items()), "a worker that reads all at the end sees other records"
    found = defaultdict(list)
    for name, key, before, after in worker.seen.values():
        assert name == event(before, after), (name, key, before, after)
        found[key].append((before, after))
    made = {key: changes for writer in writers for key, changes in writer.made.items()}
    for key in made.keys() | found.keys():
        if made.get(key) != found.get(key):
            first = next((number for number, pair in enumerate(zip(made[key], found[key])) if pair[0] != pair[1]), None)
            raise AssertionError(f"{worker.arn}: {key} has {len(made[key])} changes, {len(found[key])} records; the first difference is at {first}")
    assert len(worker.seen) == CHANGES


def main():
    server = Server()
    try:
        arns = open_table(server)
        writers = [Writer(server, name) for name in "abcd"[:WRITERS]]
        workers = [Worker(server, region, arn) for region, arn in arns.items()]
        writing, reading = ([thread(one.run) for one in group] for group in (writers, workers))
        points = sorted(random.Random(SEED).sample(range(CHANGES // 20, CHANGES * 19 // 20), KILLS))
        for point in points:
            until(lambda: sum(writer.done for writer in writers) >= point)
            server.kill()
            server.start()
        join(writing)
        close(server, writers, arns)
        join(reading)
        for (region, arn), worker in zip(arns.items(), workers):
            again = Worker(server, region, arn, restarts=False)
            again.run()
            compare(writers, worker, again)
            assert worker.repeated and len(worker.used) > KILLS, (worker.repeated, len(worker.used))
            print(f"{region}: {len(worker.seen)} changes in {len(worker.used)} shards, {worker.repeated} read again")
        print(f"{KILLS} kills at {points}, {sum(writer.unanswered for writer in writers)} requests without an answer")
    finally:
        server.kill()


main()
