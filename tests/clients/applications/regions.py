"""What the applications share: regions, a table's replicas, and the comparison of its copies."""

import os
import sys

from sdk.support import CONFIG, REGIONS, command, session, until

ENDPOINT, CONTROL, BERINGIA = sys.argv[1:4]
VIRGINIA, IRELAND, TOKYO = REGIONS
CLIENTS = {region: session(region).client("dynamodb", endpoint_url=ENDPOINT, config=CONFIG) for region in REGIONS}
beringia = command(BERINGIA, CONTROL)

# For the applications that create their own boto3 sessions.
os.environ |= {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"}


def converge():
    """Waits until the regions have the same data; an error after a minute."""
    beringia("converge", "--timeout", "60")


def replicate(table):
    """Makes a global table of the application's table, as its operator does: billed by request,
    with a replica in each region."""
    home = CLIENTS[VIRGINIA]
    described = lambda: home.describe_table(TableName=table)["Table"]
    active = lambda: until(f"{table} to be ACTIVE", lambda: described()["TableStatus"] == "ACTIVE")
    if described().get("BillingModeSummary", {}).get("BillingMode") != "PAY_PER_REQUEST":
        home.update_table(TableName=table, BillingMode="PAY_PER_REQUEST")
        active()
    for region in (IRELAND, TOKYO):
        home.update_table(TableName=table, ReplicaUpdates=[{"Create": {"RegionName": region}}])
        active()
    until(f"the replicas of {table} to be ACTIVE", lambda: [
        replica["ReplicaStatus"] for replica in described().get("Replicas", [])] == ["ACTIVE", "ACTIVE"])
    converge()


def scan(region, **parameters):
    """All items of a table or an index, sorted. The pages are small, so that there are several."""
    pages = CLIENTS[region].get_paginator("scan").paginate(**parameters, PaginationConfig={"PageSize": 10})
    return sorted((item for page in pages for item in page["Items"]), key=repr_of)


def repr_of(value):
    """A text that is the same for equal items: maps and sets have no order."""
    if isinstance(value, dict):
        return repr({name: sorted(value[name]) if name in ("SS", "NS", "BS") else repr_of(value[name]) for name in sorted(value)})
    if isinstance(value, list):
        return repr([repr_of(element) for element in value])
    return repr(value)


def same_everywhere(table):
    """Compares the table and its indexes between the regions; returns how many items each has."""
    converge()
    described = {region: client.describe_table(TableName=table)["Table"] for region, client in CLIENTS.items()}
    indexes = {
        region: sorted(index["IndexName"] for kind in ("Global", "Local") for index in description.get(f"{kind}SecondaryIndexes", []))
        for region, description in described.items()
    }
    assert indexes[VIRGINIA] == indexes[IRELAND] == indexes[TOKYO], indexes
    sizes = {}
    for index in [None, *indexes[VIRGINIA]]:
        parameters = {"TableName": table} | ({"IndexName": index} if index else {"ConsistentRead": True})
        found = {region: [repr_of(item) for item in scan(region, **parameters)] for region in REGIONS}
        for region in (IRELAND, TOKYO):
            differing = set(found[VIRGINIA]) ^ set(found[region])
            assert found[VIRGINIA] == found[region], f"{index or table} in {region} differs in {len(differing)} items, such as {sorted(differing)[:2]}"
        sizes[index or table] = len(found[VIRGINIA])
    return sizes
