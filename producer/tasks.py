"""The Celery task that beat sends: one sync of the watch list, with retries while they can help."""

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from producer.celery_app import app
from producer.market_service import SyncReport, sync_lock, sync_prices
from producer.remarks import log_remarks
from producer.retry import is_in_time, retry_delay
from producer.task_queue.topology import WORKER
from producer.watch_list import watch_list
from shared.errors import (
    BrokerError,
    PermissionMissing,
    ProviderError,
    RateLimited,
    StockwireError,
    StorageUnavailable,
    SyncRunning,
)
from shared.settings import VAR, Settings
from shared.symbols import join_names
from shared.times import format_instant, parse_instant, utc_now

log = logging.getLogger(__name__)

MAX_RETRIES = 6
# A retried or redelivered sync waits this long for the process that ran it before.
LOCK_WAIT_SECONDS = 10.0
# RabbitMQ closes the channel of a worker that keeps a message for longer than half an hour, its default. After a
# longer rate limit the retry meets the limit again, which costs no credit.
MAX_COUNTDOWN_SECONDS = 600.0
# A result, and the message of a retry, have no more remarks. The log has all of them.
MAX_REMARKS = 10
ANOTHER_SYNC_RUNS = "another sync is running"


@app.task(bind=True, name="producer.sync", max_retries=MAX_RETRIES, throws=(StockwireError,))  # type: ignore[untyped-decorator]
def sync_watch_list(
    self: Any,
    at: str | None = None,
    symbols: Sequence[str] | None = None,
    so_far: Mapping[str, Any] | None = None,
    until: str | None = None,
) -> dict[str, Any]:
    """Sync the watch list, or `symbols`, and return the outcome for the table of results.

    `at` is the instant of the sync (RFC 3339), by default now. A retry gets the same `at`, the remaining symbols, and
    the outcome `so_far`. `until` is when the next sync comes, by default after one interval; a sync with `until` is
    never skipped because another one runs. Raises StockwireError if nothing was published after all retries.
    """
    settings: Settings = self.app.conf.stockwire
    started = parse_instant(at) if at else utc_now()
    next_sync = parse_instant(until) if until else started + settings.schedule.shortest_interval()
    at = format_instant(started)
    with sync_lock(VAR, wait=_lock_wait(self.request, until)) as held:
        if not held:
            if until and is_in_time(0, next_sync):
                error = SyncRunning(ANOTHER_SYNC_RUNS)
                raise retry(self, error, 0, at=at, symbols=symbols, so_far=so_far, until=until)
            return {"at": at, **(so_far or {}), "skipped": ANOTHER_SYNC_RUNS}
        outcome = so_far or {"at": at, "provider": "", "published": 0, "failed": {}}
        attempt = run_attempt(settings, symbols or watch_list(settings, VAR), started, outcome)
    # Waiting for a rate limit is not a failure, so it does not count against the retries.
    may_retry = self.request.retries < MAX_RETRIES or isinstance(attempt.error, RateLimited)
    # Trying again does not grant a permission.
    may_retry = may_retry and not isinstance(attempt.error, PermissionMissing)
    delay = retry_delay(attempt.error, self.request.retries)
    if attempt.remaining and may_retry and is_in_time(delay, next_sync):
        log.info("%s: the next try is in %.1f s", join_names(attempt.remaining), delay)
        arguments = {"at": at, "symbols": attempt.remaining, "so_far": attempt.outcome, "until": until}
        raise retry(self, attempt.error, min(delay, MAX_COUNTDOWN_SECONDS), **arguments)
    return _finish(attempt)


@dataclass(frozen=True)
class Attempt:
    """An attempt of a sync: the outcome of all attempts so far, the symbols to retry, and why they need a retry."""

    outcome: Mapping[str, Any]
    remaining: Sequence[str] = ()
    error: StockwireError | None = None


def run_attempt(settings: Settings, symbols: Sequence[str], at: datetime, so_far: Mapping[str, Any]) -> Attempt:
    """Sync once and add the report to the outcome `so_far`."""
    try:
        report = sync_prices(settings, symbols, at, VAR, WORKER)
    except (BrokerError, StorageUnavailable) as error:
        return Attempt(so_far, list(symbols), error)
    except SoftTimeLimitExceeded:
        return Attempt(so_far, list(symbols), StockwireError("the sync took too long and was ended"))
    outcome = add_report(so_far, report, log_remarks(VAR, report.published, report.remarks))
    if report.unconfirmed:
        remaining = [*report.unconfirmed, *report.rate_limited]
        return Attempt(outcome, remaining, BrokerError(_summarize(report, report.unconfirmed, "not published")))
    if report.rate_limited:
        return Attempt(outcome, list(report.rate_limited), report.first_rate_limit)
    if not outcome["published"]:
        remaining = [symbol for symbol in report.failed if symbol not in report.permanent]
        return Attempt(outcome, remaining, ProviderError(_summarize(report, report.failed, "without a price")))
    return Attempt(outcome)


def add_report(so_far: Mapping[str, Any], report: SyncReport, new_remarks: Sequence[str] = ()) -> dict[str, Any]:
    """Return the outcome of all attempts as plain JSON; `rejected_keys` and new `remarks` only if there are any."""
    providers = filter(None, so_far["provider"].split(","))
    labels = dict.fromkeys([*providers, *(event.provider for event in report.published.values())])
    failed = {symbol: why for symbol, why in so_far["failed"].items() if symbol not in report.published}
    rejected_keys = {**so_far.get("rejected_keys", {}), **report.rejected_keys}
    remarks = [*so_far.get("remarks", ()), *new_remarks][:MAX_REMARKS]
    return {
        **so_far,
        "provider": ",".join(labels),
        "published": so_far["published"] + len(report.published),
        "failed": {**failed, **report.failed},
        **({"rejected_keys": rejected_keys} if rejected_keys else {}),
        **({"remarks": remarks} if remarks else {}),
    }


def retry(task: Any, error: StockwireError | None, countdown: float, **arguments: Any) -> Any:
    """Return the exception that makes Celery run the task again with these arguments after `countdown` seconds."""
    retries = task.request.retries + 1
    return task.retry(exc=error, args=(), kwargs=arguments, countdown=countdown, max_retries=retries)


def _lock_wait(request: Any, until: str | None) -> float:
    """Return the seconds to wait for another sync to end; 0 if this one may be skipped."""
    # After a killed worker or a lost connection, the sync that still runs may be the first delivery of this one.
    redelivered = (request.delivery_info or {}).get("redelivered")
    return LOCK_WAIT_SECONDS if request.retries or redelivered or until else 0


def _finish(attempt: Attempt) -> dict[str, Any]:
    """Log the failures and return the outcome. Raises the attempt's error if nothing was published."""
    outcome = attempt.outcome
    if attempt.error is not None and not outcome["published"]:
        log.error("nothing was published: %s", attempt.error)
        raise attempt.error
    if failed := outcome["failed"]:
        log.warning("%s failed: %s", join_names(failed), next(iter(failed.values())))
    for error in outcome.get("rejected_keys", {}).values():
        log.warning("%s", error)
    return dict(outcome)


def _summarize(report: SyncReport, symbols: Collection[str], problem: str) -> str:
    """Return one line with the symbols, the problem, and the reason of the first symbol."""
    return f"{join_names(symbols)} {problem}: {report.failed[next(iter(symbols))]}"
