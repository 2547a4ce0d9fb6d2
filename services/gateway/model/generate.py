"""Generates the tables of requests in `src/shape/requests` from the public model of DynamoDB's API,
which is part of botocore.

    python generate.py           writes the tables
    python generate.py --check   fails if the existing tables differ from the generated ones

Requires rustfmt, and botocore in the version that `tests/clients/requirements.txt` pins. Only
names, types and constraints are used.
"""

import difflib
import re
import subprocess
import sys
from pathlib import Path

import botocore
import botocore.loaders

import corrections

HERE = Path(__file__).resolve().parent
REQUESTS = HERE.parent / "src/shape/requests"
# By botocore's name of the service: its own name, and the name of its file.
SERVICES = {"dynamodb": ("DynamoDB", "dynamodb"), "dynamodbstreams": ("DynamoDB Streams", "streams")}
INTEGERS = {"integer": "Integer", "long": "Long"}
NUMBERS = {"double": 'Shape::Number("Double")', "timestamp": "Shape::Time"}


class Used(dict):
    """A table of corrections that records which of its entries apply to the model."""

    seen = set()

    def __init__(self, name, entries):
        super().__init__(entries)
        self.name = name

    def take(self, key, default=None):
        if key in self:
            self.seen.add((self.name, key))
        return self.get(key, default)


def used(name):
    entries = getattr(corrections, name)
    return Used(name, entries if isinstance(entries, dict) else dict.fromkeys(entries, True))


TABLES = {
    name: used(name)
    for name in (
        "MEMBER_ORDER",
        "VALUE_ORDER",
        "REQUIRED",
        "OPTIONAL",
        "REQUIRED_FIRST",
        "NEW_NAME",
        "WITHOUT_VALUE",
        "MEMBER_SHAPE",
        "OTHER_WORDS",
        "BOUNDS",
        "MEMBER_BOUNDS",
        "UNSUPPORTED",
        "PATTERNS",
    )
}


def correction(table, key, default=None):
    return TABLES[table].take(key, default)


