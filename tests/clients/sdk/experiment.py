"""A fault injection experiment as written for AWS: replication pauses, regions differ, and converge
again. DynamoDB and FIS answer on the same endpoint, and the region in the credential scope chooses
the region of both.
Usage: python -m sdk.experiment ENDPOINT CONTROL BERINGIA"""

import pathlib
import signal
import subprocess
import sys
import tempfile

from .support import CONFIG, command, refused, session, until

ENDPOINT, CONTROL, BERINGIA = sys.argv[1:4]
US, EU = ["us-east-1", "eu-west-1"]
TABLES = {region: session(region).resource("dynamodb", endpoint_url=ENDPOINT, config=CONFIG).Table("orders") for region in (US, EU)}
CLIENT = session(EU).client("fis", endpoint_url=ENDPOINT, config=CONFIG)
beringia = command(BERINGIA, CONTROL)


def template(table_arn, duration, **changes):
    return {
        "description": "Ireland on its own",
        "roleArn": "arn:aws:iam::000000000000:role/fis-experiments",
        "stopConditions": [{"source": "none"}],
        "targets": {"orders": {"resourceType": "aws:dynamodb:global-table", "resourceArns": [table_arn], "selectionMode": "ALL"}},
        "actions": {
            "wait": {"actionId": "aws:fis:wait", "parameters": {"duration": "PT1S"}},
            "pause": {
                "actionId": "aws:dynamodb:global-table-pause-replication", "parameters": {"duration": duration},
                "targets": {"Tables": "orders"}, "startAfter": ["wait"],
            },
        },
        "tags": {"drill": "yes"},
        **changes,
    }


def value(region, key):
    return TABLES[region].get_item(Key={"id": key}, ConsistentRead=True).get("Item", {}).get("value")


def state(experiment_id):
    return CLIENT.get_experiment(id=experiment_id)["experiment"]


def status(experiment_id):
    return state(experiment_id)["state"]["status"]


def makes_a_table():
    client = TABLES[US].meta.client
    client.create_table(
        TableName="orders", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}], KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
    )
    client.get_waiter("table_exists").wait(TableName="orders")
    client.update_table(TableName="orders", ReplicaUpdates=[{"Create": {"RegionName": EU}}])
    until("the replica", lambda: [r["ReplicaStatus"] for r in client.describe_table(TableName="orders")["Table"]["Replicas"]] == ["ACTIVE"])
    until("the table of the replica", lambda: "orders" in TABLES[EU].meta.client.list_tables()["TableNames"])
    return TABLES[EU].meta.client.describe_table(TableName="orders")["Table"]["TableArn"]


def regions_differ_during_the_pause_and_agree_after_it(template_id):
    experiment = CLIENT.start_experiment(experimentTemplateId=template_id)["experiment"]
    assert experiment["state"]["status"] in ("pending", "initiating"), experiment
    until("the pause", lambda: state(experiment["id"])["actions"]["pause"]["state"]["status"] == "running")
    TABLES[US].put_item(Item={"id": "order", "value": "from Virginia"})
    TABLES[EU].put_item(Item={"id": "order", "value": "from Ireland"})
    TABLES[US].put_item(Item={"id": "only in Virginia", "value": "v"})
    seen = (value(US, "order"), value(EU, "order"), value(EU, "only in Virginia"))
    shown = state(experiment["id"])
    # The regions differ, unless the machine was so slow that the pause has ended.
    if shown["actions"]["pause"]["state"]["status"] == "running":
        assert seen == ("from Virginia", "from Ireland", None), seen
        assert shown["state"]["status"] == "running" and shown["actions"]["wait"]["state"]["status"] == "completed", shown
        assert {"region": EU, "table": "orders"} in beringia("status")[0]["paused"]
    until("the end of the experiment", lambda: status(experiment["id"]) == "completed")
    shown = state(experiment["id"])
    pause = shown["actions"]["pause"]
    lasted = (pause["endTime"] - pause["startTime"]).total_seconds()
    assert lasted >= 8 and shown["endTime"] >= pause["endTime"], shown
    assert beringia("converge", "--timeout", "60")[0]["converged"] is True
    assert value(US, "order") == value(EU, "order") and value(EU, "only in Virginia") == "v"
    assert [s["id"] for s in CLIENT.list_experiments(experimentTemplateId=template_id)["experiments"]] == [experiment["id"]]


