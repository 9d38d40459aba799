"""Live events: what both databases have committed, sent to many readers.

RabbitMQ only tells that there is something new. What is sent always comes out of the databases' logs, so that an event
is sent only once a reader who missed it could get it again.
"""
