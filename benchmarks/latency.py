"""The bench `latency`: the time from the publishing of an event to its committed row, at a steady rate.

One process publishes, with one call per event that waits for the confirm. Another process consumes. Both read the same
monotonic clock: just before the call, and just after the commit.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.environment import BenchEnvironment, open_environment
from benchmarks.generated_prices import price_messages
from benchmarks.report import Latencies, percentile
from benchmarks.rounds import Figures, run_rounds
from benchmarks.side_process import Job, Side, result, started
from benchmarks.stockwire_consumer import consume_history
from shared.messaging.publisher import Publisher

# Events that are sent first, and not counted.
WARM_UP = 100

Moments = dict[str, float]


def measure() -> Latencies:
    with open_environment() as environment:
        figures = run_rounds("latency", SIDES, lambda name: _percentiles(_latencies(environment, name)))
    p50, p99 = ({name: found[place] for name, found in figures.items()} for place in (0, 1))
    return Latencies("latency", SIDES, p50, p99, goals=(3, 15))


def _latencies(environment: BenchEnvironment, name: str) -> list[float]:
    """Return the latencies in milliseconds, without the warm-up."""
    side = SIDES[name]
    with environment.job(side.events + WARM_UP) as job, started(side.work, job) as consumer:
        while not environment.has_consumer(job.queue):
            if consumer.poll() is not None:
                result(consumer, name)
            time.sleep(0.1)
        with started(send, replace(job, rate=RATES[name])) as publisher:
            sent: Moments = result(publisher, "the publisher")
        committed: Moments = result(consumer, name)
        environment.expect(job.queue, 0)
    return [1000 * (committed[event] - moment) for event, moment in list(sent.items())[WARM_UP:]]


def _percentiles(latencies: Sequence[float]) -> Figures:
    return percentile(latencies, 0.5), percentile(latencies, 0.99)


def send(job: Job) -> Moments:
    """Publish at the job's rate, and return the time of each call by event id."""
    sent: Moments = {}
    messages = price_messages(job.events)
    with Publisher(job.address, "bench") as publisher:
        publisher.publish(())  # connects
        began = time.monotonic()
        for number, message in enumerate(messages):
            time.sleep(max(0.0, began + number / job.rate - time.monotonic()))
            sent[message.id] = time.monotonic()
            publisher.publish([message])
    return sent


def ours(job: Job) -> Moments:
    batches: list[tuple[float, Sequence[Any]]] = []
    consume_history(job, lambda batch: batches.append((time.monotonic(), batch)))
    return {event.id: moment for moment, batch in batches for event in batch}


def tutorial_consumer(job: Job) -> Moments:
    from benchmarks import naive_tutorial_consumer

    committed: Moments = {}

    def note(event_id: str) -> None:
        committed[event_id] = time.monotonic()

    naive_tutorial_consumer.consume(job, lambda: None, note)
    return committed


SIDES = {
    "ours": Side("the history consumer, 200 events/s", 2_000, ours),
    "tutorial": Side("one commit and ack per message, 200 events/s: it falls behind", 400, tutorial_consumer),
    "tutorial at 50/s": Side("the same, 50 events/s: it keeps up", 300, tutorial_consumer),
}
RATES = {"ours": 200, "tutorial": 200, "tutorial at 50/s": 50}
