"""Clients whose transactions conflict on the same items.
Usage: python -m sdk.contention ENDPOINT"""

import sys
import threading
import time

from botocore.exceptions import ClientError

from .support import CONFIG, session

ENDPOINT = sys.argv[1]
TABLE = "accounts"
ACCOUNTS = [str(number) for number in range(20)]
CLIENTS = 6
OPENING = 1000


def client():
    return session("us-east-1").client("dynamodb", endpoint_url=ENDPOINT, config=CONFIG)


def key(account):
    return {"pk": {"S": account}}


def add(account, amount):
    return {"Update": {"TableName": TABLE, "Key": key(account), "UpdateExpression": "ADD balance :n",
                       "ExpressionAttributeValues": {":n": {"N": str(amount)}}}}


class Teller(threading.Thread):
    """Moves one from every other account to the first, in one transaction, concurrently with other
    tellers that do the same."""

    def __init__(self, seen, done):
        super().__init__()
        self.seen, self.done, self.client = seen, done, client()
        self.made = 0
        self.failure = None

    def run(self):
        try:
            while not self.done.is_set():
                self.step()
        except Exception as error:  # noqa: BLE001: the main thread reports it
            self.failure = error
            self.done.set()

    def step(self):
        try:
            self.client.transact_write_items(TransactItems=[add(ACCOUNTS[0], len(ACCOUNTS) - 1)] + [add(other, -1) for other in ACCOUNTS[1:]])
            self.made += 1
        except ClientError as error:
            self.note(error, "transaction")
        try:
            self.client.put_item(TableName=TABLE, Item=key("note") | {"by": {"S": self.name}})
            self.client.update_item(TableName=TABLE, Key=key(ACCOUNTS[3]), UpdateExpression="ADD visits :n", ExpressionAttributeValues={":n": {"N": "1"}})
        except ClientError as error:
            self.note(error, "write")
        try:
            got = self.client.transact_get_items(TransactItems=[{"Get": {"TableName": TABLE, "Key": key(account)}} for account in ACCOUNTS])
            total = sum(int(response["Item"]["balance"]["N"]) for response in got["Responses"])
            assert total == OPENING * len(ACCOUNTS), total
        except ClientError as error:
            self.note(error, "read")

    def note(self, error, kind):
        code = error.response["Error"]["Code"]
        if kind == "write":
            assert code == "TransactionConflictException", error.response
        else:
            assert code == "TransactionCanceledException", error.response
            reasons = {reason["Code"] for reason in error.response["CancellationReasons"]}
            assert reasons <= {"None", "TransactionConflict"} and "TransactionConflict" in reasons, error.response
        self.seen.add(kind)


def main():
    first = client()
    first.create_table(TableName=TABLE, BillingMode="PAY_PER_REQUEST", AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
                       KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}])
    first.get_waiter("table_exists").wait(TableName=TABLE)
    for account in ACCOUNTS:
        first.put_item(TableName=TABLE, Item=key(account) | {"balance": {"N": str(OPENING)}})
    seen, done = set(), threading.Event()
    tellers = [Teller(seen, done) for _ in range(CLIENTS)]
    for teller in tellers:
        teller.start()
    deadline = time.monotonic() + 120
    while not done.is_set() and not {"transaction", "write", "read"} <= seen and time.monotonic() < deadline:
        time.sleep(0.02)
    done.set()
    for teller in tellers:
        teller.join()
    failures = [teller.failure for teller in tellers if teller.failure]
    assert not failures, failures
    assert {"transaction", "write", "read"} <= seen, f"in two minutes, only these kinds of requests conflicted: {seen}"
    made = sum(teller.made for teller in tellers)
    balance = int(first.get_item(TableName=TABLE, Key=key(ACCOUNTS[0]), ConsistentRead=True)["Item"]["balance"]["N"])
    assert balance == OPENING + made * (len(ACCOUNTS) - 1), (balance, made)


main()
