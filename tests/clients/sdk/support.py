"""Helpers of the programs: clients, refusals, waiting."""

import json
import subprocess
import time

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

REGIONS = ["us-east-1", "eu-west-1", "ap-northeast-1"]
CONFIG = Config(retries={"max_attempts": 1})


def session(region):
    return boto3.Session(aws_access_key_id="key", aws_secret_access_key="secret", region_name=region)


def command(program, control):
    """A function that runs `beringia` on a control endpoint, and returns its lines of JSON."""

    def run(*words):
        done = subprocess.run([program, *words, "--format", "json", "--control", control], capture_output=True, text=True, check=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    return run


def refused(code, call, **parameters):
    try:
        call(**parameters)
    except ClientError as error:
        assert error.response["Error"]["Code"] == code, error.response
        return error.response
    raise AssertionError(f"expected {code} from {call} with {parameters}")


def until(what, condition, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds} s"
        time.sleep(0.05)
