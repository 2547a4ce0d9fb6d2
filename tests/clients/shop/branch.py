"""The actions of the shop's staff and customers in one region, and what the region acknowledged."""

import random
import threading
import uuid
from collections import Counter
from decimal import Decimal

from botocore.exceptions import ClientError

from . import model


class Ledger:
    """Everything that was acknowledged, and therefore must hold: kept outside the database, like a
    shop owner's paper."""

    def __init__(self):
        self.lock = threading.Lock()
        self.orders = {}        # order id -> (key, region, total, {product: quantity})
        self.sold = Counter()   # (region, product) -> pieces
        self.sold_out = 0
        self.cart_updates = []  # (customer, region, product, quantity)
        self.shipped = set()


class Branch:
    """The traffic of one region."""

    def __init__(self, region, table, client, goods, ledger, seed):
        self.region, self.table, self.client, self.goods, self.ledger = region, table, client, goods, ledger
        self.chance = random.Random(f"{seed}-{region}")
        self.clock = 0

    def put_into_cart(self, customer):
        """Adds a product to the customer's cart. The cart is one item, so two regions that do it at
        once conflict."""
        product, quantity = self.chance.choice(list(self.goods.prices)), self.chance.randrange(1, 4)
        key = {"PK": f"CUSTOMER#{customer}", "SK": "CART"}
        line = f"{product}@{self.region}"
        while not (self.update_cart(key, line, quantity) or self.create_cart(key, line, quantity)):
            pass
        with self.ledger.lock:
            self.ledger.cart_updates.append((customer, self.region, line, quantity))

    def update_cart(self, key, line, quantity):
        """Adds to a line of a cart; returns False if there is no cart."""
        return self.is_met(
            self.table.update_item,
            Key=key,
            UpdateExpression="SET #lines.#line = if_not_exists(#lines.#line, :none) + :quantity",
            ConditionExpression="attribute_exists(#lines)",
            ExpressionAttributeNames={"#lines": "lines", "#line": line},
            ExpressionAttributeValues={":quantity": Decimal(quantity), ":none": Decimal(0)},
        )

    def create_cart(self, key, line, quantity):
        """Creates a cart; returns False if there is one. Without the condition, a cart that has
        arrived from another region in the meantime would be overwritten."""
        item = key | {"lines": {line: Decimal(quantity)}}
        return self.is_met(self.table.put_item, Item=item, ConditionExpression="attribute_not_exists(PK)")

    @staticmethod
    def is_met(write, **parameters):
        """Makes a conditional write; returns whether its condition was met."""
        try:
            write(**parameters)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
                raise
            return False
        return True

    def place_order(self, customer):
        """An order with its lines, paid with this region's stock, in one transaction."""
        self.clock += 1
        order_id = f"{self.region}-{self.clock:05d}"
        date = f"2026-11-{self.clock % 28 + 1:02d}"
        wanted = {product: self.chance.randrange(1, 4) for product in self.chance.sample(list(self.goods.prices), self.chance.randrange(1, 4))}
        total = sum((self.goods.prices[product] * quantity for product, quantity in wanted.items()), Decimal(0))
        header = model.order(customer, date, order_id, self.region, total, len(wanted))
        puts = [header] + [
            model.order_line(order_id, number, product, quantity, self.goods.prices[product])
            for number, (product, quantity) in enumerate(wanted.items(), start=1)
        ]
        actions = [{"Put": {"TableName": model.TABLE, "Item": item, "ConditionExpression": "attribute_not_exists(PK)"}} for item in puts]
        actions += [
            {
                "Update": {
                    "TableName": model.TABLE,
                    "Key": {"PK": f"PRODUCT#{product}", "SK": f"STOCK#{self.region}"},
                    "UpdateExpression": "SET on_hand = on_hand - :quantity ADD sold :quantity",
                    "ConditionExpression": "on_hand >= :quantity",
                    "ExpressionAttributeValues": {":quantity": Decimal(quantity)},
                }
            }
            for product, quantity in wanted.items()
        ]
        try:
            # The next run uses the same order ids, perhaps within the ten minutes for which tokens
            # are remembered.
            self.client.transact_write_items(TransactItems=actions, ClientRequestToken=str(uuid.uuid4()))
        except ClientError as error:
            reasons = [reason["Code"] for reason in error.response.get("CancellationReasons", [])]
            if "ConditionalCheckFailed" not in reasons:
                raise
            with self.ledger.lock:
                self.ledger.sold_out += 1
            return
        with self.ledger.lock:
            self.ledger.orders[order_id] = (model.order_key(customer, date, order_id), self.region, total, wanted)
            self.ledger.sold.update({(self.region, product): quantity for product, quantity in wanted.items()})

    def ship_one(self):
        """The warehouse takes an order of this region from the index of placed orders, and
        ships it."""
        page = self.table.query(
            IndexName="GSI1",
            KeyConditionExpression="GSI1PK = :placed",
            FilterExpression="#region = :region",
            ExpressionAttributeNames={"#region": "region"},
            ExpressionAttributeValues={":placed": "STATUS#placed", ":region": self.region},
        )
        if not page["Items"]:
            return
        placed = self.chance.choice(page["Items"])
        self.table.update_item(
            Key={"PK": placed["PK"], "SK": placed["SK"]},
            UpdateExpression="SET #status = :shipped, GSI1PK = :index",
            ConditionExpression="#status = :placed",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":shipped": "shipped", ":placed": "placed", ":index": "STATUS#shipped"},
        )
        with self.ledger.lock:
            self.ledger.shipped.add(placed["GSI2PK"].removeprefix("ORDER#"))

    def trade(self, rounds, own, roaming):
        """Some rounds of everything. The customers in `roaming` shop in every region, those in
        `own` only here."""
        for _ in range(rounds):
            self.put_into_cart(self.chance.choice(roaming))
            self.put_into_cart(self.chance.choice(own))
            self.place_order(self.chance.choice(own))
            if self.chance.random() < 0.3:
                self.ship_one()
