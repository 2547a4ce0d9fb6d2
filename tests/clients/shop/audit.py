"""A shop owner's checks once the regions have converged. Each raises AssertionError, which names
the problem."""

from collections import Counter
from decimal import Decimal

from . import model


def scan(table, **parameters):
    """All items, over all pages."""
    items, start = [], {}
    while True:
        page = table.scan(**parameters, **start)
        items += page["Items"]
        if "LastEvaluatedKey" not in page:
            return items
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def by_key(items):
    keyed = {(item["PK"], item["SK"]): item for item in items}
    assert len(keyed) == len(items), "an item came twice"
    return keyed


def same_everywhere(tables):
    """Every region returns the same items; they are given back."""
    (first, reference), *others = [(region, by_key(scan(table, ConsistentRead=True))) for region, table in tables.items()]
    for region, items in others:
        differing = [key for key in reference.keys() | items.keys() if reference.get(key) != items.get(key)]
        assert not differing, f"{first} and {region} differ in {len(differing)} items, such as {sorted(differing)[:3]}"
    return reference


def no_order_lost(items, ledger):
    """Every acknowledged order is there with all its lines and its total, and no other order is."""
    headers = {key[1].rsplit("#", 1)[1]: item for key, item in items.items() if key[1].startswith("ORDER#")}
    assert headers.keys() == ledger.orders.keys(), f"orders lost or invented: {sorted(headers.keys() ^ ledger.orders.keys())[:5]}"
    for order_id, (key, region, total, wanted) in ledger.orders.items():
        header = headers[order_id]
        assert header["total"] == total and header["region"] == region, f"order {order_id} is not what was acknowledged: {header}"
        assert header["status"] == ("shipped" if order_id in ledger.shipped else "placed"), f"order {order_id} is {header['status']}"
        lines = {item["product"]: item["quantity"] for (partition, _), item in items.items() if partition == f"ORDER#{order_id}"}
        assert lines == wanted, f"order {order_id} arrived torn: {lines} instead of {wanted}"


def stock_is_right(items, ledger, goods, regions):
    """Nothing was sold twice: what is on hand and what was sold add up, product by product, region
    by region."""
    for product in goods.prices:
        for region in regions:
            shelf = items[(f"PRODUCT#{product}", f"STOCK#{region}")]
            sold = ledger.sold[(region, product)]
            assert shelf["sold"] == sold, f"{product} in {region}: {shelf['sold']} booked as sold, {sold} acknowledged"
            assert shelf["on_hand"] == goods.stock_per_region - sold >= 0, f"{product} in {region}: {shelf['on_hand']} on hand"


def indexes_are_right(tables, items):
    """Each index holds exactly the items that have its keys, with exactly the attributes that it
    projects."""
    keys = {"PK", "SK"}
    projections = {
        "GSI1": ({"GSI1PK", "GSI1SK"}, None),
        "GSI2": ({"GSI2PK", "GSI2SK"}, keys | {"GSI2PK", "GSI2SK", "quantity", "total"}),
        "LSI1": ({"LSI1SK"}, keys | {"LSI1SK"}),
    }
    for region, table in tables.items():
        for index, (required, projected) in projections.items():
            expected = {
                key: item if projected is None else {name: value for name, value in item.items() if name in projected}
                for key, item in items.items()
                if required <= item.keys()
            }
            found = by_key(scan(table, IndexName=index))
            differing = [key for key in expected.keys() | found.keys() if expected.get(key) != found.get(key)]
            assert not differing, f"{index} in {region} is wrong for {len(differing)} items, such as {sorted(differing)[:3]}"
        for order_index in ("STATUS#placed", "STATUS#shipped"):
            page = table.query(IndexName="GSI1", KeyConditionExpression="GSI1PK = :status", ExpressionAttributeValues={":status": order_index})
            dates = [item["GSI1SK"] for item in page["Items"]]
            assert dates == sorted(dates), f"{order_index} in {region} is out of order"


def lost_cart_updates(items, ledger):
    """Acknowledged cart updates missing in the carts: [(customer, line, acknowledged, kept)]."""
    acknowledged = Counter()
    for customer, _, line, quantity in ledger.cart_updates:
        acknowledged[(customer, line)] += quantity
    lost = []
    for (customer, line), quantity in sorted(acknowledged.items()):
        cart = items.get((f"CUSTOMER#{customer}", "CART"), {"lines": {}})
        kept = int(cart["lines"].get(line, Decimal(0)))
        assert kept <= quantity, f"cart of {customer} has {kept} of {line}, only {quantity} were put in"
        if kept < quantity:
            lost.append((customer, line, quantity, kept))
    return lost
