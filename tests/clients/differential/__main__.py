"""Runs random operations on both and compares every answer.

Usage: python -m differential ENDPOINT
BERINGIA_DIFFERENTIAL_SEEDS: the number of sequences (4).
BERINGIA_DIFFERENTIAL_FIRST_SEED: the first seed (0).
"""

import os
import sys
import time

import boto3
from botocore.config import Config
from moto import mock_aws

from .compare import differences
from .draw import TABLES, Draw

OPERATIONS = 150
PASSED_ON = Config(retries={"max_attempts": 1})


def clients(endpoint):
    """Clients of Beringia, and of moto in this process, which answers for AWS's address only."""
    session = boto3.Session(aws_access_key_id="any", aws_secret_access_key="any", region_name="us-east-1")
    return session.client("dynamodb", endpoint_url=endpoint, config=PASSED_ON), session.client("dynamodb", endpoint_url="https://dynamodb.us-east-1.amazonaws.com", config=PASSED_ON)


def make_tables(client):
    for name, table in TABLES.items():
        schema = lambda keys: [{"AttributeName": key, "KeyType": role} for key, role, _ in keys]
        index = lambda indexes: [{"IndexName": name, "KeySchema": schema(keys), "Projection": projection} for name, (keys, projection) in indexes.items()]
        types = {key: kind for keys in [table["keys"], *(keys for keys, _ in (table["global"] | table["local"]).values())] for key, _, kind in keys}
        more = {"GlobalSecondaryIndexes": index(table["global"]), "LocalSecondaryIndexes": index(table["local"])} if table["global"] else {}
        client.create_table(
            TableName=name, BillingMode="PAY_PER_REQUEST", KeySchema=schema(table["keys"]),
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in types.items()], **more,
        )
    for name in TABLES:
        while client.describe_table(TableName=name)["Table"]["TableStatus"] != "ACTIVE":
            time.sleep(0.02)


def drop_tables(client):
    for name in TABLES:
        client.delete_table(TableName=name)
    while client.list_tables()["TableNames"]:
        time.sleep(0.02)


def level(ours, theirs):
    """Makes moto's tables equal to ours, so that an exception that changed items does not cause
    later differences."""
    for name, table in TABLES.items():
        keys = [key for key, _, _ in table["keys"]]
        of = lambda item: tuple(next(iter(item[key].values())) for key in keys)
        here, there = ({of(item): item for item in client.get_paginator("scan").paginate(TableName=name).build_full_result()["Items"]} for client in (ours, theirs))
        for key in there.keys() - here.keys():
            theirs.delete_item(TableName=name, Key={part: there[key][part] for part in keys})
        for item in here.values():
            theirs.put_item(TableName=name, Item=item)


def play(seed, ours, theirs):
    """Runs one sequence; returns the names of the exceptions that applied."""
    draw, met = Draw(seed), []
    for number in range(OPERATIONS):
        operation, parameters = draw.operation()
        difference = differences(operation, parameters, ours, theirs)
        if isinstance(difference, str):
            met.append(difference)
            level(ours, theirs)
        elif difference:
            ours_said, theirs_said = difference
            raise AssertionError(f"seed {seed}, operation {number}: {operation}({parameters!r})\n  beringia: {ours_said}\n  moto:     {theirs_said}")
    return met


def main():
    first = int(os.environ.get("BERINGIA_DIFFERENTIAL_FIRST_SEED", "0"))
    seeds = range(first, first + int(os.environ.get("BERINGIA_DIFFERENTIAL_SEEDS", "4")))
    met = []
    with mock_aws():
        for seed in seeds:
            ours, theirs = clients(sys.argv[1])
            for client in (ours, theirs):
                make_tables(client)
            met += play(seed, ours, theirs)
            for client in (ours, theirs):
                drop_tables(client)
    print(f"{len(seeds) * OPERATIONS} operations, the same answers except for {({name: met.count(name) for name in sorted(set(met))})}")


if __name__ == "__main__":
    main()
