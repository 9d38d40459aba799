"""Events on RabbitMQ: topology, publisher, consumers and dead letters."""
