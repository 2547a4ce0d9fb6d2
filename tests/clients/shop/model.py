"""The shop's single table: its keys, its indexes, and the items of each entity.

| entity     | PK              | SK                  | GSI1PK / GSI1SK              | GSI2PK / GSI2SK           | LSI1SK      |
|------------|-----------------|---------------------|------------------------------|---------------------------|-------------|
| customer   | CUSTOMER#id     | PROFILE             | EMAIL#address / CUSTOMER     |                           |             |
| cart       | CUSTOMER#id     | CART                |                              |                           |             |
| order      | CUSTOMER#id     | ORDER#date#id       | STATUS#status / date#id      | ORDER#id / HEADER         | TOTAL#cents |
| order line | ORDER#id        | LINE#number         |                              | PRODUCT#id / ORDER#id     |             |
| product    | PRODUCT#id      | DETAILS             | CATEGORY#name / PRICE#cents  | SUPPLIER#name / PRODUCT   |             |
| stock      | PRODUCT#id      | STOCK#region        |                              |                           |             |

Stock is kept per region: a region sells only what it holds itself. So the conditional decrement
stays correct although every region takes writes, which is how an active-active shop avoids selling
one piece twice.
"""

from decimal import Decimal

TABLE = "shop"


def table_definition():
    """The parameters of CreateTable."""
    key = lambda partition, sort: [
        {"AttributeName": partition, "KeyType": "HASH"},
        {"AttributeName": sort, "KeyType": "RANGE"},
    ]
    return {
        "TableName": TABLE,
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [
            {"AttributeName": name, "AttributeType": "S"}
            for name in ("PK", "SK", "GSI1PK", "GSI1SK", "GSI2PK", "GSI2SK", "LSI1SK")
        ],
        "KeySchema": key("PK", "SK"),
        "GlobalSecondaryIndexes": [
            {"IndexName": "GSI1", "KeySchema": key("GSI1PK", "GSI1SK"), "Projection": {"ProjectionType": "ALL"}},
            {
                "IndexName": "GSI2",
                "KeySchema": key("GSI2PK", "GSI2SK"),
                "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["quantity", "total"]},
            },
        ],
        "LocalSecondaryIndexes": [
            {"IndexName": "LSI1", "KeySchema": key("PK", "LSI1SK"), "Projection": {"ProjectionType": "KEYS_ONLY"}},
        ],
        "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    }


def cents(amount):
    """An amount as a string whose order is the order of the amounts."""
    return f"{int(amount * 100):012d}"


def customer(identifier, name, email, city):
    return {
        "PK": f"CUSTOMER#{identifier}", "SK": "PROFILE", "GSI1PK": f"EMAIL#{email}", "GSI1SK": "CUSTOMER",
        "name": name, "email": email, "address": {"city": city, "lines": [f"{int(identifier) % 90 + 1} High Street"]},
        "tags": {"newsletter", city},
    }


def product(identifier, name, category, supplier, price):
    return {
        "PK": f"PRODUCT#{identifier}", "SK": "DETAILS", "GSI1PK": f"CATEGORY#{category}", "GSI1SK": f"PRICE#{cents(price)}#{identifier}",
        "GSI2PK": f"SUPPLIER#{supplier}", "GSI2SK": f"PRODUCT#{identifier}", "name": name, "price": price,
    }


def stock(product_id, region, on_hand):
    return {"PK": f"PRODUCT#{product_id}", "SK": f"STOCK#{region}", "on_hand": Decimal(on_hand), "sold": Decimal(0)}


def order_key(customer_id, date, order_id):
    return {"PK": f"CUSTOMER#{customer_id}", "SK": f"ORDER#{date}#{order_id}"}


def order(customer_id, date, order_id, region, total, lines):
    return order_key(customer_id, date, order_id) | {
        "GSI1PK": "STATUS#placed", "GSI1SK": f"{date}#{order_id}", "GSI2PK": f"ORDER#{order_id}", "GSI2SK": "HEADER",
        "LSI1SK": f"TOTAL#{cents(total)}#{order_id}", "status": "placed", "region": region, "total": total, "lines": Decimal(lines),
    }


def order_line(order_id, number, product_id, quantity, price):
    return {
        "PK": f"ORDER#{order_id}", "SK": f"LINE#{number:02d}", "GSI2PK": f"PRODUCT#{product_id}", "GSI2SK": f"ORDER#{order_id}#{number:02d}",
        "product": product_id, "quantity": Decimal(quantity), "price": price,
    }
