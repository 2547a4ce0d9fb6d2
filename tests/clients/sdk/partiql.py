"""PartiQL through boto3: statements, pages, batches, transactions, and their replication to other
regions.
Usage: python -m sdk.partiql ENDPOINT CONTROL BERINGIA"""

import sys

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from .support import CONFIG, command, refused, session, until

ENDPOINT, CONTROL, BERINGIA = sys.argv[1:4]
HERE, THERE = ("us-east-1", "eu-west-1")
CLIENTS = {region: session(region).client("dynamodb", endpoint_url=ENDPOINT, config=CONFIG) for region in (HERE, THERE)}
client = CLIENTS[HERE]
beringia = command(BERINGIA, CONTROL)


def typed(values):
    return [TypeSerializer().serialize(value) for value in values]


def plain(item):
    return {name: TypeDeserializer().deserialize(value) for name, value in item.items()}


def execute(statement, *parameters, region=HERE, **more):
    if parameters:
        more["Parameters"] = typed(parameters)
    answer = CLIENTS[region].execute_statement(Statement=statement, **more)
    return [plain(item) for item in answer["Items"]]


def writes_and_reads_items():
    blob = bytes(range(8))
    execute("INSERT INTO orders VALUE {'id': 'a', 'line': 1, 'note': 'it''s', 'tags': <<'x', 'y'>>, 'parts': [{'n': 1.5}, NULL], 'blob': ?}", blob)
    error = refused("DuplicateItemException", client.execute_statement, Statement="INSERT INTO orders VALUE {'id': 'a', 'line': 1}")
    assert error["Error"]["Message"] == "Duplicate primary key exists in table", error
    (found,) = execute("SELECT * FROM \"orders\" WHERE id = 'a' AND line = 1", ConsistentRead=True)
    assert found["note"] == "it's" and found["tags"] == {"x", "y"} and found["blob"].value == blob and found["parts"][1] is None, found
    assert execute("SELECT parts[0].n, note FROM orders WHERE id = ? AND contains(tags, ?)", "a", "x") == [{"n": found["parts"][0]["n"], "note": "it's"}]
    changed = execute("UPDATE orders SET stock = 3 SET tags = set_delete(tags, <<'y'>>) REMOVE parts[1] WHERE id = 'a' AND line = 1 RETURNING MODIFIED NEW *")
    assert changed == [{"stock": 3, "tags": {"x"}}], changed
    assert execute("UPDATE orders SET stock = stock - ? WHERE id = 'a' AND line = 1 AND stock >= ? RETURNING ALL NEW *", 2, 2)[0]["stock"] == 1
    error = refused(
        "ConditionalCheckFailedException", client.execute_statement, ReturnValuesOnConditionCheckFailure="ALL_OLD",
        Statement="UPDATE orders SET stock = stock - 2 WHERE id = 'a' AND line = 1 AND stock >= 2",
    )
    assert error["Item"]["stock"] == {"N": "1"}, error
    refused("ConditionalCheckFailedException", client.execute_statement, Statement="UPDATE orders SET stock = 1 WHERE id = 'z' AND line = 1")
    assert execute("DELETE FROM orders WHERE id = 'a' AND line = 1 RETURNING ALL OLD *")[0]["stock"] == 1
    assert execute("DELETE FROM orders WHERE id = 'a' AND line = 1") == []


def reads_by_pages():
    for line in range(12):
        execute("INSERT INTO orders VALUE {'id': ?, 'line': ?, 'owner': ?}", "page", line, f"o{line % 3}")
    statement = {"Statement": "SELECT line FROM orders WHERE id = 'page' AND line > 1 ORDER BY line DESC"}
    lines, pages, more = [], 0, {}
    while True:
        answer = client.execute_statement(**statement, Limit=4, **more)
        lines += [int(item["line"]["N"]) for item in answer["Items"]]
        pages += 1
        if "NextToken" not in answer:
            break
        assert answer["LastEvaluatedKey"] == {"id": {"S": "page"}, "line": {"N": str(lines[-1])}}, answer
        more = {"NextToken": answer["NextToken"]}
    assert lines == list(range(11, 1, -1)) and pages == 3, (lines, pages)
    refused("ValidationException", client.execute_statement, Statement="SELECT * FROM orders", **more)
    by_owner = execute("SELECT line FROM orders.\"by-owner\" WHERE owner = 'o1' AND line BETWEEN 2 AND 8")
    assert [item["line"] for item in by_owner] == [4, 7], by_owner
    scanned = client.execute_statement(Statement="SELECT * FROM orders WHERE owner IN ['o1', 'o2'] AND size(owner) = 2", ReturnConsumedCapacity="TOTAL")
    assert len(scanned["Items"]) == 8 and scanned["ConsumedCapacity"]["CapacityUnits"] == 0.5, scanned
    error = refused("ValidationException", client.execute_statement, Statement="SELECT * FORM orders")
    assert error["Error"]["Message"].startswith("Statement wasn't well formed, can't be processed: "), error


