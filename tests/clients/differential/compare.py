"""Compares two answers and the items after them; and lists the exceptions, in which moto differs
from DynamoDB's documentation."""

import traceback
from decimal import Decimal

from botocore.exceptions import ClientError

from .draw import TABLES


def differences(operation, parameters, ours, theirs):
    """None if both answer the same and leave the same items; the name of an exception that explains
    the difference; else both answers."""
    # Beringia pages as asked. moto does not: its pages of scans repeat items.
    unpaged = {name: value for name, value in parameters.items() if name != "Limit"}
    answered = [answer(ours, operation, parameters), answer(theirs, operation, unpaged)]
    left = [state(client, operation, parameters) for client in (ours, theirs)]
    if answered[0] == answered[1] and left[0] == left[1]:
        return None
    for exception in EXCEPTIONS:
        if exception(parameters, *answered, *left):
            return exception.__name__
    return [one | {"left": items} for one, items in zip(answered, left)]


def answer(client, operation, parameters):
    try:
        if operation in ("query", "scan"):
            return pages(client, operation, parameters)
        return plain(getattr(client, operation)(**parameters))
    except ClientError as error:
        code, message = error.response["Error"]["Code"], Message(error.response["Error"]["Message"])
        reasons = [reason.get("Code", "None") for reason in error.response.get("CancellationReasons", [])]
        return {"error": code, "reasons": reasons, "message": message}
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        if "/moto/" in traceback.extract_tb(error.__traceback__)[-1].filename:
            return {"error": "broke"}
        raise


class Message(str):
    """A text that is shown but not compared: other tests check the wording of errors."""

    def __eq__(self, other):
        return True

    __hash__ = str.__hash__


def pages(client, operation, parameters):
    """All pages as one: neither the ends of pages nor the order of a scan or of equal keys of an
    index is specified."""
    items, count, scanned, start = [], 0, 0, {}
    while True:
        page = getattr(client, operation)(**parameters, **start)
        items += page.get("Items", [])
        count, scanned = count + page["Count"], scanned + page["ScannedCount"]
        assert page["ScannedCount"] <= parameters.get("Limit", page["ScannedCount"]), page
        if "LastEvaluatedKey" not in page:
            break
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}
    items = [canonical({"M": item}) for item in items]
    if operation == "scan" or "IndexName" in parameters:
        items.sort(key=repr)
    return {"items": items, "count": count, "scanned": scanned}


def plain(response):
    """The parts of an answer that contain items."""
    answered = {}
    for member in ("Item", "Attributes"):
        if response.get(member):
            answered[member] = canonical({"M": response[member]})
    match response.get("Responses"):
        case dict(tables):
            answered["Responses"] = {table: sorted((canonical({"M": item}) for item in items), key=repr) for table, items in tables.items()}
        case list(answers):
            answered["Responses"] = [canonical({"M": got["Item"]}) if got.get("Item") else None for got in answers]
    for member in ("UnprocessedItems", "UnprocessedKeys"):
        if response.get(member):
            answered[member] = response[member]
    return answered


def state(client, operation, parameters):
    """The items that the operation may have written, as they are after it."""
    match operation:
        case "put_item" | "update_item" | "delete_item":
            requests = [parameters]
        case "transact_write_items":
            requests = [next(iter(item.values())) for item in parameters["TransactItems"]]
        case "batch_write_item":
            requests = [{"TableName": table} | next(iter(write.values())) for table, writes in parameters["RequestItems"].items() for write in writes]
        case _:
            return []
    found = []
    for request in requests:
        whole = request.get("Key") or request["Item"]
        key = {name: whole[name] for name, _, _ in TABLES[request["TableName"]]["keys"]}
        found.append(plain(client.get_item(TableName=request["TableName"], Key=key, ConsistentRead=True)))
    return found


