"""A consumer of DynamoDB Streams, with boto3 against a running Beringia."""
