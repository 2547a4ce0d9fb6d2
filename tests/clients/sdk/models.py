"""PynamoDB as an application uses it: models, indexes, batches, conditions, versions, transactions,
expiry.
Usage: python -m sdk.models ENDPOINT"""

import os
import sys
from datetime import datetime, timedelta, timezone

from pynamodb.attributes import (
    BinaryAttribute, BooleanAttribute, JSONAttribute, ListAttribute, MapAttribute, NumberAttribute, NumberSetAttribute, TTLAttribute, UnicodeAttribute,
    UnicodeSetAttribute, UTCDateTimeAttribute, VersionAttribute,
)
from pynamodb.connection import Connection
from pynamodb.exceptions import DeleteError, DoesNotExist, GetError, PutError, TransactWriteError, UpdateError
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex, IncludeProjection, LocalSecondaryIndex
from pynamodb.models import Model
from pynamodb.transactions import TransactGet, TransactWrite

from .support import CONFIG, session, until

ENDPOINT = sys.argv[1]
os.environ |= {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any"}
NOW = datetime(2030, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)


class Common:
    host = ENDPOINT
    region = "us-east-1"
    max_retry_attempts = 0


class Size(MapAttribute):
    width = NumberAttribute()
    height = NumberAttribute(null=True)


class ByMaker(GlobalSecondaryIndex):
    class Meta:
        index_name = "maker"
        projection = AllProjection()

    maker = UnicodeAttribute(hash_key=True)
    price = NumberAttribute(range_key=True)


class ByMade(LocalSecondaryIndex):
    class Meta:
        index_name = "made"
        projection = IncludeProjection(["price"])

    shelf = UnicodeAttribute(hash_key=True)
    made = UTCDateTimeAttribute(range_key=True)


class Thing(Model):
    class Meta(Common):
        table_name = "things"
        billing_mode = "PAY_PER_REQUEST"
        stream_view_type = "NEW_AND_OLD_IMAGES"
        tags = {"team": "blue"}

    shelf = UnicodeAttribute(hash_key=True)
    place = NumberAttribute(range_key=True)
    maker = UnicodeAttribute(null=True)
    price = NumberAttribute(null=True)
    made = UTCDateTimeAttribute(null=True)
    raw = BinaryAttribute(null=True, legacy_encoding=False)
    sold = BooleanAttribute(default=False)
    size = Size(null=True)
    parts = ListAttribute(of=Size, null=True)
    words = UnicodeSetAttribute(null=True)
    years = NumberSetAttribute(null=True)
    extra = JSONAttribute(null=True)
    until = TTLAttribute(null=True)
    by_maker = ByMaker()
    by_made = ByMade()


class Account(Model):
    class Meta(Common):
        table_name = "accounts"
        read_capacity_units = 5
        write_capacity_units = 5

    id = UnicodeAttribute(hash_key=True)
    cents = NumberAttribute(default=0)
    version = VersionAttribute()


def fails(kind, call, code="ConditionalCheckFailedException"):
    try:
        call()
    except kind as error:
        assert error.cause_response_code == code, error
        return error
    raise AssertionError(f"{kind} expected")


def tables_are_made():
    assert not Thing.exists()
    fails(GetError, lambda: Thing.get("a", 1), "ResourceNotFoundException")
    for model in (Thing, Account):
        model.create_table(wait=True)
        assert model.exists()
    described = Thing.describe_table()
    assert described["TableStatus"] == "ACTIVE" and described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST", described
    assert [index["IndexName"] for index in described["GlobalSecondaryIndexes"]] == ["maker"], described
    assert described["LocalSecondaryIndexes"][0]["Projection"] == {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["price"]}, described
    assert Account.describe_table()["ProvisionedThroughput"]["ReadCapacityUnits"] == 5
    connection = Connection(host=ENDPOINT, region="us-east-1")
    assert connection.list_tables()["TableNames"] == ["accounts", "things"]
    client = session("us-east-1").client("dynamodb", endpoint_url=ENDPOINT, config=CONFIG)
    ttl = client.describe_time_to_live(TableName="things")["TimeToLiveDescription"]
    assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "until"}, ttl


