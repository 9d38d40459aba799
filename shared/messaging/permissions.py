"""The permissions that a process needs on RabbitMQ, and the `rabbitmqctl` commands that grant them.

Source: https://www.rabbitmq.com/docs/access-control#authorisation and #topic-authorisation
"""

import re
import shlex
from dataclasses import dataclass, fields

from shared.messaging.address import BrokerAddress
from shared.messaging.topology import DEAD_EXCHANGE, EXCHANGE, QueueSpec, dead_queue_name

# RabbitMQ tells a refused routing key only by its words.
_TOPIC_REFUSED = " to topic '"


@dataclass(frozen=True)
class Permissions:
    """Regular expressions of whole names: exchanges and queues that a user may configure, write to and read from.

    To configure means to declare and to delete. `publishes` are routing keys that the user may publish to
    `market_data`, and `binds` are routing patterns that the user may bind to `market_data`.
    """

    configure: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    read: tuple[str, ...] = ()
    publishes: tuple[str, ...] = ()
    binds: tuple[str, ...] = ()

    def __or__(self, other: "Permissions") -> "Permissions":
        """Return the permissions of both, each expression once."""
        merged = {
            each.name: tuple(dict.fromkeys((*getattr(self, each.name), *getattr(other, each.name))))
            for each in fields(self)
        }
        return Permissions(**merged)

    def set_permissions(self, user: str, virtual_host: str) -> str:
        """Return the command that grants all but the routing keys."""
        patterns = map(whole_name_pattern, (self.configure, self.write, self.read))
        return shlex.join(("rabbitmqctl", "set_permissions", "-p", virtual_host, user, *patterns))

    def set_topic_permissions(self, user: str, virtual_host: str) -> str:
        """Return the command that grants the routing keys."""
        patterns = map(whole_name_pattern, (self.publishes, self.binds))
        return shlex.join(("rabbitmqctl", "set_topic_permissions", "-p", virtual_host, user, EXCHANGE, *patterns))


def publisher_permissions(*keys: str) -> Permissions:
    """Return the permissions to publish with these routing keys; `*` and `#` have their meaning in patterns."""
    return Permissions(write=(re.escape(EXCHANGE),), publishes=tuple(map(routing_key_pattern, keys)))


def consumer_permissions(spec: QueueSpec) -> Permissions:
    """Return the permissions to consume a queue that the consumer declares and binds.

    The dead letters may only be written: a consumer that reads from `market_data.dead` could bind its queue to the dead
    letters of others.
    """
    queue = re.escape(spec.name)
    if spec.transient:
        # The end of its name is random.
        queue = re.escape(spec.name.rpartition(".")[0]) + r"\.[0-9a-f]+"
    return Permissions(
        configure=(queue,),
        write=(queue,) if spec.transient else (queue, re.escape(DEAD_EXCHANGE)),
        read=(queue, re.escape(EXCHANGE)),
        binds=tuple(map(routing_key_pattern, (*spec.patterns, *spec.unwanted_patterns))),
    )


def declaring_permissions(*queues: str) -> Permissions:
    """Return the permissions to declare the exchanges, and the dead letter queues of these queues."""
    exchanges = (re.escape(EXCHANGE), re.escape(DEAD_EXCHANGE))
    dead_queues = tuple(re.escape(dead_queue_name(queue)) for queue in queues)
    return Permissions(
        configure=(*exchanges, *dead_queues), write=dead_queues, read=exchanges[1:] if dead_queues else ()
    )


# For the commands that a person runs: everything except declaring and deleting the exchanges.
OPERATOR = Permissions(
    configure=(rf"(?!{re.escape(EXCHANGE)}(\.dead)?$).*",),
    write=(".*",),
    read=(".*",),
    publishes=(r"stock\..*", r"alert\..*"),
    binds=(".*",),
)


def describe_refusal(address: BrokerAddress, reason: str, needed: Permissions) -> str:
    """Return one line about a refused permission, which ends with the command that grants what a process needs.

    The command replaces the user's permissions, because RabbitMQ has no command that adds to them.
    """
    user = address.username
    command = needed.set_topic_permissions if _TOPIC_REFUSED in reason else needed.set_permissions
    return (
        f"RabbitMQ at {address} refused user {user!r} a permission ({reason}); replace the user's permissions by those"
        f" that this process needs: {command(user, address.virtual_host)}"
    )


def describe_refused_login(address: BrokerAddress) -> str:
    """Return one line about a user name or password that RabbitMQ has refused."""
    # The RabbitMQ of docker-compose.yml does not accept guest.
    guest = " (for docker compose, see docs/deployment.md)" if address.username == "guest" else ""
    return (
        f"RabbitMQ at {address} refused user {address.username!r}; check user and password in STOCKWIRE_AMQP_URL{guest}"
    )


def whole_name_pattern(names: tuple[str, ...]) -> str:
    """Return one regular expression for names that match one of `names`, or for no name at all."""
    return f"^({'|'.join(names)})$" if len(names) > 1 else f"^{''.join(names)}$"


def routing_key_pattern(pattern: str) -> str:
    """Return a regular expression for the routing keys, and for the narrower patterns, that match a pattern.

    `stock.*.price` includes the pattern `stock.AAPL.price`, but not `stock.#.price`.
    """
    words = {"*": "[^.#]+", "#": ".*"}
    return r"\.".join(words.get(word, re.escape(word)) for word in pattern.split("."))
