"""The problems that the health report finds, in words that say what to do."""

from typing import Any

import pytest

from consumers.web.health import (
    BrokerHealth,
    CircuitHealth,
    CreditHealth,
    DatabaseHealth,
    FailedSymbols,
    ProcessHealth,
    ProviderHealth,
    QueueHealth,
    SyncHealth,
    TargetHealth,
)
from infra.health.problems import find_problems

HEALTHY: dict[str, Any] = {
    "broker": BrokerHealth(True, "amqp://localhost", "RabbitMQ", "4.2.0"),
    "queues": [QueueHealth("stockwire.history", 0, 1, 0), QueueHealth("stockwire.alerts", 0, 1, None)],
    "processes": [ProcessHealth(True, "1 worker takes the syncs"), ProcessHealth(None, "not known")],
    "last_sync": SyncHealth("2026-11-20T10:00:00Z", "success", 5, [], ""),
    "providers": [ProviderHealth("simulated", False, "2026-11-20T10:00:00Z", None, (), None)],
    "databases": [DatabaseHealth("history", "sqlite:///history.db", None)],
    "targets": [TargetHealth("hook", "https://example.com", "enabled", None, 3, 0)],
}


def problems(**changes: Any) -> list[tuple[str, str]]:
    return [(each.severity, each.text) for each in find_problems(**{**HEALTHY, **changes})]


def test_a_pipeline_in_which_all_is_well_has_no_problem() -> None:
    assert problems() == []


def test_a_broker_that_is_away_is_a_fault_and_nothing_is_said_of_its_queues() -> None:
    assert problems(broker=BrokerHealth(False, "amqp://x", error="RabbitMQ does not answer"), queues=[]) == [
        ("fault", "RabbitMQ does not answer")
    ]


@pytest.mark.parametrize(
    ("queue", "words"),
    [
        (QueueHealth("stockwire.history", 7, 0, 0), "the history consumer is away, and 7 messages wait for it"),
        (QueueHealth("stockwire.history", 1, 0, 0), "the history consumer is away, and 1 message waits for it"),
        (QueueHealth("stockwire.alerts", None, None, None), "the alerts consumer has never run here"),
    ],
)
def test_a_consumer_that_is_away_is_a_fault_with_the_command_that_starts_it(queue: QueueHealth, words: str) -> None:
    [(severity, text)] = problems(queues=[queue])
    assert severity == "fault"
    assert text.startswith(words)
    assert text.endswith(f"./stockwire consume {queue.queue.removeprefix('stockwire.')}")


@pytest.mark.parametrize(("count", "words"), [(1, "has 1 dead letter:"), (2, "has 2 dead letters:")])
def test_dead_letters_are_a_warning(count: int, words: str) -> None:
    [(severity, text)] = problems(queues=[QueueHealth("stockwire.history", 0, 1, count)])
    assert severity == "warning"
    assert words in text


def test_the_queue_of_the_syncs_needs_no_consumer_of_events() -> None:
    assert problems(queues=[QueueHealth("celery.sync", 0, 0, None)]) == []


@pytest.mark.parametrize(("alive", "count"), [(True, 0), (None, 0), (False, 1)])
def test_only_a_process_that_is_known_to_be_away_is_a_fault(alive: bool | None, count: int) -> None:
    assert problems(processes=[ProcessHealth(alive, "words")]) == [("fault", "words")] * count


@pytest.mark.parametrize(("state", "severity"), [("partial", "warning"), ("retried", "warning"), ("failed", "fault")])
def test_a_sync_with_a_problem_is_told_in_its_words(state: Any, severity: str) -> None:
    sync = SyncHealth("2026-11-20T10:00:00Z", state, 0, [FailedSymbols("no", ["IBM"])], "IBM failed: no")
    assert problems(last_sync=sync) == [(severity, "IBM failed: no")]


def test_an_open_circuit_and_used_credits_are_warnings_in_the_words_of_the_provider() -> None:
    spent = CreditHealth("day", 800, 800, 0, "2026-11-21T00:00:00Z")
    minute = CreditHealth("minute", 8, 8, 0, "2026-11-20T10:01:00Z")
    circuit = CircuitHealth("open", "2026-11-20T11:00:00Z", "Twelve Data rejected the key")
    found = problems(providers=[ProviderHealth("twelvedata", True, None, None, [minute, spent], circuit)])
    assert [severity for severity, _ in found] == ["warning", "warning"]
    assert found[0][1] == "Twelve Data rejected the key"
    assert found[1][1].startswith("all 800 credits of twelvedata for today are used, until 2026-11-21T00:00:00Z")


def test_a_provider_that_fails_without_an_open_circuit_is_a_warning() -> None:
    provider = ProviderHealth("yahoo", True, None, "Yahoo answered 500", (), CircuitHealth("half_open", None, ""))
    assert problems(providers=[provider]) == [("warning", "Yahoo answered 500")]


def test_a_database_that_cannot_be_read_is_a_fault() -> None:
    assert problems(databases=[DatabaseHealth("history", "sqlite:///h.db", None, "it is damaged")]) == [
        ("fault", "it is damaged")
    ]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        (TargetHealth("hook", "https://a", "disabled", "410 Gone", 0, 0), "notify test hook enables it"),
        (
            TargetHealth("hook", "https://a", "failing", "500", 2, 0),
            "target hook fails (500), and 2 alerts wait for it",
        ),
        (TargetHealth("hook", "https://a", "enabled", None, 0, 1), "1 alert was not delivered to hook"),
        (TargetHealth("hook", "https://a", "enabled", None, 0, 4), "4 alerts were not delivered to hook"),
    ],
)
def test_deliveries_that_fail_are_warnings(target: TargetHealth, words: str) -> None:
    [(severity, text)] = problems(targets=[target])
    assert severity == "warning"
    assert words in text


def test_faults_come_before_warnings() -> None:
    found = problems(
        queues=[QueueHealth("stockwire.history", 0, 1, 3)],
        databases=[DatabaseHealth("alerts", "sqlite:///a.db", None, "it is damaged")],
    )
    assert [severity for severity, _ in found] == ["fault", "warning"]