def plain(thing):
    """A model's attributes, with maps as dictionaries: map attributes compare by identity."""
    as_dict = lambda value: value.as_dict() if isinstance(value, Size) else value
    return {name: [as_dict(part) for part in value] if isinstance(value, list) else as_dict(value) for name, value in thing.attribute_values.items()}


def models_come_back_whole():
    thing = Thing(
        "a", 1, maker="ann", price=12.5, made=NOW, raw=b"\x00\xff", size=Size(width=3), parts=[Size(width=1, height=2), Size(width=0.25)],
        words={"x", "y"}, years={1999, 2000}, extra={"deep": [1, None, {"er": "🌉"}]}, until=timedelta(days=1),
    )
    thing.save()
    found = Thing.get("a", 1, consistent_read=True)
    assert plain(found) == plain(thing), (found.attribute_values, thing.attribute_values)
    assert found.extra == {"deep": [1, None, {"er": "🌉"}]} and found.parts[1].width == 0.25 and found.until.microsecond == 0
    found.update(actions=[Thing.sold.set(True), Thing.price.add(1), Thing.words.delete({"x"}), Thing.size.height.set(9), Thing.parts.set(Thing.parts.append([Size(width=7)])), Thing.raw.remove()])
    assert (found.sold, found.price, found.words, found.size.height, found.parts[2].width, found.raw) == (True, 13.5, {"y"}, 9, 7, None)
    thing.refresh()
    assert plain(thing) == plain(found)
    only = Thing.get("a", 1, attributes_to_get=["price", "size.width"])
    assert only.price == 13.5 and only.size.width == 3 and only.maker is None
    try:
        Thing.get("a", 2)
        raise AssertionError("expected DoesNotExist for a missing thing")
    except DoesNotExist:
        pass


def conditions_hold():
    fails(PutError, lambda: Thing("a", 1).save(condition=Thing.shelf.does_not_exist()))
    thing = Thing.get("a", 1)
    true = (Thing.maker.startswith("an") & Thing.words.contains("y")) | Thing.price.between(900, 901)
    thing.update(actions=[Thing.price.set(Thing.price - 3.5)], condition=true & Thing.size.width.is_in(1, 2, 3) & ~(Thing.sold == False) & Thing.maker.is_type())
    assert thing.price == 10
    fails(UpdateError, lambda: thing.update(actions=[Thing.price.set((Thing.price | 0) + 1)], condition=~true))
    fails(DeleteError, lambda: thing.delete(condition=Thing.price != 10))
    thing.delete(condition=Thing.price == 10)
    assert Thing.count("a") == 0


