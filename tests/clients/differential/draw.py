"""Draws valid operations from a seed: keys from a small set, so that operations share items;
expressions of the grammar, on attributes that mostly have a suitable type."""

import random

STRINGS = ["a", "ab", "abc", "b", "ba", "z", "ü", "10"]
# In DynamoDB's notation: moto stores and compares the text.
NUMBERS = ["0", "1", "2", "-1", "3.5", "10", "99", "-0.25", "1000"]
BYTES = [b"a", b"ab", b"\x00\xff", b"z"]
# The usual type of each attribute.
KINDS = {"n": "N", "m": "N", "s": "S", "t": "S", "x": "B", "ok": "BOOL", "z": "NULL", "ss": "SS", "ns": "NS", "l": "L", "d": "M", "g": "S", "h": "N"}
TABLES = {
    "ranged": {
        "keys": [("p", "HASH", "S"), ("r", "RANGE", "N")],
        "global": {"by_g": ([("g", "HASH", "S"), ("h", "RANGE", "N")], {"ProjectionType": "ALL"}),
                   "by_h": ([("h", "HASH", "N")], {"ProjectionType": "KEYS_ONLY"})},
        "local": {"by_ph": ([("p", "HASH", "S"), ("h", "RANGE", "N")], {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["n", "s"]})},
    },
    "plain": {"keys": [("p", "HASH", "S")], "global": {}, "local": {}},
}
PARTITIONS = ["one", "two", "three"]


