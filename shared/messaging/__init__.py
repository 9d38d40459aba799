"""Events on RabbitMQ: publishing them, consuming them, and what becomes of those that fail."""