def canonical(value):
    """A value with its members in order, numbers by value, sets sorted."""
    ((kind, inside),) = value.items()
    match kind:
        case "N":
            return ("N", Decimal(inside).normalize())
        case "NS":
            return ("NS", tuple(sorted(Decimal(number).normalize() for number in inside)))
        case "SS" | "BS":
            return (kind, tuple(sorted(inside)))
        case "L":
            return ("L", tuple(canonical(member) for member in inside))
        case "M":
            return ("M", tuple((name, canonical(inside[name])) for name in sorted(inside)))
    return (kind, inside)


def moto_breaks(parameters, ours, theirs, left, left_there):
    """A Python error in moto: it compares values of two types, or reads a missing attribute."""
    return theirs.get("error") == "broke" or bool({"ValueError", "TypeError", "KeyError", "AttributeError"} & set(theirs.get("reasons", ())))


def moto_finds_out_what_was_updated_by_comparing_images(parameters, ours, theirs, left, left_there):
    """UPDATED_OLD and UPDATED_NEW are the attributes that the expression names (API reference,
    UpdateItem); moto returns those that differ, or all."""
    return parameters.get("ReturnValues") in ("UPDATED_OLD", "UPDATED_NEW") and "error" not in ours and "error" not in theirs and left == left_there


def moto_overlooks_names_before_an_index(parameters, ours, theirs, left, left_there):
    """`#list[0]` in a projection uses `#list`; moto reports it as unused."""
    return "unused in expressions: keys: {#l}" in theirs.get("message", "") and "error" not in ours


def moto_refuses_functions_of_what_is_absent(parameters, ours, theirs, left, left_there):
    """A filter on an attribute that an item does not have is false (developer guide, filter
    expressions); moto refuses some of them with an error."""
    return theirs.get("message", "").startswith("Bad Filter Expression") and "error" not in ours


def moto_names_no_reason_for_a_failed_update(parameters, ours, theirs, left, left_there):
    """An update that does not fit its item cancels a transaction with the reason ValidationError
    (API reference, TransactWriteItems); moto refuses the request."""
    return "ValidationError" in ours.get("reasons", ()) and theirs.get("error") == "ValidationException" and left == left_there


def moto_makes_items_by_taking_away(parameters, ours, theirs, left, left_there):
    """REMOVE and DELETE alone do not create an item; moto creates one with only the key."""
    updates = [parameters, *(item.get("Update", {}) for item in parameters.get("TransactItems", []))]
    takes_away = any("UpdateExpression" in update and not {"SET", "ADD"} & set(update["UpdateExpression"].split()) for update in updates)
    only_key = lambda item: {name for name, _ in item.get("Item", ("M", ()))[1]} <= {"p", "r"}
    return takes_away and "error" not in ours and all(here == there or here == {} and only_key(there) for here, there in zip(left, left_there))


def moto_refuses_to_remove_a_part_of_an_item_that_is_not_there(parameters, ours, theirs, left, left_there):
    """REMOVE of a path into an item that does not exist does nothing, in DynamoDB as
    scylladb/scylladb's tests record it; moto refuses it."""
    updates = [parameters, *(item.get("Update", {}) for item in parameters.get("TransactItems", []))]
    removes = any("REMOVE" in update.get("UpdateExpression", "") for update in updates)
    return removes and ours.get("error") in (None, "TransactionCanceledException") and "document path" in theirs.get("message", "") and {} in left_there


def moto_keeps_what_a_failed_update_did_first(parameters, ours, theirs, left, left_there):
    """An update is atomic; moto keeps the actions before the one that fails."""
    return "UpdateExpression" in parameters and ours == theirs and "error" in ours


EXCEPTIONS = [
    moto_breaks, moto_finds_out_what_was_updated_by_comparing_images, moto_overlooks_names_before_an_index, moto_refuses_functions_of_what_is_absent,
    moto_names_no_reason_for_a_failed_update, moto_makes_items_by_taking_away,
    moto_refuses_to_remove_a_part_of_an_item_that_is_not_there,
    moto_keeps_what_a_failed_update_did_first,
]
