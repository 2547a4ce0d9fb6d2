"""Runs the same random operations on Beringia and on moto, an independent imitation of DynamoDB,
and compares the answers."""