def pages_are_followed():
    with Thing.batch_write() as batch:
        for place in range(120):
            batch.save(Thing(f"s{place % 2}", place, maker=f"m{place % 3}", price=120 - place, made=NOW - timedelta(seconds=place)))
    assert sum(1 for _ in Thing.scan(page_size=7)) == Thing.count() == 120
    assert [thing.place for thing in Thing.query("s1", Thing.place > 50, page_size=4, scan_index_forward=False)] == list(range(119, 50, -2))
    assert [thing.place for thing in Thing.query("s0", Thing.place.between(10, 30), Thing.maker == "m0", limit=2)] == [12, 18]
    first = Thing.query("s0", limit=5)
    assert [thing.place for thing in first] == [0, 2, 4, 6, 8]
    second = Thing.query("s0", limit=5, last_evaluated_key=first.last_evaluated_key)
    assert [thing.place for thing in second] == [10, 12, 14, 16, 18]
    assert [thing.price for thing in Thing.by_maker.query("m1", ByMaker.price <= 20, page_size=2)] == [2, 5, 8, 11, 14, 17, 20]
    assert Thing.by_maker.count("m2") == 40 and sum(1 for _ in Thing.by_maker.scan(page_size=11)) == 120
    oldest = Thing.by_made.query("s1", ByMade.made < NOW - timedelta(seconds=110))
    assert [(thing.place, thing.price, thing.maker) for thing in oldest] == [(119, 1, None), (117, 3, None), (115, 5, None), (113, 7, None), (111, 9, None)]
    segments = [[thing.place for thing in Thing.scan(Thing.place < 60, segment=segment, total_segments=3, page_size=13)] for segment in range(3)]
    assert sorted(sum(segments, [])) == list(range(60)), segments
    found = list(Thing.batch_get([(f"s{place % 2}", place) for place in range(110, 130)]))
    assert sorted(thing.place for thing in found) == list(range(110, 120))
    with Thing.batch_write() as batch:
        for thing in Thing.scan(Thing.place >= 3):
            batch.delete(thing)
    assert sorted(thing.place for thing in Thing.scan()) == [0, 1, 2]


def versions_guard_against_lost_updates():
    mine = Account("ann", cents=100)
    mine.save()
    theirs = Account.get("ann")
    assert mine.version == theirs.version == 1
    mine.cents = 90
    mine.save()
    assert mine.version == 2
    theirs.cents = 110
    fails(PutError, theirs.save)
    fails(UpdateError, lambda: theirs.update(actions=[Account.cents.add(10)]))
    fails(DeleteError, theirs.delete)
    theirs.refresh()
    theirs.update(actions=[Account.cents.add(10)])
    assert (theirs.cents, theirs.version) == (100, 3) and Account.get("ann").cents == 100
    fails(PutError, Account("ann", cents=0).save)


def transactions_are_all_or_nothing():
    connection = Connection(host=ENDPOINT, region="us-east-1")
    ann, bob = Account.get("ann"), Account("bob", cents=5)
    with TransactWrite(connection=connection, client_request_token="first") as transaction:
        transaction.save(bob)
        transaction.update(ann, actions=[Account.cents.add(-5)])
        transaction.condition_check(Thing, "s0", 0, condition=Thing.shelf.exists())
    assert (bob.version, Account.get("ann").cents, Account.get("bob").cents) == (1, 95, 5)

    def too_much():
        with TransactWrite(connection=connection) as transaction:
            transaction.delete(Thing("s0", 0))
            transaction.update(Account.get("bob"), actions=[Account.cents.add(-6)], condition=Account.cents >= 6, return_values="ALL_OLD")

    error = fails(TransactWriteError, too_much, "TransactionCanceledException")
    assert [reason and reason.code for reason in error.cancellation_reasons] == [None, "ConditionalCheckFailed"], error.cancellation_reasons
    assert error.cancellation_reasons[1].raw_item["cents"] == {"N": "5"}, error.cancellation_reasons
    with TransactGet(connection=connection) as transaction:
        thing, account, nobody = transaction.get(Thing, "s0", 0), transaction.get(Account, "bob"), transaction.get(Account, "eve")
    assert thing.get().place == 0 and account.get().cents == 5
    try:
        nobody.get()
        raise AssertionError("expected DoesNotExist for a missing account")
    except DoesNotExist:
        pass


def what_expired_goes():
    Thing("old", 1, until=timedelta(seconds=1)).save()
    until("the expired item to be deleted", lambda: Thing.count("old") == 0)


def tables_go():
    for model in (Thing, Account):
        model.delete_table()
        until("the table to be deleted", lambda: not model.exists())


if __name__ == "__main__":
    tables_are_made()
    models_come_back_whole()
    conditions_hold()
    pages_are_followed()
    versions_guard_against_lost_updates()
    transactions_are_all_or_nothing()
    what_expired_goes()
    tables_go()
    print("all passed")
