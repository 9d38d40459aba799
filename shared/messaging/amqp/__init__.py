"""AMQP by way of amqpstorm, which nothing outside this folder imports."""
