"""Which service answers on an endpoint, and whose requests it accepts.
Usage: python -m sdk.services ENDPOINT REGIONAL

ENDPOINT serves all regions, REGIONAL is the endpoint of eu-west-1. Both accept the access key AKIA
with the secret `secret`."""

import sys

import boto3
from botocore import UNSIGNED
from botocore.config import Config

from .support import CONFIG, refused

ENDPOINT, REGIONAL = sys.argv[1:3]
US, EU = ["us-east-1", "eu-west-1"]


def client(service, url=ENDPOINT, region=EU, key="AKIA", secret="secret", config=CONFIG):
    session = boto3.Session(aws_access_key_id=key, aws_secret_access_key=secret, region_name=region)
    return session.client(service, endpoint_url=url, config=config)


def every_service_answers_at_every_endpoint():
    for url in (ENDPOINT, REGIONAL):
        assert client("dynamodb", url).list_tables()["TableNames"] == []
        assert client("dynamodbstreams", url).list_streams()["Streams"] == []
        actions = client("fis", url).list_actions()["actions"]
        assert all(action["arn"].startswith("arn:aws:fis:eu-west-1:") for action in actions), actions
    actions = client("fis", region=US).list_actions()["actions"]
    assert all(action["arn"].startswith("arn:aws:fis:us-east-1:") for action in actions), actions


def only_a_known_key_with_its_secret_is_let_in():
    unsigned = CONFIG.merge(Config(signature_version=UNSIGNED))
    for service, operation, status in (
        ("dynamodb", "list_tables", 400), ("dynamodbstreams", "list_streams", 400), ("fis", "list_experiments", 403),
    ):
        for code, changes in (
            ("InvalidSignatureException", {"secret": "another"}),
            ("UnrecognizedClientException", {"key": "AKIB"}),
            ("MissingAuthenticationTokenException", {"config": unsigned}),
        ):
            for url in (ENDPOINT, REGIONAL):
                answer = refused(code, getattr(client(service, url, **changes), operation))
                assert answer["ResponseMetadata"]["HTTPStatusCode"] == status, answer
                assert answer["Error"]["Message"], answer


def a_region_answers_for_itself_only():
    for service, operation in (("dynamodb", "list_tables"), ("fis", "list_experiments")):
        for url, region in ((REGIONAL, US), (ENDPOINT, "mars-1")):
            answer = refused("InvalidSignatureException", getattr(client(service, url, region), operation))
            assert f"valid region, not '{region}'" in answer["Error"]["Message"], answer


def a_service_that_is_not_here_is_told_which_are():
    served = "this endpoint serves dynamodb, dynamodbstreams, fis"
    for service, operation in (("kms", "list_keys"), ("lambda", "list_functions")):
        answer = refused("UnknownOperationException", getattr(client(service), operation))
        assert answer["Error"]["Message"] == f"service '{service}' is not served here; {served}", answer


def main():
    every_service_answers_at_every_endpoint()
    only_a_known_key_with_its_secret_is_let_in()
    a_region_answers_for_itself_only()
    a_service_that_is_not_here_is_told_which_are()
    print("all passed")


if __name__ == "__main__":
    main()
