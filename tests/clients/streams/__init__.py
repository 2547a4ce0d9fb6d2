"""boto3 against a running Beringia: client and resource as their users use them."""
