"""LangGraph with DynamoDB as its checkpointer and its store: a conversation begins in one region
and continues in another.

Usage: python -m applications.agents ENDPOINT CONTROL BERINGIA"""

import operator
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Command, interrupt
from langgraph_checkpoint_aws import DynamoDBSaver, DynamoDBStore

from sdk.support import CONFIG

from .regions import CLIENTS, ENDPOINT, IRELAND, REGIONS, TOKYO, VIRGINIA, converge, replicate, same_everywhere

THREADS, MEMORIES = "threads", "memories"
KEY = [{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}]


class State(TypedDict):
    """The state of a conversation: the steps are appended, the sum is added up."""

    steps: Annotated[list, operator.add]
    cents: Annotated[int, operator.add]
    approved: bool


def offer(state):
    return {"steps": ["offer"], "cents": 250}


def ship(state):
    # Three hundred kilobytes in the checkpoint would go to S3; this stays in the table.
    return {"steps": ["ship", "x" * 60_000], "cents": 50}


def approve(state):
    answer = interrupt({"question": f"{state['cents']} cents?"})
    return {"steps": [f"answer {answer}"], "approved": answer == "yes"}


def finish(state):
    return {"steps": ["done" if state["approved"] else "cancelled"]}


def agent(region):
    """The same graph in each region; its checkpoints are in the table of its region."""
    graph = StateGraph(State)
    for node in (offer, ship, approve, finish):
        graph.add_node(node)
    # Two nodes run at once, so that both leave writes of one checkpoint.
    graph.add_edge(START, "offer")
    graph.add_edge(START, "ship")
    graph.add_edge(["offer", "ship"], "approve")
    graph.add_edge("approve", "finish")
    graph.add_edge("finish", END)
    saver = DynamoDBSaver(table_name=THREADS, region_name=region, endpoint_url=ENDPOINT, boto_config=CONFIG, ttl_seconds=3600, enable_checkpoint_compression=region == TOKYO)
    return graph.compile(checkpointer=saver)


def thread(name):
    return {"configurable": {"thread_id": name}}


def plain(snapshot):
    """The content of a state or of a step of its history."""
    tasks = [(task.name, task.error, [pause.value for pause in task.interrupts]) for task in snapshot.tasks]
    return snapshot.values, snapshot.next, snapshot.config, snapshot.metadata, snapshot.created_at, snapshot.parent_config, tasks


def conversations_continue_in_other_regions(agents):
    names = [f"customer-{number}" for number in range(6)]
    for name in names:
        agents[VIRGINIA].invoke({"steps": ["hello"], "cents": 0, "approved": False}, thread(name))
    converge()
    for name in names:
        paused = [plain(agents[region].get_state(thread(name))) for region in REGIONS]
        assert paused[0] == paused[1] == paused[2], paused
        assert paused[0][0]["cents"] == 300 and paused[0][1] == ("approve",), paused[0]
        assert paused[0][-1] == [("approve", None, [{"question": "300 cents?"}])], paused[0]
    # The customers answer in other regions than where they began.
    for number, name in enumerate(names):
        region = (IRELAND, TOKYO)[number % 2]
        finished = agents[region].invoke(Command(resume="yes" if number < 3 else "no"), thread(name))
        assert finished["steps"][-1] == ("done" if number < 3 else "cancelled"), finished["steps"]
    converge()
    for number, name in enumerate(names):
        histories = [[plain(step) for step in agents[region].get_state_history(thread(name))] for region in REGIONS]
        assert histories[0] == histories[1] == histories[2]
        latest = histories[0][0]
        assert latest[0]["approved"] == (number < 3) and latest[1] == () and len(histories[0]) == 5, latest
    return names


def history_is_changed_and_deleted_elsewhere(agents, names):
    """Virginia returns to an earlier step of a conversation that ended in Ireland, and Tokyo
    deletes another one."""
    first, second = names[:2]
    paused = next(step for step in agents[VIRGINIA].get_state_history(thread(first)) if step.next == ("approve",))
    other = agents[VIRGINIA].update_state(paused.config, {"steps": ["answer later"], "approved": False}, as_node="approve")
    finished = agents[VIRGINIA].invoke(None, other)
    assert finished["steps"][-2:] == ["answer later", "cancelled"], finished["steps"][-2:]
    agents[TOKYO].checkpointer.delete_thread(second)
    converge()
    for region in REGIONS:
        assert agents[region].get_state(thread(first)).values["steps"][-1] == "cancelled", region
        assert agents[region].get_state(thread(second)).values == {}, region
        assert not list(agents[region].get_state_history(thread(second))), region


def memories_are_shared():
    """The store of long-term memory creates its own table."""
    stores = {
        region: DynamoDBStore(MEMORIES, region_name=region, endpoint_url=ENDPOINT, boto_config=CONFIG, ttl={"default_ttl": 60, "refresh_on_read": True})
        for region in REGIONS
    }
    stores[VIRGINIA].setup()
    replicate(MEMORIES)
    for number in range(20):
        stores[VIRGINIA].put(("users", f"u{number % 4}"), f"m{number}", {"number": number, "text": "🌉" * number, "liked": number % 2 == 0})
    converge()
    for region in (IRELAND, TOKYO):
        found = stores[region].search(("users", "u2"), filter={"liked": True})
        assert sorted(item.value["number"] for item in found) == [2, 6, 10, 14, 18], found
        assert sorted(stores[region].list_namespaces(prefix=("users",))) == [("users", f"u{user}") for user in range(4)]
    before = stores[VIRGINIA].get(("users", "u1"), "m1")
    stores[IRELAND].put(("users", "u1"), "m1", {"number": -1})
    stores[TOKYO].delete(("users", "u3"), "m3")
    converge()
    for store in stores.values():
        after = store.get(("users", "u1"), "m1")
        assert after.value == {"number": -1} and after.created_at == before.created_at and after.updated_at > before.updated_at, after
        assert store.get(("users", "u3"), "m3") is None


def main():
    # The checkpointer expects its table; these are the keys that its template gives it.
    CLIENTS[VIRGINIA].create_table(
        TableName=THREADS, KeySchema=KEY, BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK")],
    )
    CLIENTS[VIRGINIA].update_time_to_live(TableName=THREADS, TimeToLiveSpecification={"Enabled": True, "AttributeName": "ttl"})
    replicate(THREADS)
    agents = {region: agent(region) for region in REGIONS}
    names = conversations_continue_in_other_regions(agents)
    history_is_changed_and_deleted_elsewhere(agents, names)
    memories_are_shared()
    print("the same in every region:", same_everywhere(THREADS) | same_everywhere(MEMORIES))


if __name__ == "__main__":
    main()
