"""The AWS CLI, version 2 as in Debian's package awscli, as users type it: tables, items, output
formats, paging, waiting, exit codes.
Usage: python -m sdk.aws ENDPOINT"""

import json
import os
import subprocess
import sys
import tempfile

from .support import until

ENDPOINT = sys.argv[1]
ENVIRONMENT = os.environ | {"AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "any", "AWS_PAGER": "", "AWS_DEFAULT_OUTPUT": "json"}


def second_version():
    """The first `aws` of version 2 on the PATH. The one of PyPI, which may be there too, is version
    1 and has other exit codes."""
    for directory in os.get_exec_path():
        candidate = os.path.join(directory, "aws")
        if os.access(candidate, os.X_OK):
            version = subprocess.run([candidate, "--version"], capture_output=True, text=True).stdout
            if version.startswith("aws-cli/2."):
                return candidate
    sys.exit("no AWS CLI of version 2 is on the PATH: apt-get install awscli (Debian), or https://aws.amazon.com/cli")


AWS = second_version()


def run(*words, region="us-east-1"):
    # Not every version knows the variable AWS_ENDPOINT_URL.
    command = [AWS, "--endpoint-url", ENDPOINT, "--region", region, "dynamodb", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, env=ENVIRONMENT)


def text(*words, region="us-east-1"):
    done = run(*words, region=region)
    assert done.returncode == 0 and not done.stderr, (words, done)
    return done.stdout


def aws(*words, region="us-east-1"):
    printed = text(*words, region=region)
    return json.loads(printed) if printed else None


REFUSED, INVALID = 254, 252


def fails(code, error, *words):
    """Asserts an exit code and an error: REFUSED if the service refuses the request, INVALID if the
    CLI itself does."""
    done = run(*words)
    assert done.returncode == code and error in done.stderr and not done.stdout, (words, done)
    return done.stderr


def tables_are_made_and_waited_for():
    made = aws(
        "create-table", "--table-name", "notes", "--billing-mode", "PAY_PER_REQUEST",
        "--attribute-definitions", "AttributeName=author,AttributeType=S", "AttributeName=at,AttributeType=N", "AttributeName=topic,AttributeType=S",
        "--key-schema", "AttributeName=author,KeyType=HASH", "AttributeName=at,KeyType=RANGE",
        "--global-secondary-indexes", "IndexName=topic,KeySchema=[{AttributeName=topic,KeyType=HASH},{AttributeName=at,KeyType=RANGE}],Projection={ProjectionType=ALL}",
        "--stream-specification", "StreamEnabled=true,StreamViewType=NEW_AND_OLD_IMAGES", "--tags", "Key=team,Value=blue",
    )["TableDescription"]
    assert made["TableArn"] == "arn:aws:dynamodb:us-east-1:000000000000:table/notes", made
    assert made["TableStatus"] == "CREATING" and made["GlobalSecondaryIndexes"][0]["IndexStatus"] == "CREATING", made
    assert made["KeySchema"] == [{"AttributeName": "author", "KeyType": "HASH"}, {"AttributeName": "at", "KeyType": "RANGE"}], made
    assert text("wait", "table-exists", "--table-name", "notes") == ""
    assert text("describe-table", "--table-name", "notes", "--query", "Table.[TableStatus,ItemCount]", "--output", "text") == "ACTIVE\t0\n"
    assert text("list-tables", "--output", "text") == "TABLENAMES\tnotes\n"
    tags = aws("list-tags-of-resource", "--resource-arn", made["TableArn"])
    assert tags == {"Tags": [{"Key": "team", "Value": "blue"}]}, tags


def key(author, at):
    return json.dumps({"author": {"S": author}, "at": {"N": str(at)}})


def items_come_and_go():
    item = {"author": {"S": "ann"}, "at": {"N": "0"}, "text": {"S": "naïve “quotes” 🌉"}, "raw": {"B": "AAEC"}, "tags": {"SS": ["a", "b"]}}
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(item, file)
        file.flush()
        assert text("put-item", "--table-name", "notes", "--item", f"file://{file.name}") == ""
    found = aws("get-item", "--table-name", "notes", "--key", key("ann", 0), "--consistent-read")["Item"]
    found["tags"]["SS"].sort()
    assert found == item, found
    assert text("get-item", "--table-name", "notes", "--key", key("nobody", 0)) == ""
    changed = aws(
        "update-item", "--table-name", "notes", "--key", key("ann", 0), "--update-expression", "SET #t = :t ADD edits :one", "--return-values", "UPDATED_NEW",
        "--expression-attribute-names", '{"#t": "text"}', "--expression-attribute-values", '{":t": {"S": "plain"}, ":one": {"N": "1"}}',
        "--return-consumed-capacity", "TOTAL",
    )
    # The item is not in the index, because it has no topic.
    assert changed["Attributes"] == {"text": {"S": "plain"}, "edits": {"N": "1"}} and changed["ConsumedCapacity"]["CapacityUnits"] == 1.0, changed
    gone = text("delete-item", "--table-name", "notes", "--key", key("ann", 0), "--return-values", "ALL_OLD", "--query", "Attributes.text.S", "--output", "text")
    assert gone == "plain\n", gone


def pages_are_followed_and_cut():
    for first in range(0, 60, 20):
        puts = [{"PutRequest": {"Item": {"author": {"S": "bob"}, "at": {"N": str(at)}, "topic": {"S": f"t{at % 2}"}, "third": {"N": str(at % 3)}}}} for at in range(first, first + 20)]
        assert aws("batch-write-item", "--request-items", json.dumps({"notes": puts})) == {"UnprocessedItems": {}}
    numbers = lambda *words: [int(number) for number in text(*words, "--query", "Items[].at.N", "--output", "text").split()]
    bob = ("query", "--table-name", "notes", "--key-condition-expression", "author = :a", "--expression-attribute-values", '{":a": {"S": "bob"}}')
    # The CLI follows the pages by itself, regardless of their size.
    assert aws(*bob, "--page-size", "7", "--query", "length(Items)") == 60
    assert numbers(*bob, "--no-scan-index-forward", "--page-size", "25") == list(range(59, -1, -1))
    # With --max-items it returns that many, and a token of its own, which may point into a page.
    seen, token = [], []
    while True:
        page = aws(*bob, "--max-items", "25", "--page-size", "10", *token)
        seen += [int(item["at"]["N"]) for item in page["Items"]]
        if "NextToken" not in page:
            break
        token = ["--starting-token", page["NextToken"]]
    assert seen == list(range(60)), seen
    page = aws(*bob, "--limit", "9", "--no-paginate")
    assert page["Count"] == 9 and page["LastEvaluatedKey"] == {"author": {"S": "bob"}, "at": {"N": "8"}}, page
    rest = aws(*bob, "--exclusive-start-key", json.dumps(page["LastEvaluatedKey"]), "--select", "COUNT")
    assert rest == {"Count": 51, "ScannedCount": 51}, rest
    odd = numbers(
        "query", "--table-name", "notes", "--index-name", "topic", "--key-condition-expression", "topic = :t AND #at BETWEEN :a AND :b",
        "--filter-expression", "third <> :x", "--expression-attribute-names", '{"#at": "at"}', "--page-size", "3",
        "--expression-attribute-values", '{":t": {"S": "t1"}, ":a": {"N": "10"}, ":b": {"N": "20"}, ":x": {"N": "1"}}',
    )
    assert odd == [11, 15, 17], odd
    rows = text("scan", "--table-name", "notes", "--projection-expression", "topic", "--max-items", "2", "--page-size", "2", "--output", "text", "--query", "Items[].topic.S")
    assert rows.split()[:2] == ["t0", "t1"], rows
    # One partition is in one segment.
    assert aws("scan", "--table-name", "notes", "--total-segments", "2", "--segment", "0", "--select", "COUNT")["Count"] in (0, 60)


def transactions_hold_together():
    writes = [
        {"Update": {"TableName": "notes", "Key": json.loads(key("bob", 1)), "UpdateExpression": "SET seen = :y", "ExpressionAttributeValues": {":y": {"BOOL": True}}}},
        {"Delete": {"TableName": "notes", "Key": json.loads(key("bob", 0)), "ConditionExpression": "attribute_exists(author)"}},
    ]
    assert text("transact-write-items", "--transact-items", json.dumps(writes), "--client-request-token", "once") == ""
    assert text("transact-write-items", "--transact-items", json.dumps(writes), "--client-request-token", "once") == ""
    message = fails(REFUSED, "TransactionCanceledException", "transact-write-items", "--transact-items", json.dumps(writes))
    assert "[None, ConditionalCheckFailed]" in message, message
    got = aws("transact-get-items", "--transact-items", json.dumps([{"Get": {"TableName": "notes", "Key": json.loads(key("bob", at))}} for at in (1, 0)]))
    assert got["Responses"][0]["Item"]["seen"] == {"BOOL": True} and "Item" not in got["Responses"][1], got


def refusals_have_exit_codes():
    fails(REFUSED, "ConditionalCheckFailedException", "put-item", "--table-name", "notes", "--item", key("bob", 1), "--condition-expression", "attribute_not_exists(author)")
    fails(REFUSED, "ResourceNotFoundException", "describe-table", "--table-name", "nowhere")
    fails(REFUSED, "ValidationException", "get-item", "--table-name", "notes", "--key", '{"author": {"S": "bob"}}')
    fails(REFUSED, "ResourceInUseException", "create-table", "--table-name", "notes", "--billing-mode", "PAY_PER_REQUEST",
          "--attribute-definitions", "AttributeName=a,AttributeType=S", "--key-schema", "AttributeName=a,KeyType=HASH")
    fails(INVALID, "Parameter validation failed", "get-item", "--table-name", "notes", "--key", '{"author": {"X": "bob"}}')


def replicas_are_made_and_dropped():
    aws("update-table", "--table-name", "notes", "--replica-updates", "Create={RegionName=eu-west-1}")
    status = lambda: text("describe-table", "--table-name", "notes", "--query", "Table.Replicas[?RegionName=='eu-west-1'].ReplicaStatus", "--output", "text").strip()
    until("an active replica", lambda: status() == "ACTIVE")
    text("wait", "table-exists", "--table-name", "notes", region="eu-west-1")
    text("put-item", "--table-name", "notes", "--item", key("eve", 1), region="eu-west-1")
    until("the write from Europe", lambda: text("get-item", "--table-name", "notes", "--key", key("eve", 1)))
    aws("update-table", "--table-name", "notes", "--replica-updates", "Delete={RegionName=eu-west-1}")
    until("the replica to be deleted", lambda: aws("list-tables", region="eu-west-1") == {"TableNames": []})
    # The waiter polls every twenty seconds, so the table is already gone when it starts.
    text("wait", "table-not-exists", "--table-name", "notes", region="eu-west-1")
    # Without replicas the description has no list, and the query gives "None".
    until("the replica to leave the description", lambda: status() == "None")


def settings_follow_and_tables_go():
    aws("update-time-to-live", "--table-name", "notes", "--time-to-live-specification", "Enabled=true,AttributeName=until")
    assert aws("describe-time-to-live", "--table-name", "notes", "--query", "TimeToLiveDescription") == {"TimeToLiveStatus": "ENABLED", "AttributeName": "until"}
    changed = aws("update-table", "--table-name", "notes", "--table-class", "STANDARD_INFREQUENT_ACCESS")["TableDescription"]
    assert changed["TableStatus"] == "UPDATING", changed
    assert text("describe-table", "--table-name", "notes", "--query", "Table.TableClassSummary.TableClass", "--output", "text") == "STANDARD_INFREQUENT_ACCESS\n"
    gone = aws("delete-table", "--table-name", "notes")["TableDescription"]
    assert gone["TableStatus"] == "DELETING", gone
    text("wait", "table-not-exists", "--table-name", "notes")
    assert aws("list-tables") == {"TableNames": []}


if __name__ == "__main__":
    tables_are_made_and_waited_for()
    items_come_and_go()
    pages_are_followed_and_cut()
    transactions_hold_together()
    refusals_have_exit_codes()
    replicas_are_made_and_dropped()
    settings_follow_and_tables_go()
    print("all passed")
