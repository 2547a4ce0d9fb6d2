"""Opens the shop: deletes what an earlier run left, then creates the table and its replicas."""

import sys
import time

from . import model


class NotOurs(Exception):
    """A table with the shop's name exists that this program did not create."""


def until(what, seconds, condition):
    """Waits for a condition. Exits with an error if it is not met in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            sys.exit(f"{what}: not within {seconds} s")
        time.sleep(0.05)


def described(client):
    """The table as a region describes it, or None if the region has no such table."""
    try:
        return client.describe_table(TableName=model.TABLE)["Table"]
    except client.exceptions.ResourceNotFoundException:
        return None


def status(client):
    table = described(client)
    return table and table["TableStatus"]


def replica_statuses(client):
    replicas = (described(client) or {}).get("Replicas", [])
    return {replica["RegionName"]: replica["ReplicaStatus"] for replica in replicas}


def is_ours(table):
    """Whether a table has the keys and indexes of the shop's table. Other tables are left alone."""
    form = lambda table: (
        table["KeySchema"],
        {index["IndexName"]: index["KeySchema"] for kind in ("Global", "Local") for index in table.get(f"{kind}SecondaryIndexes", [])},
    )
    return form(table) == form(model.table_definition())


def clear_away(clients, say):
    """Deletes the table and the replicas that an earlier run left, whose orders this run's ledger
    does not know."""
    left = {region: table for region, client in clients.items() if (table := described(client))}
    if not left:
        return
    strange = [region for region, table in left.items() if not is_ours(table)]
    if strange:
        raise NotOurs(f"there is a table `{model.TABLE}` in {', '.join(strange)} that is not this program's: delete it, or run another `beringia up --data DIR`")
    say(f"An earlier run left a shop in {', '.join(left)}: its table is deleted.")
    home = next(iter(left))
    for region in replica_statuses(clients[home]):
        until("the table to be ACTIVE", 60, lambda: status(clients[home]) == "ACTIVE")
        clients[home].update_table(TableName=model.TABLE, ReplicaUpdates=[{"Delete": {"RegionName": region}}])
        until(f"the replica in {region} to go", 60, lambda: region not in replica_statuses(clients[home]))
    for region in left:
        # This also deletes a table whose replicas were removed earlier.
        if status(clients[region]):
            until("the table to be ACTIVE", 60, lambda: status(clients[region]) in ("ACTIVE", None))
            if status(clients[region]):
                clients[region].delete_table(TableName=model.TABLE)
        until(f"the table in {region} to go", 60, lambda: status(clients[region]) is None)


def open_shop(clients, home):
    """Creates the table in the first region and replicas in the others."""
    clients[home].create_table(**model.table_definition())
    clients[home].get_waiter("table_exists").wait(TableName=model.TABLE, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
    for region in clients:
        if region != home:
            until("the table to be ACTIVE", 60, lambda: status(clients[home]) == "ACTIVE")
            clients[home].update_table(TableName=model.TABLE, ReplicaUpdates=[{"Create": {"RegionName": region}}])
            until(f"the replica in {region}", 60, lambda: replica_statuses(clients[home]).get(region) == "ACTIVE" and status(clients[region]) == "ACTIVE")