def a_batch_goes_on_after_a_failure():
    answer = client.batch_execute_statement(Statements=[
        {"Statement": "INSERT INTO orders VALUE {'id': ?, 'line': ?}", "Parameters": typed(["batch", 1])},
        {"Statement": "INSERT INTO orders VALUE {'id': 'page', 'line': 1}"},
        {"Statement": "UPDATE orders SET stock = 1 WHERE id = 'page' AND line = 2 AND owner = 'o9'", "ReturnValuesOnConditionCheckFailure": "ALL_OLD"},
        {"Statement": "DELETE FROM nowhere WHERE id = 'x'"},
        {"Statement": "DELETE FROM orders WHERE id = 'page'"},
    ])
    codes = [response.get("Error", {}).get("Code") for response in answer["Responses"]]
    assert codes == [None, "DuplicateItem", "ConditionalCheckFailed", "ResourceNotFound", "ValidationError"], answer
    assert answer["Responses"][2]["Error"]["Item"]["owner"] == {"S": "o2"} and answer["Responses"][0]["TableName"] == "orders", answer
    answer = client.batch_execute_statement(Statements=[
        {"Statement": "SELECT id FROM orders WHERE id = 'batch' AND line = 1"}, {"Statement": "SELECT * FROM orders WHERE id = 'none' AND line = 1"},
    ])
    assert [response.get("Item") for response in answer["Responses"]] == [{"id": {"S": "batch"}}, None], answer


def a_transaction_is_all_or_nothing():
    raise_to = lambda stock: {"Statement": "UPDATE orders SET stock = ? WHERE id = 'page' AND line = 3", "Parameters": typed([stock])}
    exists = lambda condition: {"Statement": f"EXISTS(SELECT * FROM orders WHERE id = 'page' AND line = 4 AND {condition})"}
    error = refused("TransactionCanceledException", client.execute_transaction, TransactStatements=[
        raise_to(1), exists("stock IS NOT MISSING"), {"Statement": "INSERT INTO orders VALUE {'id': 'page', 'line': 5}"},
    ])
    assert [reason["Code"] for reason in error["CancellationReasons"]] == ["None", "ConditionalCheckFailed", "DuplicateItem"], error
    assert execute("SELECT stock FROM orders WHERE id = 'page' AND line = 3") == [{}]
    for _ in range(2):  # the second call has no effect
        client.execute_transaction(
            ClientRequestToken="once", TransactStatements=[
                raise_to(7), exists("stock IS MISSING"),
                {"Statement": "UPDATE orders SET visits = visits + 1 WHERE id = 'visits' AND line = 1"},
            ],
        )
    refused("IdempotentParameterMismatchException", client.execute_transaction, ClientRequestToken="once", TransactStatements=[raise_to(8)])
    found = client.execute_transaction(TransactStatements=[
        {"Statement": f"SELECT visits, stock FROM orders WHERE id = '{key}' AND line = {line}"} for key, line in (("visits", 1), ("page", 3), ("none", 1))
    ])
    assert [response.get("Item") for response in found["Responses"]] == [{"visits": {"N": "1"}}, {"stock": {"N": "7"}}, None], found


def other_regions_see_it_and_additions_add_up():
    client.update_table(TableName="orders", ReplicaUpdates=[{"Create": {"RegionName": THERE}}])
    until("the replica", lambda: "orders" in CLIENTS[THERE].list_tables()["TableNames"]
          and CLIENTS[THERE].describe_table(TableName="orders")["Table"]["TableStatus"] == "ACTIVE")
    visits = lambda region: execute("SELECT visits FROM orders WHERE id = 'visits' AND line = 1", region=region)
    until("the item from before the replica", lambda: visits(THERE) == [{"visits": 1}])
    execute("UPDATE orders SET visits = visits + 10 WHERE id = 'visits' AND line = 1")
    until("the update", lambda: visits(THERE) == [{"visits": 11}])
    # Under the policy `merge` all of these concurrent additions count.
    beringia("net", "cut", HERE, THERE)
    for _ in range(5):
        for region in (HERE, THERE):
            execute("UPDATE orders SET visits = visits + 1 WHERE id = 'visits' AND line = 1", region=region)
    assert visits(HERE) == visits(THERE) == [{"visits": 16}], (visits(HERE), visits(THERE))
    beringia("net", "heal")
    until("every addition in both regions", lambda: visits(HERE) == visits(THERE) == [{"visits": 21}])
    execute("DELETE FROM orders WHERE id = 'visits' AND line = 1", region=THERE)
    until("the delete", lambda: visits(HERE) == [])


def main():
    client.create_table(
        TableName="orders", BillingMode="PAY_PER_REQUEST", Tags=[{"Key": "beringia:conflict-policy", "Value": "merge"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in (("id", "S"), ("line", "N"), ("owner", "S"))],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "line", "KeyType": "RANGE"}],
        GlobalSecondaryIndexes=[{
            "IndexName": "by-owner", "Projection": {"ProjectionType": "ALL"},
            "KeySchema": [{"AttributeName": "owner", "KeyType": "HASH"}, {"AttributeName": "line", "KeyType": "RANGE"}],
        }],
    )
    client.get_waiter("table_exists").wait(TableName="orders")
    execute("INSERT INTO orders VALUE {'id': 'visits', 'line': 1, 'visits': 0}")
    writes_and_reads_items()
    reads_by_pages()
    a_batch_goes_on_after_a_failure()
    a_transaction_is_all_or_nothing()
    other_regions_see_it_and_additions_add_up()
    print("all passed")


if __name__ == "__main__":
    main()