class Draw:
    """Operations of one seed, as (name of boto3's method, its parameters)."""

    def __init__(self, seed):
        self.random = random.Random(seed)

    def chance(self, probability):
        return self.random.random() < probability

    def pick(self, *choices):
        return self.random.choice(choices)

    def value(self, kind, depth=0):
        some = lambda pool: self.random.sample(pool, self.random.randint(1, 3))
        match kind:
            case "N":
                return {"N": self.pick(*NUMBERS)}
            case "S":
                return {"S": self.pick(*STRINGS)}
            case "B":
                return {"B": self.pick(*BYTES)}
            case "BOOL":
                return {"BOOL": self.chance(0.5)}
            case "NULL":
                return {"NULL": True}
            case "SS":
                return {"SS": some(STRINGS)}
            case "NS":
                return {"NS": some(NUMBERS)}
            case "L":
                return {"L": [self.any(depth + 1) for _ in range(self.random.randint(0, 3))]}
            case "M":
                return {"M": {name: self.any(depth + 1) for name in ("n", "s", "l") if self.chance(0.7)}}

    def any(self, depth=0):
        # No booleans and no nulls, which have attributes of their own: moto treats them as numbers,
        # as missing, or as maps.
        return self.value(self.pick("N", "S", "SS", "B", "N", "S", *(("L", "M") if depth < 2 else ())), depth)

    def key(self, table):
        key = {"p": {"S": self.pick(*PARTITIONS)}}
        if table == "ranged":
            key["r"] = {"N": str(self.random.randint(0, 6))}
        return key

    def item(self, table):
        item = self.key(table)
        for name, kind in KINDS.items():
            if self.chance(0.6):
                # Keys of indexes have their type. moto ignores changes inside of a value that
                # should be a map but is not.
                odd = name not in ("g", "h", "d") and self.chance(0.1)
                item[name] = self.any() if odd else self.value(kind)
        return item

    def operation(self):
        table = self.pick("ranged", "ranged", "plain")
        kinds = {self.put: 20, self.update: 30, self.delete: 6, self.get: 8, self.query: 14, self.scan: 8, self.batch_write: 4, self.batch_get: 4, self.transact: 6, self.transact_get: 2}
        return self.random.choices(list(kinds), kinds.values())[0](table)

    def put(self, table):
        request = {"TableName": table, "Item": self.item(table)}
        return "put_item", self.conditioned(request, 0.4, ("NONE", "ALL_OLD"))

    def delete(self, table):
        return "delete_item", self.conditioned({"TableName": table, "Key": self.key(table)}, 0.5, ("NONE", "ALL_OLD"))

    def update(self, table):
        return "update_item", self.conditioned(
            {"TableName": table, "Key": self.key(table)}, 0.4, ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"), Expressions.update)

    def conditioned(self, request, probability, returns, *more):
        expressions = Expressions(self)
        for expression in more:
            expression(expressions, request)
        if self.chance(probability):
            request["ConditionExpression"] = expressions.condition()
        if returns:
            request["ReturnValues"] = self.pick(*returns)
        return expressions.placed(request)

    def get(self, table):
        request = {"TableName": table, "Key": self.key(table), "ConsistentRead": True}
        expressions = Expressions(self)
        if self.chance(0.5):
            request["ProjectionExpression"] = expressions.projection()
        return "get_item", expressions.placed(request)

    def query(self, _):
        index, keys = self.pick(
            (None, [("p", "S"), ("r", "N")]), (None, [("p", "S"), ("r", "N")]), ("by_g", [("g", "S"), ("h", "N")]), ("by_h", [("h", "N")]), ("by_ph", [("p", "S"), ("h", "N")]))
        request = {"TableName": "ranged", "ScanIndexForward": self.chance(0.6)}
        if index:
            request["IndexName"] = index
        expressions = Expressions(self)
        (name, kind), *rest = keys
        partition = {"S": self.pick(*PARTITIONS)} if name == "p" else self.value(kind)
        condition = f"{expressions.name(name)} = {expressions.bind(partition)}"
        if rest and self.chance(0.6):
            condition += " AND " + expressions.sort(*rest[0])
        request["KeyConditionExpression"] = condition
        return "query", self.page(request, expressions, self.projected(index) - {name for name, _ in keys})

    def scan(self, table):
        request = {"TableName": table}
        if table == "ranged" and self.chance(0.3):
            request["IndexName"] = self.pick("by_g", "by_h", "by_ph")
        return "scan", self.page(request, Expressions(self), set(KINDS))

    def projected(self, index):
        """The attributes, besides the table's keys, on which a query of the index may filter."""
        indexes = TABLES["ranged"]["global"] | TABLES["ranged"]["local"]
        if index is None or indexes[index][1]["ProjectionType"] == "ALL":
            return set(KINDS)
        keys, projection = indexes[index]
        return ({name for name, _, _ in keys} | set(projection.get("NonKeyAttributes", []))) & set(KINDS)

    def page(self, request, expressions, filtered):
        if filtered and self.chance(0.5):
            request["FilterExpression"] = expressions.condition(set(KINDS) - filtered)
        if request.get("IndexName") in (None, "by_g"):
            if self.chance(0.3):
                request["ProjectionExpression"] = expressions.projection()
        if "ProjectionExpression" not in request and self.chance(0.2):
            request["Select"] = "COUNT"
        if self.chance(0.6):
            request["Limit"] = self.random.randint(1, 6)
        return expressions.placed(request)

    def keys(self, table, count):
        keys = {str(key): key for key in (self.key(table) for _ in range(count))}
        return list(keys.values())

    def batch_write(self, _):
        tables = {}
        for table in self.pick(["ranged"], ["plain", "ranged"]):
            tables[table] = [
                {"DeleteRequest": {"Key": key}} if self.chance(0.3) else {"PutRequest": {"Item": self.item(table) | key}} for key in self.keys(table, 4)
            ]
        return "batch_write_item", {"RequestItems": tables}

    def batch_get(self, _):
        tables = {}
        for table in self.pick(["ranged"], ["plain", "ranged"]):
            expressions = Expressions(self)
            request = {"Keys": self.keys(table, 5)}
            if self.chance(0.4):
                # Answers are identified by their key.
                request["ProjectionExpression"] = "p, " + expressions.projection({"p"})
            tables[table] = expressions.placed(request)
        return "batch_get_item", {"RequestItems": tables}

    def transact(self, _):
        items = []
        for table in ("plain", "ranged"):
            for key in self.keys(table, 2):
                base = {"TableName": table}
                match self.pick("Put", "Update", "Delete", "ConditionCheck"):
                    case "Put":
                        items.append({"Put": self.conditioned(base | {"Item": self.item(table) | key}, 0.4, ())})
                    case "Update":
                        items.append({"Update": self.conditioned(base | {"Key": key}, 0.3, (), Expressions.update)})
                    case "Delete":
                        items.append({"Delete": self.conditioned(base | {"Key": key}, 0.4, ())})
                    case "ConditionCheck":
                        items.append({"ConditionCheck": self.conditioned(base | {"Key": key}, 1, ())})
        return "transact_write_items", {"TransactItems": items}

    def transact_get(self, _):
        return "transact_get_items", {"TransactItems": [{"Get": {"TableName": table, "Key": key}} for table in ("plain", "ranged") for key in self.keys(table, 2)]}


class Expressions:
    """The expressions of one request, and their placeholders."""

    def __init__(self, draw):
        self.draw, self.names, self.values = draw, {}, {}

    def placed(self, request):
        if self.names:
            request["ExpressionAttributeNames"] = self.names
        if self.values:
            request["ExpressionAttributeValues"] = self.values
        return request

    def name(self, name):
        self.names[f"#{name}"] = name
        return f"#{name}"

    def bind(self, value):
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = value
        return placeholder

    def path(self, without=()):
        """A path, and the most likely type of its value."""
        name = self.draw.pick(*(name for name in KINDS if name not in without))
        if name == "d" and self.draw.chance(0.7):
            inner, kind = self.draw.pick(("n", "N"), ("s", "S"), ("l", "L"))
            return f"{self.name(name)}.{self.name(inner)}", kind
        if name == "l" and self.draw.chance(0.7):
            return f"{self.name(name)}[{self.draw.random.randint(0, 2)}]", self.draw.pick("N", "S")
        return self.name(name), KINDS[name]

    def condition(self, without=(), depth=0):
        draw = self.draw
        if depth < 3 and draw.chance(0.4):
            inner = lambda: self.condition(without, depth + 1)
            return draw.pick(lambda: f"({inner()}) AND ({inner()})", lambda: f"({inner()}) OR ({inner()})", lambda: f"NOT ({inner()})", lambda: f"{inner()} AND {inner()}")()
        path, kind = self.path(without)
        odd = draw.chance(0.1)
        operand = lambda: self.bind(draw.pick(draw.value("L"), draw.value("NS"), draw.value("S")) if odd else draw.value(kind))
        scalar = lambda kind: self.bind(draw.value(kind if kind in ("N", "S", "B") else "S"))
        comparator = lambda: draw.pick("=", "<>", "<", "<=", ">", ">=")
        if kind == "BOOL":
            return f"{path} {draw.pick('=', '<>')} {operand()}"
        if kind == "NULL":
            return draw.pick(lambda: f"attribute_exists({path})", lambda: f"NOT attribute_type({path}, {self.bind({'S': kind})})")()
        return draw.pick(
            lambda: f"{path} {draw.pick('=', '<>')} {operand()}",
            lambda: f"{path} {comparator()} {scalar(kind)}",
            lambda: f"attribute_exists({path})",
            lambda: f"attribute_not_exists({path})",
            lambda: f"attribute_type({path}, {self.bind({'S': kind if not odd else 'M'})})",
            # Not begins_with of binaries: moto compares their Base64 form.
            lambda: f"begins_with({path}, {self.bind(draw.value('S'))})",
            lambda: f"contains({path}, {scalar(draw.pick('S', 'N'))})",
            lambda: f"size({path}) {comparator()} {self.bind({'N': str(draw.random.randint(0, 3))})}",
            lambda: f"{path} IN ({operand()}, {operand()})",
            lambda: self.between(path, kind),
        )()

    def between(self, path, kind):
        kind = kind if kind in ("N", "S") else "N"
        pool = [{"N": number} for number in sorted(NUMBERS, key=float)] if kind == "N" else [{"S": text} for text in sorted(STRINGS)]
        low, high = sorted(self.draw.random.sample(range(len(pool)), 2))
        return f"{path} BETWEEN {self.bind(pool[low])} AND {self.bind(pool[high])}"

    def sort(self, name, kind):
        if self.draw.chance(0.3):
            return self.between(self.name(name), kind)
        number = {"N": str(self.draw.random.randint(0, 6))} if name == "r" else self.draw.value(kind)
        return f"{self.name(name)} {self.draw.pick('=', '<', '<=', '>', '>=')} {self.bind(number)}"

    def projection(self, without=()):
        names = self.draw.random.sample([name for name in ("p", "n", "s", "ss", "l", "d", "g") if name not in without], self.draw.random.randint(1, 3))
        paths = []
        for name in names:
            path = self.name(name)
            if name == "d" and self.draw.chance(0.5):
                # Not "l": moto confuses it with the list of that name.
                path += "." + self.name(self.draw.pick("n", "s"))
            if name == "l" and self.draw.chance(0.5):
                path += f"[{self.draw.random.randint(0, 1)}]"
            paths.append(path)
        return ", ".join(paths)

    def update(self, request):
        """One to three actions on different attributes."""
        draw = self.draw
        clauses = {}
        for name in draw.random.sample(list(KINDS), draw.random.randint(1, 3)):
            kind = KINDS[name]
            path = self.name(name)
            if name == "d" and draw.chance(0.5):
                inner, kind = draw.pick(("n", "N"), ("s", "S"), ("l", "L"))
                path += "." + self.name(inner)
            elif name == "l" and draw.chance(0.4):
                path, kind = f"{path}[{draw.random.randint(0, 3)}]", draw.pick("N", "S")
            clause, action = self.action(path, kind)
            clauses.setdefault(clause, []).append(action)
        request["UpdateExpression"] = " ".join(f"{clause} {', '.join(actions)}" for clause, actions in clauses.items())

    def action(self, path, kind):
        draw = self.draw
        choices = [lambda: ("REMOVE", path), lambda: ("SET", f"{path} = {self.bind(draw.value(kind))}"),
                   lambda: ("SET", f"{path} = if_not_exists({path}, {self.bind(draw.value(kind))})")]
        if kind == "N":
            number = lambda: self.bind(draw.value("N"))
            choices += [lambda: ("SET", f"{path} = {path} {draw.pick('+', '-')} {number()}"),
                        lambda: ("SET", f"{path} = if_not_exists({path}, {number()}) {draw.pick('+', '-')} {number()}")]
            if "." not in path and "[" not in path:
                choices.append(lambda: ("ADD", f"{path} {number()}"))
        if kind in ("SS", "NS"):
            choices += [lambda: ("ADD", f"{path} {self.bind(draw.value(kind))}"), lambda: ("DELETE", f"{path} {self.bind(draw.value(kind))}")]
        if kind == "L":
            more = lambda: self.bind(draw.value("L"))
            choices += [lambda: ("SET", f"{path} = list_append({path}, {more()})"),
                        lambda: ("SET", f"{path} = list_append({more()}, if_not_exists({path}, {more()}))")]
        return draw.pick(*choices)()
