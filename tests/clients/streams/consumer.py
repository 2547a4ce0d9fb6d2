"""A stream consumer that works like the Kinesis Client Library: it reads parents before children,
and checkpoints each shard by sequence number."""


class Consumer:
    """A consumer whose entire state is in `state`, which another process can read from JSON."""

    def __init__(self, client, arn, state=None):
        self.client, self.arn = client, arn
        # The last sequence number of each shard that was started; the finished shards; the contents
        # of the records.
        self.state = state or {"checkpoints": {}, "finished": [], "seen": []}

    def shards(self):
        """All shards, two at a time."""
        found, start = [], {}
        while True:
            page = self.client.describe_stream(StreamArn=self.arn, Limit=2, **start)["StreamDescription"]
            found += page["Shards"]
            if "LastEvaluatedShardId" not in page:
                return found
            start = {"ExclusiveStartShardId": page["LastEvaluatedShardId"]}

    def step(self, limit=7):
        """Reads a page of each shard whose parent is finished; returns whether anything was new."""
        progress = False
        for shard in self.shards():
            parent, name = shard.get("ParentShardId"), shard["ShardId"]
            if name not in self.state["finished"] and (parent is None or parent in self.state["finished"]):
                progress |= self.read(name, limit)
        return progress

    def read(self, shard, limit):
        checkpoint = self.state["checkpoints"].get(shard)
        place = {"ShardIteratorType": "TRIM_HORIZON"}
        if checkpoint:
            place = {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": checkpoint}
        iterator = self.client.get_shard_iterator(StreamArn=self.arn, ShardId=shard, **place)["ShardIterator"]
        page = self.client.get_records(ShardIterator=iterator, Limit=limit)
        assert len(page["Records"]) <= limit
        for record in page["Records"]:
            self.take(shard, record)
        if "NextShardIterator" not in page:
            self.state["finished"].append(shard)
            return True
        return bool(page["Records"])

    def take(self, shard, record):
        change = record["dynamodb"]
        before = self.state["checkpoints"].get(shard)
        assert before is None or int(before) < int(change["SequenceNumber"]), "sequence numbers must increase"
        self.state["checkpoints"][shard] = change["SequenceNumber"]
        self.state["seen"].append([record["eventName"], change["Keys"]["pk"]["S"], value(change, "OldImage"), value(change, "NewImage")])


def value(change, image):
    """The item's value in an image; None without an image."""
    return int(change[image]["v"]["N"]) if image in change else None
