"""The same random operations on Beringia and on moto, which imitates DynamoDB independently of it."""
