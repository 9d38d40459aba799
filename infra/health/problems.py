"""The problems of the pipeline, each in words that say what to do."""

from collections.abc import Iterator, Sequence

from consumers.web.health import (
    BrokerHealth,
    DatabaseHealth,
    Problem,
    ProcessHealth,
    ProviderHealth,
    QueueHealth,
    SyncHealth,
    TargetHealth,
)
from infra.up.stack import CONSUMERS
from shared.messaging.topology import queue_name


def find_problems(
    broker: BrokerHealth,
    queues: Sequence[QueueHealth],
    processes: Sequence[ProcessHealth],
    last_sync: SyncHealth | None,
    providers: Sequence[ProviderHealth],
    databases: Sequence[DatabaseHealth],
    targets: Sequence[TargetHealth],
) -> list[Problem]:
    """Return the problems, faults before warnings."""
    found = [
        *_broker_problems(broker, queues),
        *(Problem("fault", "producer", each.text) for each in processes if each.alive is False),
        *_sync_problems(last_sync),
        *_provider_problems(providers),
        *(Problem("fault", each.name, each.error) for each in databases if each.error),
        *_target_problems(targets),
    ]
    return sorted(found, key=lambda problem: problem.severity != "fault")


def _broker_problems(broker: BrokerHealth, queues: Sequence[QueueHealth]) -> Iterator[Problem]:
    if broker.error:
        yield Problem("fault", "broker", broker.error)
    for name in CONSUMERS:
        queue = next((each for each in queues if each.queue == queue_name(name)), None)
        if queue is not None and not queue.consumers:
            yield Problem("fault", name, _describe_absence(name, queue))
    for queue in queues:
        if queue.dead:
            letters = "1 dead letter" if queue.dead == 1 else f"{queue.dead} dead letters"
            yield Problem(
                "warning",
                queue.queue,
                f"{queue.queue} has {letters}: look at the reasons, then send them back or drop them"
                f" (./stockwire dead list {queue.queue})",
            )


def _describe_absence(name: str, queue: QueueHealth) -> str:
    run = f"run ./stockwire up, or ./stockwire consume {name}"
    if queue.waiting is None:
        return f"the {name} consumer has never run here: {run}"
    waiting = "1 message waits" if queue.waiting == 1 else f"{queue.waiting} messages wait"
    return f"the {name} consumer is away, and {waiting} for it in {queue.queue}: {run}"


def _sync_problems(last_sync: SyncHealth | None) -> Iterator[Problem]:
    if last_sync is not None and last_sync.text:
        yield Problem("fault" if last_sync.state == "failed" else "warning", "sync", last_sync.text)


def _provider_problems(providers: Sequence[ProviderHealth]) -> Iterator[Problem]:
    for provider in providers:
        circuit = provider.circuit
        if circuit is not None and circuit.state == "open":
            yield Problem("warning", provider.name, circuit.reason)
        elif provider.last_error:
            yield Problem("warning", provider.name, provider.last_error)
        for each in provider.credits:
            if each.period == "day" and not each.left:
                yield Problem(
                    "warning",
                    provider.name,
                    f"all {each.limit:,} credits of {provider.name} for today are used, until {each.resets_at}:"
                    " ./stockwire plan shows what would fit",
                )


def _target_problems(targets: Sequence[TargetHealth]) -> Iterator[Problem]:
    for target in targets:
        if target.state == "disabled":
            yield Problem(
                "warning",
                target.name,
                f"target {target.name} is disabled ({target.reason}): ./stockwire notify test {target.name} enables it"
                " if it takes the message",
            )
        elif target.state == "failing":
            alerts = "1 alert waits" if target.pending == 1 else f"{target.pending} alerts wait"
            yield Problem(
                "warning",
                target.name,
                f"target {target.name} fails ({target.reason}), and {alerts} for it: retries go on by themselves",
            )
        if target.given_up:
            alerts = "1 alert was" if target.given_up == 1 else f"{target.given_up} alerts were"
            yield Problem(
                "warning",
                target.name,
                f"{alerts} not delivered to {target.name}: see the reasons under Deliveries, and send them again",
            )