def constant(name):
    """`GlobalSecondaryIndex` as `GLOBAL_SECONDARY_INDEX`, `SSEType` as `SSE_TYPE`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).upper()


def text(value):
    """A Rust literal."""
    return 'r"' + value + '"' if "\\" in value else '"' + value + '"'


def order(names, first):
    """The names, beginning with those in `first`."""
    unknown = [name for name in first if name not in names]
    if unknown:
        raise SystemExit(f"the model does not contain {unknown}")
    return first + [name for name in names if name not in first]


class Service:
    """The tables of one service."""

    def __init__(self, name):
        self.name = name
        model = botocore.loaders.Loader().load_service_model(name, "service-2")
        self.shapes = model["shapes"]
        self.operations = model["operations"]
        self.inputs = {operation["input"]["shape"] for operation in self.operations.values()}
        # By the name of the Rust item, in the order of first use.
        self.items = {}
        for operation in sorted(self.operations):
            self.structure(self.operations[operation]["input"]["shape"])

    def define(self, item, made):
        if self.items.setdefault(item, made) != made:
            raise SystemExit(f"two shapes map to the item {item}")

    def item(self, shape):
        if shape in self.inputs:
            shape = re.sub("(Input|Request)$", "", shape)
        return constant(shape)

    def structure(self, name):
        item, shape = self.item(name), self.shapes[name]
        if item in self.items:
            return item
        members = [
            self.member(name, member)
            for member in order(list(shape["members"]), correction("MEMBER_ORDER", name, []))
        ]
        visible = "pub(crate) " if name in self.inputs else ""
        body = "".join(f"{member}," for member in members)
        self.define(item, f"{visible}static {item}: Structure = Structure {{ class: {text(name)}, members: &[{body}] }};")
        return item

    def member(self, structure, name):
        place, shape = (structure, name), self.shapes[structure]
        of = correction("MEMBER_SHAPE", place, shape["members"][name]["shape"])
        made = self.shape(of, place)
        without = ".without_value()" if correction("WITHOUT_VALUE", place) else ""
        unsupported = correction("UNSUPPORTED", place)
        if unsupported is not None:
            no_effect, hint = unsupported.get("unless", "never"), unsupported.get("hint", "")
            return f"Member::unsupported({text(name)}, {made}, no_effect::{no_effect}, {text(hint)})"
        if correction("NEW_NAME", place):
            return f"Member::new_name({text(name)}, {made})"
        if correction("REQUIRED_FIRST", place):
            return f"Member::required_first({text(name)}, {made})"
        if correction("REQUIRED", place) or (name in shape.get("required", []) and not correction("OPTIONAL", place)):
            return f"Member::required({text(name)}, {made}){without}"
        return f"Member::optional({text(name)}, {made}){without}"

    def shape(self, name, place=None):
        """The Rust expression of a shape; `place` is the member that has it."""
        shape = self.shapes[name]
        kind = shape["type"]
        if name == "AttributeValue":
            return "Shape::AttributeValue"
        if kind == "map" and shape["value"]["shape"] == "AttributeValue":
            return "Shape::AttributeMap"
        if kind == "boolean":
            return "Shape::Boolean"
        if kind in NUMBERS:
            return NUMBERS[kind]
        if kind == "structure":
            return f"Shape::Structure(&{self.structure(name)})"
        if kind == "string":
            return f"Shape::Text({self.text(name, place)})"
        lengths = self.bounds(name, place)
        if kind in INTEGERS:
            return f"Shape::Integer({text(INTEGERS[kind])}, {self.range(lengths)})"
        if kind in ("list", "map"):
            made = self.list(shape["member"]["shape"], lengths) if kind == "list" else self.map(shape, lengths)
            return made if place in corrections.MEMBER_BOUNDS else self.named(name, made)
        raise SystemExit(f"{name}: unknown type {kind}")

    def named(self, name, made):
        item = self.item(name)
        self.define(item, f"const {item}: Shape = {made};")
        return item

    def list(self, of, lengths):
        return f"Shape::List {{ lengths: {self.lengths(lengths)}, member: &{self.shape(of)} }}"

    def map(self, shape, lengths):
        keys, values = shape["key"]["shape"], shape["value"]["shape"]
        return (
            f"Shape::Map {{ class: {text(self.java(values))}, lengths: {self.lengths(lengths)}, "
            f"keys: {self.text(keys, key=True)}, member: &{self.shape(values)} }}"
        )

    def java(self, name):
        """The Java name of the values of a map."""
        shape = self.shapes[name]
        if shape["type"] == "structure":
            return f"com.amazonaws.dynamodb.v20120810.{name}"
        if shape["type"] == "list":
            return f"java.util.List<{self.java(shape['member']['shape'])}>"
        if shape["type"] == "string":
            return "java.lang.String"
        raise SystemExit(f"{name}: no Java name is known for values of this type")

    def text(self, name, place=None, key=False):
        """The constraints of a string; `key` is whether it is the key of a map."""
        if correction("OTHER_WORDS", name):
            return "Text::ANY"
        or_arn = name == "TableArn" and (key or (place and place[1] == corrections.NAME_OR_ARN))
        shape = self.shapes["TableName" if or_arn else name]
        item = self.item("TableNameOrArn" if or_arn else name)
        bounds = self.bounds(name, place) if not or_arn else (shape.get("min"), shape.get("max"))
        names = order(shape["enum"], correction("VALUE_ORDER", name, [])) if "enum" in shape else []
        pattern = shape.get("pattern")
        if names:
            made = f"Text::one_of(&[{', '.join(map(text, names))}])"
        elif bounds == (None, None) and not pattern:
            return "Text::ANY"
        elif not pattern:
            made = f"Text::of({self.lengths(bounds)})"
        else:
            matches = correction("PATTERNS", pattern)
            if not matches:
                raise SystemExit(f"{name}: corrections.PATTERNS has no function for the pattern {pattern}")
            made = f"Text::like({text(pattern)}, pattern::{matches}, {self.lengths(bounds)})"
        if or_arn:
            made += ".or_arn()"
        self.define(item, f"const {item}: Text = {made};")
        return item

    def bounds(self, name, place):
        shape = self.shapes[name]
        model = (shape.get("min"), shape.get("max"))
        own = correction("BOUNDS", name, (None, None))
        at = correction("MEMBER_BOUNDS", place, (None, None))
        return tuple(next((bound for bound in bounds if bound is not None), None) for bounds in zip(at, own, model))

    @staticmethod
    def range(bounds):
        least, most = ("i64::MIN" if bounds[0] is None else bounds[0]), ("i64::MAX" if bounds[1] is None else bounds[1])
        return f"{least}, {most}"

    @staticmethod
    def lengths(bounds):
        least, most = bounds
        if most is None:
            return f"Lengths::at_least({least})" if least else "Lengths::ANY"
        return f"Lengths::of({least or 0}, {most})"

    def source(self):
        """The formatted source of the file."""
        name, file = SERVICES[self.name]
        operations = "".join(
            f"({text(operation)}, &{self.item(self.operations[operation]['input']['shape'])})," for operation in sorted(self.operations)
        )
        body = "\n".join(self.items.values())
        imports = [name for name in ("no_effect", "pattern") if f"{name}::" in body]
        types = [name for name in ("Lengths", "Member", "Shape", "Structure", "Text") if re.search(rf"\b{name}\b", body)]
        source = f"""//! The requests of {name}, member by member.
//
// Generated by services/gateway/model/generate.py from corrections.py and botocore {botocore.__version__}
// ({self.name}, 2012-08-10). Edit the generator or the corrections, not this file.

use crate::shape::{{{', '.join(types + imports)}}};

/// Every operation of the service with its request, whether or not this server implements it.
pub(crate) static {file.upper()}_OPERATIONS: &[(&str, &Structure)] = &[{operations}];

{body}
"""
        formatted = subprocess.run(
            ["rustfmt", "--edition", "2024", "--config-path", str(HERE.parents[2])],
            input=source,
            capture_output=True,
            text=True,
            check=False,
        )
        if formatted.returncode:
            raise SystemExit(f"rustfmt: {formatted.stderr}")
        return formatted.stdout


def main():
    made = {REQUESTS / f"{file}.rs": Service(name).source() for name, (_, file) in SERVICES.items()}
    for name, table in TABLES.items():
        idle = [key for key in table if (name, key) not in Used.seen]
        if idle:
            raise SystemExit(f"corrections.{name} has entries that do not apply to the model: {idle}")
    differs = False
    for path, source in made.items():
        written = path.read_text() if path.exists() else ""
        if sys.argv[1:] == ["--check"]:
            differs |= written != source
            sys.stdout.writelines(
                difflib.unified_diff(written.splitlines(True), source.splitlines(True), str(path), "generated")
            )
        else:
            path.write_text(source)
    if differs:
        raise SystemExit("the tables of requests differ from the model: run services/gateway/model/generate.py")


if __name__ == "__main__":
    main()
