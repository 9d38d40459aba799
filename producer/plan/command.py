"""`stockwire plan`: what the watch list on its schedule takes of each provider's plan, and what would fit."""

from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from producer.plan.forecast import Fare, Timing, find_exceeded, forecast, make_load
from producer.plan.report import ProviderPlan, Question, print_json, print_text
from producer.providers.http.apis.base import Api
from producer.providers.http.provider import HttpProvider
from producer.providers.http.quota import read_usage
from producer.providers.registry import APIS
from producer.providers.replay import ReplayProvider
from producer.providers.simulated import SimulatedProvider
from producer.state import FILE, open_state
from producer.watch_list import watch_list
from shared.database import reading
from shared.errors import SettingsError
from shared.market_calendar import load_market_calendar
from shared.settings import VAR, Settings, load_settings
from shared.times import midnight_of, utc_now

# How far ahead the busiest day is looked for in a market's calendar.
_AHEAD = timedelta(days=31)

_UNLIMITED = (SimulatedProvider.name, ReplayProvider.name)


class PlanFormat(StrEnum):
    TABLE = "table"
    JSON = "json"


def plan(output: Annotated[PlanFormat, typer.Option("--format", help="How to print it.")] = PlanFormat.TABLE) -> None:
    """What the watch list takes of each provider's plan on its schedule, whether that fits, and what would."""
    settings = load_settings()
    now = utc_now()
    question = make_question(settings, now, VAR)
    plans = {name: make_plan(name, settings, question, now, VAR) for name in settings.provider}
    if output is PlanFormat.JSON:
        print_json(question, plans)
    else:
        print_text(question, plans)


def find_misfit(settings: Settings, folder: Path) -> str:
    """A line where the plan of the provider that is asked first has no room for all of the watch list, else nothing.

    Raises SettingsError.
    """
    now, name = utc_now(), settings.provider[0]
    found = make_plan(name, settings, make_question(settings, now, folder), now, folder)
    if found is None or found.outcome.fits:
        return ""
    return f"the plan at {name} has no room for all of this on this schedule: ./stockwire plan says what would fit"


def make_question(settings: Settings, now: datetime, folder: Path) -> Question:
    """What the plan is asked for by these settings. Raises SettingsError, and StorageError."""
    return Question(watch_list(settings, folder), settings.schedule, settings.market, find_timing(settings, now))


def find_timing(settings: Settings, now: datetime) -> Timing:
    """When syncs run by these settings. Raises SettingsError for a market that cannot be used."""
    schedule = settings.schedule
    sessions = None
    if settings.market:
        sessions = tuple(load_market_calendar(settings.market).sessions(now, now + _AHEAD))
    if schedule.every:
        return Timing(schedule.every, sessions=sessions)
    return Timing(schedule.shortest_interval(), schedule.minutes_of_day(), sessions)


def make_plan(name: str, settings: Settings, question: Question, now: datetime, folder: Path) -> ProviderPlan | None:
    """What comes of it at the provider of this name; None at one without limits. Raises SettingsError."""
    if name in _UNLIMITED:
        return None
    apis = {each: APIS[each](account) for each, account in settings.accounts.items()}
    if name not in apis:
        known = ", ".join([*_UNLIMITED, *apis])
        raise SettingsError(f"STOCKWIRE_PROVIDER: {name!r} is not a provider: use one of {known}")
    account, fare, count = settings.accounts[name], fare_of(apis[name], now), len(question.symbols)
    loads = {each: make_load(fare_of(api, now), count, question.timing) for each, api in apis.items() if each != name}
    fitting = (each for each, load in loads.items() if not find_exceeded(settings.accounts[each], load))
    return ProviderPlan(
        account=account,
        calls=fare.calls(count),
        outcome=forecast(account, fare, count, question.timing),
        spent_today=spent_today(HttpProvider(apis[name], account, folder), now),
        others={each: settings.accounts[each] for each in fitting},
    )


def fare_of(api: Api, now: datetime) -> Fare:
    """What its calls take along and cost, by the calls that it makes of one batch."""
    calls = api.quote_requests([f"S{number}" for number in range(api.batch_size)], now)
    return Fare(api.batch_size, api.credit_per_symbol, singly=len(calls) > 1)


def spent_today(provider: HttpProvider, now: datetime) -> int:
    """The credits that are spent since midnight UTC, of which no file is made."""
    if not (provider.folder / FILE).exists():
        return 0
    with open_state(provider.folder) as engine, reading(engine) as connection:
        spendings = read_usage(connection, provider.account_name)
    return sum(amount for at, amount in spendings if at >= midnight_of(now))
