"""Celery with DynamoDB as its result backend: the workers of one region store results, and programs
in other regions read them.

Usage: python -m applications.tasks ENDPOINT CONTROL BERINGIA"""

from celery import Celery, chord, group
from celery.contrib.testing.worker import start_worker
from celery.result import GroupResult

from sdk.support import until

from .regions import CLIENTS, ENDPOINT, IRELAND, REGIONS, TOKYO, VIRGINIA, converge, replicate, same_everywhere

TABLE = "celery"
WAIT = {"timeout": 60, "interval": 0.05}


class OutOfStock(Exception):
    """An error that a task raises and a program in another region reads."""


def application(region):
    """The Celery application of a region. Its broker is in this process; its results are in the
    table of its region."""
    app = Celery(region, set_as_current=False)
    app.conf.update(
        broker_url="memory://", broker_transport_options={"polling_interval": 0.02}, worker_timer_precision=0.1, task_default_queue=region,
        result_backend=f"dynamodb://key:secret@{region}/{TABLE}?read=5&write=5&ttl_seconds=3600", dynamodb_endpoint_url=ENDPOINT, result_extended=True,
    )

    @app.task(name="add", shared=False)
    def add(left, right):
        return left + right

    @app.task(name="total", shared=False)
    def total(numbers):
        return sum(numbers)

    @app.task(name="describe", shared=False)
    def describe(word, size):
        return {"word": word, "text": word * size, "nothing": None, "list": [1.5, True, "🌉"]}

    @app.task(name="sell", shared=False)
    def sell(product):
        raise OutOfStock(product)

    return app


def read(app, identifier):
    """The result of a task, as another program reads it that knows only the identifier."""
    return app.AsyncResult(identifier)


def results_are_read_in_other_regions(apps):
    home = apps[VIRGINIA]
    sums = [home.tasks["add"].delay(number, 1) for number in range(30)]
    # Half of what an item may hold.
    long = home.tasks["describe"].delay("word", 50_000)
    failed = home.tasks["sell"].delay("kettle")
    parts = group(home.tasks["add"].s(number, number) for number in range(12))()
    parts.save()
    # An item of the table counts the finished parts of a chord.
    whole = chord((home.tasks["add"].s(number, 100) for number in range(8)), home.tasks["total"].s())()
    assert whole.get(**WAIT) == sum(range(100, 108))
    assert [result.get(**WAIT) for result in sums] == list(range(1, 31))
    assert parts.get(**WAIT) == [2 * number for number in range(12)]
    long.get(**WAIT)
    failed.get(**WAIT, propagate=False)
    converge()
    for region in (IRELAND, TOKYO):
        app = apps[region]
        assert [read(app, result.id).get(**WAIT) for result in sums] == list(range(1, 31))
        assert read(app, long.id).get(**WAIT)["text"] == "word" * 50_000
        assert read(app, long.id).args == ["word", 50_000], read(app, long.id).args
        assert read(app, whole.id).get(**WAIT) == sum(range(100, 108))
        failure = read(app, failed.id)
        failure.get(**WAIT, propagate=False)
        assert failure.state == "FAILURE" and type(failure.result).__name__ == "OutOfStock" and failure.result.args == ("kettle",), failure.result
        restored = GroupResult.restore(parts.id, app=app)
        assert restored.successful() and restored.get(**WAIT) == [2 * number for number in range(12)]
        assert read(app, "unknown").state == "PENDING"
    return sums, parts, failed


def other_regions_change_results(apps, sums, parts, failed):
    """A worker in Ireland stores results and results are forgotten in Tokyo; Virginia sees both."""
    there = apps[IRELAND]
    mine = [there.tasks["add"].delay(number, 1000) for number in range(10)]
    # The result replaces the error that Virginia stored for this identifier.
    again = there.tasks["add"].apply_async((20, 22), task_id=failed.id)
    whole = chord((there.tasks["add"].s(number, 7) for number in range(4)), there.tasks["total"].s())()
    assert whole.get(**WAIT) == 34
    until("the replaced result", lambda: read(there, again.id).state == "SUCCESS")
    assert [result.get(**WAIT) for result in mine] == list(range(1000, 1010))
    for result in sums[1:6]:
        read(apps[TOKYO], result.id).forget()
    GroupResult.restore(parts.id, app=apps[TOKYO]).delete()
    converge()
    for app in (apps[VIRGINIA], apps[TOKYO]):
        assert [read(app, result.id).get(**WAIT) for result in mine] == list(range(1000, 1010))
        assert read(app, whole.id).get(**WAIT) == 34 and read(app, again.id).get(**WAIT) == 42
    for app in apps.values():
        assert [read(app, result.id).state for result in sums[:7]] == ["SUCCESS", *["PENDING"] * 5, "SUCCESS"]
        assert GroupResult.restore(parts.id, app=app) is None


def main():
    apps = {region: application(region) for region in REGIONS}
    # Celery creates its table on first use, with provisioned throughput and time to live.
    apps[VIRGINIA].backend.client
    described = CLIENTS[VIRGINIA].describe_table(TableName=TABLE)["Table"]
    assert described["ProvisionedThroughput"]["WriteCapacityUnits"] == 5, described
    replicate(TABLE)
    # Workers that end together end sooner than one after the other.
    with start_worker(apps[VIRGINIA], perform_ping_check=False), start_worker(apps[IRELAND], perform_ping_check=False):
        other_regions_change_results(apps, *results_are_read_in_other_regions(apps))
    for region, client in CLIENTS.items():
        ttl = client.describe_time_to_live(TableName=TABLE)["TimeToLiveDescription"]
        assert ttl == {"TimeToLiveStatus": "ENABLED", "AttributeName": "ttl"}, (region, ttl)
    print("the same in every region:", same_everywhere(TABLE))


if __name__ == "__main__":
    main()
