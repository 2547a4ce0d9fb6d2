"""How a client sees exceeded throughput. Usage: python -m sdk.throttling ENDPOINT"""

import sys

from botocore.config import Config

from .support import CONFIG, refused, session, until

ENDPOINT = sys.argv[1]
CLIENT = session("us-east-1").client("dynamodb", endpoint_url=ENDPOINT, config=CONFIG)
PATIENT = session("us-east-1").client("dynamodb", endpoint_url=ENDPOINT, config=Config(retries={"max_attempts": 12, "mode": "standard"}))
ONE = {"ReadCapacityUnits": 1, "WriteCapacityUnits": 1}
# A bucket gets one unit per second, and the machine may be slow; so large items empty the buckets.
LARGE = "x" * 100 * 1024


def table(name, **settings):
    CLIENT.create_table(
        TableName=name,
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "gk", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        **settings,
    )
    CLIENT.get_waiter("table_exists").wait(TableName=name)


def index(**settings):
    return [{"IndexName": "by-gk", "KeySchema": [{"AttributeName": "gk", "KeyType": "HASH"}], "Projection": {"ProjectionType": "ALL"}} | settings]


def item(key, **attributes):
    return {"pk": {"S": key}} | {name: {"S": value} for name, value in attributes.items()}


def first_refusal(code, call, **parameters):
    """Repeats a call until it is refused."""
    for _ in range(500):
        try:
            call(**parameters)
        except CLIENT.exceptions.ClientError as error:
            assert error.response["Error"]["Code"] == code, error.response
            return error.response
    raise AssertionError(f"{code} expected")


def provisioned_tables_say_what_is_used_up():
    table("bought", ProvisionedThroughput=ONE, GlobalSecondaryIndexes=index(ProvisionedThroughput={"ReadCapacityUnits": 1, "WriteCapacityUnits": 9}))
    arn = CLIENT.describe_table(TableName="bought")["Table"]["TableArn"]
    error = first_refusal("ProvisionedThroughputExceededException", CLIENT.put_item, TableName="bought", Item=item("a", x=LARGE))
    assert error["ThrottlingReasons"] == [{"reason": "TableWriteProvisionedThroughputExceeded", "resource": arn}], error
    assert error["Error"]["Message"].startswith("The level of configured provisioned throughput for the table was exceeded."), error

    large = {"PutRequest": {"Item": item("b", x=LARGE)}}
    done = CLIENT.batch_write_item(RequestItems={"bought": [large, {"DeleteRequest": {"Key": item("nobody")}}]})
    assert done["UnprocessedItems"] == {"bought": [large]}, done["UnprocessedItems"].keys()
    refused("ProvisionedThroughputExceededException", CLIENT.batch_write_item, RequestItems={"bought": [large]})
    cancelled = refused("TransactionCanceledException", CLIENT.transact_write_items, TransactItems=[
        {"Put": {"TableName": "bought", "Item": item("b", x=LARGE)}}])
    assert [reason["Code"] for reason in cancelled["CancellationReasons"]] == ["ProvisionedThroughputExceeded"], cancelled

    # A page takes 25 units, even if the bucket has fewer; the rest is owed.
    error = first_refusal("ProvisionedThroughputExceededException", CLIENT.scan, TableName="bought", ConsistentRead=True)
    assert error["ThrottlingReasons"] == [{"reason": "TableReadProvisionedThroughputExceeded", "resource": arn}], error
    keys = {"bought": {"Keys": [item("a"), item("b")]}}
    refused("ProvisionedThroughputExceededException", CLIENT.batch_get_item, RequestItems=keys)
    # The index has its own units.
    query = {"TableName": "bought", "IndexName": "by-gk", "KeyConditionExpression": "gk = :g", "ExpressionAttributeValues": {":g": {"S": "g"}}}
    assert CLIENT.query(**query)["Count"] == 0

    # An SDK that retries succeeds.
    CLIENT.update_table(TableName="bought", ProvisionedThroughput={"ReadCapacityUnits": 1000, "WriteCapacityUnits": 1000})
    PATIENT.put_item(TableName="bought", Item=item("c", gk="g", x=LARGE))
    assert PATIENT.query(**query)["Count"] == 1


def an_index_holds_its_table_up():
    wide = {"ReadCapacityUnits": 1000, "WriteCapacityUnits": 1000}
    table("held-up", ProvisionedThroughput=wide, GlobalSecondaryIndexes=index(ProvisionedThroughput=ONE))
    arn = CLIENT.describe_table(TableName="held-up")["Table"]["GlobalSecondaryIndexes"][0]["IndexArn"]
    put = lambda number: CLIENT.put_item(TableName="held-up", Item=item(str(number), gk="g", x=LARGE))
    numbers = iter(range(500))
    error = first_refusal("ProvisionedThroughputExceededException", lambda: put(next(numbers)))
    assert error["ThrottlingReasons"] == [{"reason": "IndexWriteProvisionedThroughputExceeded", "resource": arn}], error
    CLIENT.put_item(TableName="held-up", Item=item("without", x=LARGE))


def on_demand_tables_have_the_maxima_that_were_set():
    table("capped", BillingMode="PAY_PER_REQUEST", OnDemandThroughput={"MaxReadRequestUnits": 1, "MaxWriteRequestUnits": 1},
          GlobalSecondaryIndexes=index())
    arn = CLIENT.describe_table(TableName="capped")["Table"]["TableArn"]
    error = first_refusal("ThrottlingException", CLIENT.put_item, TableName="capped", Item=item("a", x=LARGE))
    assert error["throttlingReasons"] == [{"reason": "TableWriteMaxOnDemandThroughputExceeded", "resource": arn}], error
    cancelled = refused("TransactionCanceledException", CLIENT.transact_write_items, TransactItems=[
        {"Put": {"TableName": "capped", "Item": item("b", x=LARGE)}}])
    assert [reason["Code"] for reason in cancelled["CancellationReasons"]] == ["ThrottlingError"], cancelled
    CLIENT.update_table(TableName="capped", OnDemandThroughput={"MaxWriteRequestUnits": -1})

    def unbounded():
        CLIENT.put_item(TableName="capped", Item=item("a", x=LARGE))
        return True

    until("writes without a maximum", unbounded)


provisioned_tables_say_what_is_used_up()
an_index_holds_its_table_up()
on_demand_tables_have_the_maxima_that_were_set()
