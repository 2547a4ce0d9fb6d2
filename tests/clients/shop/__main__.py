"""Runs the shop in several regions at once while a link is cut, then audits it as an owner."""

import argparse
import json
import shlex
import subprocess
import sys
import threading

import boto3
from botocore.config import Config
from botocore.exceptions import ConnectTimeoutError, EndpointConnectionError

from . import audit, model
from .branch import Branch, Ledger
from .goods import Goods
from .opening import NotOurs, clear_away, open_shop


def arguments():
    parser = argparse.ArgumentParser(prog="python -m shop", description=__doc__)
    parser.add_argument("--endpoint", default="http://127.0.0.1:8000", help="the endpoint of all regions (default: %(default)s)")
    parser.add_argument("--regions", default="us-east-1,eu-west-1,ap-northeast-1", help="the regions, the first one opens the shop")
    parser.add_argument("--beringia", default="beringia", help="the command that runs beringia (default: %(default)s)")
    parser.add_argument("--control", help="the control endpoint, if it is not beringia's default")
    parser.add_argument("--rounds", type=int, default=20, help="rounds of shopping per region and phase (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="the seed of the generated data (default: %(default)s)")
    parser.add_argument("--verbose", action="store_true", help="list every cart line that lost an update to a conflict")
    return parser.parse_args()


class Beringia:
    """The command line, as an operator uses it."""

    def __init__(self, command, control):
        self.command = shlex.split(command)
        self.control = ["--control", control] if control else []

    def __call__(self, *words):
        """Runs a command and returns its lines of JSON."""
        done = subprocess.run([*self.command, *words, "--format", "json", *self.control], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"`beringia {' '.join(words)}` failed with {done.returncode}: {done.stdout}{done.stderr}")
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def trade_everywhere(branches, rounds, own, roaming):
    """Trades in all regions at once. An error in any of them fails the run."""
    failures = []

    def run(branch):
        try:
            branch.trade(rounds, own[branch.region], roaming)
        except Exception as error:  # reported below, with its region
            failures.append((branch.region, error))

    threads = [threading.Thread(target=run, args=(branch,)) for branch in branches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        region, error = failures[0]
        raise RuntimeError(f"the branch in {region} failed") from error


class Progress:
    """Shows the current step: on one line of a terminal, otherwise on a line per step."""

    def __init__(self):
        self.in_place = sys.stderr.isatty()

    def __call__(self, text):
        print(f"\r\033[K{text} …" if self.in_place else text, end="" if self.in_place else "\n", file=sys.stderr, flush=True)

    def say(self, text):
        """Prints a line that stays."""
        if self.in_place:
            print("\r\033[K", end="", file=sys.stderr, flush=True)
        print(text, flush=True)


def main():
    options = arguments()
    progress = Progress()
    try:
        run(options, progress)
    except (EndpointConnectionError, ConnectTimeoutError):
        sys.exit(f"nothing answers at {options.endpoint}: is `beringia up` running? If it uses another address, give it with --endpoint")
    except NotOurs as error:
        sys.exit(str(error))


def run(options, progress):
    regions = options.regions.split(",")
    beringia = Beringia(options.beringia, options.control)
    # One retry at most, since a region that is down must not make the shop wait.
    config = Config(retries={"max_attempts": 1}, max_pool_connections=4)
    credentials = {"aws_access_key_id": "shop", "aws_secret_access_key": "shop"}
    session = lambda region: boto3.Session(region_name=region, **credentials)
    clients = {region: session(region).client("dynamodb", endpoint_url=options.endpoint, config=config) for region in regions}
    tables = {region: session(region).resource("dynamodb", endpoint_url=options.endpoint, config=config).Table(model.TABLE) for region in regions}

    home = regions[0]
    goods = Goods(options.seed, customers=30, regions=regions, stock_per_region=25)
    progress("opening the shop")
    clear_away(clients, progress.say)
    open_shop(clients, home)
    with tables[home].batch_writer() as batch:
        for item in goods.items:
            batch.put_item(Item=item)
    beringia("converge", "--timeout", "60")
    progress.say(f"The shop is open in {', '.join(regions)}: {len(goods.customers)} customers, {len(goods.prices)} products.")

    ledger = Ledger()
    roaming = goods.customers[:5]
    own = {region: goods.customers[5 + number :: len(regions)] for number, region in enumerate(regions)}
    branches = [
        Branch(region, tables[region], session(region).resource("dynamodb", endpoint_url=options.endpoint, config=config).meta.client, goods, ledger, options.seed)
        for region in regions
    ]
    progress("selling in all regions")
    trade_everywhere(branches, options.rounds, own, roaming)
    beringia("net", "isolate", regions[-1])
    try:
        progress(f"selling in all regions while {regions[-1]} is cut off")
        trade_everywhere(branches, options.rounds, own, roaming)
    finally:
        beringia("net", "heal")
    progress("selling in all regions, links healed")
    trade_everywhere(branches, options.rounds, own, roaming)

    progress("waiting until the regions agree")
    (converged,) = beringia("converge", "--timeout", "60")
    progress.say(f"{regions[-1]} was cut off and kept selling; all regions agreed {converged['elapsed_ms']} ms after the last sale.")

    progress("auditing")
    items = audit.same_everywhere(tables)
    audit.no_order_lost(items, ledger)
    audit.stock_is_right(items, ledger, goods, regions)
    audit.indexes_are_right(tables, items)
    progress.say(f"{len(ledger.orders)} orders, {len(ledger.shipped)} shipped, {ledger.sold_out} refused because stock was sold out: none lost, none torn, no piece sold twice.")
    progress.say(f"All {len(items)} items and their index entries are the same in every region.")

    lost = audit.lost_cart_updates(items, ledger)
    conflicts = beringia("conflicts", "--table", model.TABLE)
    if options.verbose:
        for customer, line, put, kept in lost:
            progress.say(f"  cart of customer {customer}: {line}: {put} put in, {kept} kept")
    more = "" if options.verbose else " (--verbose lists them)"
    progress.say(f"{len(ledger.cart_updates)} cart updates; {len(lost)} cart lines lost some to a newer cart from another region{more}; {len(conflicts)} conflicts in the journal (`beringia conflicts --table {model.TABLE}`).")
    disputed = {conflict["key"]["PK"]["S"] for conflict in conflicts if conflict["key"]["SK"]["S"] == "CART"}
    strangers = {customer for customer, *_ in lost if f"CUSTOMER#{customer}" not in disputed}
    assert not strangers, f"carts lost updates that no conflict explains: {sorted(strangers)}"
    assert lost, "customers shopped on both sides of the cut, yet no cart update was lost: the cut did not happen"


if __name__ == "__main__":
    main()
