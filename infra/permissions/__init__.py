"""One RabbitMQ user per process, with the permissions that the process needs and no more."""
