"""SDKs and the AWS CLI against a running Beringia, used as applications use them."""
