"""`stockwire plan`: the credits that the watch list needs of each provider's plan, and what would fit."""

from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from producer.plan.forecast import Pricing, SyncTimes, exceeded_limits, make_forecast, make_load
from producer.plan.report import ProviderForecast, SyncPlan, print_json, print_text
from producer.providers.http.apis.base import Api
from producer.providers.http.quota import quota_usage, read_usage
from producer.providers.registry import APIS
from producer.providers.replay import ReplayProvider
from producer.providers.simulated import SimulatedProvider
from producer.state import open_state_for_reading
from producer.watch_list import watch_list
from shared.errors import SettingsError
from shared.market_calendar import load_market_calendar
from shared.settings import VAR, Settings, load_settings
from shared.times import midnight_of, utc_now

# The part of a market's calendar that is searched for the busiest day.
_LOOKAHEAD = timedelta(days=31)

_UNLIMITED = (SimulatedProvider.name, ReplayProvider.name)


class PlanFormat(StrEnum):
    TABLE = "table"
    JSON = "json"


def plan(output: Annotated[PlanFormat, typer.Option("--format", help="Output format.")] = PlanFormat.TABLE) -> None:
    """Show the credits that the watch list needs of each provider's plan, if they fit, and what would fit."""
    settings = load_settings()
    now = utc_now()
    sync_plan = make_sync_plan(settings, now, VAR)
    plans = {name: forecast_provider(name, settings, sync_plan, now, VAR) for name in settings.provider}
    if output is PlanFormat.JSON:
        print_json(sync_plan, plans)
    else:
        print_text(sync_plan, plans)


def plan_warning(settings: Settings, folder: Path) -> str:
    """Return a warning if the watch list does not fit the plan of the first provider, otherwise an empty text.

    Raises SettingsError.
    """
    now, name = utc_now(), settings.provider[0]
    found = forecast_provider(name, settings, make_sync_plan(settings, now, folder), now, folder)
    if found is None or found.forecast.fits:
        return ""
    return (
        f"the watch list on this schedule does not fit the plan at {name}: run ./stockwire plan to see what would fit"
    )


def make_sync_plan(settings: Settings, now: datetime, folder: Path) -> SyncPlan:
    """Return the symbols and times of the syncs to plan for. Raises SettingsError and StorageError."""
    return SyncPlan(watch_list(settings, folder), settings.schedule, settings.market, make_sync_times(settings, now))


def make_sync_times(settings: Settings, now: datetime) -> SyncTimes:
    """Return the times of syncs by these settings. Raises SettingsError for an unknown market."""
    schedule = settings.schedule
    sessions = None
    if settings.market:
        sessions = tuple(load_market_calendar(settings.market).sessions(now, now + _LOOKAHEAD))
    if schedule.every:
        return SyncTimes(schedule.every, sessions=sessions)
    return SyncTimes(schedule.shortest_interval(), schedule.minutes_of_day(), sessions)


def forecast_provider(
    name: str, settings: Settings, sync_plan: SyncPlan, now: datetime, folder: Path
) -> ProviderForecast | None:
    """Return the forecast for a provider, or None if the provider has no limits. Raises SettingsError."""
    if name in _UNLIMITED:
        return None
    apis = {each: APIS[each](account) for each, account in settings.accounts.items()}
    if name not in apis:
        known = ", ".join([*_UNLIMITED, *apis])
        raise SettingsError(f"STOCKWIRE_PROVIDER: {name!r} is not a provider: use one of {known}")
    account, pricing, count = settings.accounts[name], pricing_of(apis[name], now), len(sync_plan.symbols)
    loads = {
        each: make_load(pricing_of(api, now), count, sync_plan.sync_times) for each, api in apis.items() if each != name
    }
    fitting = (each for each, load in loads.items() if not exceeded_limits(settings.accounts[each], load))
    return ProviderForecast(
        account=account,
        requests=pricing.requests(count),
        forecast=make_forecast(account, pricing, count, sync_plan.sync_times),
        spent_today=spent_today(folder, account.fingerprint(name), now),
        others={each: settings.accounts[each] for each in fitting},
    )


def pricing_of(api: Api, now: datetime) -> Pricing:
    """Return the pricing of an API, by the requests that it makes for one batch of symbols."""
    requests = api.quote_requests([f"S{number}" for number in range(api.batch_size)], now)
    return Pricing(api.batch_size, api.credit_per_symbol, one_by_one=len(requests) > 1)


def spent_today(folder: Path, account_name: str, now: datetime) -> int:
    """Return the credits spent since midnight UTC. Creates no file."""
    with open_state_for_reading(folder, quota_usage) as connection:
        usage = read_usage(connection, account_name) if connection else ()
    return sum(amount for at, amount in usage if at >= midnight_of(now))
