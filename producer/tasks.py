"""The task that beat sends: one sync, and what is worth trying again of it."""

import logging
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded

from producer.celery_app import app
from producer.market_service import SyncReport, run_sync, sync_lock
from producer.retry import is_in_time, retry_delay
from producer.watch_list import watch_list
from shared.errors import BrokerError, ProviderError, RateLimited, StockwireError, StorageUnavailable, SyncRunning
from shared.settings import VAR, Settings
from shared.symbols import join_names
from shared.times import format_instant, parse_instant, utc_now

log = logging.getLogger(__name__)

MAX_RETRIES = 6
# In seconds: how long a sync that comes again waits for the process that was at it before.
PATIENCE = 10.0
# In seconds: what a worker keeps back, it must not keep longer than RabbitMQ lets it (half an hour, where nobody has
# set another time). A limit that ends later is met again then, and costs no call.
LONGEST_COUNTDOWN = 600.0
OTHER = "another sync is running"


@app.task(bind=True, name="producer.sync", max_retries=MAX_RETRIES, throws=(StockwireError,))  # type: ignore[untyped-decorator]
def sync(
    self: Any,
    at: str | None = None,
    symbols: Sequence[str] | None = None,
    so_far: Mapping[str, Any] | None = None,
    until: str | None = None,
) -> dict[str, Any]:
    """Sync the watch list, or `symbols`; returns what became of it, as it reads in the table of results.

    `at` is the sync's instant (RFC 3339), by default now. A retry gets the same one, the symbols that are left, and
    `so_far`, what the tries before it came to. `until` is when the next sync comes, by default after one interval; one
    that is told so is never skipped for another that runs. Raises StockwireError where nothing was published in the
    end.
    """
    settings: Settings = self.app.conf.stockwire
    moment = parse_instant(at) if at else utc_now()
    at = format_instant(moment)
    end = parse_instant(until) if until else moment + settings.schedule.shortest_interval()
    retries = self.request.retries
    # The sync that still runs may be this one, on its last legs: its worker was killed, or lost its connection. And
    # what a retry still has to do, no other sync does.
    again = retries or (self.request.delivery_info or {}).get("redelivered")
    with sync_lock(VAR, wait=PATIENCE if again or until else 0) as held:
        if not held:
            if until and is_in_time(0, end):
                raise retry(self, SyncRunning(OTHER), 0, at=at, symbols=symbols, so_far=so_far, until=until)
            return {"at": at, **(so_far or {}), "skipped": OTHER}
        outcome = so_far or {"at": at, "provider": "", "published": 0, "failed": {}}
        outcome, left, error = attempt(settings, symbols or watch_list(settings, VAR), moment, outcome)
    wait = retry_delay(error, retries)
    # To wait for a limit is no failure, and done as often as there is time for it.
    worth_it = retries < MAX_RETRIES or isinstance(error, RateLimited)
    if left and worth_it and is_in_time(wait, end):
        countdown = min(wait, LONGEST_COUNTDOWN)
        raise retry(self, error, countdown, at=at, symbols=left, so_far=outcome, until=until)
    if error is not None and not outcome["published"]:
        log.error("nothing was published: %s", error)
        raise error
    if failed := outcome["failed"]:
        log.warning("%s failed: %s", join_names(failed), next(iter(failed.values())))
    for provider, why in outcome.get("refused", {}).items():
        log.warning("%s %s", provider, why)
    return dict(outcome)


def retry(task: Any, error: StockwireError | None, countdown: float, **arguments: Any) -> Any:
    """What to raise so that Celery runs the task again, with these arguments, after so many seconds."""
    retries = task.request.retries + 1
    return task.retry(exc=error, args=(), kwargs=arguments, countdown=countdown, max_retries=retries)


Attempt = tuple[Mapping[str, Any], Sequence[str], StockwireError | None]


def attempt(settings: Settings, symbols: Sequence[str], at: datetime, so_far: Mapping[str, Any]) -> Attempt:
    """One try: what all tries came to, the symbols worth another, and the error that another is worth for."""
    try:
        report = run_sync(settings, symbols, at, VAR)
    except (BrokerError, StorageUnavailable) as error:
        return so_far, list(symbols), error
    except SoftTimeLimitExceeded:
        return so_far, list(symbols), StockwireError("the sync took too long and was given up")
    outcome = add_report(so_far, report)
    if report.unconfirmed:
        left = [*report.unconfirmed, *report.limited]
        return outcome, left, BrokerError(_summary(report, report.unconfirmed, "not published"))
    if report.limited:
        limit = RateLimited(_summary(report, report.limited, "left"), min(report.limited.values()))
        return outcome, list(report.limited), limit
    if not outcome["published"]:
        left = [symbol for symbol in report.failed if symbol not in report.permanent]
        return outcome, left, ProviderError(_summary(report, report.failed, "without a price"))
    return outcome, [], None


def add_report(so_far: Mapping[str, Any], report: SyncReport) -> dict[str, Any]:
    """The outcome of the tries so far and this one: plain JSON, with `refused` only where there is any."""
    providers = filter(None, so_far["provider"].split(","))
    labels = dict.fromkeys([*providers, *(event.provider for event in report.published.values())])
    failed = {symbol: why for symbol, why in so_far["failed"].items() if symbol not in report.published}
    refused = {**so_far.get("refused", {}), **report.refused}
    return {
        **so_far,
        "provider": ",".join(labels),
        "published": so_far["published"] + len(report.published),
        "failed": {**failed, **report.failed},
        **({"refused": refused} if refused else {}),
    }


def _summary(report: SyncReport, symbols: Collection[str], what: str) -> str:
    """In one line, with what was said of the first."""
    return f"{join_names(symbols)} {what}: {report.failed[next(iter(symbols))]}"
