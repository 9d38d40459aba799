"""Consumers that are stopped (SIGSTOP, a laptop's lid) longer than RabbitMQ waits for them lose and double nothing."""

import signal
import time
from dataclasses import replace

from tests.faults.assertions import assert_eventually
from tests.faults.load import Load, prices
from tests.faults.markers import control, fault
from tests.faults.pipeline import SABOTAGED, Pipeline
from tests.processes import until

RATE = 1000
HEARTBEAT = 2
# In seconds: RabbitMQ closes the connection after three heartbeats. With the default of 10 s this is 45 s.
STOPPED = 4.5 * HEARTBEAT


def stop_and_continue(pipeline: Pipeline, history: str) -> int:
    """Stop both consumers under load, let them continue, and return the number of redeliveries."""
    pipeline.address = replace(pipeline.address, heartbeat=HEARTBEAT)
    pipeline.add_rules()
    pipeline.declare("history", "alerts")
    with (
        pipeline.consuming(history) as storing,
        pipeline.consuming("alerts") as raising,
        Load(pipeline.address, prices(1_000_000), rate=RATE) as load,
    ):
        until(lambda: pipeline.stored() > RATE and pipeline.raised(), "prices to be stored")
        for process in (storing, raising):
            process.send(signal.SIGSTOP)
        time.sleep(STOPPED)
        stored, raised = pipeline.stored(), pipeline.raised()
        for process in (storing, raising):
            process.send(signal.SIGCONT)
        assert_eventually(lambda: pipeline.stored() > stored + RATE, "history to continue", 30)
        assert_eventually(lambda: pipeline.raised() > raised, "alerts to continue", 30)
        ledger = load.stop()
        pipeline.drain("history", storing)
        pipeline.drain("alerts", raising)
    pipeline.check_alerts(ledger)
    return pipeline.check_history(ledger)


@fault
def test_stopped_consumers_continue_and_lose_and_double_nothing(pipeline: Pipeline) -> None:
    print(f"{stop_and_continue(pipeline, 'history')} redeliveries absorbed")


@control
def test_control(pipeline: Pipeline) -> None:
    stop_and_continue(pipeline, f"{SABOTAGED}:history_without_dedupe")
