"""The bench `latency`: from the call that publishes an event to its row committed, at a steady pace.

One process publishes, each event by a call of its own (which waits for its confirm), another consumes. Both read the
same monotonic clock: just before the call, and just after the commit has returned.
"""

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from benchmarks.contest import Figures, contest
from benchmarks.ours import consume_history
from benchmarks.prices import price_messages
from benchmarks.report import Latencies, percentile
from benchmarks.room import Room, open_room
from benchmarks.side import Job, Side, result, started
from shared.messaging.publisher import Publisher

# Sent before, and left out of the figures.
WARM_UP = 100

Moments = dict[str, float]


def measure() -> Latencies:
    with open_room() as room:
        figures = contest("latency", SIDES, lambda name: _percentiles(_latencies(room, name)))
    p50, p99 = ({name: found[place] for name, found in figures.items()} for place in (0, 1))
    return Latencies("latency", SIDES, p50, p99, goals=(3, 15))


def _latencies(room: Room, name: str) -> list[float]:
    """In milliseconds, of the events behind the warm-up."""
    side = SIDES[name]
    with room.job(side.events + WARM_UP) as job, started(side.work, job) as consumer:
        while not room.has_consumer(job.queue):
            if consumer.poll() is not None:
                result(consumer, name)
            time.sleep(0.1)
        with started(send, replace(job, pace=PACES[name])) as publisher:
            sent: Moments = result(publisher, "the publisher")
        committed: Moments = result(consumer, name)
        room.expect(job.queue, 0)
    return [1000 * (committed[event] - moment) for event, moment in list(sent.items())[WARM_UP:]]


def _percentiles(latencies: Sequence[float]) -> Figures:
    return percentile(latencies, 0.5), percentile(latencies, 0.99)


def send(job: Job) -> Moments:
    """Publish at the job's pace; when each event was handed over, by its id."""
    sent: Moments = {}
    messages = price_messages(job.events)
    with Publisher(job.address, "bench") as publisher:
        publisher.publish(())  # connects
        began = time.monotonic()
        for number, message in enumerate(messages):
            time.sleep(max(0.0, began + number / job.pace - time.monotonic()))
            sent[message.id] = time.monotonic()
            publisher.publish([message])
    return sent


def ours(job: Job) -> Moments:
    batches: list[tuple[float, Sequence[Any]]] = []
    consume_history(job, lambda batch: batches.append((time.monotonic(), batch)))
    return {event.id: moment for moment, batch in batches for event in batch}


def tutorial_consumer(job: Job) -> Moments:
    from benchmarks import tutorial

    committed: Moments = {}

    def note(event_id: str) -> None:
        committed[event_id] = time.monotonic()

    tutorial.consume(job, lambda: None, note)
    return committed


SIDES = {
    "ours": Side("the history consumer, 200 events/s", 2_000, ours),
    "tutorial": Side("prefetch 1, commit and ack a message, 200 events/s: it falls behind", 400, tutorial_consumer),
    "tutorial at 50/s": Side("the same, 50 events/s, which it can take", 300, tutorial_consumer),
}
PACES = {"ours": 200, "tutorial": 200, "tutorial at 50/s": 50}