def a_pause_is_stopped_early(table_arn):
    long = CLIENT.create_experiment_template(**template(table_arn, "PT1H"))["experimentTemplate"]
    experiment = CLIENT.start_experiment(experimentTemplateId=long["id"])["experiment"]
    until("the pause", lambda: beringia("status")[0]["paused"] == [{"region": EU, "table": "orders"}])
    TABLES[EU].put_item(Item={"id": "kept in", "value": "v"})
    assert value(US, "kept in") is None
    assert CLIENT.stop_experiment(id=experiment["id"])["experiment"]["state"]["status"] == "stopping"
    until("the end of the experiment", lambda: status(experiment["id"]) == "stopped")
    until("the write from during the pause", lambda: value(US, "kept in") == "v")
    refused("ValidationException", CLIENT.stop_experiment, id=experiment["id"])


def a_recording_has_the_pauses_of_experiments(table_arn):
    with tempfile.TemporaryDirectory() as directory:
        file = pathlib.Path(directory, "live.toml")
        words = [BERINGIA, "record", "--control", CONTROL, "--out", str(file)]
        recording = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        # The command prints its first line once the recording has begun.
        assert recording.stderr.readline()
        short = CLIENT.create_experiment_template(**template(table_arn, "PT1S"))["experimentTemplate"]
        experiment = CLIENT.start_experiment(experimentTemplateId=short["id"])["experiment"]
        until("the end of the experiment", lambda: status(experiment["id"]) == "completed")
        recording.send_signal(signal.SIGINT)
        _, errors = recording.communicate(timeout=60)
        assert recording.returncode == 0, errors
        text = file.read_text()
        assert 'pause_replication = "eu-west-1"' in text and 'table = "orders"' in text, text


def unsupported_requests_are_refused(table_arn):
    alarm = [{"source": "aws:cloudwatch:alarm", "value": "arn:aws:cloudwatch:eu-west-1:000000000000:alarm:lag"}]
    error = refused("ValidationException", CLIENT.create_experiment_template, **template(table_arn, "PT5S", stopConditions=alarm))
    assert "there are no alarms" in error["Error"]["Message"], error
    stop = {"stop": {"actionId": "aws:ec2:stop-instances", "parameters": {"duration": "PT1M"}}}
    refused("ValidationException", CLIENT.create_experiment_template, **template(table_arn, "PT5S", actions=stop))
    refused("ResourceNotFoundException", CLIENT.start_experiment, experimentTemplateId="EXT0")
    refused("ResourceNotFoundException", CLIENT.get_experiment, id="EXP0")
    refused("UnknownOperationException", CLIENT.list_target_resource_types)
    nothing = table_arn.replace("orders", "nothing")
    missing = CLIENT.create_experiment_template(**template(nothing, "PT5S"))["experimentTemplate"]
    experiment = CLIENT.start_experiment(experimentTemplateId=missing["id"])["experiment"]
    until("the failure of the experiment", lambda: status(experiment["id"]) == "failed")
    assert "nothing" in state(experiment["id"])["state"]["reason"], state(experiment["id"])


def main():
    table_arn = makes_a_table()
    actions = [action["id"] for action in CLIENT.list_actions()["actions"]]
    assert actions == ["aws:dynamodb:global-table-pause-replication", "aws:fis:wait"], actions
    assert CLIENT.get_action(id=actions[0])["action"]["parameters"]["duration"]["required"] is True
    token = "the same request"
    made = [CLIENT.create_experiment_template(clientToken=token, **template(table_arn, "PT8S"))["experimentTemplate"] for _ in range(2)]
    assert made[0] == made[1] == CLIENT.get_experiment_template(id=made[0]["id"])["experimentTemplate"], made
    assert made[0]["tags"] == {"drill": "yes"} and made[0]["arn"].startswith("arn:aws:fis:eu-west-1:"), made
    refused("ConflictException", CLIENT.create_experiment_template, clientToken=token, **template(table_arn, "PT9S"))
    regions_differ_during_the_pause_and_agree_after_it(made[0]["id"])
    a_pause_is_stopped_early(table_arn)
    a_recording_has_the_pauses_of_experiments(table_arn)
    unsupported_requests_are_refused(table_arn)
    pages = CLIENT.get_paginator("list_experiments").paginate(PaginationConfig={"PageSize": 2})
    assert sum(len(page["experiments"]) for page in pages) == 4
    CLIENT.delete_experiment_template(id=made[0]["id"])
    refused("ResourceNotFoundException", CLIENT.get_experiment_template, id=made[0]["id"])
    assert session(US).client("fis", endpoint_url=ENDPOINT).list_experiments()["experiments"] == [], "each region has its own experiments"
    print("all passed")


if __name__ == "__main__":
    main()
