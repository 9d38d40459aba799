"""AMQP on amqpstorm. Nothing outside this folder imports amqpstorm or pamqp."""
