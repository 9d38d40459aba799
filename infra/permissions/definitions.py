"""RabbitMQ's definitions of users and topology, as `rabbitmqctl import_definitions` and `load_definitions` read them.

Source: https://www.rabbitmq.com/docs/definitions and https://www.rabbitmq.com/docs/passwords#computing-password-hash
"""

import base64
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from infra.permissions.users import ProcessUser, consumers
from producer.task_queue.topology import QUEUE, QUEUE_ARGUMENTS
from shared.messaging.permissions import Permissions, whole_name_pattern
from shared.messaging.topology import (
    DEAD_EXCHANGE,
    DEAD_QUEUE_ARGUMENTS,
    DEAD_QUEUE_PATTERN,
    DEAD_QUEUE_POLICY,
    EXCHANGE,
    EXCHANGE_TYPES,
    QueueSpec,
    dead_queue_name,
    dead_queue_policy,
)

Definitions = dict[str, list[dict[str, Any]]]

# RabbitMQ's default user, whose password everybody knows.
GUEST = "guest"


def user_definitions(users: Sequence[ProcessUser], passwords: Mapping[str, str]) -> Definitions:
    """Return the users with hashes of their passwords, which are given by process."""
    return {"users": [_user(user.name, _password_hash(passwords[user.process]), user.tags) for user in users]}


def topology_definitions(virtual_host: str) -> Definitions:
    """Return the exchanges, the queues and bindings of the consumers and of the sync tasks, and a policy.

    The policy sets the limits of dead letters for queues that earlier versions declared without limits.
    """
    specs = [each.queue_spec() for each in consumers()]
    tasks = QUEUE
    exchanges = {**EXCHANGE_TYPES, tasks: "direct"}
    queues = {tasks: QUEUE_ARGUMENTS}
    for spec in specs:
        queues |= {spec.name: spec.arguments, dead_queue_name(spec.name): DEAD_QUEUE_ARGUMENTS}
    bindings = [(tasks, tasks, tasks), *(binding for spec in specs for binding in _bindings(spec))]
    durable = {"vhost": virtual_host, "durable": True, "auto_delete": False}
    return {
        "exchanges": [
            {"name": name, "type": kind, "internal": False, "arguments": {}, **durable}
            for name, kind in exchanges.items()
        ],
        "queues": [{"name": name, "arguments": arguments, **durable} for name, arguments in queues.items()],
        "bindings": [
            {
                "source": source,
                "vhost": virtual_host,
                "destination": queue,
                "destination_type": "queue",
                "routing_key": key,
                "arguments": {},
            }
            for source, queue, key in bindings
        ],
        "policies": [
            {
                "vhost": virtual_host,
                "name": DEAD_QUEUE_POLICY,
                "pattern": DEAD_QUEUE_PATTERN,
                "apply-to": "queues",
                "definition": dead_queue_policy(),
                "priority": 0,
            }
        ],
    }


def node_definitions(users: Sequence[ProcessUser], passwords: Mapping[str, str], virtual_host: str) -> Definitions:
    """Return all definitions of a node that nobody else uses. They leave guest without password and permissions."""
    nobody = _user(GUEST, "", ())
    needed = {GUEST: Permissions(), **{user.name: user.permissions for user in users}}
    return {
        "vhosts": [{"name": virtual_host}],
        "users": [*user_definitions(users, passwords)["users"], nobody],
        "permissions": [
            {
                "user": name,
                "vhost": virtual_host,
                "configure": whole_name_pattern(each.configure),
                "write": whole_name_pattern(each.write),
                "read": whole_name_pattern(each.read),
            }
            for name, each in needed.items()
        ],
        "topic_permissions": [
            {
                "user": name,
                "vhost": virtual_host,
                "exchange": EXCHANGE,
                "write": whole_name_pattern(each.publishes),
                "read": whole_name_pattern(each.binds),
            }
            for name, each in needed.items()
        ],
        **topology_definitions(virtual_host),
    }


def _bindings(spec: QueueSpec) -> Iterator[tuple[str, str, str]]:
    yield from ((EXCHANGE, spec.name, pattern) for pattern in spec.patterns)
    yield DEAD_EXCHANGE, dead_queue_name(spec.name), spec.name


def _user(name: str, password_hash: str, tags: Sequence[str]) -> dict[str, Any]:
    return {
        "name": name,
        "password_hash": password_hash,
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": ",".join(tags),
    }


def _password_hash(password: str) -> str:
    salt = os.urandom(4)
    return base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
